//! Load that is not friendly: a connector that sends as fast as it is answered, clients that send or
//! read a byte at a time, requests that are given up in the middle, very many connections that rest.
//!
//! Meanwhile everybody else sends what they always send, in an open loop; what counts is how much longer
//! 99 of 100 of their requests take than at rest. The one that hammers is a process of its own that stands back
//! behind all others, as if it were on another machine. What is left of its being on this one is seen by
//! letting it hammer at another server.

mod aborted;
mod hammer;
mod idle;
mod scene;
mod slow;
mod wire;

use std::path::Path;

pub(crate) use self::hammer::{Options as Hammering, hammer};
use self::scene::Scene;
use crate::{options::Sizes, report::Report};

pub(crate) async fn run(muster: &Path, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let mut scene = Box::pin(Scene::set(muster, sizes, report)).await?;
    hammer::run(&mut scene, report).await?;
    slow::run(&mut scene, report).await?;
    aborted::run(&mut scene, report).await?;
    idle::run(&mut scene, report).await
}
