//! Requests that are given up in the middle: after half of what was to be sent, or before the answer.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    scene::{BUDGET, Scene},
    wire,
};
use crate::{load::Connector, report::Report};

/// How many clients give up in a second.
const PER_SECOND: u32 = 400;

/// In how many ways they do so: the head is cut, the body is cut, the answer is not waited for.
const WAYS: usize = 3;

pub(super) async fn run(scene: &mut Scene, report: &mut Report) -> anyhow::Result<()> {
    let (rest, memory) = (scene.rest().await?, scene.memory()?);
    let (connector, changes) = (scene.one.connector.clone(), scene.one.changes());
    let time = scene.sizes.time;
    let work = async {
        let (end, mut given_up) = (Instant::now() + time, JoinSet::new());
        let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number = 0;
        while Instant::now() < end {
            ticks.tick().await;
            let request = Arc::new(connector.written(&changes(number)));
            given_up.spawn(give_up(connector.clone(), request, number % WAYS));
            number += 1;
        }
        while let Some(ended) = given_up.join_next().await {
            ended??;
        }
        Ok(number)
    };
    let (beside, count) = scene.beside(work).await?;
    let what = format!("{PER_SECOND} clients a second hang up");
    scene.compare(&what, (&beside, &rest), Some(BUDGET), report)?;
    scene.memory_row(&format!("{count} clients gone"), memory, count, report)
}

/// Sends a part of a request, or all of it, and hangs up.
async fn give_up(connector: Connector, request: Arc<Vec<u8>>, way: usize) -> anyhow::Result<()> {
    let head = wire::split(&request).map_or(0, |(head, _)| head.len());
    let end = match way {
        0 => head / 2,
        1 => usize::midpoint(head, request.len()),
        _ => request.len(),
    };
    let mut stream = wire::connect(&connector, false).await?;
    Ok(stream.write_all(&request[..end]).await?)
}
