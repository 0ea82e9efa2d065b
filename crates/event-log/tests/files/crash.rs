//! The process is killed, or its disk refuses: what was acknowledged is there afterwards.
//!
//! A test starts this program again as a child that runs the test [`child`] alone, and reads from
//! its output what the child was told is stored.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use event_log::{
    AppendError, Commit, EventLog, Payload, Seal, SqliteLog, SqliteOptions, SystemClock, Verdict,
    WorkspaceId,
};
use tempfile::TempDir;

use crate::support::*;

/// Names the data directory to the child.
const DIR: &str = "EVENT_LOG_CRASH_DIR";

/// Tells children apart, so that each writes streams of its own.
const ROUND: &str = "EVENT_LOG_CRASH_ROUND";

/// What the child says when its log takes no more.
const READ_ONLY: &str = "read-only";

const WORKSPACES: [&str; 3] = ["one", "two", "three"];

fn open(dir: &Path) -> Arc<SqliteLog> {
    SqliteLog::open(SqliteOptions::new(dir), Arc::new(SystemClock)).unwrap()
}

/// Writes a whole line at once, past the harness that captures output.
fn say(line: &str) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// Not a test but the program that is killed: appends until it is, and says what was stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let round: u128 = std::env::var(ROUND).unwrap().parse().unwrap();
    let log = open(Path::new(&dir));
    let writers: Vec<_> = (0..12)
        .map(|writer| tokio::spawn(append_for_ever(Arc::clone(&log), round * 100 + writer)))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(log.stats().read_only);
    assert!(log.read(&workspace("one"), 0, 10).await.is_ok());
    say(READ_ONLY);
}

/// Appends to one stream after the other, until the log takes no more.
async fn append_for_ever(log: Arc<SqliteLog>, writer: u128) {
    for number in 0_u128.. {
        let stream = user(writer * 1_000_000 + number);
        let workspace = workspace(WORKSPACES[usize::try_from(number % 3).unwrap()]);
        for version in 0..2 {
            let events = vec![event(&format!("{stream} {version}"), Seal::Stream)];
            let claims = vec![take(&stream.to_string())];
            let commit = Commit { events, claims, ..commit(&[]) };
            match log.append(append(&workspace, &stream, version, vec![commit])).await {
                Ok(outcomes) => {
                    let stored = outcomes[0].receipt().unwrap();
                    say(&format!("{workspace} {} {stream} {version}", stored.last_position));
                }
                Err(AppendError::ReadOnly | AppendError::Failed(_)) => return,
                Err(other) => panic!("{other}"),
            }
        }
    }
}

/// What the children were told is stored: workspace and position to payload.
#[derive(Default)]
struct Acknowledged(HashMap<(WorkspaceId, u64), String>);

impl Acknowledged {
    fn note(&mut self, line: &str) -> bool {
        let Some((name, rest)) = line.split_once(' ') else { return false };
        if !WORKSPACES.contains(&name) {
            return false;
        }
        let Some((position, payload)) = rest.split_once(' ') else { return false };
        let place = (workspace(name), position.parse().unwrap());
        assert_eq!(self.0.insert(place, payload.to_owned()), None, "twice at one place: {line}");
        true
    }

    /// Everything is there, in order and sound.
    async fn check(&self, dir: &Path) {
        let log = open(dir);
        let mut found = 0;
        for name in WORKSPACES {
            let workspace = workspace(name);
            let events = log.read(&workspace, 0, usize::MAX).await.unwrap();
            assert!(events.iter().map(|event| event.position).eq(1..=log.head(&workspace)));
            for event in events {
                let said = format!("{} {}", event.stream, event.version - 1);
                if let Some(payload) = self.0.get(&(workspace.clone(), event.position)) {
                    assert_eq!(*payload, said);
                    found += 1;
                }
                let holder = log.claim_holder(&workspace, &claim(&event.stream.to_string())).await;
                assert_eq!(holder.unwrap(), Some(event.stream));
                assert_eq!(event.payload, Payload::Plain(said.into_bytes()));
            }
            let verdict = log.verify(&workspace, &mut |_, _| ()).await.unwrap();
            assert_eq!(verdict, Verdict::Sound(log.tree(&workspace).await.unwrap()));
        }
        assert_eq!(found, self.0.len());
    }
}

fn start(command: &mut Command, dir: &Path, round: u32) -> (Child, BufReader<ChildStdout>) {
    let mut child = command
        .args(["--exact", "crash::child", "--nocapture"])
        .env(DIR, dir)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 1..=6 {
        let (mut child, output) =
            start(&mut Command::new(std::env::current_exe().unwrap()), dir.path(), round);
        let mut seen = 0;
        for line in output.lines() {
            seen += u32::from(acknowledged.note(&line.unwrap()));
            if seen == 100 * round {
                // SIGKILL; what it has said by then is still read.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= 100 * round);
        acknowledged.check(dir.path()).await;
    }
}

/// The limit on the size of a file stands in for a full disk: the write fails.
#[cfg(unix)]
#[tokio::test]
async fn a_log_whose_disk_refuses_becomes_read_only_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" XFSZ; ulimit -f 2048; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap());
    let (mut child, output) = start(&mut command, dir.path(), 1);
    let mut acknowledged = Acknowledged::default();
    let mut read_only = false;
    for line in output.lines() {
        let line = line.unwrap();
        read_only |= line == READ_ONLY;
        acknowledged.note(&line);
    }
    assert!(child.wait().unwrap().success() && read_only);
    assert!(!acknowledged.0.is_empty());
    acknowledged.check(dir.path()).await;
}
