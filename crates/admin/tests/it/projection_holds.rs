//! An event that cannot be applied: what everybody is told, and how it ends.

use std::sync::Arc;

use actix_web::{
    http::{Method, header::HeaderValue},
    test::TestRequest,
};
use app::{Caller, Refusal};
use domain::ids::{EntryId, GroupId};
use event_log::{EventLog, StreamId};
use futures_util::future::join;
use projections::{BuildState, BuildView};
use scim::{
    query::Query,
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::json;
use uuid::Uuid;

use crate::world::World;

/// Ada and Ben; the second event of Ada cannot be read.
async fn scene() -> (World, Caller, [EntryId; 2]) {
    let (world, token) = World::with_scim("store", json!({ "on_create": "nothing" })).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let ben = world.provision(&caller, "ben@acme.example").await.id;
    world.damage(ada.0, 1).await;
    for name in ["directory", "dashboard", "store", "mdm", "effects"] {
        let held = world.app.read_models().followed(name, &caller.workspace).await.unwrap();
        assert_eq!(held.len(), 1, "{name}");
    }
    (world, caller, [ada, ben])
}

/// How many users are found; none where that is not told.
async fn found(world: &World, caller: &Caller, filter: &str) -> Option<u64> {
    found_of(world, caller, &[Kind::User], filter).await
}

/// The same of groups.
async fn groups_found(world: &World, caller: &Caller, filter: &str) -> Option<u64> {
    found_of(world, caller, &[Kind::Group], filter).await
}

async fn found_of(
    world: &World,
    caller: &Caller,
    kinds: &'static [Kind],
    filter: &str,
) -> Option<u64> {
    let filter = Some(filter).filter(|it| !it.is_empty());
    let query = Query::from_parameters(|name| filter.filter(|_| name == "filter")).unwrap();
    let query = (Arc::new(query), false);
    match world.app.list(caller, kinds, query, |list| list.total).await {
        Ok((total, _)) => total,
        Err(Refusal::Stale(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

#[actix_web::test]
async fn a_held_user_is_not_lied_about_and_others_are_as_ever() {
    let (world, caller, [ada, ben]) = scene().await;
    let stale = world.app.user(&caller, ada).await.unwrap_err();
    assert_eq!((stale.status(), stale.retry_after()), (503, Some(30)));
    assert_eq!(world.app.user(&caller, ben).await.unwrap().id, ben);
    let nobody = world.app.user(&caller, EntryId(Uuid::from_u128(9))).await.unwrap_err();
    assert_eq!(nobody.status(), 404);

    let by_name = |name: &str| format!("userName eq \"{name}@acme.example\"");
    assert_eq!(found(&world, &caller, &by_name("ben")).await, Some(1));
    assert_eq!(found(&world, &caller, &by_name("zoe")).await, Some(0));
    assert_eq!(found(&world, &caller, &by_name("ada")).await, None);
    assert_eq!(found(&world, &caller, &format!("id eq \"{}\"", ada.0)).await, None);
    // Whether it is among these, nobody knows.
    assert_eq!(found(&world, &caller, "active eq true").await, None);
    assert_eq!(found(&world, &caller, "").await, None);
    // What is certain goes on.
    world.set_active(&caller, ben, false).await;
    let zoe = world.provision(&caller, "zoe@acme.example").await.id;
    assert_eq!(world.app.user(&caller, zoe).await.unwrap().id, zoe);
}

/// A group with these members: its id, and the version that it has.
async fn group(world: &World, caller: &Caller, name: &str, members: &[EntryId]) -> (Uuid, u64) {
    let members: Vec<_> = members.iter().map(|id| json!({ "value": id.to_string() })).collect();
    let body = json!({ "displayName": name, "members": members });
    let parsed = Resource::parse(Kind::Group, body, Catalogue::standard()).unwrap();
    let id = GroupId(world.app.fresh_id());
    (id.0, world.app.create_group(caller, id, parsed).await.unwrap().version)
}

#[actix_web::test]
async fn groups_are_not_chosen_by_a_member_who_is_held() {
    // Whoever has an account still is the same person when they come back, under another SCIM id.
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let gone = world.provision(&caller, "ada@acme.example").await.id;
    let ben = world.provision(&caller, "ben@acme.example").await.id;
    let zoe = world.provision(&caller, "zoe@acme.example").await.id;
    let (poets, _) = group(&world, &caller, "Poets", &[ben, zoe]).await;
    world.app.delete_user(&caller, gone, None).await.unwrap();
    world.spoil(
        "directory",
        "CREATE TRIGGER no_ada BEFORE INSERT ON entries WHEN NEW.user_name = 'ada@acme.example'
         BEGIN SELECT RAISE(ABORT, 'a defect'); END;",
    );
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let of_zoe = StreamId::new("user", zoe.0);
    let of_zoe = world.log.read_stream(&caller.workspace, &of_zoe, 0, 100).await.unwrap();
    world.damage(zoe.0, of_zoe.len() as u64).await;
    let held = world.app.read_models().followed("directory", &caller.workspace).await.unwrap();
    let held: Vec<_> = held.iter().map(|held| held.stream).collect();
    assert_eq!(held, [gone.0, zoe.0]);
    assert_ne!(ada, gone);

    for held in [ada, zoe] {
        for filter in [
            format!("members eq \"{held}\""),
            format!("members.value eq \"{held}\""),
            format!("members[value eq \"{held}\" and type eq \"User\"]"),
            format!("not (members eq \"{held}\")"),
            // What Entra ID asks before it adds somebody.
            format!("id eq \"{poets}\" and members eq \"{held}\""),
            format!("displayName eq \"Poets\" and members eq \"{held}\""),
            format!("members co \"{held}\""),
        ] {
            assert_eq!(groups_found(&world, &caller, &filter).await, None, "{filter}");
        }
    }
    assert_eq!(groups_found(&world, &caller, "members.display sw \"a\"").await, None);
    // What is certain goes on.
    let nobody = Uuid::from_u128(9);
    for (filter, count) in [
        (String::new(), 1),
        ("displayName eq \"Poets\"".to_owned(), 1),
        (format!("id eq \"{poets}\" and members eq \"{ben}\""), 1),
        (format!("not (members eq \"{ben}\")"), 0),
        (format!("members eq \"{nobody}\""), 0),
    ] {
        assert_eq!(groups_found(&world, &caller, &filter).await, Some(count), "{filter}");
    }
}

#[actix_web::test]
async fn nobody_is_chosen_by_a_group_while_one_is_held() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "nothing" })).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let (poets, version) = group(&world, &caller, "Poets", &[ada]).await;
    let (all, _) = group(&world, &caller, "All", &[]).await;
    let chosen = [
        format!("groups eq \"{poets}\""),
        "groups.display eq \"Poets\"".to_owned(),
        format!("userName eq \"ada@acme.example\" and groups eq \"{poets}\""),
    ];
    for filter in &chosen {
        assert_eq!(found(&world, &caller, filter).await, Some(1), "{filter}");
    }
    let stream = StreamId::new("group", poets);
    world.record(stream, version, "group.unheard_of", &json!({})).await;
    for filter in &chosen {
        assert_eq!(found(&world, &caller, filter).await, None, "{filter}");
    }
    // It may be in another group, or be none any more.
    let within = format!("id eq \"{all}\" and members eq \"{poets}\"");
    assert_eq!(groups_found(&world, &caller, &within).await, None);
    // What is certain goes on.
    assert_eq!(found(&world, &caller, "").await, Some(1));
    assert_eq!(found(&world, &caller, "userName eq \"ada@acme.example\"").await, Some(1));
    let others = format!("id eq \"{all}\" and members eq \"{ada}\"");
    assert_eq!(groups_found(&world, &caller, &others).await, Some(0));
}

#[actix_web::test]
async fn what_is_held_is_said_wherever_it_matters() {
    let (world, _, [ada, _]) = scene().await;
    let list = world.get("/workspaces/acme/employees?account=any").await;
    let stale = list.headers.get("muster-stale").unwrap().to_str().unwrap();
    // Policies stand there too, if they had not dealt with Ada before.
    assert!(stale.starts_with("directory, dashboard, store, mdm, effects"), "{stale}");
    assert_eq!(list.is(200)["items"].as_array().unwrap().len(), 2);

    let all = world.items("/projections").await;
    let store = all.iter().find(|it| it["id"] == "store").unwrap();
    assert_eq!(
        (&store["stale"], &store["held"], &store["lag"]),
        (&json!(false), &json!(1), &json!(0))
    );
    let hold = &store["holds"][0];
    assert_eq!(hold["id"], json!(format!("store.acme.user.{}", ada.0)));
    assert_eq!(*hold, world.items("/projections/holds?q=store").await[0]);
    assert!(hold["reason"].as_str().unwrap().contains("cannot be decoded"), "{hold}");
    // No comparison says that all is well while something is held.
    let verified =
        world.post("/projections/verify", json!({ "projection": "store" })).await.is(200);
    assert_eq!(verified["sound"], json!(false));
    assert_eq!(verified["differences"], json!([]));
    assert_eq!(verified["held"][0]["id"], hold["id"]);
    let ask = |path| world.send(TestRequest::get().uri(path));
    let ready = ask("/readyz").await.is(200);
    let warnings = ready["warnings"].as_array().unwrap();
    assert!(warnings.contains(&json!("the projection store holds back 1 stream(s)")), "{ready}");
    let metrics = ask("/metrics").await.text;
    assert!(metrics.contains("muster_projection_held_streams{projection=\"store\"} 1\n"));
}

#[actix_web::test]
async fn a_person_skips_it_with_a_reason_that_stays_in_the_record() {
    let (world, caller, [ada, _]) = scene().await;
    let hold = format!("/projections/holds/directory.acme.user.{}", ada.0);
    let tried = world.call(Method::POST, &format!("{hold}/retry"), None).await.is(200);
    assert_eq!(tried["released"], json!(false));
    assert!(tried["hold"]["attempts"].as_u64().unwrap() >= 2);
    let position = tried["hold"]["position"].clone();
    let blank = json!({ "position": position, "reason": " " });
    let blank = world.post(&format!("{hold}/skip"), blank).await.refused(400);
    assert!(blank.starts_with("reason: "), "{blank}");

    let reason =
        json!({ "position": position, "reason": "a trial of a version that was withdrawn" });
    let skipped = world.post(&format!("{hold}/skip"), reason).await.is(200);
    assert_eq!(skipped, json!({ "released": true, "hold": null }));
    assert_eq!(world.app.user(&caller, ada).await.unwrap().id, ada);
    let events = world.items("/workspaces/acme/events?type=workspace.event_skipped").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["actor"], json!("person:owner"));
    assert_eq!(events[0]["data"]["projection"], json!("directory"));
    assert_eq!(events[0]["data"]["reason"], json!("a trial of a version that was withdrawn"));

    world.post("/projections/rebuild", json!({ "projection": "directory" })).await.is(200);
    assert_eq!(world.app.user(&caller, ada).await.unwrap().id, ada);
    // The others hold it still: each is decided for itself.
    assert_eq!(world.items("/projections/holds").await.len(), 4);
}

#[actix_web::test]
async fn skipping_names_an_event_so_that_asking_again_skips_no_other() {
    let (world, _, [ada, _]) = scene().await;
    world.damage(ada.0, 2).await;
    let id = format!("store.acme.user.{}", ada.0);
    let of = |id: &str| format!("/projections/holds/{id}/skip");
    let held = async || world.items(&format!("/projections/holds?q={id}")).await;
    let position = held().await[0]["position"].as_u64().unwrap();
    let skip = |position: u64| json!({ "position": position, "reason": "it was a trial" });

    world.post(&of(&id), json!({ "reason": "it was a trial" })).await.refused(400);
    let elsewhere = world.post(&of(&id), skip(position + 1)).await.refused(409);
    assert!(elsewhere.contains(&format!("is at {position}")), "{elsewhere}");
    // The second time the answer to the first may have been lost.
    for _ in 0..2 {
        let skipped = world.post(&of(&id), skip(position)).await.is(200);
        assert_eq!(skipped["released"], json!(false));
        assert_eq!(skipped["hold"]["position"], json!(position + 1));
    }
    assert_eq!(held().await[0]["position"], json!(position + 1));
    for _ in 0..2 {
        let skipped = world.post(&of(&id), skip(position + 1)).await.is(200);
        assert_eq!(skipped, json!({ "released": true, "hold": null }));
    }
    world.post(&of(&id), skip(position + 2)).await.refused(404);
    let events = world.items("/workspaces/acme/events?type=workspace.event_skipped").await;
    assert_eq!(events.len(), 2);
}

#[actix_web::test]
async fn who_cannot_be_read_is_no_failure_of_the_server() {
    let (world, caller, [ada, ben]) = scene().await;
    let world = world.again();
    let gone = world.app.delete_user(&caller, ada, None).await.unwrap_err();
    assert_eq!((gone.status(), gone.retry_after()), (503, Some(30)));
    assert!(gone.to_string().starts_with("an event of this cannot be read"), "{gone}");
    world.app.delete_user(&caller, ben, None).await.unwrap();

    let ada = ada.0;
    let person = format!("/workspaces/acme/people/{ada}");
    for path in [format!("{person}/groups"), "/workspaces/acme/diff?from=1&to=1000".to_owned()] {
        let answer = world.get(&path).await;
        assert_eq!(answer.headers.get("retry-after").map(HeaderValue::as_bytes), Some(&b"30"[..]));
        let detail = answer.refused(503);
        assert!(detail.starts_with("an event of this cannot be read"), "{path}: {detail}");
    }
}

#[actix_web::test]
async fn whose_arrival_is_skipped_can_neither_be_found_nor_made_and_everybody_is_told_the_way_out()
{
    let (world, token) = World::with_scim("store", json!({ "on_create": "nothing" })).await;
    let caller = world.caller("store", &token).await;
    world.spoil(
        "directory",
        "CREATE TRIGGER no_ada BEFORE INSERT ON entries WHEN NEW.user_name = 'ada@acme.example'
         BEGIN SELECT RAISE(ABORT, 'a defect'); END;",
    );
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let held = world.app.read_models().followed("directory", &caller.workspace).await.unwrap();
    let (id, position) = (held[0].id().to_string(), held[0].position);
    let path = |what| format!("/projections/holds/{id}/{what}");
    let skip = json!({ "position": position, "reason": "it was a trial" });
    assert_eq!(world.post(&path("skip"), skip).await.is(200)["released"], json!(true));

    let by_name = "userName eq \"ada@acme.example\"";
    assert_eq!(found(&world, &caller, by_name).await, Some(0));
    let body = json!({ "userName": "ada@acme.example" });
    let body = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap();
    let taken = world.app.create_user(&caller, EntryId(world.app.fresh_id()), body).await;
    let taken = taken.unwrap_err();
    assert_eq!(taken.status(), 409);
    let way_out = format!("muster projections unskip {id} --position {position} takes that back");
    assert!(taken.to_string().ends_with(&way_out), "{taken}");

    let of = |position: u64| json!({ "position": position });
    world.post(&path("unskip"), of(position + 1)).await.refused(404);
    world.spoil("directory", "DROP TRIGGER no_ada"); // The defect is mended.
    let back = world.post(&path("unskip"), of(position)).await.is(200);
    assert_eq!(back, json!({ "released": true, "hold": null }));
    assert_eq!(world.app.user(&caller, ada).await.unwrap().id, ada);
    assert_eq!(found(&world, &caller, by_name).await, Some(1));
    world.post(&path("unskip"), of(position)).await.refused(404);
    let events = world.items("/workspaces/acme/events?type=workspace.event_unskipped").await;
    assert_eq!((events.len(), &events[0]["actor"]), (1, &json!("person:owner")));
}

#[actix_web::test]
async fn the_first_look_after_a_start_tells_of_what_is_held() {
    let (world, _) = World::with_scim("store", json!({ "on_create": "create" })).await;
    world.damage(Uuid::from_u128(0xbad), 0).await;
    let world = world.again();
    let ready = world.send(TestRequest::get().uri("/readyz")).await.is(200);
    let warning = json!("the projection directory holds back 1 stream(s)");
    assert!(ready["warnings"].as_array().unwrap().contains(&warning), "{ready}");
}

#[actix_web::test]
async fn who_takes_a_skip_back_is_told_what_to_do_when_the_build_is_cancelled() {
    let (world, _, [ada, _]) = scene().await;
    let id = format!("store.acme.user.{}", ada.0);
    let position = world.items(&format!("/projections/holds?q={id}")).await[0]["position"].clone();
    let path = |what| format!("/projections/holds/{id}/{what}");
    let skip = json!({ "position": position, "reason": "it was a trial" });
    world.post(&path("skip"), skip).await.is(200);
    let unskip = path("unskip");
    let unskip = world.post(&unskip, json!({ "position": position }));
    // As the erasure of somebody does, while it is recorded that the skip is taken back.
    let models = world.app.read_models();
    let cancel = async {
        let is_running = |it: &BuildView| it.state == BuildState::Running;
        let id = loop {
            if let Some(build) = models.builds().into_iter().find(is_running) {
                break build.id;
            }
            tokio::task::yield_now().await;
        };
        models.cancel_build(id).unwrap();
    };
    let (unskipped, ()) = join(unskip, cancel).await;
    let detail = unskipped.refused(409);
    let way_out = "muster projections rebuild store --workspace acme";
    assert!(detail.contains("cancelled") && detail.ends_with(way_out), "{detail}");
    let build = json!({ "projection": "store", "workspace": "acme" });
    world.post("/projections/rebuild", build).await.is(200);
    assert_eq!(world.items(&format!("/projections/holds?q={id}")).await.len(), 1);
}
