//! Groups and their members.

use actix_web::http::Method;
use domain::workspace::Idp;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Reply, Server};

async fn people(client: &Client<'_>, count: usize) -> Vec<String> {
    let names: Vec<_> = (0..count).map(|number| format!("user-{number}")).collect();
    let mut ids = join_all(names.iter().map(|name| client.user(name))).await;
    ids.sort();
    ids
}

fn values(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({"$ref": null, "value": id})).collect()
}

#[actix_web::test]
async fn case_10_entra_adds_a_member_twice() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 1).await;
    let group = entra.group("Engineers", &[]).await;
    let path = format!("/Groups/{group}");
    let add = json!([{"op": "Add", "path": "members", "value": values(&ids)}]);
    let reply = entra.patch(&path, add.clone()).await;
    assert_eq!((reply.status, &reply.body), (204, &Value::Null));
    let (etag, head) = (reply.header("etag").map(str::to_owned), server.head());
    let again = entra.patch(&path, add).await;
    assert_eq!((again.status, again.header("etag")), (204, etag.as_deref()));
    assert_eq!(server.head(), head);
    assert_eq!(entra.members(&group).await, ids);
    let group = entra.get(&path).await;
    assert_eq!(group.header("etag"), etag.as_deref());
    assert_eq!(
        group.body["members"],
        json!([{
            "value": ids[0], "type": "User", "display": "user-0",
            "$ref": format!("https://muster.example{}/Users/{}", entra.base, ids[0])
        }])
    );
}

#[actix_web::test]
async fn case_11_entra_removes_the_members_that_it_lists_and_no_others() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 3).await;
    let group = entra.group("Engineers", &[&ids[0], &ids[1], &ids[2]]).await;
    let remove = json!([{"op": "Remove", "path": "members", "value": values(&ids[..1])}]);
    assert_eq!(entra.patch(&format!("/Groups/{group}"), remove).await.status, 204);
    assert_eq!(entra.members(&group).await, ids[1..]);
}

#[actix_web::test]
async fn to_the_letter_a_removal_without_a_filter_empties_the_group() {
    let server = Server::start().await;
    let strict = server.client(Idp::Strict).await;
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    let user = strict.post("/Users", json!({"schemas": schemas, "userName": "ada"})).await.id();
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]);
    let members = json!([{"value": user}]);
    let body = json!({"schemas": schemas, "displayName": "Engineers", "members": members});
    let group = strict.post("/Groups", body).await.id();
    let remove = json!([{"op": "remove", "path": "members", "value": [{"value": "another"}]}]);
    assert_eq!(strict.patch(&format!("/Groups/{group}"), remove).await.status, 204);
    assert!(strict.members(&group).await.is_empty());
}

#[actix_web::test]
async fn case_12_a_member_is_removed_by_a_filter_and_again() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 2).await;
    let group = entra.group("Engineers", &[&ids[0], &ids[1]]).await;
    let path = format!("members[value eq \"{}\"]", ids[0]);
    let remove = json!([{"op": "remove", "path": path}]);
    assert_eq!(entra.patch(&format!("/Groups/{group}"), remove.clone()).await.status, 204);
    let head = server.head();
    assert_eq!(entra.patch(&format!("/Groups/{group}"), remove).await.status, 204);
    assert_eq!((server.head(), entra.members(&group).await), (head, ids[1..].to_vec()));
}

#[actix_web::test]
async fn case_13_parallel_additions_to_one_group_are_all_kept() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 50).await;
    let group = entra.group("Engineers", &[]).await;
    let path = format!("/Groups/{group}");
    let add = |id: &String| {
        let operations = json!([{"op": "Add", "path": "members", "value": [{"value": id}]}]);
        entra.patch(&path, operations)
    };
    let replies = join_all(ids.iter().map(|id| {
        let answer = add(id);
        async move { answer.await.status }
    }));
    assert!(replies.await.iter().all(|status| *status == 204));
    assert_eq!(entra.members(&group).await, ids);
}

#[actix_web::test]
async fn case_14_okta_puts_the_whole_list_in_another_order() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let ids = people(&okta, 4).await;
    let group = okta.group("Engineers", &[&ids[0], &ids[1], &ids[2]]).await;
    let path = format!("/Groups/{group}");
    let body = |ids: &[&String]| {
        let members: Vec<_> = ids.iter().map(|id| json!({"value": id, "display": null})).collect();
        json!({"id": group, "displayName": "Engineers", "members": members, "meta": {}})
    };
    let (head, etag) = (server.head(), okta.get(&path).await.header("etag").map(str::to_owned));
    let same = okta.put(&path, body(&[&ids[2], &ids[0], &ids[1]])).await;
    assert_eq!((same.status, same.header("etag")), (200, etag.as_deref()));
    assert_eq!(server.head(), head);
    let reply = okta.put(&path, body(&[&ids[3], &ids[1]])).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.body["members"].as_array().unwrap().len(), 2);
    assert_eq!(okta.members(&group).await, [ids[1].clone(), ids[3].clone()]);
    let lean = okta.put(&format!("{path}?excludedAttributes=members"), body(&[&ids[1]])).await;
    assert_eq!((lean.status, lean.body.get("members")), (200, None));
}

#[actix_web::test]
async fn case_19_a_group_of_entra_names_a_schema_that_nobody_knows() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let reply = entra
        .post("/Groups", json!({
            "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:Group",
                "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
            ],
            "externalId": "8aa1a0c0", "displayName": "Engineers", "meta": {"resourceType": "Group"}
        }))
        .await;
    assert_eq!((reply.status, &reply.body["externalId"]), (201, &json!("8aa1a0c0")));
    assert_eq!(reply.body["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]));
    let location = format!("https://muster.example{}/Groups/{}", entra.base, reply.id());
    assert_eq!(reply.header("location"), Some(location.as_str()));
    assert_eq!(reply.body["meta"]["location"], location);
}

#[actix_web::test]
async fn case_20_entra_looks_for_a_group_without_its_members() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 1).await;
    let group = entra.group("Engineers", &[&ids[0]]).await;
    let path = "/Groups?excludedAttributes=members&filter=displayName%20eq%20%22ENGINEERS%22";
    let reply = entra.get(path).await;
    assert_eq!(reply.ids(), [group]);
    assert_eq!(reply.body["Resources"][0].get("members"), None);
    assert_eq!(reply.body["Resources"][0]["displayName"], "Engineers");
}

#[actix_web::test]
async fn case_21_a_group_is_read_without_its_members() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 2).await;
    let group = entra.group("Engineers", &[&ids[0], &ids[1]]).await;
    let reply = entra.get(&format!("/Groups/{group}?excludedAttributes=members")).await;
    assert_eq!((reply.status, reply.body.get("members")), (200, None));
    let reply = entra.get(&format!("/Groups/{group}?attributes=members.value")).await;
    assert_eq!(reply.body["members"], json!([{"value": ids[0]}, {"value": ids[1]}]));
    let reply = entra.get(&format!("/Groups/{group}?excludedAttributes=members.%24ref,meta")).await;
    assert_eq!(reply.body["members"][0].get("$ref"), None);
    assert_eq!(reply.body["members"][0]["display"], "user-0");
}

#[actix_web::test]
async fn members_are_left_out_where_nothing_of_them_is_shown() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 2).await;
    let group = entra.group("Engineers", &[&ids[0], &ids[1]]).await;
    let all = "members.value,members.%24ref,members.type,members.display";
    for query in ["attributes=members.valu".to_owned(), format!("excludedAttributes={all}")] {
        let reply = entra.get(&format!("/Groups/{group}?{query}")).await;
        assert_eq!((reply.status, reply.body.get("members")), (200, None), "{query}");
        let list = entra.get(&format!("/Groups?{query}")).await;
        assert_eq!(list.body["Resources"][0].get("members"), None, "{query} {list:?}");
    }
}

#[actix_web::test]
async fn case_23_a_connector_without_groups_lists_none() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    assert!(okta.get("/Groups?startIndex=1&count=100").await.ids().is_empty());
}

#[actix_web::test]
async fn case_24_okta_pushes_a_group_with_members() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let ids = people(&okta, 2).await;
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id, "display": "user@x"})).collect();
    let reply = okta.post("/Groups", json!({"displayName": "Engineers", "members": members})).await;
    assert_eq!((reply.status, reply.body["members"].as_array().unwrap().len()), (201, 2));
    assert_eq!(okta.members(&reply.id()).await, ids);
}

#[actix_web::test]
async fn case_25_okta_renames_with_the_id_in_the_value() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let ids = people(&okta, 1).await;
    let group = okta.group("Old", &[&ids[0]]).await;
    let rename = json!([{"op": "replace", "value": {"id": "another", "displayName": "New"}}]);
    assert_eq!(okta.patch(&format!("/Groups/{group}"), rename).await.status, 204);
    let reply = okta.get(&format!("/Groups/{group}")).await;
    assert_eq!((reply.id(), &reply.body["displayName"]), (group.clone(), &json!("New")));
    assert_eq!(okta.members(&group).await, ids);
}

#[actix_web::test]
async fn case_26_okta_replaces_all_members() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let ids = people(&okta, 3).await;
    let group = okta.group("Engineers", &[&ids[0]]).await;
    for (operation, expected) in [
        (json!({"op": "replace", "path": "members", "value": values(&ids[1..])}), &ids[1..]),
        (json!({"op": "replace", "path": "members", "value": []}), &[]),
        (json!({"op": "replace", "value": {"members": values(&ids[..2])}}), &ids[..2]),
        (json!({"op": "replace", "value": {"members": []}}), &[]),
    ] {
        let reply = okta.patch(&format!("/Groups/{group}"), json!([operation])).await;
        assert_eq!(reply.status, 204, "{operation}: {reply:?}");
        assert_eq!(okta.members(&group).await, expected, "{operation}");
    }
    let reply = okta.get(&format!("/Groups/{group}")).await;
    assert_eq!(reply.body["displayName"], "Engineers");
}

#[actix_web::test]
async fn case_29_a_group_is_deleted_once_and_its_members_stay() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let ids = people(&okta, 1).await;
    let group = okta.group("Engineers", &[&ids[0]]).await;
    let path = format!("/Groups/{group}");
    assert_eq!(okta.delete(&path).await.status, 204);
    assert_eq!(okta.delete(&path).await.error(), (404, None));
    assert_eq!(okta.get(&path).await.error(), (404, None));
    let user = okta.get(&format!("/Users/{}", ids[0])).await;
    assert_eq!((user.status, user.body.get("groups")), (200, None));
    okta.group("Engineers", &[]).await;
}

#[actix_web::test]
async fn case_37_a_thousand_members_come_in_one_operation() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 1_000).await;
    let group = entra.group("Engineers", &[]).await;
    // Large enough to be parsed aside.
    let display = "x".repeat(100);
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id, "display": display})).collect();
    let head = server.head();
    let add = json!([{"op": "Add", "path": "members", "value": members}]);
    assert_eq!(entra.patch(&format!("/Groups/{group}"), add).await.status, 204);
    assert_eq!(server.head(), head + 1);
    assert_eq!(entra.members(&group).await, ids);
}

#[actix_web::test]
async fn a_member_that_nobody_has_brought_yet_is_no_error_and_not_shown() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 1).await;
    let group = entra.group("Engineers", &[&ids[0], "later@x", "00u7"]).await;
    assert_eq!(entra.members(&group).await, ids);
    let add = json!([{"op": "Add", "path": "members", "value": [{"value": "another@x"}]}]);
    assert_eq!(entra.patch(&format!("/Groups/{group}"), add).await.status, 204);
    assert_eq!(entra.members(&group).await, ids);
}

#[actix_web::test]
async fn case_40_a_display_name_can_be_had_once_in_a_connector() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let other = server.connect(domain::portal::Portal::Mdm, "other", Idp::Entra).await;
    let group = entra.group("Engineers", &[]).await;
    entra.group("Sales", &[]).await;
    other.group("sales", &[]).await;
    let head = server.head();
    let rename = json!([{"op": "Replace", "path": "displayName", "value": "SALES"}]);
    let reply = entra.patch(&format!("/Groups/{group}"), rename).await;
    assert_eq!(reply.error(), (409, Some("uniqueness")));
    let reply = entra.post("/Groups", json!({"displayName": "sales"})).await;
    assert_eq!(reply.error(), (409, Some("uniqueness")));
    assert_eq!(server.head(), head);
}

#[actix_web::test]
async fn a_patch_of_a_group_answers_with_a_body_only_when_asked() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ids = people(&entra, 1).await;
    let group = entra.group("Engineers", &[]).await;
    let add = json!([{"op": "Add", "path": "members", "value": values(&ids)}]);
    let path = |query: &str| format!("/Groups/{group}?{query}");
    let reply = entra.patch(&path("attributes=displayName"), add.clone()).await;
    let names: Vec<_> = reply.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((reply.status, names), (200, vec!["displayName", "id", "schemas"]));
    let reply = entra.patch(&path("attributes=members"), add.clone()).await;
    assert_eq!(reply.body["members"][0]["value"], ids[0]);
    assert_eq!(entra.patch(&path("excludedAttributes=members"), add).await.status, 204);
}

/// Enough members for an answer that is sent in parts.
const MANY: usize = 1_500;

#[actix_web::test]
async fn a_large_group_is_read_in_parts_and_changed_by_differences() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let users = people(&generic, MANY).await;
    let member = |id: &String| json!({"value": id, "display": null});
    let body = |ids: &[String]| json!({"displayName": "All", "members": ids.iter().map(member).collect::<Vec<_>>()});
    let made = generic.post("/Groups", body(&users)).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["members"].as_array().unwrap().len(), MANY);
    let path = format!("/Groups/{}", made.id());
    let read = generic.get(&path).await;
    let shown: std::collections::BTreeSet<_> = read.body["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["value"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown, users.iter().cloned().collect());
    let listed = generic.get("/Groups").await;
    assert_eq!(listed.body["Resources"][0]["members"].as_array().unwrap().len(), MANY);
    assert_eq!(listed.body["totalResults"], 1);

    // Whatever happens to the group while it is sent, what is sent is one version of it.
    let begun =
        [generic.begin(Method::GET, &path).await, generic.begin(Method::GET, "/Groups").await];
    let alone = json!([{"op": "replace", "path": "members", "value": [{"value": users[0]}]}]);
    assert_eq!(generic.patch(&path, alone).await.status, 204);
    for response in begun {
        let reply = Reply::read(response).await;
        let group = if reply.body["Resources"].is_array() {
            &reply.body["Resources"][0]
        } else {
            &reply.body
        };
        assert_eq!(group["members"].as_array().unwrap().len(), MANY);
        assert_eq!(group["meta"]["version"].as_str(), read.header("etag"));
    }
    assert_eq!(generic.put(&path, body(&users)).await.status, 200);
    let read = generic.get(&path).await;

    let head = server.head();
    let reversed: Vec<_> = users.iter().rev().cloned().collect();
    let same = generic.put(&path, body(&reversed)).await;
    assert_eq!((same.status, server.head()), (200, head), "another order is no change");
    assert_eq!(same.header("etag"), read.header("etag"));
    assert_eq!(generic.put(&path, body(&reversed[1..])).await.status, 200);
    assert_eq!(server.head(), head + 1, "one member less is one event");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": reversed[0]}]}]);
    let added = generic.patch(&path, add).await;
    assert_eq!((added.status, added.body), (204, Value::Null));
    assert_eq!(server.head(), head + 2);
}

#[actix_web::test]
async fn members_are_removed_by_whatever_a_client_sees_of_them() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let [ada, bob, cy] = ["ada", "bob", "cy"];
    let ids = [generic.user(ada).await, generic.user(bob).await, generic.user(cy).await];
    let group = generic.group("All", &[&ids[0], &ids[1], &ids[2]]).await;
    let path = format!("/Groups/{group}");
    let shown = generic.get(&path).await;
    let reference = shown.body["members"].as_array().unwrap().iter();
    let reference =
        reference.map(|it| it["$ref"].as_str().unwrap()).find(|it| it.ends_with(&ids[1]));
    for filter in ["display eq \"ADA\"".to_owned(), format!("$ref eq \"{}\"", reference.unwrap())] {
        let remove = json!([{"op": "remove", "path": format!("members[{filter}]")}]);
        assert_eq!(generic.patch(&path, remove).await.status, 204, "{filter}");
    }
    assert_eq!(generic.members(&group).await, [ids[2].clone()]);
    for filter in [
        format!("members.$ref eq \"https://muster.example/scim/v2/acme/store/Users/{}\"", ids[2]),
        format!("meta.location ew \"{path}\""),
    ] {
        assert_eq!(generic.find("/Groups", &filter).await.ids(), [&*group], "{filter}");
    }
}

/// No policy runs here, so the value is pending for as long as it takes.
#[actix_web::test]
async fn whoever_is_removed_by_id_is_not_awaited_by_name_any_more() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let group = generic.group("All", &["Ada@x", "7", "eve@x"]).await;
    let body = json!({"userName": "ada@X", "externalId": "7"});
    let ada = generic.post("/Users", body).await.id();
    let id = domain::ids::GroupId(group.parse().unwrap());
    let waiting = || server.app.read_models().directory().pending(&server.workspace, id).unwrap();
    assert_eq!(waiting().len(), 3);
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{ada}\"]")}]);
    assert_eq!(generic.patch(&format!("/Groups/{group}"), remove).await.status, 204);
    assert_eq!(generic.members(&group).await, Vec::<String>::new());
    let left: Vec<_> = waiting().into_iter().map(|(_, value)| value).collect();
    assert_eq!(left, ["eve@x"]);
}
