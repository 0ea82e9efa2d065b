//! What a deactivation opens, as administrators see it (rules 24 and 25).

use actix_web::test::TestRequest;
use serde_json::json;

use crate::world::World;

#[actix_web::test]
async fn a_deactivation_is_seen_as_an_offboarding() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user_and_devices" });
    let (world, token) = World::with_scim("mdm", rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let all = "/workspaces/acme/offboardings";
    assert!(world.items(all).await.is_empty());
    world.set_active(&caller, ada, false).await;

    let shown = world.items(all).await.remove(0);
    assert_eq!((&shown["user"], &shown["portal"]), (&json!(ada.to_string()), &json!("mdm")));
    assert_eq!((&shown["state"], &shown["connector"]), (&json!("started"), &json!("mdm")));
    assert_eq!(shown["rule"], json!("remove_user_and_devices"));
    assert_eq!((&shown["done"], &shown["total"]), (&json!(0), &json!(0)));
    assert_eq!((&shown["actions"], &shown["ended_at"]), (&json!([]), &json!(null)));
    let id = shown["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("{all}/{id}")).await.is(200), shown);
    let account = world.get(&format!("/workspaces/acme/mdm/users/{ada}")).await.is(200);
    assert_eq!((&account["account"], &account["offboarding"]), (&json!("suspended"), &json!(id)));

    assert_eq!(world.items(&format!("{all}?state=started&user={ada}")).await.len(), 1);
    assert_eq!(world.items(&format!("{all}?state=held")).await.len(), 0);
    assert_eq!(world.items(&format!("{all}?state=held&user={ada}")).await.len(), 0);
    world.set_active(&caller, ada, true).await;
    let cancelled = world.items(&format!("{all}?state=cancelled")).await.remove(0);
    assert!(cancelled["ended_at"].is_string());

    let effects = "/workspaces/acme/effects";
    assert!(world.items(effects).await.is_empty());
    assert!(world.items(&format!("{effects}?state=parked")).await.is_empty());
    let nobody = "00000000-0000-0000-0000-00000000000f";
    for path in [format!("{all}/{nobody}"), format!("{effects}/{nobody}")] {
        world.get(&path).await.refused(404);
    }
    for bad in ["offboardings?state=odd", "offboardings?user=ada", "effects?state=odd"] {
        world.get(&format!("/workspaces/acme/{bad}")).await.refused(400);
    }
}

#[actix_web::test]
async fn closing_a_workspace_loses_no_wipe_unless_somebody_gives_it_up() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user_and_devices", "brake": "off" });
    let (world, token) = World::with_planner(rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let device = json!({ "serial": "1", "platform": "ios", "user": ada });
    world.post("/workspaces/acme/mdm/devices", device).await.is(201);
    world.set_active(&caller, ada, false).await;

    let close = |query: &str| format!("/workspaces/acme{query}");
    for query in ["", "?give_up="] {
        let detail = world.delete(&close(query)).await.refused(409);
        let owed = "device actions that have not ended: 1; offboardings of MDM users that are under way: 1,";
        assert!(detail.starts_with(owed), "{detail}");
    }
    world.delete(&close("?give_up=%20")).await.refused(400);
    world.get("/workspaces/acme").await.is(200);
    let counted = "\nmuster_effects{state=";
    assert!(world.metrics().await.contains(&format!("{counted}\"requested\"}} 1\n")));
    world.delete(&close("?give_up=they+are+lost")).await.is(204);
    let metrics = world.send(TestRequest::get().uri("/metrics")).await.text;
    assert!(!metrics.contains(counted), "{metrics}");
    world.get("/workspaces/acme").await.refused(404);
    let log = world.app.log();
    let last = log.read(&caller.workspace, log.head(&caller.workspace) - 1, 1).await.unwrap();
    let event_log::Payload::Plain(said) = &last[0].payload else { panic!("{last:?}") };
    assert_eq!(
        (&*last[0].name, &**said),
        ("workspace.closed", &b"{\"gave_up\":\"they are lost\"}"[..])
    );
}

#[actix_web::test]
async fn nobody_is_asked_to_decide_about_a_workspace_that_is_closed() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    let (world, token) = World::with_scim("dashboard", rule).await;
    let owner = json!({ "user_name": "ada@acme.example", "role": "owner" });
    world.post("/workspaces/acme/collaborators", owner).await.is(201);
    let caller = world.caller("dashboard", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    world.set_active(&caller, ada, false).await;
    let held = async |count| {
        let metrics = world.send(TestRequest::get().uri("/metrics")).await.text;
        assert!(metrics.contains(&format!("\nmuster_offboardings_held {count}\n")), "{metrics}");
    };
    assert_eq!(world.items("/workspaces/acme/holds?state=open").await.len(), 1);
    held(1).await;
    world.delete("/workspaces/acme").await.is(204);
    held(0).await;
    assert_eq!(world.send(TestRequest::get().uri("/readyz")).await.is(200)["warnings"], json!([]));
}

/// A Dashboard of these Owners, whom its identity provider has deactivated.
async fn owners_held(names: &[&str]) -> (World, Vec<String>) {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    let (world, token) = World::with_scim("dashboard", rule).await;
    let caller = world.caller("dashboard", &token).await;
    let mut ids = Vec::new();
    for name in names {
        ids.push(world.provision(&caller, name).await.id);
    }
    for id in &ids {
        let owner = json!({ "role": "owner" });
        world.patch(&format!("/workspaces/acme/collaborators/{id}"), owner).await.is(200);
    }
    for id in &ids {
        world.set_active(&caller, *id, false).await;
    }
    let holds = world.items("/workspaces/acme/holds?state=open").await;
    // The last one first.
    let holds = holds.iter().rev().map(|hold| hold["id"].as_str().unwrap());
    (world, holds.map(|id| format!("/workspaces/acme/holds/{id}")).collect())
}

const LAST_OWNER: &str =
    "this is the last Owner of the Dashboard: make somebody else an Owner first";

#[actix_web::test]
async fn approving_does_not_remove_the_last_owner() {
    let (world, holds) = owners_held(&["ada@acme.example", "bob@acme.example"]).await;
    let [ada, bob] = &*holds else { panic!("{holds:?}") };
    // As long as the other one stays, one may go: at once, whenever the account is closed.
    world.post(&format!("{ada}/approve"), json!({})).await.is(200);
    let approve = format!("{bob}/approve");
    assert_eq!(world.post(&approve, json!({})).await.refused(409), LAST_OWNER);
    let held = world.items(&format!("{bob}/users")).await;
    let whom = json!({ "users": [held[0]["user"]] });
    assert_eq!(world.post(&approve, whom.clone()).await.refused(409), LAST_OWNER);
    assert_eq!(world.get(bob).await.is(200)["people"]["held"], json!(1));
    let eve = json!({ "user_name": "eve@acme.example", "role": "owner" });
    world.post("/workspaces/acme/collaborators", eve).await.is(201);
    world.post(&approve, whom).await.is(200);
}

#[actix_web::test]
async fn of_two_owners_who_are_approved_at_once_one_stays() {
    let (world, holds) = owners_held(&["ada@acme.example", "bob@acme.example"]).await;
    let approve = async |hold: &str| {
        let answer = world.post(&format!("{hold}/approve"), json!({})).await;
        answer.status
    };
    let (one, other) = futures_util::future::join(approve(&holds[0]), approve(&holds[1])).await;
    assert_eq!([one.min(other), one.max(other)], [200, 409]);
}

#[actix_web::test]
async fn a_decision_about_nobody_is_refused_unless_it_was_made() {
    let (world, holds) = owners_held(&["ada@acme.example", "bob@acme.example"]).await;
    for (hold, decision, other) in [(&holds[0], "undo", "approve"), (&holds[1], "approve", "undo")]
    {
        for _ in 0..2 {
            // The second answer is for whoever has not got the first.
            world.post(&format!("{hold}/{decision}"), json!({})).await.is(200);
        }
        let detail = world.post(&format!("{hold}/{other}"), json!({})).await.refused(409);
        assert!(detail.starts_with("nobody in this hold waits for a decision"), "{detail}");
    }
}
