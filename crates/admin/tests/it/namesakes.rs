//! The other persons of somebody's userName: in all portals, and those who had it before (rules 29 and 32).

use serde_json::{Value, json};

use crate::world::{World, saml};

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

/// Whose erasure an answer tells of.
fn erased(of: &Value) -> Vec<&str> {
    let others = of["others"].as_array().unwrap().iter();
    others.filter(|it| it["erasure"].is_string()).map(|it| it["id"].as_str().unwrap()).collect()
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

    let with = [&store.1, &first.1];
    let asked = json!({ "reason": "4711", "all_portals": true, "with": with });
    let done = world.post(&path, asked).await.is(200);
    assert_eq!(erased(&done).len(), 3, "{done}");
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
    let [first, store, dashboard, last] = &all[..] else { panic!("{all:?}") };
    let path = format!("{ACME}/people/{}/erase", last.1);
    let done = world.post(&path, json!({})).await.is(200);
    assert_eq!((others(&done).len(), erased(&done).len()), (3, 0), "{done}");
    // Asked again, those go whom the first one has named, with who had the name when.
    let done = world.post(&path, json!({ "all_portals": true })).await.is(200);
    assert_eq!(erased(&done), [&dashboard.1], "{done}");
    let done = world.post(&path, json!({ "with": [store.1, first.1] })).await.is(200);
    assert_eq!(erased(&done).len(), 3, "{done}");
    // And a third time: nobody is left.
    world.post(&path, json!({ "all_portals": true, "with": [store.1] })).await.is(200);
}

/// Who had the name at another time may be somebody else: in another portal, with an account of today.
#[actix_web::test]
async fn rule_32_whoever_got_the_name_later_goes_with_nobody_who_does_not_name_them() {
    let (world, token) = World::with_scim("mdm", json!({ "on_create": "create" })).await;
    let caller = world.caller("mdm", &token).await;
    let left = world.provision(&caller, "ada@x.example").await.id;
    let both = json!({ "user_name": "ada@x.example" });
    let same = world.post(&format!("{ACME}/employees"), both.clone()).await.field(201, "id");
    world.days_pass(1);
    world.app.delete_user(&caller, left, None).await.unwrap();
    world.delete(&format!("{ACME}/mdm/users/{left}")).await.is(204);
    world.days_pass(1000);
    let hired = world.post(&format!("{ACME}/collaborators"), both).await.field(201, "id");

    let path = format!("{ACME}/people/{left}/erase");
    let would = world.get(&path).await.is(200);
    let ada =
        |from: &str, to: Value| json!({ "user_name": "ada@x.example", "from": from, "to": to });
    let (day_1, day_2) = ("2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z");
    assert_eq!(would["names"], json!([ada(day_1, day_2.into())]), "{would}");
    assert_eq!(
        would["others"],
        json!([
            { "portal": "dashboard", "id": hired, "account": "active", "same_time": false,
              "names": [ada("2028-09-28T00:00:00.000000Z", Value::Null)] },
            { "portal": "store", "id": same, "account": "active", "same_time": true,
              "names": [ada(day_1, Value::Null)] },
        ])
    );
    let stranger = json!({ "user_name": "bob@x.example" });
    let stranger = world.post(&format!("{ACME}/collaborators"), stranger).await.field(201, "id");
    let asked = json!({ "all_portals": true, "with": [stranger] });
    let why = world.post(&path, asked).await.refused(409);
    assert!(why.contains(&stranger) && why.contains("nobody was erased"), "{why}");
    world.post(&path, json!({ "with": [left] })).await.refused(409);

    let done = world.post(&path, json!({ "all_portals": true })).await.is(200);
    assert_eq!(erased(&done), [&same], "{done}");
    let stays = world.get(&format!("{ACME}/collaborators/{hired}")).await.is(200);
    assert_eq!(stays["account"], "active", "{stays}");
}

/// Somebody was renamed: here, and not where they are still called as before.
#[actix_web::test]
async fn rule_32_whoever_has_an_earlier_name_of_somebody_is_named() {
    let (world, token) = World::with_scim("mdm", json!({ "on_create": "create" })).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "Ada@x.example").await.id;
    let old = json!({ "user_name": "ada@X.example" });
    let store = world.post(&format!("{ACME}/employees"), old.clone()).await.field(201, "id");
    let gone = world.post(&format!("{ACME}/collaborators"), old.clone()).await.field(201, "id");
    world.delete(&format!("{ACME}/collaborators/{gone}")).await.is(204);
    world.set(&caller, ada, "userName", "ada.l@x.example".into()).await;
    // And the old name is given to a new hire, whom another one has the new name of.
    let hired = world.provision(&caller, "ada@x.example").await.id.to_string();
    let new = json!({ "user_name": "ADA.L@x.example" });
    let too = world.post(&format!("{ACME}/collaborators"), new).await.field(201, "id");

    let path = format!("{ACME}/people/{ada}/erase");
    let would = world.get(&path).await.is(200);
    let names: Vec<_> =
        would["names"].as_array().unwrap().iter().map(|it| &it["user_name"]).collect();
    assert_eq!(names, ["Ada@x.example", "ada.l@x.example"], "{would}");
    let all = others(&would);
    let ids: Vec<_> = all.iter().map(|it| it[1]).collect();
    assert_eq!(ids, [&too, &gone, &store, &hired], "{would}");
    // Of the earlier name nobody goes who is not named: it may be somebody else's since.
    let done = world.post(&path, json!({ "all_portals": true, "with": [store] })).await.is(200);
    assert_eq!(erased(&done), [&too, &store], "{done}");
}

/// A rename has come to MDM and not to the Store, and a new hire has the old name: two have it at the same time.
#[actix_web::test]
async fn rule_32_external_ids_tell_two_of_the_same_name_apart() {
    let (world, token) = World::with_scim("mdm", json!({ "on_create": "create" })).await;
    world.put(&format!("{ACME}/portals/store/saml"), saml(false)).await.is(200);
    let scim = format!("{ACME}/portals/store/scim");
    let store = world.post(&scim, json!({ "idp": "okta" })).await.field(201, "token");
    let (mdm, store) = (world.caller("mdm", &token).await, world.caller("store", &store).await);
    let user = |id: &str| json!({ "userName": "ada@x.example", "externalId": id });
    let ada = world.create(&mdm, user("00u1")).await.id;
    let same = world.create(&store, user("00u1")).await.id;
    world.set(&mdm, ada, "userName", "ada.l@x.example".into()).await;
    let hired = world.create(&mdm, user("00u2")).await.id;
    let path = format!("{ACME}/people/{same}/erase");
    for (mdm_is, same_time) in [("entra", true), ("okta", false)] {
        let idp = json!({ "idp": mdm_is });
        world.patch(&format!("{ACME}/connectors/mdm"), idp).await.is(200);
        let would = world.get(&path).await.is(200);
        assert_eq!(others(&would)[0][1], hired.to_string(), "{would}");
        assert_eq!(would["others"][0]["same_time"], same_time, "{mdm_is}: {would}");
    }
    world.set(&mdm, hired, "externalId", "00u1".into()).await;
    assert_eq!(world.get(&path).await.is(200)["others"][0]["same_time"], true);
    world.set(&mdm, hired, "externalId", "00u2".into()).await;
    let done = world.post(&path, json!({ "all_portals": true })).await.is(200);
    assert_eq!(erased(&done), [""; 0], "{done}");
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
