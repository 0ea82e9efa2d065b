//! An export of a real log, checked whole, filtered, and altered in every way.

use std::sync::Arc;

use event_log::{
    Commit, EventLog, ManualClock, Meta, NewEvent, Seal, SqliteLog, StreamAppend, StreamId,
    TreeHead, WorkspaceId,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::export::{Header, Line, Trailer};
use crate::{Bad, Checkpoint, Examination, Findings, KeyState, NotBegun, Notary, Note, Verifier};

const EVENTS: u64 = 12;

struct World {
    log: Arc<SqliteLog>,
    notary: Notary,
}

fn acme() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

impl World {
    /// A log of twelve events, every third one sealed, all fields filled.
    async fn new() -> Self {
        let log = SqliteLog::temporary(Arc::new(ManualClock::at(1_000_000))).unwrap();
        for number in 0..EVENTS {
            let seal = if number % 3 == 0 { Seal::Stream } else { Seal::Open };
            let payload = json!({ "name": format!("Ada {number}") }).to_string().into_bytes();
            let event = NewEvent { name: "user.changed".into(), schema_version: 1, payload, seal };
            let meta = Meta {
                actor: "connector:okta/t1".into(),
                request: Some(format!("r-{number}")),
                correlation: format!("c-{number}"),
                causation: number.checked_sub(1).filter(|it| *it > 0),
                rule: Some("{\"on_create\": \"create\"}".to_owned()),
            };
            let commit = Commit { meta, events: vec![event], claims: Vec::new(), checkpoint: None };
            let append = StreamAppend {
                workspace: acme(),
                stream: StreamId::new("user", Uuid::from_u128(u128::from(number % 2))),
                expected_version: number / 2,
                commits: vec![commit],
            };
            assert!(log.append(append).await.unwrap()[0].receipt().is_some());
        }
        Self { log, notary: Notary::temporary().unwrap() }
    }

    async fn head(&self, size: u64) -> TreeHead {
        self.log.tree_at(&acme(), size).await.unwrap().unwrap()
    }

    fn keys(&self) -> Vec<Verifier> {
        self.notary.keys(&acme()).unwrap().into_iter().map(|it| it.verifier).collect()
    }

    /// A checkpoint as somebody kept it.
    async fn kept(&self, size: u64) -> Checkpoint {
        let note = self.notary.sign(&acme(), self.head(size).await);
        Checkpoint::parse(note.verify(&self.keys()).unwrap()).unwrap()
    }

    /// The lines of an export of these positions.
    async fn export(&self, positions: &[u64], filtered: bool) -> Vec<String> {
        let head = self.head(EVENTS).await;
        let note = self.notary.sign(&acme(), head).to_string();
        let events = self.log.read(&acme(), 0, 100).await.unwrap();
        let kept = self.log.kept(&acme(), positions.to_vec()).await.unwrap();
        let mut lines = vec![text(&Header::new(&acme(), note, filtered))];
        for (position, kept) in positions.iter().zip(kept) {
            let event = &events[usize::try_from(*position).unwrap() - 1];
            let proof = self.log.inclusion(&acme(), *position, head.size).await.unwrap().unwrap();
            let path = filtered.then_some(proof.path.as_slice());
            lines.push(text(&Line::new(event, &kept, path)));
        }
        lines.push(text(&Trailer::new(positions.len() as u64, None)));
        lines
    }

    async fn whole(&self) -> Vec<String> {
        self.export(&(1..=EVENTS).collect::<Vec<_>>(), false).await
    }
}

fn text(line: &impl serde::Serialize) -> String {
    serde_json::to_string(line).unwrap()
}

fn examine(lines: &[String], keys: &[Verifier], kept: &[Checkpoint]) -> Result<Findings, Bad> {
    let mut examination = match Examination::begin(&lines[0], keys, kept) {
        Ok(examination) => examination,
        Err(NotBegun::Bad(bad)) => return Err(bad),
        Err(NotBegun::Incomparable(what)) => panic!("{what}"),
    };
    lines[1..].iter().try_for_each(|line| examination.line(line))?;
    examination.finish()
}

/// Where a bad event was found.
#[track_caller]
fn place(result: Result<Findings, Bad>) -> (Option<u64>, Option<u64>) {
    let bad = result.expect_err("something was changed, and nobody noticed");
    (bad.first, bad.last)
}

#[tokio::test]
async fn a_whole_export_fits_its_checkpoint_and_earlier_ones() {
    let world = World::new().await;
    let lines = world.whole().await;
    let kept = [world.kept(3).await, world.kept(12).await];
    for (keys, kept) in [(world.keys(), &[][..]), (vec![], &kept[..]), (world.keys(), &kept[..1])] {
        let findings = examine(&lines, &keys, kept).unwrap();
        let Findings { head, events, whole, trusted, unproved_data } = findings;
        assert_eq!((head.size, events, whole, trusted, unproved_data), (12, 12, true, 12, 4));
    }
    assert_eq!(examine(&lines, &[], &kept[..1]).unwrap().trusted, 3);
}

#[tokio::test]
async fn a_checkpoint_of_another_installation_is_compared_by_its_events() {
    let world = World::new().await;
    let lines = world.whole().await;
    let moved = |head| Checkpoint { origin: "elsewhere/acme".to_owned(), head, next_key: None };
    let fits = moved(world.head(7).await);
    assert_eq!(examine(&lines, &[], std::slice::from_ref(&fits)).unwrap().trusted, 7);
    let other = moved(TreeHead { size: 8, ..fits.head });
    let bad = examine(&lines, &[], &[fits.clone(), other]).unwrap_err();
    assert_eq!((bad.first, bad.last), (Some(8), Some(8)));
    assert!(bad.what.contains("the checkpoint of elsewhere/acme of 8 events"), "{bad}");
    let stranger = Checkpoint { origin: "elsewhere/other".to_owned(), ..fits };
    let bad = examine(&lines, &[], &[stranger]).unwrap_err();
    assert!(bad.what.contains("the checkpoint is of elsewhere/other"), "{bad}");
}

#[tokio::test]
async fn of_an_export_with_gaps_each_event_proves_itself() {
    let world = World::new().await;
    let lines = world.export(&[2, 7, 12], true).await;
    let findings = examine(&lines, &world.keys(), &[]).unwrap();
    assert_eq!((findings.events, findings.whole, findings.trusted), (3, false, 12));
    assert_eq!(examine(&lines, &[], &[world.kept(12).await]).unwrap().events, 3);
    // Nothing to believe it by, and nothing to compare with: nothing is wrong with it for that.
    let incomparable =
        |keys: &[Verifier], kept: &[Checkpoint]| match Examination::begin(&lines[0], keys, kept) {
            Err(NotBegun::Incomparable(what)) => what,
            other => panic!("{other:?}"),
        };
    assert!(incomparable(&[], &[]).contains("public key"));
    let earlier = [world.kept(12).await, world.kept(3).await];
    for (keys, kept) in [(world.keys(), &earlier[..]), (vec![], &earlier[1..])] {
        let what = incomparable(&keys, kept);
        assert!(what.contains("cannot be compared") && what.contains("of 3 events"), "{what}");
    }
    // One of as many events, and of others than these, is another matter.
    let mut rewritten = world.kept(12).await;
    rewritten.head.root[0] ^= 1;
    assert_eq!(place(examine(&lines, &world.keys(), &[rewritten])), (Some(1), Some(12)));
    // An event that fits its leaf, with the proof of another.
    let mut line: Value = serde_json::from_str(&lines[1]).unwrap();
    line["actor"] = json!("person:nobody");
    let forged = [lines[0].clone(), fitted(line), lines[2].clone()];
    assert_eq!(place(examine(&forged, &world.keys(), &[])), (Some(2), Some(2)));
}

#[tokio::test]
async fn an_export_of_another_key_or_workspace_is_not_believed() {
    let world = World::new().await;
    let lines = world.whole().await;
    let other = Notary::temporary().unwrap().keys(&acme()).unwrap().remove(0).verifier;
    assert!(examine(&lines, &[other], &[]).is_err());
    let renamed = [lines[0].replace("\"workspace\":\"acme\"", "\"workspace\":\"acne\"")];
    assert!(examine(&renamed, &world.keys(), &[]).is_err());
}

#[tokio::test]
async fn a_checkpoint_after_a_new_key_is_reached_from_the_old_one() {
    let world = World::new().await;
    let old = world.keys();
    world.notary.rotate(&[(acme(), world.head(EVENTS).await)], 1).unwrap();
    let lines = world.whole().await;
    assert!(examine(&lines, &old, &[]).is_err());
    let keys = world.notary.keys(&acme()).unwrap();
    let KeyState::Retired { last: Some(last), .. } = &keys[0].state else { panic!("{keys:?}") };
    let last = Note::parse(last).unwrap();
    let next = Checkpoint::parse(last.verify(&old).unwrap()).unwrap().next_key.unwrap();
    assert!(examine(&lines, &[next], &[]).is_ok());
}

#[tokio::test]
async fn what_is_cut_off_missing_swapped_or_repeated_is_named() {
    let world = World::new().await;
    let (lines, keys) = (world.whole().await, world.keys());
    let examined = |lines: &[String]| place(examine(lines, &keys, &[]));
    let at = |position| (Some(position), Some(position));
    assert_eq!(examined(&lines[..12]), at(12), "the last event is missing");
    assert_eq!(examined(&lines[..13]), (None, None), "only the last line is");
    let mut swapped = lines.clone();
    swapped.swap(4, 9);
    assert_eq!(examined(&swapped), at(4));
    let mut repeated = lines.clone();
    repeated.insert(5, lines[4].clone());
    assert_eq!(examined(&repeated), at(5));
    let mut missing = lines.clone();
    missing.remove(6);
    assert_eq!(examined(&missing), at(6));
    let shorter = [lines[..12].to_vec(), vec![text(&Trailer::new(11, None))]].concat();
    assert_eq!(examined(&shorter), at(12));
    assert_eq!(place(examine(&shorter, &[], &[world.kept(12).await])), at(12));
}

#[tokio::test]
async fn a_history_that_was_rewritten_whole_is_found_between_two_kept_checkpoints() {
    let world = World::new().await;
    let kept = [world.kept(4).await, world.kept(8).await, world.kept(11).await];
    let mut lines = world.whole().await;
    // Event 6 says something else, its leaf fits, and the owner signs the new tree.
    let mut line: Value = serde_json::from_str(&lines[6]).unwrap();
    line["actor"] = json!("person:nobody");
    lines[6] = fitted(line);
    let mut edge = event_log::Edge::default();
    for line in &lines[1..13] {
        edge.push(serde_json::from_str::<Line>(line).unwrap().stated_leaf().unwrap());
    }
    let note = world.notary.sign(&acme(), edge.head()).to_string();
    lines[0] = text(&Header::new(&acme(), note, false));
    assert!(examine(&lines, &world.keys(), &[]).is_ok(), "it fits in itself");
    assert_eq!(place(examine(&lines, &world.keys(), &kept)), (Some(5), Some(8)));
    // Whoever has kept a checkpoint on each side of the event knows which it is.
    let close = [world.kept(5).await, world.kept(6).await];
    assert_eq!(place(examine(&lines, &[], &close)), (Some(6), Some(6)));
}

/// A line with the leaf hash that its fields make.
fn fitted(mut line: Value) -> String {
    let read = serde_json::from_value::<Line>(line.clone()).unwrap();
    line["leaf"] = json!(data_encoding::BASE64.encode(&read.compute_leaf(&acme()).unwrap()));
    line.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Any change of any field that the proof covers is found at its event.
    #[test]
    fn a_change_of_any_field_of_any_event_is_named(event: prop::sample::Index, at: prop::sample::Index) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let lines = world.whole().await;
            let number = 1 + event.index(12);
            let line: Value = serde_json::from_str(&lines[number]).unwrap();
            for field in line.as_object().unwrap().keys() {
                if field == "data" && !line["key"].is_null() {
                    continue;
                }
                let mut changed = line.clone();
                changed[field] = match &line[field] {
                    Value::String(text) => json!(with_another_letter(text, at)),
                    Value::Number(number) => json!(number.as_u64().unwrap() + 1),
                    Value::Null => json!(1),
                    _ => json!({ "name": "Eve" }),
                };
                let mut lines = lines.clone();
                lines[number] = changed.to_string();
                let (first, _) = place(examine(&lines, &world.keys(), &[]));
                assert_eq!(first, Some(number as u64), "{field}: {changed}");
            }
        });
    }
}

/// The text with one letter or digit changed to another.
fn with_another_letter(text: &str, at: prop::sample::Index) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let places: Vec<_> = (0..bytes.len()).filter(|i| bytes[*i].is_ascii_alphanumeric()).collect();
    let at = places[at.index(places.len())];
    bytes[at] = match bytes[at] {
        b'1' => b'2',
        b'0' | b'2'..=b'9' => b'1',
        b'a' => b'b',
        b'b'..=b'z' => b'a',
        b'A' => b'B',
        _ => b'A',
    };
    String::from_utf8(bytes).unwrap()
}
