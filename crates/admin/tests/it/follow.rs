//! Following the record over server-sent events.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::world::{TOKEN, World};

const STREAM: &str = "/workspaces/acme/events/stream";
/// How often a follower gets its turn until it has to have said something.
const TURNS_MAX: usize = 100_000;

fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[actix_web::test]
async fn what_is_followed_is_what_is_read() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let all = world.items("/workspaces/acme/events").await;
    let head = all.len();
    let followed = world.get(&format!("{STREAM}?after=0&to={head}")).await;
    assert_eq!(followed.headers.get("content-type").unwrap(), "text/event-stream");
    assert_eq!(events(&followed.text), all);
    assert!(followed.text.contains(&format!("id: {head}\ndata: ")));
    // A filter leaves events out, and the end is reached all the same.
    let of_ada = world.get(&format!("{STREAM}?after=0&to={head}&stream=user/{ada}")).await;
    assert_eq!(events(&of_ada.text).len(), 2);
    let none = world.get(&format!("{STREAM}?after=0&to={head}&actor=person:nobody")).await;
    assert!(events(&none.text).is_empty());
    for bad in ["after=x", "stream=ada", "to=soon"] {
        world.get(&format!("{STREAM}?{bad}")).await.refused(400);
    }
}

#[actix_web::test]
async fn a_connection_that_broke_goes_on_where_it_was() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let ask = async |last: &str| {
        let request = TestRequest::get()
            .uri(&format!("/api/v1{STREAM}?after=0&to=4"))
            .insert_header(("authorization", format!("Bearer {TOKEN}")))
            .insert_header(("last-event-id", last));
        world.send(request).await
    };
    let rest = ask("3").await;
    let positions: Vec<_> =
        events(&rest.text).iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [4]);
    ask("x").await.refused(400);
    ask("4").await.is(200);
}

#[actix_web::test]
async fn whoever_has_had_more_than_there_is_learns_that_the_record_was_set_back() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let head = world.items("/workspaces/acme/events").await.len();
    let ask = async |last: usize| {
        let request = TestRequest::get()
            .uri(&format!("/api/v1{STREAM}?to={head}"))
            .insert_header(("authorization", format!("Bearer {TOKEN}")))
            .insert_header(("last-event-id", last.to_string()));
        world.send(request).await
    };
    ask(head).await.is(200);
    let detail = ask(head + 1).await.refused(409);
    assert!(detail.contains("set back") && detail.contains(&head.to_string()), "{detail}");
    world.get(&format!("{STREAM}?after={}", head + 1)).await.refused(409);
}

#[actix_web::test]
async fn a_follower_is_woken_by_what_is_recorded_and_let_go_with_its_token() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let asked = json!({ "name": "Ann", "role": "auditor", "workspace": "acme" });
    let granted = world.post("/access", asked).await.is(201);
    let (id, token) = (granted["id"].as_str().unwrap(), granted["token"].as_str().unwrap());
    let bearer = format!("Bearer {token}");
    let person = world.app.authenticate_person(Some(&bearer), app::RequestIds::default()).unwrap();
    let acme = event_log::WorkspaceId::parse("acme").unwrap();
    let query = app::admin::events::EventQuery {
        after: event_log::EventLog::head(&*world.log, &acme),
        limit: 10,
        ..Default::default()
    };
    let follower = std::sync::Arc::clone(&world.app).follow(person, acme, query).await;
    let mut follower = follower.unwrap();
    let next = actix_web::rt::spawn(async move {
        let news = follower.next().await.unwrap();
        (follower, news)
    });
    world.patch("/workspaces/acme", json!({ "name": "Other" })).await.is(200);
    let (mut follower, news) = next.await.unwrap();
    assert_eq!(news.unwrap().items[0].name, "workspace.renamed");
    let next = actix_web::rt::spawn(async move { follower.next().await.unwrap().is_none() });
    world.delete(&format!("/access/{id}")).await.is(204);
    assert!(next.await.unwrap(), "a token that is revoked follows nothing more");
}

#[actix_web::test]
async fn a_follower_is_told_that_nothing_is_new_however_much_others_do() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let acme = event_log::WorkspaceId::parse("acme").unwrap();
    let owner = app::Person::owner("owner", app::RequestIds::default());
    let after = event_log::EventLog::head(&*world.log, &acme);
    let name = Some("user.*".to_owned());
    let query = app::admin::events::EventQuery { name, after, limit: 10, ..Default::default() };
    let follower = std::sync::Arc::clone(&world.app).follow(owner, acme, query).await;
    let mut follower = follower.unwrap();
    let next = actix_web::rt::spawn(async move { follower.next().await.unwrap().unwrap() });
    for name in ["One", "Two"] {
        world.patch("/workspaces/acme", json!({ "name": name })).await.is(200);
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(10)).await;
        tokio::time::resume();
    }
    for _ in 0..TURNS_MAX {
        if next.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(next.is_finished(), "twenty seconds have gone by without a word");
    assert!(next.await.unwrap().items.is_empty());
}

#[actix_web::test]
async fn followers_are_let_go_when_the_server_ends() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let acme = event_log::WorkspaceId::parse("acme").unwrap();
    let owner = app::Person::owner("owner", app::RequestIds::default());
    let after = event_log::EventLog::head(&*world.log, &acme);
    let query = app::admin::events::EventQuery { after, limit: 10, ..Default::default() };
    let follower = std::sync::Arc::clone(&world.app).follow(owner, acme, query).await;
    let mut follower = follower.unwrap();
    let next = actix_web::rt::spawn(async move { follower.next().await.unwrap().is_none() });
    world.app.end_following();
    assert!(next.await.unwrap());
}
