//! Commands that wait for one aggregate are decided together, and one that is refused refuses only
//! itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{
    Answer, record, scim,
    setup::{self, Connector},
    together,
};

use crate::{WORKSPACE, start_with_workspace};

const PATCHES: usize = 48;
/// At which places among them somebody asks for a userName that is taken.
const RENAMES: [usize; 3] = [7, 24, 41];
const EXTENSION: &str = "urn:acme:scim:Load:2.0:User";

async fn patch_all(
    connector: &Connector,
    path: &str,
    patches: impl IntoIterator<Item = Value>,
) -> Vec<Answer> {
    let send = |patch: Value| {
        let (connector, path) = (connector.clone(), path.to_owned());
        async move { connector.client()?.patch(&path, patch).await }
    };
    together(patches.into_iter().map(send)).await.unwrap()
}

#[tokio::test]
async fn a_rename_to_a_taken_user_name_among_concurrent_patches_fails_alone() {
    let (_server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
    let mut client = connector.client().unwrap();
    let taken = client.post("/Users", scim::user("Taken@acme.example")).await.unwrap();
    let taken = taken.made().unwrap();
    let id = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    let path = format!("/Users/{id}");

    let patches = (0..PATCHES).map(|index| {
        if RENAMES.contains(&index) {
            scim::patch(json!([
                { "op": "replace", "path": format!("{EXTENSION}:k{index}"), "value": "never" },
                { "op": "replace", "path": "userName", "value": "TAKEN@acme.example" },
            ]))
        } else {
            scim::set(&format!("{EXTENSION}:k{index}"), format!("v{index}"))
        }
    });
    let answers = patch_all(&connector, &path, patches).await;

    for (index, answer) in answers.iter().enumerate() {
        if RENAMES.contains(&index) {
            answer.expect_scim_error(409, Some("uniqueness")).unwrap();
        } else {
            assert_eq!(answer.status, 200, "{index}: {}", answer.body);
            assert_eq!(answer.body[EXTENSION][format!("k{index}")], format!("v{index}"));
        }
    }
    let user = client.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(user["userName"], "ada@acme.example");
    let values = user[EXTENSION].as_object().unwrap();
    let wanted: BTreeSet<_> = (0..PATCHES).filter(|index| !RENAMES.contains(index)).collect();
    let wanted: BTreeSet<_> = wanted.into_iter().map(|index| format!("k{index}")).collect();
    assert_eq!(values.keys().cloned().collect::<BTreeSet<_>>(), wanted);

    // Every version was seen by exactly one of them, and the name is where it was.
    let versions: BTreeSet<_> = answers.iter().filter_map(|it| it.header("etag")).collect();
    assert_eq!(versions.len(), PATCHES - RENAMES.len());
    let holder = client.get(&scim::path_eq("/Users", "userName", "taken@ACME.example")).await;
    assert_eq!(holder.unwrap().body["Resources"][0]["id"], taken.as_str());
}

#[tokio::test]
async fn a_name_that_is_given_back_can_be_taken_at_once() {
    let (_server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
    let mut client = connector.client().unwrap();
    let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    let bob = client.post("/Users", scim::user("bob@acme.example")).await.unwrap().made().unwrap();
    for (id, name) in [(&ada, "eve"), (&bob, "ada"), (&ada, "bob")] {
        let patch = scim::set("userName", format!("{name}@acme.example"));
        client.patch(&format!("/Users/{id}"), patch).await.unwrap().expect(200).unwrap();
    }
    let found = client.get(&scim::path_eq("/Users", "userName", "ada@acme.example")).await.unwrap();
    assert_eq!(found.body["Resources"][0]["id"], bob.as_str());
}

#[tokio::test]
async fn of_many_who_bring_one_name_at_once_one_wins() {
    let (_server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
    let create = |index: usize| {
        let connector = connector.clone();
        async move {
            let name =
                if index.is_multiple_of(2) { "ada@acme.example" } else { "ADA@ACME.EXAMPLE" };
            connector.client()?.post("/Users", scim::user(name)).await
        }
    };
    let answers = together((0..20).map(create)).await.unwrap();
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 201);
    assert_eq!(made.len(), 1);
    refused.iter().for_each(|it| it.expect_scim_error(409, Some("uniqueness")).unwrap());
    let record = record::Record::whole(&mut api, WORKSPACE).await.unwrap();
    assert_eq!(record.of("user.entry_added").count(), 1);
    assert_eq!(record.of("user.account_granted").count(), 1);
}

#[tokio::test]
async fn two_connectors_that_bring_one_person_at_once_make_one_account_with_two_entries() {
    const PEOPLE: usize = 12;
    let (_server, mut api) = start_with_workspace().await;
    let rule = || setup::create_and("remove_user");
    let one = setup::connector(&mut api, WORKSPACE, "store", "okta", rule()).await.unwrap();
    let other = setup::another_connector(&mut api, WORKSPACE, "store", "second", rule()).await;
    let other = other.unwrap();

    let create = |(index, connector): (usize, &Connector)| {
        let connector = connector.clone();
        async move {
            let user = scim::user(&format!("person{index}@acme.example"));
            connector.client()?.post("/Users", user).await?.made()
        }
    };
    let each = (0..PEOPLE).flat_map(|index| [(index, &one), (index, &other)]);
    let ids = together(each.map(create)).await.unwrap();

    let path = format!("/workspaces/{WORKSPACE}/employees");
    let accounts = api.get(&path).await.unwrap().expect(200).unwrap();
    let accounts = accounts["items"].as_array().unwrap();
    assert_eq!(accounts.len(), PEOPLE);
    for (index, pair) in ids.chunks(2).enumerate() {
        assert_ne!(pair[0], pair[1]);
        let name = format!("person{index}@acme.example");
        let account = accounts.iter().find(|it| it["user_name"] == name).unwrap();
        assert_eq!(account["account"], "active");
        let entries = account["scim"].as_array().unwrap().iter();
        let entries: BTreeSet<_> = entries
            .map(|it| (it["connector"].as_str().unwrap(), it["id"].as_str().unwrap()))
            .collect();
        assert_eq!(entries, [("second", pair[1].as_str()), ("store", pair[0].as_str())].into());
        for id in pair {
            let by_id = api.get(&format!("{path}/{id}")).await.unwrap().expect(200).unwrap();
            assert_eq!(by_id["id"], account["id"]);
        }
    }

    // The account stands while one of them says that the person is active.
    let off = scim::active(false);
    let mut client = one.client().unwrap();
    client.patch(&format!("/Users/{}", ids[0]), off.clone()).await.unwrap().expect(200).unwrap();
    let account = api.get(&format!("{path}/{}", ids[0])).await.unwrap().expect(200).unwrap();
    assert_eq!(account["account"], "active");
    let mut client = other.client().unwrap();
    client.patch(&format!("/Users/{}", ids[1]), off).await.unwrap().expect(200).unwrap();
    let account = api.get(&format!("{path}/{}", ids[0])).await.unwrap().expect(200).unwrap();
    assert_eq!(account["account"], "removed");
}
