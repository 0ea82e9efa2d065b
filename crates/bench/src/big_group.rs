//! Whether a group takes its last member as fast as its first.
//!
//! Every addition is a request of its own. The first and the last ones go over one connection and
//! are compared; those between go over many, to come to the end.

use std::sync::Arc;

use crate::{
    bodies,
    load::{self, Measured, Turn, Until},
    options::Sizes,
    population::Population,
    process::precise,
    report::{Report, Wanted},
};

/// How many additions are compared, unless the group is too small for it.
const SAMPLE: usize = 1_000;

/// Grows a group to its full size and returns its id.
pub(crate) async fn run(
    users: &Population,
    sizes: Sizes,
    report: &mut Report,
) -> anyhow::Result<Arc<str>> {
    let response = users.connector.connect().send(bodies::create_group("Large")).await?;
    let group: Arc<str> = load::id(&response)?.into();
    let sample = SAMPLE.min(sizes.members / 3);
    let between = sizes.members - 2 * sample;

    let first = grow(users, &group, 0, sample, 1).await?;
    report.rate(format!("add the first {sample} members, 1 connection"), &first);
    let rest = grow(users, &group, sample, between, 64).await?;
    report.rate(format!("add {between} members, 64 connections"), &rest);
    let last = grow(users, &group, sample + between, sample, 1).await?;
    report.rate(format!("add the last {sample} members, 1 connection"), &last);
    let ratio = last.seconds / first.seconds;
    let what =
        format!("time of the last {sample} of {} additions against the first", sizes.members);
    report.budget(what, ratio, Wanted::AtMost(1.5));
    let p50 = precise(last.latencies.value_at_quantile(0.5)) / 1_000.0;
    report.budget("ms to add one of them, 1 connection (p50)", p50, Wanted::AtMost(1.0));
    Ok(group)
}

async fn grow(
    users: &Population,
    group: &Arc<str>,
    begin: usize,
    count: usize,
    connections: usize,
) -> anyhow::Result<Measured> {
    let (ids, group) = (Arc::clone(&users.ids), Arc::clone(group));
    let add = move |turn: Turn| bodies::add_member(&group, &ids[begin + turn.number]);
    load::run(&users.connector, connections, Until::Requests(count), add).await
}
