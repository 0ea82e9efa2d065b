//! How many users are created and changed per second, each answer after the change is durable.

use std::sync::Arc;

use crate::{
    Sizes, bodies,
    load::{self, Connector},
    report::Report,
};

/// The numbers of connections that are measured.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

pub(crate) async fn run(
    connector: &Connector,
    sizes: Sizes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut first = 0;
    for connections in CONNECTIONS {
        let begin = first;
        let create = move |turn: load::Turn| bodies::create_user(begin + turn.number);
        let created = load::run(connector, connections, sizes.until(), create).await?;
        report.rate(format!("create users, {connections} connections"), &created);
        // A worker that found the time over had taken a number as well.
        first += created.ids.len() + connections;

        let ids: Arc<[String]> = created.ids.into();
        let change = move |turn: load::Turn| {
            bodies::patch_user(&ids[turn.number % ids.len()], begin + turn.number)
        };
        let changed = load::run(connector, connections, sizes.until(), change).await?;
        report.rate(format!("PATCH users, {connections} connections"), &changed);
    }
    Ok(())
}
