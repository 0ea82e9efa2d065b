//! Every route of the document, with every answer that the document promises of it.
//!
//! Each answer is held against the document where it arrives ([`crate::document`]). Here each route
//! gets to give each of them: what is granted, and what only some routes refuse, is asked for by hand
//! (`granted`); what all refuse alike is asked of all that are in the document (`refused`). A route or a
//! status that was never seen fails the test, so that whoever adds one says how it comes about.

mod granted;
mod refused;

use serde_json::Value;

use crate::{document::Operation, world::World};

const WS: &str = "/workspaces/acme";
/// An id that nobody has.
const NOBODY: &str = "00000000-0000-0000-0000-00000000000f";

/// What is promised and cannot be brought about here.
const UNSEEN: &[(&str, &str, u16, &str)] = &[
    ("patch", "/workspaces/{ws}/employees/{id}", 200, "only collaborators have a role"),
    ("patch", "/workspaces/{ws}/mdm/users/{id}", 200, "only collaborators have a role"),
    ("post", "/projections/holds/{hold}/retry", 409, "it takes a build that runs"),
];

/// What it takes a broken or a busy server for.
const OF_THE_SERVER: [u16; 2] = [500, 503];

#[actix_web::test]
async fn every_route_gives_every_answer_that_the_document_promises() {
    let world = World::asleep();
    // Offboardings get what they call for, and nobody delivers it.
    let mut policies = app::policies::standard();
    policies.push(Box::new(reactor::Planner::default()));
    let world = world.awake_with(policies);
    granted::all(&world).await;
    refused::in_another_workspace(&world).await;
    refused::alike(&world).await;
    refused::by_gates(&world).await;
    granted::removals(&world).await;

    let document = world.document().await;
    let mut missing = Vec::new();
    for (operation, statuses) in document.operations() {
        for status in statuses {
            let is_seen = document.has_seen(&operation, status);
            let (method, path) = (operation.0.as_str(), operation.1.as_str());
            let is_excused = is_unseen(&operation, status);
            if !is_seen && !is_excused && !OF_THE_SERVER.contains(&status) {
                missing.push(format!("{method} {path} {status}"));
            }
            assert!(!(is_seen && is_excused), "{method} {path} {status} need not be excused");
        }
    }
    assert!(missing.is_empty(), "never answered: {missing:#?}");
}

#[actix_web::test]
async fn every_route_admits_the_roles_that_the_document_names_and_no_other() {
    let world = World::new();
    for slug in ["acme", "globex-two"] {
        let made = serde_json::json!({ "slug": slug, "name": slug });
        world.post("/workspaces", made).await.is(201);
    }
    refused::by_role(&world).await;
}

fn is_unseen((method, path): &Operation, status: u16) -> bool {
    UNSEEN.iter().any(|it| (it.0, it.1, it.2) == (method, path, status))
}

#[actix_web::test]
async fn examples_in_the_document_are_what_their_schemas_want() {
    let world = World::new();
    let document = world.document().await;
    let mut examples = Vec::new();
    let components = document.components();
    find_examples("/components", components, &mut examples);
    assert!(!examples.is_empty());
    for (pointer, example) in examples {
        document.valid(&pointer, example, &pointer);
    }
}

fn find_examples<'a>(pointer: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(object) => {
            if object.contains_key("type") || object.contains_key("$ref") {
                found.extend(object.get("example").map(|it| (pointer.to_owned(), it)));
                let more = object.get("examples").and_then(Value::as_array).into_iter().flatten();
                found.extend(more.map(|it| (pointer.to_owned(), it)));
            }
            for (name, value) in object {
                let name = name.replace('~', "~0").replace('/', "~1");
                find_examples(&format!("{pointer}/{name}"), value, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                find_examples(&format!("{pointer}/{index}"), value, found);
            }
        }
        _ => {}
    }
}
