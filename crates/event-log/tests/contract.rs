//! What every event log does, whatever it is stored in.
//!
//! One suite, written against the trait; `contract!` at the end runs it on each of them.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use event_log::{
    AppendError, Checkpoint, Commit, CommitOutcome, EventFilter, EventLog, Failure, ManualClock,
    Meta, Payload, Receipt, Seal, SqliteLog, SqliteOptions, StoredEvent, TreeHead, Verdict,
    verify_consistency, verify_inclusion,
};
use support::*;

/// An empty log whose clock stands at [`START`].
struct Fresh {
    log: Arc<dyn EventLog>,
    clock: Arc<ManualClock>,
}

const START: i64 = 1_000_000;

async fn positions_and_versions_are_dense(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    assert_eq!(log.head(&acme), 0);
    store(&*log, &acme, &user(1), 0, commit(&["a", "b"])).await;
    store(&*log, &acme, &user(2), 0, commit(&["c"])).await;
    store(&*log, &acme, &user(1), 2, commit(&["d"])).await;

    let events = log.read(&acme, 0, 100).await.unwrap();
    let places: Vec<_> =
        events.iter().map(|event| (event.position, event.stream.clone(), event.version)).collect();
    assert_eq!(places, [(1, user(1), 1), (2, user(1), 2), (3, user(2), 1), (4, user(1), 3)]);
    assert_eq!((log.head(&acme), log.heads()), (4, vec![(acme, 4)]));
}

async fn what_is_read_is_what_was_appended(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let meta = Meta {
        actor: "connector:okta/token:1".into(),
        request: Some("POST /Users".to_owned()),
        correlation: "r-77".to_owned(),
        causation: Some(3),
        rule: Some(r#"{"on_create":"create"}"#.to_owned()),
    };
    let events = [Seal::Open, Seal::Stream, Seal::Own].map(|seal| event("payload", seal)).to_vec();
    let all = Commit { meta: meta.clone(), events, ..commit(&[]) };
    store(&*log, &acme, &user(1), 0, all).await;

    let events = log.read(&acme, 0, 100).await.unwrap();
    for (event, position) in events.iter().zip(1..) {
        let expected = StoredEvent {
            workspace: acme.clone(),
            position,
            stream: user(1),
            version: position,
            name: "user.changed".into(),
            schema_version: 1,
            time: START,
            meta: Arc::new(meta.clone()),
            key: event.key,
            payload: Payload::Plain(b"payload".to_vec()),
        };
        assert_eq!(*event, expected);
    }
    let keys: Vec<_> = events.iter().map(|event| event.key).collect();
    assert!(keys[0].is_none() && keys[1].is_some() && keys[2].is_some() && keys[1] != keys[2]);
}

async fn a_receipt_names_the_place_and_the_time(Fresh { log, clock }: Fresh) {
    let acme = workspace("acme");
    store(&*log, &acme, &user(1), 0, commit(&["a"])).await;
    clock.advance(Duration::from_micros(5));
    let commits = vec![commit(&["b", "c"]), commit(&[]), commit(&["d"])];
    let outcomes = log.append(append(&acme, &user(2), 0, commits)).await.unwrap();
    let time = START + 5;
    let receipt = |first_position, last_position, version| {
        CommitOutcome::Stored(Receipt { first_position, last_position, version, time })
    };
    assert_eq!(outcomes, [receipt(2, 3, 2), receipt(3, 3, 2), receipt(4, 4, 3)]);
}

async fn an_append_on_another_version_conflicts(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let actual = async |expected_version| {
        let batch = append(&acme, &user(1), expected_version, vec![commit(&["x"])]);
        match log.append(batch).await {
            Err(AppendError::Conflict { actual }) => actual,
            other => panic!("no conflict: {other:?}"),
        }
    };
    assert_eq!(actual(1).await, 0);
    store(&*log, &acme, &user(1), 0, commit(&["a", "b"])).await;
    assert_eq!((actual(0).await, actual(1).await, actual(3).await), (2, 2, 2));
    assert_eq!(log.read(&acme, 0, 100).await.unwrap().len(), 2);
}

async fn the_same_stream_of_two_workspaces_is_two_streams(Fresh { log, .. }: Fresh) {
    let (acme, other) = (workspace("acme"), workspace("other"));
    store(&*log, &acme, &user(1), 0, Commit { claims: vec![take("ada")], ..commit(&["a"]) }).await;
    store(&*log, &other, &user(1), 0, Commit { claims: vec![take("ada")], ..commit(&["b"]) }).await;
    for (workspace, payload) in [(&acme, b"a"), (&other, b"b")] {
        let events = log.read_stream(workspace, &user(1), 0, 10).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].payload, Payload::Plain(payload.to_vec()));
    }
}

async fn reads_are_limited_and_start_after(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    store(&*log, &acme, &user(1), 0, commit(&["a", "b", "c"])).await;
    store(&*log, &acme, &user(2), 0, commit(&["d"])).await;
    store(&*log, &acme, &user(1), 3, commit(&["e"])).await;
    let read = async |after, limit| {
        let events = log.read(&acme, after, limit).await.unwrap();
        events.iter().map(|event| event.position).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 2).await, [1, 2]);
    assert_eq!(read(2, 2).await, [3, 4]);
    assert_eq!(read(4, 2).await, [5]);
    assert!(read(5, 2).await.is_empty());
    assert!(read(99, 2).await.is_empty());
    let stream = async |after, limit| {
        let events = log.read_stream(&acme, &user(1), after, limit).await.unwrap();
        events.iter().map(|event| (event.version, event.position)).collect::<Vec<_>>()
    };
    assert_eq!(stream(0, 2).await, [(1, 1), (2, 2)]);
    assert_eq!(stream(2, 9).await, [(3, 3), (4, 5)]);
    assert!(stream(4, 9).await.is_empty());
}

async fn what_does_not_exist_is_empty(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    assert!(log.read(&acme, 0, 10).await.unwrap().is_empty());
    assert!(log.read_stream(&acme, &user(1), 0, 10).await.unwrap().is_empty());
    assert_eq!(log.claim_holder(&acme, &claim("ada")).await.unwrap(), None);
    assert_eq!(log.checkpoint(&acme, "planner").await.unwrap(), 0);
    assert_eq!(log.tree(&acme).await.unwrap().size, 0);
    store(&*log, &acme, &user(1), 0, commit(&["a"])).await;
    assert!(log.read_stream(&acme, &user(2), 0, 10).await.unwrap().is_empty());
    assert_eq!(log.claim_holder(&acme, &claim("ada")).await.unwrap(), None);
    assert_eq!(log.checkpoint(&acme, "planner").await.unwrap(), 0);
}

async fn nothing_comes_after_a_position_that_there_can_never_be(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    store(&*log, &acme, &user(1), 0, commit(&["a"])).await;
    let by_user = EventFilter { stream: Some(user(1)), ..EventFilter::default() };
    for after in [1, 1 << 63, u64::MAX - 1, u64::MAX] {
        assert!(log.read(&acme, after, 9).await.unwrap().is_empty(), "{after}");
        assert!(log.read_stream(&acme, &user(1), after, 9).await.unwrap().is_empty(), "{after}");
        for filter in [&EventFilter::default(), &by_user] {
            assert!(log.find(&acme, filter, after, 9).await.unwrap().is_empty(), "{after}");
        }
    }
}

async fn a_claim_is_held_until_it_is_released(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let holder = async || log.claim_holder(&acme, &claim("ada")).await.unwrap();
    let claims = |changes| Commit { claims: changes, ..commit(&["x"]) };
    store(&*log, &acme, &user(1), 0, claims(vec![take("ada")])).await;
    assert_eq!(holder().await, Some(user(1)));
    // Taking it again is fine.
    store(&*log, &acme, &user(1), 1, claims(vec![take("ada"), take("countess")])).await;
    // Another stream can neither take nor release it.
    store(&*log, &acme, &user(2), 0, claims(vec![release("ada")])).await;
    assert_eq!(holder().await, Some(user(1)));
    let batch = append(&acme, &user(2), 1, vec![claims(vec![take("free"), take("ada")])]);
    let taken = CommitOutcome::ClaimTaken { claim: claim("ada"), holder: user(1) };
    assert_eq!(log.append(batch).await.unwrap(), [taken]);
    assert_eq!(log.claim_holder(&acme, &claim("free")).await.unwrap(), None);
    assert_eq!(log.head(&acme), 3);

    store(&*log, &acme, &user(1), 2, claims(vec![release("ada")])).await;
    store(&*log, &acme, &user(2), 1, claims(vec![take("ada")])).await;
    assert_eq!(holder().await, Some(user(2)));
}

async fn changes_of_claims_act_in_order(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let claims = |changes| Commit { claims: changes, ..commit(&[]) };
    store(&*log, &acme, &user(1), 0, claims(vec![take("a"), release("a")])).await;
    assert_eq!(log.claim_holder(&acme, &claim("a")).await.unwrap(), None);
    store(&*log, &acme, &user(1), 0, claims(vec![take("a"), release("a"), take("a")])).await;
    assert_eq!(log.claim_holder(&acme, &claim("a")).await.unwrap(), Some(user(1)));
}

async fn a_refused_commit_keeps_the_earlier_and_leaves_the_later(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let take_ada = || Commit { claims: vec![take("ada")], ..commit(&["taken"]) };
    store(&*log, &acme, &user(1), 0, take_ada()).await;
    let commits = vec![commit(&["b"]), take_ada(), commit(&["c"]), commit(&["d"])];
    let outcomes = log.append(append(&acme, &user(2), 0, commits)).await.unwrap();
    assert_eq!(outcomes[0].receipt().unwrap().version, 1);
    let taken = CommitOutcome::ClaimTaken { claim: claim("ada"), holder: user(1) };
    assert_eq!(outcomes[1..], [taken, CommitOutcome::NotTried, CommitOutcome::NotTried]);
    assert_eq!(log.head(&acme), 2);
    store(&*log, &acme, &user(2), 1, commit(&["c"])).await;
}

async fn a_refused_first_append_makes_no_stream(Fresh { log, .. }: Fresh) {
    let (acme, other) = (workspace("acme"), workspace("other"));
    let take_ada = || Commit { claims: vec![take("ada")], ..commit(&["x"]) };
    store(&*log, &acme, &user(1), 0, take_ada()).await;
    let refused = log.append(append(&acme, &user(2), 0, vec![take_ada()])).await.unwrap();
    assert_eq!(refused[0].receipt(), None);
    assert!(log.append(append(&other, &user(1), 7, vec![commit(&["x"])])).await.is_err());
    assert_eq!(log.heads(), [(acme.clone(), 1)]);
    store(&*log, &acme, &user(2), 0, commit(&["y"])).await;
}

async fn a_checkpoint_moves_with_its_append(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let moved = |position| {
        let checkpoint = Some(Checkpoint { name: "planner".into(), position });
        Commit { checkpoint, ..commit(&[]) }
    };
    let receipt = store(&*log, &acme, &user(1), 0, moved(7)).await;
    assert_eq!((receipt.first_position, receipt.last_position, receipt.version), (0, 0, 0));
    assert_eq!(log.checkpoint(&acme, "planner").await.unwrap(), 7);
    assert_eq!(log.checkpoint(&acme, "other").await.unwrap(), 0);

    let claims = vec![take("ada")];
    store(&*log, &acme, &user(2), 0, Commit { claims: claims.clone(), ..commit(&["x"]) }).await;
    let refused = Commit { claims, ..moved(9) };
    log.append(append(&acme, &user(1), 0, vec![refused])).await.unwrap();
    assert_eq!(log.checkpoint(&acme, "planner").await.unwrap(), 7);
    store(&*log, &acme, &user(1), 0, moved(9)).await;
    assert_eq!(log.checkpoint(&acme, "planner").await.unwrap(), 9);
}

async fn time_never_decreases(Fresh { log, clock }: Fresh) {
    let (acme, other) = (workspace("acme"), workspace("other"));
    let mut times = Vec::new();
    for (version, now) in (0..).zip([5, 3, 4, 9, 1]) {
        clock.set(now);
        times.push(store(&*log, &acme, &user(1), version, commit(&["x"])).await.time);
    }
    assert_eq!(times, [5, 5, 5, 9, 9]);
    // Each workspace has a time of its own.
    assert_eq!(store(&*log, &other, &user(1), 0, commit(&["x"])).await.time, 1);
    let read = log.read(&acme, 0, 9).await.unwrap();
    assert!(read.iter().map(|event| event.time).eq(times));
}

async fn many_writers_leave_no_gap(Fresh { log, .. }: Fresh) {
    const EACH: u64 = 25;
    let names = ["one", "two", "three"];
    let mut writers = Vec::new();
    for writer in 0..24_u128 {
        let log = Arc::clone(&log);
        writers.push(tokio::spawn(async move {
            let workspace = workspace(names[usize::try_from(writer % 3).unwrap()]);
            let mut places = Vec::new();
            for version in 0..EACH {
                let stored = store(&*log, &workspace, &user(writer), version, commit(&["x"])).await;
                // What was acknowledged is there for everybody.
                assert!(log.head(&workspace) >= stored.last_position);
                places.push(stored.last_position);
            }
            (workspace, places)
        }));
    }
    let mut places = BTreeMap::<_, Vec<u64>>::new();
    for writer in writers {
        let (workspace, more) = writer.await.unwrap();
        places.entry(workspace).or_default().extend(more);
    }
    for (workspace, mut acknowledged) in places {
        acknowledged.sort_unstable();
        assert!(acknowledged.iter().copied().eq(1..=8 * EACH));
        let events = log.read(&workspace, 0, usize::MAX).await.unwrap();
        assert!(events.iter().map(|event| event.position).eq(1..=8 * EACH));
        for writer in 0..24 {
            let stream = log.read_stream(&workspace, &user(writer), 0, 99).await.unwrap();
            assert!(stream.iter().map(|event| event.version).eq(1..=stream.len() as u64));
        }
        let verdict = log.verify(&workspace, &mut |_, _| ()).await.unwrap();
        assert_eq!(verdict, Verdict::Sound(log.tree(&workspace).await.unwrap()));
    }
}

async fn of_many_who_want_the_same_one_gets_it(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let contenders: Vec<_> = (0..16)
        .map(|number| {
            let commit = Commit { claims: vec![take("ada")], ..commit(&["x"]) };
            log.append(append(&acme, &user(number), 0, vec![commit]))
        })
        .collect();
    let mut stored = 0;
    for contender in contenders {
        stored += usize::from(contender.await.unwrap()[0].receipt().is_some());
    }
    assert_eq!((stored, log.head(&acme)), (1, 1));
}

async fn an_append_whose_future_is_dropped_is_stored(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    drop(log.append(append(&acme, &user(1), 0, vec![commit(&["x"])])));
    // It was sent first, so that it is stored before this one.
    store(&*log, &acme, &user(2), 0, commit(&["y"])).await;
    assert_eq!(log.read_stream(&acme, &user(1), 0, 9).await.unwrap().len(), 1);
}

async fn the_tick_changes_with_each_commit(Fresh { log, .. }: Fresh) {
    let mut watch = log.watch();
    watch.mark_unchanged();
    store(&*log, &workspace("acme"), &user(1), 0, commit(&["x"])).await;
    watch.changed().await.unwrap();
    assert_eq!(log.head(&workspace("acme")), 1);
}

async fn what_has_changed_since_a_tick_is_told(Fresh { log, .. }: Fresh) {
    let (acme, other) = (workspace("acme"), workspace("other"));
    store(&*log, &acme, &user(1), 0, commit(&["x"])).await;
    store(&*log, &other, &user(1), 0, commit(&["x"])).await;
    let mut all = log.heads_since(0);
    all.sort();
    assert_eq!(all, [(acme.clone(), 1), (other, 1)]);
    let tick = *log.watch().borrow();
    assert_eq!(log.heads_since(tick), []);
    store(&*log, &acme, &user(2), 0, commit(&["x"])).await;
    assert_eq!(log.heads_since(tick), [(acme, 2)]);
}

async fn of_what_has_changed_nothing_is_certain(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let nothing_since =
        |after, number| log.nothing_since(&acme, after, &|stream| *stream == user(number));
    store(&*log, &acme, &user(1), 0, commit(&["x", "x"])).await;
    store(&*log, &workspace("other"), &user(3), 0, commit(&["x"])).await;
    store(&*log, &acme, &user(2), 0, commit(&["x"])).await;
    assert!(!nothing_since(0, 1) && !nothing_since(1, 1) && !nothing_since(2, 2));
    // Otherwise it may say so or not, but for what is after the head.
    assert!(nothing_since(3, 1) && nothing_since(3, 2));
}

async fn the_tree_grows_with_the_log(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let mut heads: Vec<TreeHead> = vec![log.tree(&acme).await.unwrap()];
    for version in 0..9 {
        store(&*log, &acme, &user(1), version, commit(&["same"])).await;
        let head = log.tree(&acme).await.unwrap();
        assert_eq!(head.size, version + 1);
        assert!(heads.iter().all(|before| before.root != head.root));
        heads.push(head);
        let mut seen = Vec::new();
        let verdict = log.verify(&acme, &mut |done, of| seen.push((done, of))).await.unwrap();
        assert_eq!(verdict, Verdict::Sound(head));
        assert_eq!(seen.last(), Some(&(version + 1, version + 1)));
    }
}

async fn events_are_found_by_what_is_known_of_them(Fresh { log, clock }: Fresh) {
    let acme = workspace("acme");
    let with = |actor: &str, correlation: &str, name: &str| {
        let mut all = commit(&["x", "y"]);
        all.meta = Meta { actor: actor.into(), ..meta(correlation) };
        all.events[1].name = name.into();
        all
    };
    // Positions 1 and 2 at the first time, 3 to 6 at the second, 7 and 8 at the third.
    store(&*log, &acme, &user(1), 0, with("okta", "r-1", "user.added")).await;
    clock.set(START + 10);
    store(&*log, &acme, &user(2), 0, with("okta", "r-2", "user.added")).await;
    store(&*log, &acme, &user(1), 2, with("ada", "r-1", "user.removed")).await;
    clock.set(START + 20);
    store(&*log, &acme, &user(2), 2, with("ada", "r-3", "user.removed")).await;
    // Another workspace has the same.
    store(&*log, &workspace("other"), &user(1), 0, with("okta", "r-1", "user.added")).await;

    let all = EventFilter::default();
    let correlation = Some("r-1".to_owned());
    for (filter, after, limit, expected) in [
        (all.clone(), 0, 9, [1, 2, 3, 4, 5, 6, 7, 8].as_slice()),
        (all.clone(), 2, 3, &[3, 4, 5]),
        (EventFilter { stream: Some(user(1)), ..all.clone() }, 1, 9, &[2, 5, 6]),
        (EventFilter { stream: Some(user(9)), ..all.clone() }, 0, 9, &[]),
        (EventFilter { name: Some("user.added".into()), ..all.clone() }, 0, 9, &[2, 4]),
        (EventFilter { actor: Some("ada".into()), ..all.clone() }, 0, 9, &[5, 6, 7, 8]),
        (EventFilter { actor: Some("okta".into()), ..all.clone() }, 1, 2, &[2, 3]),
        (EventFilter { actor: Some("okt".into()), ..all.clone() }, 0, 9, &[]),
        (EventFilter { name: Some("user.*".into()), ..all.clone() }, 2, 9, &[3, 4, 5, 6, 7, 8]),
        (EventFilter { name: Some("user.re*".into()), ..all.clone() }, 2, 9, &[6, 8]),
        (EventFilter { name: Some("*".into()), ..all.clone() }, 2, 3, &[3, 4, 5]),
        (EventFilter { name: Some("group.*".into()), ..all.clone() }, 0, 9, &[]),
        (
            EventFilter { name: Some("user.re*".into()), actor: Some("ada".into()), ..all.clone() },
            0,
            9,
            &[6, 8],
        ),
        (
            EventFilter { name: Some("user.a*".into()), stream: Some(user(2)), ..all.clone() },
            0,
            9,
            &[4],
        ),
        (
            EventFilter { actor: Some("ada".into()), stream: Some(user(2)), ..all.clone() },
            0,
            9,
            &[7, 8],
        ),
        (EventFilter { until: Some(6), actor: Some("ada".into()), ..all.clone() }, 0, 9, &[5, 6]),
        (EventFilter { until: Some(4), ..all.clone() }, 2, 9, &[3, 4]),
        (EventFilter { correlation: correlation.clone(), ..all.clone() }, 0, 9, &[1, 2, 5, 6]),
        (EventFilter { correlation: correlation.clone(), ..all.clone() }, 1, 2, &[2, 5]),
        (EventFilter { correlation, actor: Some("okta".into()), ..all.clone() }, 0, 9, &[1, 2]),
        (EventFilter { from: Some(START + 1), ..all.clone() }, 0, 9, &[3, 4, 5, 6, 7, 8]),
        (EventFilter { from: Some(START + 99), ..all.clone() }, 0, 9, &[]),
        (EventFilter { to: Some(START + 10), ..all.clone() }, 0, 9, &[1, 2, 3, 4, 5, 6]),
        (EventFilter { to: Some(START - 1), ..all.clone() }, 0, 9, &[]),
        (EventFilter { from: Some(START + 10), to: Some(START + 10), ..all }, 3, 9, &[4, 5, 6]),
    ] {
        let found = log.find(&acme, &filter, after, limit).await.unwrap();
        let found: Vec<_> = found.iter().map(|event| event.position).collect();
        assert_eq!(found, expected, "{filter:?}");
        // What is found is what is wanted of all that there is.
        let everything = log.read(&acme, after, 99).await.unwrap();
        let wanted = everything.iter().filter(|event| filter.wants(event)).take(limit);
        assert_eq!(wanted.map(|event| event.position).collect::<Vec<_>>(), expected, "{filter:?}");
    }
    for (time, position) in [(START - 1, 0), (START, 2), (START + 9, 2), (START + 99, 8)] {
        assert_eq!(log.position_at(&acme, time).await.unwrap(), position);
    }
}

async fn proofs_hold_against_the_tree(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let mut heads = vec![log.tree(&acme).await.unwrap()];
    for version in 0..11 {
        store(&*log, &acme, &user(1), version, commit(&["x"])).await;
        heads.push(log.tree(&acme).await.unwrap());
    }
    for tree in &heads {
        for position in 1..=tree.size {
            let proof = log.inclusion(&acme, position, tree.size).await.unwrap().unwrap();
            assert!(verify_inclusion(position, proof.leaf, &proof.path, tree));
        }
        assert_eq!(log.inclusion(&acme, 0, tree.size).await.unwrap(), None);
        assert_eq!(log.inclusion(&acme, tree.size + 1, tree.size).await.unwrap(), None);
        for before in heads.iter().filter(|before| before.size <= tree.size) {
            let proof = log.consistency(&acme, before.size, tree.size).await.unwrap().unwrap();
            assert!(verify_consistency(before, tree, &proof));
        }
    }
    assert_eq!(log.inclusion(&acme, 1, 12).await.unwrap(), None);
    assert_eq!(log.consistency(&acme, 1, 12).await.unwrap(), None);
    assert_eq!(log.consistency(&acme, 5, 4).await.unwrap(), None);
}

async fn erasing_a_key_erases_what_it_sealed(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let sealed = |seal| Commit { events: vec![event("Ada", seal)], ..commit(&[]) };
    for (version, seal) in (0..).zip([Seal::Stream, Seal::Stream, Seal::Own, Seal::Open]) {
        store(&*log, &acme, &user(1), version, sealed(seal)).await;
    }
    store(&*log, &acme, &user(2), 0, sealed(Seal::Stream)).await;
    let before = log.read(&acme, 0, 9).await.unwrap();
    assert_eq!(before[0].key, before[1].key);
    assert_ne!(before[0].key, before[4].key);
    log.erase(erasure(&acme, before[0].key.unwrap())).await.unwrap();

    let payloads: Vec<_> =
        log.read(&acme, 0, 9).await.unwrap().into_iter().map(|event| event.payload).collect();
    let ada = Payload::Plain(b"Ada".to_vec());
    assert_eq!(payloads, [Payload::Erased, Payload::Erased, ada.clone(), ada.clone(), ada]);
    let verdict = log.verify(&acme, &mut |_, _| ()).await.unwrap();
    assert_eq!(verdict, Verdict::Sound(log.tree(&acme).await.unwrap()));

    // Nothing more is sealed with it; what needs no key goes on.
    let key = before[0].key.unwrap();
    match log.append(append(&acme, &user(1), 4, vec![sealed(Seal::Stream)])).await {
        Err(AppendError::Failed(Failure::KeyGone { key: gone, .. })) => assert_eq!(gone, key),
        other => panic!("sealed with an erased key: {other:?}"),
    }
    store(&*log, &acme, &user(1), 4, sealed(Seal::Open)).await;
}

async fn what_follows_a_new_beginning_outlives_the_key_before_it(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let with = |seals: &[Seal]| {
        let events = seals.iter().map(|seal| event("Ada", *seal)).collect();
        Commit { events, ..commit(&[]) }
    };
    store(&*log, &acme, &user(1), 0, with(&[Seal::Stream])).await;
    store(&*log, &acme, &user(1), 1, with(&[Seal::Stream, Seal::Afresh, Seal::Stream])).await;
    store(&*log, &acme, &user(1), 4, with(&[Seal::Stream])).await;
    let keys: Vec<_> =
        log.read(&acme, 0, 9).await.unwrap().into_iter().map(|event| event.key).collect();
    assert_eq!((keys[0], keys[2], keys[3]), (keys[1], None, keys[4]));
    assert_ne!(keys[0], keys[3]);
    log.erase(erasure(&acme, keys[0].unwrap())).await.unwrap();
    let erased: Vec<_> = log
        .read(&acme, 0, 9)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.payload == Payload::Erased)
        .collect();
    assert_eq!(erased, [true, true, false, false, false]);

    // A stream whose key is gone already begins anew in the same way.
    log.erase(erasure(&acme, keys[3].unwrap())).await.unwrap();
    store(&*log, &acme, &user(1), 5, with(&[Seal::Afresh, Seal::Stream])).await;
    let last = log.read(&acme, 6, 9).await.unwrap().remove(0);
    assert_eq!(last.payload, Payload::Plain(b"Ada".to_vec()));
    // One that was sealed before another one began anew is not stored with the key before it.
    let sent = [(7, Seal::Afresh), (8, Seal::Stream)]
        .map(|(version, seal)| log.append(append(&acme, &user(1), version, vec![with(&[seal])])));
    let [begins, follows] = sent;
    begins.await.unwrap();
    if let Err(AppendError::Conflict { actual: 8 }) = follows.await {
        store(&*log, &acme, &user(1), 8, with(&[Seal::Stream])).await;
    }
    assert_ne!(log.read(&acme, 8, 9).await.unwrap()[0].key, last.key);
}

async fn appends_sent_without_waiting_agree_on_the_stream_s_key(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    let sealed = || Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
    let first = log.append(append(&acme, &user(1), 0, vec![sealed()]));
    let second = log.append(append(&acme, &user(1), 1, vec![sealed()]));
    first.await.unwrap();
    match second.await {
        Ok(_) => (),
        Err(AppendError::Conflict { actual: 1 }) => {
            store(&*log, &acme, &user(1), 1, sealed()).await;
        }
        Err(other) => panic!("{other}"),
    }
    let events = log.read(&acme, 0, 9).await.unwrap();
    assert_eq!((events.len(), events[0].key), (2, events[1].key));
}

async fn a_commit_that_seals_nothing_gives_its_stream_no_key(Fresh { log, .. }: Fresh) {
    let acme = workspace("acme");
    store(&*log, &acme, &user(2), 0, Commit { claims: vec![take("ada")], ..commit(&[]) }).await;
    let moves = Commit {
        checkpoint: Some(Checkpoint { name: "planner".into(), position: 1 }),
        ..commit(&[])
    };
    let sealed = || Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
    let refused = Commit { claims: vec![take("ada")], ..sealed() };
    let sent = log.append(append(&acme, &user(1), 0, vec![moves, refused])).await.unwrap();
    assert!(matches!(sent[..], [CommitOutcome::Stored(_), CommitOutcome::ClaimTaken { .. }]));
    store(&*log, &acme, &user(1), 0, sealed()).await;
}

macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            use super::*;

            $(
                #[tokio::test]
                async fn $test() {
                    let clock = Arc::new(ManualClock::at(START));
                    let log = SqliteLog::temporary(clock.clone()).unwrap();
                    super::$test(Fresh { log, clock }).await;
                }
            )*
        }

        /// Which keeps nothing in memory for those who follow it.
        mod sqlite_from_its_file {
            use super::*;

            $(
                #[tokio::test]
                async fn $test() {
                    let clock = Arc::new(ManualClock::at(START));
                    let dir = tempfile::tempdir().unwrap();
                    let options = SqliteOptions::new(dir.path());
                    let options = SqliteOptions { recent_bytes_max: 0, ..options };
                    let log = SqliteLog::open(options, clock.clone()).unwrap();
                    super::$test(Fresh { log, clock }).await;
                }
            )*
        }
    };
}

contract!(
    positions_and_versions_are_dense,
    what_is_read_is_what_was_appended,
    a_receipt_names_the_place_and_the_time,
    an_append_on_another_version_conflicts,
    the_same_stream_of_two_workspaces_is_two_streams,
    reads_are_limited_and_start_after,
    what_does_not_exist_is_empty,
    a_claim_is_held_until_it_is_released,
    changes_of_claims_act_in_order,
    a_refused_commit_keeps_the_earlier_and_leaves_the_later,
    a_refused_first_append_makes_no_stream,
    a_checkpoint_moves_with_its_append,
    time_never_decreases,
    many_writers_leave_no_gap,
    of_many_who_want_the_same_one_gets_it,
    an_append_whose_future_is_dropped_is_stored,
    the_tick_changes_with_each_commit,
    what_has_changed_since_a_tick_is_told,
    of_what_has_changed_nothing_is_certain,
    the_tree_grows_with_the_log,
    events_are_found_by_what_is_known_of_them,
    proofs_hold_against_the_tree,
    erasing_a_key_erases_what_it_sealed,
    what_follows_a_new_beginning_outlives_the_key_before_it,
    appends_sent_without_waiting_agree_on_the_stream_s_key,
    a_commit_that_seals_nothing_gives_its_stream_no_key,
    nothing_comes_after_a_position_that_there_can_never_be,
);
