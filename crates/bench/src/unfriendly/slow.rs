//! Clients that send a body a byte at a time, and clients that read an answer so.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    scene::{BUDGET, Scene},
    wire,
};
use crate::{bodies::PAGE_SIZE, load::Job, report::Report};

/// How often each of them sends or takes a byte. A change has more bytes than measurements take times
/// this.
const EVERY: Duration = Duration::from_millis(250);

pub(super) async fn run(scene: &mut Scene, report: &mut Report) -> anyhow::Result<()> {
    senders(scene, report).await?;
    readers(scene, report).await
}

/// A request that is being sent.
struct Sending {
    stream: TcpStream,
    left: Bytes,
}

async fn senders(scene: &mut Scene, report: &mut Report) -> anyhow::Result<()> {
    let (count, one) = (scene.sizes.slow, scene.one.clone());
    let (rest, memory) = (scene.rest().await?, scene.memory()?);
    let changes = one.changes();
    let mut sending = Vec::with_capacity(count);
    for number in 0..count {
        let request = Bytes::from(one.connector.written(&changes(number)));
        let head = wire::split(&request).map_or(0, |(head, _)| head.len());
        let mut stream = wire::connect(&one.connector, false).await?;
        stream.write_all(&request[..head]).await?;
        sending.push(Sending { stream, left: request.slice(head..) });
    }
    let what = format!("{count} clients send a byte every {} ms", EVERY.as_millis());
    let work = each(&mut sending, scene.sizes.time, |it| {
        // What the system does not take now, it takes the next time.
        let sent = it.stream.try_write(&it.left[..it.left.len().min(1)]).unwrap_or(0);
        it.left = it.left.slice(sent..);
    });
    let (beside, ()) = scene.beside(work).await?;
    scene.compare(&what, (&beside, &rest), Some(BUDGET), report)?;
    scene.memory_row(&what, memory, count, report)?;
    // Whoever is slow is answered all the same.
    for mut it in sending {
        it.stream.write_all(&it.left).await?;
        wire::answer(&mut it.stream, &[200]).await?;
    }
    Ok(())
}

async fn readers(scene: &mut Scene, report: &mut Report) -> anyhow::Result<()> {
    let (count, one) = (scene.sizes.slow, scene.one.clone());
    let (rest, memory) = (scene.rest().await?, scene.memory()?);
    let path = format!("/Users?count={PAGE_SIZE}");
    let page = one.connector.written(&Job::new(Method::GET, path, Bytes::new(), &[200]));
    let mut reading = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = wire::connect(&one.connector, true).await?;
        stream.write_all(&page).await?;
        reading.push(stream);
    }
    for stream in &reading {
        stream.readable().await?; // Its answer is there.
    }
    let what = format!("{count} clients read a byte every {} ms", EVERY.as_millis());
    let work = each(&mut reading, scene.sizes.time, |stream| {
        // Whether there was one does not matter.
        let _ = stream.try_read(&mut [0]);
    });
    let (beside, ()) = scene.beside(work).await?;
    scene.compare(&what, (&beside, &rest), Some(BUDGET), report)?;
    scene.memory_row(&what, memory, count, report)
}

/// Does something with each of several things, again and again, for a while.
async fn each<T>(
    things: &mut [T],
    time: Duration,
    mut act: impl FnMut(&mut T),
) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < end {
        ticks.tick().await;
        things.iter_mut().for_each(&mut act);
    }
    Ok(())
}
