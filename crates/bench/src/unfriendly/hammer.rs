//! A connector that sends as fast as it is answered, over many connections.
//!
//! It is a process of its own, this program once more: what it allocates and how far it stands back must not
//! hold up those who measure.

use std::{
    io::Read,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use hyper::Method;
use serde::{Deserialize, Serialize};
use simulate::{client::Target, summary::rate};
use tempfile::TempDir;
use tokio::{process::Command, runtime::Builder, task::JoinSet};

use super::scene::{BUDGET, Scene};
use crate::{
    bodies::{self, PAGE_SIZE},
    elsewhere,
    load::{Client, Connector, Job, Jobs},
    reference::{Answers, Reference},
    report::{Report, thousands},
};

/// What the server may say to somebody who hammers: that it is done, or that too many wait.
const ACCEPTED: &[u16] = &[200, 204, 503];

/// What is sent, and to whom.
#[derive(Args)]
pub(crate) struct Options {
    /// The Base URL of a connector.
    base: String,
    /// Its token.
    token: String,
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    what: What,
    /// A file with the ids of the people whom it is about, one in each line.
    #[arg(long)]
    ids: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    Reads,
    Changes,
    Pages,
    Filters,
}

impl What {
    fn shown(self) -> String {
        match self {
            Self::Reads => "reads".to_owned(),
            Self::Changes => "changes".to_owned(),
            Self::Pages => format!("pages of {PAGE_SIZE}"),
            Self::Filters => "filters that no index answers".to_owned(),
        }
    }

    fn jobs(self, ids: Vec<String>) -> Jobs {
        let page = format!("/Users?count={PAGE_SIZE}");
        Arc::new(move |number: usize| {
            let id = &ids[number % ids.len()];
            match self {
                Self::Reads => bodies::get_user(id),
                Self::Changes => bodies::patch_user(id, number),
                Self::Pages => Job::new(Method::GET, page.clone(), Bytes::new(), ACCEPTED),
                Self::Filters => bodies::find_title(number),
            }
        })
    }
}

pub(super) async fn run(scene: &mut Scene, report: &mut Report) -> anyhow::Result<()> {
    let one = scene.one.connector.clone();
    let reference = Reference::constant(&Answers::of(&one).await?).await?;
    let other = ("another server", &reference.connector);
    for ((whom, connector), what, wanted) in [
        (other, What::Reads, None),
        (("this one", &one), What::Reads, Some(BUDGET)),
        (("this one", &one), What::Changes, Some(BUDGET)),
        (("this one", &one), What::Pages, Some(BUDGET)),
        (("this one", &one), What::Filters, Some(BUDGET)),
    ] {
        let rest = scene.rest().await?;
        let hammer = Hammer::begin(scene, connector, what)?;
        let beside = scene.meanwhile().await?;
        let hammered = hammer.end().await?;
        let (shown, connections) = (what.shown(), scene.sizes.hammering);
        let what = format!("one hammers at {whom}, {shown}, {connections} connections");
        scene.compare(&what, (&beside, &rest), wanted, report)?;
        let per_second = |count| thousands(rate(count, hammered.seconds));
        let (answered, turned_away) =
            (per_second(hammered.answered), per_second(hammered.turned_away));
        let figure = format!("{answered}/s, and {turned_away}/s turned away");
        report.note("what the one is answered", figure);
    }
    Ok(())
}

/// The process that hammers.
struct Hammer {
    child: tokio::process::Child,
    /// Its list of people.
    _files: TempDir,
}

/// What came of it.
#[derive(Default, Serialize, Deserialize)]
struct Hammered {
    answered: u64,
    turned_away: u64,
    seconds: f64,
}

impl Hammer {
    fn begin(scene: &Scene, connector: &Connector, what: What) -> anyhow::Result<Self> {
        let files = TempDir::new().context("making a directory")?;
        let ids = files.path().join("ids");
        std::fs::write(&ids, scene.one.ids.join("\n")).context("writing ids")?;
        let (base, token) = connector.named()?;
        let (connections, shown) = (scene.sizes.hammering.to_string(), format!("{what:?}"));
        let this = std::env::current_exe().context("finding this program")?;
        let child = Command::new(this)
            .args(["hammer", &base, &token, "--connections", &connections])
            .args(["--what", &shown.to_lowercase(), "--ids"])
            .arg(&ids)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the one who hammers")?;
        Ok(Self { child, _files: files })
    }

    async fn end(mut self) -> anyhow::Result<Hammered> {
        drop(self.child.stdin.take());
        let output = self.child.wait_with_output().await.context("ending the one who hammers")?;
        ensure!(output.status.success(), "the one who hammers has failed");
        serde_json::from_slice(&output.stdout).context("reading what came of the hammering")
    }
}

/// Hammers until standard input ends; returns what came of it as JSON.
pub(crate) fn hammer(options: &Options) -> anyhow::Result<String> {
    elsewhere::stand_back()?;
    let connector = Connector::new(Target::parse(&options.base)?, &options.token)?;
    let ids = std::fs::read_to_string(&options.ids).context("reading ids")?;
    let next = options.what.jobs(ids.lines().map(str::to_owned).collect());
    let over = Arc::new(AtomicBool::new(false));
    let last = Arc::clone(&over);
    thread::spawn(move || {
        // However it ends, it has ended.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        last.store(true, Ordering::Relaxed);
    });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (began, sent) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut hammered = runtime.block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..options.connections {
            let (client, next) = (connector.connect(), Arc::clone(&next));
            let (sent, over) = (Arc::clone(&sent), Arc::clone(&over));
            clients.spawn(async move { strike(client, &*next, &sent, &over).await });
        }
        let mut hammered = Hammered::default();
        while let Some(client) = clients.join_next().await {
            let (answered, turned_away) = client.context("waiting for a client")??;
            hammered.answered += answered;
            hammered.turned_away += turned_away;
        }
        anyhow::Ok(hammered)
    })?;
    hammered.seconds = began.elapsed().as_secs_f64();
    Ok(serde_json::to_string(&hammered)?)
}

/// Sends one request after the other; returns how many were answered, and how many turned away.
async fn strike(
    mut client: Client,
    next: &(dyn Fn(usize) -> Job + Send + Sync),
    sent: &AtomicUsize,
    over: &AtomicBool,
) -> anyhow::Result<(u64, u64)> {
    let (mut answered, mut turned_away) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let job = Job { accepted: ACCEPTED, ..next(sent.fetch_add(1, Ordering::Relaxed)) };
        if client.send(job).await?.status == 503 {
            turned_away += 1;
        } else {
            answered += 1;
        }
    }
    Ok((answered, turned_away))
}
