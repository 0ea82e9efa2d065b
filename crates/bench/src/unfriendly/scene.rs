//! Everybody who plays a part: the one who is not friendly, and all others.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    load::{self, Jobs, Turn, Until},
    open::{Arrived, Crowd},
    options::Sizes,
    population::Population,
    process::{precise, precise_len},
    report::{Report, Wanted, latency, mib, ms, thousands},
    server::Server,
};

/// The workspace of the one who is not friendly, and of half of all others.
const SHARED: &str = "shared";

/// How many connectors each of the other workspaces has.
const CONNECTORS_EACH: usize = 5;

/// How many people each of the others has.
const PEOPLE_EACH: usize = 50;

/// How many people the one has who is not friendly: more than a page, unless the run is a small one.
const PEOPLE_OF_ONE: usize = 2_000;

/// The most people of one connector, so that all have names of their own.
const NUMBERS_EACH: usize = 10_000;

/// Over so many connections each of the others sends.
const CONNECTIONS_EACH: usize = 2;

/// How many of the others are asked at once for what the server can do at most.
const ASKED_AT_ONCE: usize = 16;

/// How much longer 99 of 100 requests of others may take than at rest.
pub(super) const BUDGET: Wanted = Wanted::AtMost(2.0);

pub(super) struct Scene {
    pub(super) server: Server,
    /// The one who is not friendly.
    pub(super) one: Population,
    others: Crowd,
    /// How many of the others, from the first one on, are in the workspace of the one.
    neighbours: usize,
    /// How many requests of all others are due in a second.
    per_second: f64,
    pub(super) sizes: Sizes,
}

impl Scene {
    pub(super) async fn set(
        muster: &Path,
        sizes: Sizes,
        report: &mut Report,
    ) -> anyhow::Result<Self> {
        let server = Server::start(muster).await?;
        let neighbours = sizes.connectors / 2;
        let mut people = Vec::with_capacity(sizes.connectors);
        let rule = json!({ "on_create": "create" });
        for number in 0..=sizes.connectors {
            let (workspace, first) = place(number, neighbours);
            let connector = if first {
                server.connector_of(&workspace, "store", &rule).await?
            } else {
                let name = format!("idp-{number}");
                server.named_connector((&workspace, "store", &name), &rule).await?
            };
            let people_of_one = PEOPLE_OF_ONE.min(sizes.users.max(PEOPLE_EACH));
            let count = if number == 0 { people_of_one } else { PEOPLE_EACH };
            let numbers = (number * NUMBERS_EACH, count);
            people.push(Population::create_from(connector, numbers, 8).await?.0);
        }
        let one = people.remove(0);
        server.caught_up().await?;
        let capacity = capacity(&people, sizes.time).await?;
        let per_second = capacity * sizes.others_share;
        let figure = format!("{}/s", thousands(capacity));
        report.note(format!("requests of {} connectors at most", people.len()), figure);
        let others = people.iter().enumerate().map(|(index, people)| {
            let little = people.little();
            // Not all of them change something at the same time.
            let next: Jobs = Arc::new(move |number| little(number + index));
            (people.connector.clone(), next)
        });
        let others = Crowd::new(others, CONNECTIONS_EACH);
        let mut scene = Self { server, one, others, neighbours, per_second, sizes };
        let rest = scene.rest().await?; // Its connections are made now.
        let what = format!("others at rest, {} due a second", thousands(per_second));
        report.note(what, latency(&rest.measured()?.latencies));
        Ok(scene)
    }

    /// What the others find while nothing else goes on.
    pub(super) async fn rest(&mut self) -> anyhow::Result<Arrived> {
        self.server.caught_up().await?;
        self.others.during(self.per_second, self.sizes.time).await
    }

    /// What they find while something else goes on.
    pub(super) async fn beside<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(Arrived, T)> {
        self.others.beside(self.per_second, work).await
    }

    /// What they find for as long as measurements go, right after something has begun that goes on.
    pub(super) async fn meanwhile(&mut self) -> anyhow::Result<Arrived> {
        self.others.during(self.per_second, self.sizes.time).await
    }

    /// Adds how much longer the slowest requests of others take than at rest: of all, and of those in the
    /// same workspace.
    pub(super) fn compare(
        &self,
        what: &str,
        (beside, rest): (&Arrived, &Arrived),
        wanted: Option<Wanted>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (beside_all, rest_all) = (beside.measured()?, rest.measured()?);
        let (figure, at_rest) = (latency(&beside_all.latencies), rest_all.p99());
        let reference = format!("p99 {} ms at rest", ms(at_rest));
        let ratio = precise(beside_all.p99()) / precise(at_rest);
        report.ratio(format!("p99 of others while {what}"), (figure, reference), ratio, wanted);
        let neighbours = |arrived: &Arrived| {
            let latencies = arrived.latencies(|sample| sample.client < self.neighbours);
            latencies.value_at_quantile(0.99)
        };
        let [figure, at_rest] = [beside, rest].map(neighbours);
        let ratio = precise(figure) / precise(at_rest);
        let figures = (format!("p99 {} ms", ms(figure)), format!("p99 {} ms at rest", ms(at_rest)));
        report.ratio("of those in the same workspace", figures, ratio, None);
        Ok(())
    }

    /// The server's memory, in MiB.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        Ok(self.server.process().memory_mib()?.0)
    }

    /// Adds what something that goes on takes of memory.
    pub(super) fn memory_row(
        &self,
        what: &str,
        before: u64,
        connections: usize,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (now, _) = self.server.process().memory_mib()?;
        let each = precise(now.saturating_sub(before) << 10) / precise_len(connections.max(1));
        let figure = format!("{}, {each:.0} KiB each", mib(now));
        let ratio = precise(now) / precise(before);
        report.ratio(format!("memory with {what}"), (figure, mib(before)), ratio, None);
        Ok(())
    }
}

/// The workspace of a connector, and whether it is the first one there. The one who is not friendly has
/// the number 0.
fn place(number: usize, neighbours: usize) -> (String, bool) {
    if number <= neighbours {
        return (SHARED.to_owned(), number == 0);
    }
    let number = number - neighbours - 1;
    let workspace = format!("workspace-{}", number / CONNECTORS_EACH);
    (workspace, number.is_multiple_of(CONNECTORS_EACH))
}

/// How many requests some of the others are answered in a second when each waits for the last answer.
async fn capacity(people: &[Population], time: Duration) -> anyhow::Result<f64> {
    let (mut clients, mut rate) = (JoinSet::new(), 0.0);
    for people in people.iter().step_by((people.len() / ASKED_AT_ONCE).max(1)) {
        let (connector, little) = (people.connector.clone(), people.little());
        let next = move |turn: Turn| little(turn.number);
        clients.spawn(async move { load::run(&connector, 4, Until::Time(time), next).await });
    }
    while let Some(client) = clients.join_next().await {
        rate += client.context("waiting for a client")??.rate();
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_others_are_in_the_workspace_of_the_one() {
        let places: Vec<_> = (0..=14).map(|number| place(number, 4)).collect();
        let count = |name: &str| places.iter().filter(|(workspace, _)| workspace == name).count();
        assert_eq!((count(SHARED), count("workspace-0"), count("workspace-1")), (5, 5, 5));
        assert_eq!(places.iter().filter(|(_, first)| *first).count(), 3);
    }
}
