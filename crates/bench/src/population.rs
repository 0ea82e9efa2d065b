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
    /// The number of the first one, which its name is made of.
    first: usize,
    /// The ids of the users, from the first one on.
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
        Self::create_from(connector, (0, users), 64).await
    }

    /// Creates users from a number on, over some connections.
    pub(crate) async fn create_from(
        connector: Connector,
        (first, users): (usize, usize),
        connections: usize,
    ) -> anyhow::Result<(Self, Measured)> {
        let create = move |turn: Turn| bodies::create_user(first + turn.number);
        let measured = load::run(&connector, connections, Until::Requests(users), create).await?;
        let ids = measured.ids.clone().into();
        Ok((Self { connector, first, ids, titles: Arc::default() }, measured))
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
        Arc::new(move |number| bodies::find_user(users.first + users.scattered(number)))
    }

    /// Changes of users, each to a title that nobody had before.
    pub(crate) fn changes(&self) -> Jobs {
        let users = self.clone();
        Arc::new(move |number| {
            let title = users.titles.fetch_add(1, Ordering::Relaxed);
            bodies::patch_user(&users.ids[users.scattered(number)], title)
        })
    }

    /// What an identity provider sends that has little to do: of four requests two lookups, a read and a
    /// change.
    pub(crate) fn little(&self) -> Jobs {
        let (lookups, reads, changes) = (self.lookups(), self.reads(), self.changes());
        Arc::new(move |number: usize| match number % 4 {
            1 => reads(number / 4),
            3 => changes(number / 4),
            _ => lookups(number / 2),
        })
    }

    /// Which user a request of this number is about: all of them, one after the other, scattered.
    pub(crate) fn scattered(&self, number: usize) -> usize {
        number.wrapping_mul(STRIDE) % self.ids.len()
    }
}
