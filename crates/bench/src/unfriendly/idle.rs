//! Very many connections that have had an answer and rest.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;

use super::{
    scene::{BUDGET, Scene},
    wire,
};
use crate::{
    bodies,
    process::precise_len,
    report::{Report, thousands},
};

/// How many files this program needs for anything else, and the server as well.
const FILES_KEPT: usize = 1_000;

/// How many of them are made at a time.
const AT_ONCE: usize = 64;

pub(super) async fn run(scene: &mut Scene, report: &mut Report) -> anyhow::Result<()> {
    let files = raise().saturating_sub(FILES_KEPT);
    let (count, one) = (scene.sizes.idle.min(files), scene.one.clone());
    if count < scene.sizes.idle {
        let figure = format!("{count} of {}", scene.sizes.idle);
        report.note("idle connections that the system allows", figure);
    }
    let (rest, memory) = (scene.rest().await?, scene.memory()?);
    let (mut made, mut resting) = (JoinSet::new(), Vec::with_capacity(count));
    for number in 0..count {
        if made.len() >= AT_ONCE {
            resting.push(made.join_next().await.context("nobody connects")???);
        }
        let (connector, id) = (one.connector.clone(), one.ids[number % one.ids.len()].clone());
        made.spawn(async move {
            let mut stream = wire::connect(&connector, false).await?;
            wire::exchange(&mut stream, &connector, &bodies::get_user(&id)).await?;
            anyhow::Ok(stream)
        });
    }
    while let Some(stream) = made.join_next().await {
        resting.push(stream??);
    }
    let beside = scene.meanwhile().await?;
    let what = format!("{} connections rest", thousands(precise_len(count)));
    scene.compare(&what, (&beside, &rest), Some(BUDGET), report)?;
    scene.memory_row(&what, memory, count, report)?;
    // All of them were there until now.
    for stream in &mut resting {
        let get = bodies::get_user(&one.ids[0]);
        wire::exchange(stream, &one.connector, &get)
            .await
            .context("a connection has not lasted")?;
    }
    Ok(())
}

/// Takes all the files for this process that it may have; returns how many that is.
fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, ..limit };
    let files =
        if setrlimit(Resource::Nofile, most).is_ok() { limit.maximum } else { limit.current };
    files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}
