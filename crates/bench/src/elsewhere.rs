//! Load that would come from another machine, if there were one.
//!
//! An identity provider that sends as fast as it is answered, and an MDM service, take of the machine what they
//! take wherever they run. Here they share it with the server, and with those who measure what others
//! notice. So they are threads that stand back behind all others, and get what time these leave.

use std::thread;

use anyhow::Context;
use rustix::process::setpriority_process;
use tokio::{runtime::Builder, sync::oneshot};

use crate::load::{self, Connector, Job, Measured, Turn, Until};

/// How far: as far as there is.
const NICE: i32 = 19;

/// The thread that calls it, and those that it starts from then on, stand back.
///
/// # Source
/// setpriority(2), "C library/kernel differences": on Linux a priority is one of a thread (2026-11-26).
pub(crate) fn stand_back() -> anyhow::Result<()> {
    setpriority_process(None, NICE).context("standing back")
}

/// Does what [`load::run`] does, standing back.
pub(crate) async fn run(
    connector: &Connector,
    connections: usize,
    until: Until,
    next: impl Fn(Turn) -> Job + Send + Sync + 'static,
) -> anyhow::Result<Measured> {
    let connector = connector.clone();
    let (done, measured) = oneshot::channel();
    let send = move || {
        stand_back()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(load::run(&connector, connections, until, next))
    };
    // Nobody to hear of it any more is no error.
    thread::spawn(move || drop(done.send(send())));
    measured.await.context("sending from elsewhere")?
}
