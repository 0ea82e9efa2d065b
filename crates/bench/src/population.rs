//! A workspace with users in it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    bodies,
    load::{self, Connector, Jobs, Measured, Turn, Until},
    server::Server,
};

/// A step that visits the users in no order a cache could guess: a prime.
const STRIDE: usize = 7_919;

/// Users, and the connector that made them.
#[derive(Clone)]
pub(crate) struct Population {
    pub(crate) connector: Connector,
    /// The ids of the users, by their numbers.
    pub(crate) ids: Arc<[String]>,
    /// How many titles were given so far.
    titles: Arc<AtomicUsize>,
}

impl Population {
    /// Creates users over 64 connections.
    pub(crate) async fn create(
        connector: Connector,
        users: usize,
    ) -> anyhow::Result<(Self, Measured)> {
        let create = |turn: Turn| bodies::create_user(turn.number);
        let measured = load::run(&connector, 64, Until::Requests(users), create).await?;
        let ids = measured.ids.clone().into();
        Ok((Self { connector, ids, titles: Arc::default() }, measured))
    }

    /// The same users on a server that was started again.
    pub(crate) fn on(self, server: &Server) -> Self {
        Self { connector: server.again(&self.connector), ..self }
    }

    /// Reads of users by their ids.
    pub(crate) fn reads(&self) -> Jobs {
        let users = self.clone();
        Arc::new(move |number| bodies::get_user(&users.ids[users.scattered(number)]))
    }

    /// Lookups of users by their userNames.
    pub(crate) fn lookups(&self) -> Jobs {
        let users = self.clone();
        Arc::new(move |number| bodies::find_user(users.scattered(number)))
    }

    /// Changes of users, each to a title that nobody had before.
    pub(crate) fn changes(&self) -> Jobs {
        let users = self.clone();
        Arc::new(move |number| {
            let title = users.titles.fetch_add(1, Ordering::Relaxed);
            bodies::patch_user(&users.ids[users.scattered(number)], title)
        })
    }

    /// Which user a request of this number is about: all of them, one after the other, scattered.
    fn scattered(&self, number: usize) -> usize {
        number.wrapping_mul(STRIDE) % self.ids.len()
    }
}
