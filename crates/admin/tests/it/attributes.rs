//! Attributes: which were seen (rule 19), and which become metadata (rule 20).

use scim::{Catalogue, Kind, attributes, resource::Resource};
use serde_json::{Value, json};

use crate::world::World;

const MAPPING: &str = "/workspaces/acme/connectors/store/attribute-mapping";

#[actix_web::test]
async fn an_attribute_mapping_is_replaced_whole_and_got_as_it_was_put() {
    let (world, _) = World::with_scim("store", json!({})).await;
    assert_eq!(world.get(MAPPING).await.is(200), json!([]));
    let mapping = json!([
        { "name": "honour", "attributes": [{ "key": "title" }] },
        { "name": "cost code", "attributes": [
            { "namespace": "urn:company:2.0:User", "key": "costCode" },
            { "key": "costCenter" },
        ] },
    ]);
    assert_eq!(world.put(MAPPING, mapping.clone()).await.is(200), mapping);
    assert_eq!(world.get(MAPPING).await.is(200), mapping);
    assert_eq!(world.put(MAPPING, json!([])).await.is(200), json!([]));
    assert_eq!(world.get(MAPPING).await.is(200), json!([]));
    let unknown = "/workspaces/acme/connectors/mdm/attribute-mapping";
    world.get(unknown).await.refused(404);
    world.put(unknown, mapping).await.refused(404);
}

#[actix_web::test]
async fn what_is_wrong_with_an_attribute_mapping_is_named() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let good = json!({ "name": "a", "attributes": [{ "key": "title" }] });
    for (bad, said) in [
        (json!({}), "the body must be an array"),
        (json!([good, good]), "[1].name is given by an earlier item"),
        (json!([good, ["b", []]]), "[1]: invalid type: sequence, expected an object"),
        (json!([{ "name": "b" }]), "[0]: missing field `attributes`"),
        (json!([{ "name": "b", "attributes": [] }]), "[0].attributes must name"),
        (json!([{ "name": "b", "attributes": [{}] }]), "[0].attributes[0]: missing field `key`"),
        (json!([{ "name": "b", "attributes": [["x"]] }]), "[0].attributes[0]: invalid type"),
        (json!([{ "name": "b", "attributes": [{ "key": " " }] }]), "[0].attributes[0].key must"),
        (json!([{ "name": "b", "attributes": [{ "key": 7 }] }]), "[0].attributes[0].key: invalid"),
        (json!([{ "name": "b", "attributes": [], "x": 1 }]), "[0].x: unknown field"),
        (
            json!([{ "name": "b", "attributes": [{ "key": "x", "namespace": "acme" }] }]),
            "[0].attributes[0].namespace must be the URN",
        ),
    ] {
        let detail = world.put(MAPPING, bad).await.refused(400);
        assert!(detail.starts_with(said), "{detail}");
    }
    assert_eq!(world.get(MAPPING).await.is(200), json!([]));
}

#[actix_web::test]
async fn rule_20_metadata_follows_on_the_next_sync_and_is_shown() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await;
    let path = format!("/workspaces/acme/employees/{}", ada.id);
    assert_eq!(world.get(&path).await.is(200)["metadata"], json!({}));

    let mapping = json!([{ "name": "mail", "attributes": [{ "key": "emails.value" }] }]);
    world.put(MAPPING, mapping).await.is(200);
    assert_eq!(world.get(&path).await.is(200)["metadata"], json!({}), "not before it syncs");

    let put = async |body: Value| {
        let caller = world.caller("store", &token).await;
        let parsed = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap();
        world.app.replace_user(&caller, ada.id, parsed, None).await.unwrap()
    };
    let same =
        json!({ "userName": "ada@acme.example", "emails": [{ "value": "ada@acme.example" }] });
    let replaced = put(same.clone()).await;
    assert_eq!((replaced.version, replaced.modified), (ada.version, ada.modified));
    let mail = json!({ "mail": "ada@acme.example" });
    assert_eq!(world.get(&path).await.is(200)["metadata"], mail);
    assert_eq!(world.items("/workspaces/acme/employees").await[0]["metadata"], mail);

    let events = world.items("/workspaces/acme/events").await.len();
    put(same).await;
    assert_eq!(world.items("/workspaces/acme/events").await.len(), events, "nothing is new");

    put(json!({ "userName": "ada@acme.example" })).await;
    assert_eq!(world.get(&path).await.is(200)["metadata"], json!({}));
}

#[actix_web::test]
async fn rule_19_the_history_of_attributes_is_shown_with_its_times_and_counts() {
    let (world, token) = World::with_scim("store", json!({})).await;
    let path = "/workspaces/acme/connectors/store/attribute-history";
    assert!(world.items(path).await.is_empty());
    let send = async |body: Value| {
        let caller = world.caller("store", &token).await;
        caller.sightings.note(&attributes::seen(&body, Kind::User, Catalogue::standard()));
        world.app.keep_sightings(&caller).await;
    };
    send(json!({ "userName": "ada", "title": "x" })).await;
    world.days_pass(1);
    send(json!({ "userName": "bob", "urn:company:2.0:User": { "floor": 3 } })).await;
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    let (first, second) = ("2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z");
    let item = |namespace: &str, key: &str, seen: (&str, &str), count: u64| {
        json!({
            "namespace": namespace, "key": key, "first_seen": seen.0, "last_seen": seen.1,
            "count": count,
        })
    };
    let floor = item("urn:company:2.0:User", "floor", (second, second), 1);
    let title = item(core, "title", (first, first), 1);
    let user_name = item(core, "userName", (first, second), 2);
    assert_eq!(world.items(path).await, [floor.clone(), title.clone(), user_name.clone()]);
    assert_eq!(world.items(&format!("{path}?q=TITLE")).await, std::slice::from_ref(&title));
    let page = world.get(&format!("{path}?limit=2")).await.is(200);
    assert_eq!(page["items"], json!([floor, title]));
    let next = page["next_cursor"].as_str().unwrap().replace(' ', "%20");
    assert_eq!(world.items(&format!("{path}?limit=2&cursor={next}")).await, [user_name]);
    world.get("/workspaces/acme/connectors/mdm/attribute-history").await.refused(404);
}

#[actix_web::test]
async fn everybodys_metadata_follows_the_mapping_on_request_with_progress() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let people: Vec<_> = (0..20).map(|it| format!("person{it:02}@acme.example")).collect();
    for name in &people {
        world.provision(&caller, name).await;
    }
    let apply = format!("{MAPPING}/apply");
    let job = |state: &str, total: u64, done: u64, changed: u64| json!({ "state": state, "total": total, "done": done, "changed": changed });
    assert_eq!(world.get(&apply).await.is(200), job("none", 0, 0, 0));
    let mapping = json!([{ "name": "mail", "attributes": [{ "key": "emails.value" }] }]);
    world.put(MAPPING, mapping).await.is(200);

    let ended = async || loop {
        // The job has its turn on this thread.
        actix_web::rt::task::yield_now().await;
        let job = world.get(&apply).await.is(200);
        if job["state"] != json!("running") {
            return job;
        }
    };
    assert_eq!(world.post(&apply, json!({})).await.is(200), job("running", 20, 0, 0));
    assert_eq!(ended().await, job("completed", 20, 20, 20));
    let shown = world.items("/workspaces/acme/employees").await;
    let mails: Vec<_> = shown.iter().map(|it| it["metadata"]["mail"].as_str().unwrap()).collect();
    assert_eq!(mails, people);

    // Again, nobody changes, and nothing is recorded.
    let events = world.items("/workspaces/acme/events?limit=1000").await.len();
    world.post(&apply, json!({})).await.is(200);
    assert_eq!(ended().await, job("completed", 20, 20, 0));
    assert_eq!(world.items("/workspaces/acme/events?limit=1000").await.len(), events);
    world
        .post("/workspaces/acme/connectors/mdm/attribute-mapping/apply", json!({}))
        .await
        .refused(404);
}
