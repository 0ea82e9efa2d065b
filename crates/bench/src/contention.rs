//! Whether clients that add to one large group wait for each other.
//!
//! The same users join the large group and, compared with it, a group of each client's own. In the
//! end the large group must have everybody: additions in parallel are where servers lose members.

use std::sync::Arc;

use anyhow::{Context, ensure};
use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    bodies,
    load::{self, Job, Turn, Until},
    options::Sizes,
    population::Population,
    report::{Report, Wanted},
};

const CLIENTS: usize = 16;

pub(crate) async fn run(
    users: &Population,
    group: &Arc<str>,
    sizes: Sizes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut client = users.connector.connect();
    let mut own = Vec::new();
    for number in 0..CLIENTS {
        let response = client.send(bodies::create_group(&format!("Own {number}"))).await?;
        own.push(load::id(&response)?);
    }
    let (until, begin) = (Until::Requests(sizes.additions), sizes.members);

    let (ids, target) = (Arc::clone(&users.ids), Arc::clone(group));
    let add = move |turn: Turn| bodies::add_member(&target, &ids[begin + turn.number]);
    let one = load::run(&users.connector, CLIENTS, until, add).await?;
    report.rate(format!("{CLIENTS} clients add to one group of {begin}"), &one);

    let ids = Arc::clone(&users.ids);
    let add =
        move |turn: Turn| bodies::add_member(&own[turn.connection], &ids[begin + turn.number]);
    let many = load::run(&users.connector, CLIENTS, until, add).await?;
    report.rate(format!("{CLIENTS} clients add to a group each"), &many);

    let ratio = one.rate() / many.rate();
    report.budget("one group against a group each", ratio, Wanted::AtLeast(0.5));

    let get = Job::new(Method::GET, format!("/Groups/{group}"), Bytes::new(), &[200]);
    let response = client.send(get).await?;
    let group: Group = serde_json::from_slice(&response.body).context("reading the group")?;
    let (members, joined) = (group.members.len(), begin + sizes.additions);
    ensure!(members == joined, "the group has {members} members, and {joined} joined it");
    Ok(())
}

#[derive(Deserialize)]
struct Group {
    members: Vec<IgnoredAny>,
}
