//! Signed checkpoints, proofs and exports (rule 31), checked with nothing but what they say.

use actix_web::{http::Method, test::TestRequest};
use data_encoding::BASE64;
use event_log::{Hash, verify_consistency, verify_inclusion};
use record::{Checkpoint, Examination, Note, Verifier};
use serde_json::{Value, json};

use crate::world::{TOKEN, World};

const ACME: &str = "/workspaces/acme";

async fn world() -> World {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    world.provision(&caller, "ada@acme.example").await;
    world.app.settled(&caller.workspace).await;
    world
}

async fn text(world: &World, path: &str) -> String {
    let request = TestRequest::get()
        .uri(&format!("/api/v1{ACME}{path}"))
        .insert_header(("authorization", format!("Bearer {TOKEN}")));
    let answer = world.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

async fn keys(world: &World) -> Vec<Verifier> {
    let keys = world.items(&format!("{ACME}/keys")).await;
    keys.iter().map(|key| Verifier::parse(key["key"].as_str().unwrap()).unwrap()).collect()
}

async fn checkpoint(world: &World, query: &str) -> Checkpoint {
    let note = Note::parse(&text(world, &format!("/checkpoint{query}")).await).unwrap();
    Checkpoint::parse(note.verify(&keys(world).await).unwrap()).unwrap()
}

fn hashes(list: &Value) -> Vec<Hash> {
    let hash = |it: &Value| BASE64.decode(it.as_str().unwrap().as_bytes()).unwrap();
    list.as_array().unwrap().iter().map(|it| hash(it).try_into().unwrap()).collect()
}

#[actix_web::test]
async fn an_event_and_a_history_are_proved_against_signed_checkpoints() {
    let world = world().await;
    let now = checkpoint(&world, "").await;
    assert_eq!((now.workspace(), now.head.size), ("acme", 7));
    for size in 1..=7 {
        let tree = checkpoint(&world, &format!("?size={size}")).await.head;
        let proof = world.get(&format!("{ACME}/consistency?from={size}")).await.is(200);
        assert_eq!(proof["from"]["root"], json!(BASE64.encode(&tree.root)));
        assert!(verify_consistency(&tree, &now.head, &hashes(&proof["path"])));
        for position in 1..=size {
            let path = format!("{ACME}/proof?position={position}&size={size}");
            let proof = world.get(&path).await.is(200);
            let leaf = hashes(&json!([proof["leaf"]]))[0];
            assert!(verify_inclusion(position, leaf, &hashes(&proof["path"]), &tree));
        }
    }
    for (path, detail) in [
        ("proof", "position: must be given"),
        ("proof?position=8", "position: must be 1 to 7"),
        ("proof?position=0", "position: must be 1 to 7"),
        ("proof?position=3&size=2", "position: must be 1 to 2"),
        ("proof?position=3&size=8", "size: must be 0 to 7"),
        ("checkpoint?size=8", "size: must be 0 to 7"),
        ("consistency", "from: must be given"),
        ("consistency?from=4&to=3", "from: must be 0 to 3"),
        ("consistency?from=4&to=8", "to: must be 0 to 7"),
    ] {
        assert_eq!(world.get(&format!("{ACME}/{path}")).await.refused(400), detail);
    }
    world.get("/workspaces/nobody/checkpoint").await.refused(404);
}

#[actix_web::test]
async fn an_export_is_checked_without_the_server() {
    let world = world().await;
    let keys = keys(&world).await;
    for (query, events, whole) in [
        ("", 7, true),
        ("?size=5", 5, true),
        ("?type=user.*", 2, false),
        ("?after=5", 2, false),
        ("?from=3&to=4", 2, false),
        ("?type=nothing", 0, false),
    ] {
        let export = text(&world, &format!("/export{query}")).await;
        let mut lines = export.lines();
        let mut examination = Examination::begin(lines.next().unwrap(), &keys, &[]).unwrap();
        lines.for_each(|line| examination.line(line).unwrap());
        let found = examination.finish().unwrap();
        assert_eq!((found.events, found.whole), (events, whole), "{query}");
    }
    // Cut off by its limit, it says where it goes on.
    let export = text(&world, "/export?limit=2").await;
    assert_eq!(export.lines().last().unwrap(), r#"{"end":{"events":2,"next":2}}"#);
    let export = text(&world, "/export?limit=5000").await;
    assert_eq!(export.lines().last().unwrap(), r#"{"end":{"events":7,"next":null}}"#);
    world.get(&format!("{ACME}/export?size=8")).await.refused(400);
}

#[actix_web::test]
async fn a_new_key_signs_and_the_old_one_vouches_for_it() {
    let world = world().await;
    let old = keys(&world).await;
    world.call(Method::POST, "/keys/rotate", None).await.is(204);
    let new = keys(&world).await;
    assert_eq!((new.len(), &new[0]), (2, &old[0]));
    let note = Note::parse(&text(&world, "/checkpoint").await).unwrap();
    assert!(note.verify(&old).is_err() && note.verify(&new[1..]).is_ok());
    let shown = world.items(&format!("{ACME}/keys")).await;
    let last = Note::parse(shown[0]["last_checkpoint"].as_str().unwrap()).unwrap();
    let last = Checkpoint::parse(last.verify(&old).unwrap()).unwrap();
    assert_eq!((last.next_key.as_ref(), shown[1]["retired"].is_null()), (Some(&new[1]), true));
}
