//! Copies of a log: they grow, they are logs, and what does not fit is not in them.

use std::path::Path;

use event_log::backup::{self, Claims, Copied, Copying, Uncopied, Upto};
use event_log::{
    Checkpoint, Commit, EventLog, Meta, OpenError, Seal, SqliteLog, SqliteOptions, Verdict,
    WorkspaceId,
};
use rusqlite::Connection;

use crate::support::*;
use crate::{dir, open, try_open, verdict};

/// Copies the log and the keys, and checks what was added.
fn copy(from: &Path, into: &Path, upto: &[Upto]) -> Result<Vec<Copied>, Uncopied> {
    let copying = Copying::open(from, into)?;
    let copied = copying.copy(upto, &mut |_, _| ())?;
    for part in &copied {
        copying.check(part)?;
    }
    copying.finish()?;
    backup::keys(from, into)?;
    Ok(copied)
}

fn all(names: &[&str]) -> Vec<Upto> {
    names.iter().map(|name| (workspace(name), None)).collect()
}

async fn user_event(log: &SqliteLog, workspace: &WorkspaceId, number: u128, version: u64) {
    let sealed = Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
    store(log, workspace, &user(number), version, sealed).await;
}

#[tokio::test]
async fn a_copy_grows_with_its_log_and_is_one() {
    let (from, into) = (dir(), dir());
    let (acme, other) = (workspace("acme"), workspace("other"));
    let log = open(from.path());
    for round in 0..3 {
        for number in 1..=400 {
            user_event(&log, &acme, number, round).await;
        }
        store(&*log, &other, &user(1), round * 3, commit(&["a", "b", "c"])).await;
        let copied = copy(from.path(), into.path(), &all(&["acme", "other"])).unwrap();
        let sizes: Vec<_> = copied.iter().map(|it| (it.before(), it.head.size)).collect();
        assert_eq!(sizes, [(round * 400, round * 400 + 400), (round * 3, round * 3 + 3)]);
    }
    assert!(!into.path().join("log.db-wal").exists(), "all of it is in one file");
    log.erase(erasure(&acme, 1)).await.unwrap();
    backup::keys(from.path(), into.path()).unwrap();

    let copy = open(into.path());
    for workspace in [&acme, &other] {
        assert_eq!(copy.tree(workspace).await.unwrap(), log.tree(workspace).await.unwrap());
        assert_eq!(
            verdict(&copy, workspace).await,
            Verdict::Sound(copy.tree(workspace).await.unwrap())
        );
        let read = |log| EventLog::read(log, workspace, 0, 9_999);
        assert_eq!(read(&*copy).await.unwrap(), read(&*log).await.unwrap());
    }
    // It goes on where it ends, under the keys that streams had.
    user_event(&copy, &acme, 2, 3).await;
    let key = |events: Vec<event_log::StoredEvent>| events.last().unwrap().key;
    let before = log.read_stream(&acme, &user(2), 0, 9).await.unwrap();
    assert_eq!(key(copy.read_stream(&acme, &user(2), 0, 9).await.unwrap()), key(before));
}

#[tokio::test]
async fn a_copy_ends_with_a_whole_commit_and_policies_look_again_at_what_they_have_lost() {
    let (from, acme) = (dir(), workspace("acme"));
    let log = open(from.path());
    store(&*log, &acme, &user(1), 0, commit(&["1", "2"])).await;
    store(&*log, &acme, &user(2), 0, commit(&["3", "4", "5"])).await;
    let follows = |causation| Commit {
        meta: Meta { causation: Some(causation), ..meta("r-2") },
        checkpoint: Some(Checkpoint { name: "policies".into(), position: 5 }),
        ..commit(&["6"])
    };
    store(&*log, &acme, &user(3), 0, follows(2)).await;
    for (upto, size, checkpoint) in
        [(1, 0, 0), (2, 2, 1), (4, 2, 1), (5, 5, 1), (6, 6, 5), (9, 6, 5)]
    {
        let into = dir();
        let copied = copy(from.path(), into.path(), &[(acme.clone(), Some(upto))]).unwrap();
        assert_eq!(copied[0].head.size, size, "{upto}");
        let copy = open(into.path());
        assert_eq!(copy.head(&acme), size);
        assert_eq!(copy.checkpoint(&acme, "policies").await.unwrap(), checkpoint, "{upto}");
    }
}

#[tokio::test]
async fn a_copy_that_was_cut_off_is_a_beginning_and_another_history_is_refused() {
    let (from, into, acme) = (dir(), dir(), workspace("acme"));
    let log = open(from.path());
    for number in 1..=9 {
        user_event(&log, &acme, number, 0).await;
    }
    copy(from.path(), into.path(), &[(acme.clone(), Some(5))]).unwrap();
    copy(from.path(), into.path(), &all(&["acme"])).unwrap();
    assert_eq!(open(into.path()).tree(&acme).await.unwrap(), log.tree(&acme).await.unwrap());

    // Set back to an earlier point, the log goes on in another way.
    let (back, copies) = (dir(), dir());
    copy(from.path(), back.path(), &[(acme.clone(), Some(5))]).unwrap();
    let log = open(back.path());
    user_event(&log, &acme, 77, 0).await;
    let refused = copy(back.path(), into.path(), &all(&["acme"]));
    assert!(matches!(refused, Err(Uncopied::OtherHistory(it)) if it == acme));
    copy(back.path(), copies.path(), &all(&["acme"])).unwrap();

    let stranger = dir();
    open(stranger.path());
    let refused = copy(stranger.path(), into.path(), &[]);
    assert!(matches!(refused, Err(Uncopied::OtherInstallation)));
}

#[tokio::test]
async fn what_was_changed_in_the_log_does_not_come_into_a_copy() {
    let (from, into, acme) = (dir(), dir(), workspace("acme"));
    let log = open(from.path());
    for number in 1..=5 {
        user_event(&log, &acme, number, 0).await;
    }
    drop(log);
    let conn = Connection::open(from.path().join("log.db")).unwrap();
    conn.execute_batch(
        "DROP TRIGGER events_are_not_updated; UPDATE events SET name = 'odd' WHERE position = 4;",
    )
    .unwrap();
    drop(conn);
    let refused = copy(from.path(), into.path(), &all(&["acme"]));
    let Err(Uncopied::Broken { fault, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(fault.position, Some(4));
}

#[tokio::test]
async fn claims_are_made_anew_and_a_key_that_is_missing_is_named() {
    let (from, into, acme) = (dir(), dir(), workspace("acme"));
    let log = open(from.path());
    let claims = vec![take("ada")];
    let sealed = Commit { events: vec![event("Ada", Seal::Stream)], claims, ..commit(&[]) };
    store(&*log, &acme, &user(1), 0, sealed).await;
    copy(from.path(), into.path(), &all(&["acme"])).unwrap();
    let missing =
        |keys: &Path| backup::first_missing_key(into.path(), keys, None, (&acme, 0)).unwrap();
    assert_eq!(missing(into.path()), None);

    let mut made = Claims::open(into.path(), None).unwrap();
    let mut asked = Vec::new();
    let mut held = |stream: &event_log::StreamId, events: Vec<event_log::StoredEvent>| {
        asked.push((stream.clone(), events.len()));
        Ok(vec![claim("ada")])
    };
    made.make(&acme, &mut held, &mut |_, _| ()).unwrap();
    made.close();
    assert_eq!(asked, [(user(1), 1)]);
    let copied = open(into.path());
    assert_eq!(copied.claim_holder(&acme, &claim("ada")).await.unwrap(), Some(user(1)));
    drop(copied);

    let conn = Connection::open(into.path().join("keys.db")).unwrap();
    conn.execute_batch("DELETE FROM keys WHERE no = 1").unwrap();
    drop(conn);
    assert_eq!(missing(into.path()), Some(1));
}

#[tokio::test]
async fn a_directory_with_half_a_restore_in_it_does_not_open() {
    let dir = dir();
    std::fs::write(backup::mark(dir.path()), "").unwrap();
    let refused = try_open(SqliteOptions::new(dir.path()));
    assert!(matches!(refused, Err(OpenError::HalfRestored(it)) if it == dir.path()));
    try_open(SqliteOptions { unfinished: true, ..SqliteOptions::new(dir.path()) }).unwrap();
}
