//! What a deactivation opens, as administrators see it (rules 24 and 25).

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
