//! The other persons of somebody's userName: in all portals, and those who had it before (rules 29 and 32).

use serde_json::{Value, json};

use crate::world::World;

const ACME: &str = "/workspaces/acme";

/// A person who was removed and brought again, one who was removed in the Store, and one who is in the
/// Dashboard: their lists and ids, the one who is brought again last.
async fn graces() -> (World, Vec<(&'static str, String)>) {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, token) = World::with_planner(rule).await;
    let caller = world.caller("mdm", &token).await;
    let first = world.provision(&caller, "Grace@x.example").await.id;
    world.set_active(&caller, first, false).await;
    world.app.delete_user(&caller, first, None).await.unwrap();
    let gone = world.get(&format!("{ACME}/mdm/users/{first}")).await.is(200);
    assert_eq!(gone["account"], "removed", "{gone}");
    let mut all = vec![("mdm/users", first.to_string())];
    for (list, user_name) in
        [("employees", "grace@X.example"), ("collaborators", "GRACE@x.example")]
    {
        let asked = json!({ "user_name": user_name });
        all.push((list, world.post(&format!("{ACME}/{list}"), asked).await.field(201, "id")));
    }
    world.delete(&format!("{ACME}/employees/{}", all[1].1)).await.is(204);
    all.push(("mdm/users", world.provision(&caller, "grace@x.example").await.id.to_string()));
    assert_ne!(all[0].1, all[3].1);
    (world, all)
}

/// Portal, id and account of each.
fn others(of: &Value) -> Vec<[&str; 3]> {
    let others = of["others"].as_array().unwrap();
    others.iter().map(|it| ["portal", "id", "account"].map(|of| it[of].as_str().unwrap())).collect()
}

#[actix_web::test]
async fn rule_32_everybody_who_has_the_name_or_had_it_is_named_and_goes_if_asked_for() {
    let (world, all) = graces().await;
    let [first, store, dashboard, last] = &all[..] else { panic!("{all:?}") };
    let path = format!("{ACME}/people/{}/erase", last.1);
    let expected = [
        ["dashboard", &*dashboard.1, "active"],
        ["store", &*store.1, "removed"],
        ["mdm", &*first.1, "removed"],
    ];
    assert_eq!(others(&world.get(&path).await.is(200)), expected);
    // Whoever was removed learns of those who came after.
    let before = world.get(&format!("{ACME}/people/{}/erase", store.1)).await.is(200);
    assert_eq!(others(&before).len(), 3, "{before}");

    let asked = json!({ "reason": "4711", "all_portals": true });
    let done = world.post(&path, asked).await.is(200);
    assert_eq!(others(&done).len(), 3, "{done}");
    for other in done["others"].as_array().unwrap() {
        assert!(other["erasure"].is_string(), "{done}");
    }
    for (list, id) in &all {
        let shown = world.get(&format!("{ACME}/{list}/{id}")).await.is(200);
        assert!(shown["erasure"].is_string() && shown["user_name"] == "", "{shown}");
        let found = world.items(&format!("{ACME}/{list}?account=any&q=grace")).await;
        assert!(found.is_empty(), "{found:?}");
    }
}

#[actix_web::test]
async fn rule_32_the_others_of_the_name_stay_unless_they_are_asked_for() {
    let (world, all) = graces().await;
    let path = format!("{ACME}/people/{}/erase", all[3].1);
    let done = world.post(&path, json!({})).await.is(200);
    assert_eq!(others(&done).len(), 3, "{done}");
    let erased = done["others"].as_array().unwrap().iter().filter(|it| it["erasure"].is_string());
    assert_eq!(erased.count(), 0, "{done}");
    // Asked again for all, those go whom the first one has named.
    let done = world.post(&path, json!({ "all_portals": true })).await.is(200);
    let erased = done["others"].as_array().unwrap().iter().filter(|it| it["erasure"].is_string());
    assert_eq!(erased.count(), 3, "{done}");
}

#[actix_web::test]
async fn whoever_is_brought_again_after_a_removal_is_named_beside_the_one_before() {
    let (world, all) = graces().await;
    let [first, store, _, last] = &all[..] else { panic!("{all:?}") };
    for (of, other) in [(first, json!([last.1])), (last, json!([first.1])), (store, json!([]))] {
        let told = world.get(&format!("{ACME}/people/{}/timeline", of.1)).await.is(200);
        assert_eq!((&told["user"], &told["same_user_name"]), (&json!(of.1), &other), "{told}");
    }
}
