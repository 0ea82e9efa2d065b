//! The worked example of `docs/verifying.md`: what stands there is what comes out here.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use event_log::{
    Commit, EventLog, Leaf, ManualClock, Meta, NewEvent, Seal, SqliteLog, StreamAppend, StreamId,
    WorkspaceId,
};
use uuid::Uuid;

use crate::export::{Header, Line, Trailer};
use crate::{Checkpoint, Examination, Notary, Note, Verifier};

/// A signing key that everybody knows.
const KEYS: &str = r#"{ "installation": "muster-example", "keys": [{
    "public": "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=", "made": "2026-01-01T00:00:00.000000Z",
    "secret": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "wrapped": false, "retired": null }] }"#;
/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000_000;

fn acme() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

/// A log of three events.
async fn log() -> Arc<SqliteLog> {
    let log = SqliteLog::temporary(Arc::new(ManualClock::at(NOW))).unwrap();
    for (version, (name, payload)) in (0..).zip([
        ("workspace.created", r#"{"name":"Acme","plan":"enterprise"}"#),
        ("workspace.renamed", r#"{"name":"Acme Corp"}"#),
        ("workspace.renamed", r#"{"name":"Acme"}"#),
    ]) {
        let payload = payload.as_bytes().to_vec();
        let event = NewEvent { name: name.into(), schema_version: 1, payload, seal: Seal::Open };
        let meta = Meta {
            actor: "person:owner".into(),
            request: Some(format!("r-{}", version + 1)),
            correlation: format!("c-{}", version + 1),
            causation: None,
            rule: None,
        };
        let commit = Commit { meta, events: vec![event], claims: Vec::new(), checkpoint: None };
        let stream = StreamId::new("workspace", Uuid::nil());
        let (workspace, commits) = (acme(), vec![commit]);
        let append = StreamAppend { workspace, stream, expected_version: version, commits };
        assert!(log.append(append).await.unwrap()[0].receipt().is_some());
    }
    log
}

/// Everything that the page shows, in the order of the page.
async fn shown() -> Vec<String> {
    let log = log().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing.keys");
    std::fs::write(&path, KEYS).unwrap();
    let notary = Notary::open(&path, None, NOW).unwrap();
    let head = log.tree(&acme()).await.unwrap();
    let note = notary.sign(&acme(), head).to_string();
    let events = log.read(&acme(), 0, 3).await.unwrap();
    let kept = log.kept(&acme(), vec![1, 2, 3]).await.unwrap();
    let mut export = serde_json::to_string(&Header::new(&acme(), note.clone(), false)).unwrap();
    for (event, kept) in events.iter().zip(&kept) {
        export.push('\n');
        export.push_str(&serde_json::to_string(&Line::new(event, kept, None)).unwrap());
    }
    export.push('\n');
    export.push_str(&serde_json::to_string(&Trailer::new(3, None)).unwrap());
    let first = &events[0];
    let leaf = Leaf {
        workspace: &acme(),
        position: 1,
        stream: &first.stream,
        version: 1,
        name: &first.name,
        schema_version: 1,
        time: first.time,
        meta: &first.meta,
        key: None,
        payload: &kept[0].payload,
    };
    let encoded = HEXLOWER.encode(&leaf.to_bytes());
    let wrapped: Vec<_> =
        encoded.as_bytes().chunks(80).map(|it| String::from_utf8_lossy(it)).collect();
    let hashes: Vec<_> = kept.iter().map(|it| HEXLOWER.encode(&it.leaf)).collect();
    let inclusion = log.inclusion(&acme(), 1, 3).await.unwrap().unwrap();
    let inner = HEXLOWER.encode(&log.tree_at(&acme(), 2).await.unwrap().unwrap().root);
    assert_eq!(HEXLOWER.encode(&inclusion.leaf), hashes[0]);
    let verifier = notary.keys(&acme()).unwrap().remove(0).verifier.to_string();
    vec![
        export,
        wrapped.join("\n"),
        hashes.join("\n"),
        format!("{inner}\n{}", HEXLOWER.encode(&head.root)),
        verifier,
        note,
    ]
}

/// The page's blocks of code that are marked as data.
fn blocks(page: &str) -> Vec<String> {
    let blocks = page.split("```text\n").skip(1);
    blocks.filter_map(|it| it.split_once("\n```")).map(|(block, _)| block.to_owned()).collect()
}

#[tokio::test]
async fn the_worked_example_is_what_muster_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verifying.md");
    let page = std::fs::read_to_string(path).unwrap();
    let shown: Vec<_> = shown().await.iter().map(|it| it.trim_end().to_owned()).collect();
    // `make bless` writes what is so into what stands there.
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let page = blocks(&page).iter().zip(&shown).fold(page, |page, (block, shown)| {
            page.replacen(&format!("```text\n{block}\n```"), &format!("```text\n{shown}\n```"), 1)
        });
        std::fs::write(path, page).unwrap();
        return;
    }
    assert_eq!(blocks(&page), shown, "docs/verifying.md shows something else");

    // And whoever reads it finds it sound.
    let key = Verifier::parse(&shown[4]).unwrap();
    let note = Note::parse(&format!("{}\n", shown[5])).unwrap();
    let kept = Checkpoint::parse(note.verify(std::slice::from_ref(&key)).unwrap()).unwrap();
    assert_eq!(BASE64.encode(&kept.head.root), shown[5].lines().nth(2).unwrap());
    let mut lines = shown[0].lines();
    let mut examination = Examination::begin(lines.next().unwrap(), &[key], &[kept]).unwrap();
    lines.for_each(|line| examination.line(line).unwrap());
    assert_eq!(examination.finish().unwrap().events, 3);
}
