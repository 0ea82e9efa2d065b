//! What an identity provider says of people stands readable in read models and nowhere else: in no
//! other file of the data directory and in no line of the server's log.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use testkit::{Client, Server, all_ended, record::Record, scim, setup};

use crate::{WORKSPACE, start_with_workspace};

/// What every needle begins with; in small letters, since names are folded.
pub(crate) const NEEDLE: &str = "zq7xneedle";

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const CUSTOM: &str = "urn:acme:scim:Custom:2.0:User";

/// A text that is found nowhere unless somebody puts it there.
pub(crate) fn needle(name: &str) -> String {
    format!("{NEEDLE}-{name}")
}

/// The files below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(self::files(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

/// Whether a file that may vanish meanwhile has this text, in any case, in UTF-8 or UTF-16.
pub(crate) fn holds(file: &Path, text: &str) -> bool {
    let bytes = fs::read(file).unwrap_or_default().to_ascii_lowercase();
    let wide: Vec<_> = text.bytes().flat_map(|byte| [byte, 0]).collect();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    has(text.as_bytes()) || has(&wide)
}

/// No file but the read models has a needle, and no line of the log has one.
fn nothing_leaks(server: &Server, when: &str) {
    let read = server.data_dir().join("read");
    let files = files(server.data_dir());
    let named = |name: &str| files.iter().any(|file| file.ends_with(name));
    assert!(named("log.db") && named("keys.db"), "these are not the files: {files:?}");
    let leaks: Vec<_> =
        files.iter().filter(|it| !it.starts_with(&read) && holds(it, NEEDLE)).collect();
    assert!(leaks.is_empty(), "{when}: {leaks:?}");

    let log = server.log_lines().unwrap();
    let lines: Vec<_> =
        log.lines().filter(|line| line.to_ascii_lowercase().contains(NEEDLE)).collect();
    assert!(lines.is_empty(), "{when}: {lines:#?}");
}

/// A person with a needle in every attribute.
pub(crate) fn person() -> Value {
    json!({
        "schemas": [scim::USER, ENTERPRISE, CUSTOM],
        "externalId": needle("external-id"),
        "userName": format!("{}@acme.example", needle("user-name")),
        "name": {
            "givenName": needle("given"), "familyName": needle("family"),
            "formatted": needle("formatted"), "middleName": needle("middle"),
            "honorificPrefix": needle("prefix"), "honorificSuffix": needle("suffix"),
        },
        "displayName": needle("display"), "nickName": needle("nick"), "title": needle("title"),
        "profileUrl": format!("https://acme.example/{}", needle("profile")),
        "userType": needle("type"), "preferredLanguage": needle("language"),
        "locale": needle("locale"), "timezone": needle("timezone"), "active": true,
        "password": needle("password"),
        "emails": [
            { "type": "work", "value": format!("{}@acme.example", needle("email")), "primary": true },
            { "type": needle("email-type"), "display": needle("email-display"), "value": "a@b.c" },
        ],
        "phoneNumbers": [{ "type": "work", "value": needle("phone") }],
        "ims": [{ "value": needle("im") }],
        "photos": [{ "value": format!("https://acme.example/{}", needle("photo")) }],
        "addresses": [{ "streetAddress": needle("street"), "locality": needle("town") }],
        "entitlements": [{ "value": needle("entitlement") }],
        "roles": [{ "value": needle("role") }],
        (ENTERPRISE): {
            "employeeNumber": needle("number"), "department": needle("department"),
            "manager": { "value": needle("manager"), "displayName": needle("manager-name") },
        },
        (CUSTOM): { "badge": needle("badge") },
    })
}

/// The needles that stand in a value, in small letters.
fn needles(value: &Value) -> BTreeSet<String> {
    let text = value.to_string().to_ascii_lowercase();
    let found = text.match_indices(NEEDLE).map(|(at, _)| {
        let end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        text[at..].split(end).next().unwrap_or_default().to_owned()
    });
    found.collect()
}

/// Everything that can be said about people, in every way that brings it in.
async fn fill(api: &mut Client, client: &mut Client) -> String {
    let id = client.post("/Users", person()).await.unwrap().made().unwrap();
    let path = format!("/Users/{id}");
    let patch = scim::patch(json!([
        { "op": "replace", "path": "title", "value": needle("patched-title") },
        { "op": "add", "path": format!("{CUSTOM}:seat"), "value": needle("patched-extension") },
        { "op": "add", "value": { "nickName": needle("patched-nick") } },
    ]));
    client.patch(&path, patch).await.unwrap().expect(200).unwrap();
    let mut put = person();
    put["displayName"] = json!(needle("put-display"));
    client.put(&path, put).await.unwrap().expect(200).unwrap();

    let group = json!({
        "schemas": [scim::GROUP],
        "displayName": needle("group"), "externalId": needle("group-external-id"),
        "members": [
            { "value": id, "display": needle("member-display") },
            { "value": needle("pending-member"), "display": needle("pending-display") },
        ],
    });
    let group = client.post("/Groups", group).await.unwrap().made().unwrap();
    let rename = scim::patch(json!([
        { "op": "replace", "path": "displayName", "value": needle("renamed-group") },
        { "op": "add", "path": "members", "value": [{ "value": needle("pending-by-patch") }] },
    ]));
    client.patch(&format!("/Groups/{group}"), rename).await.unwrap().expect(204).unwrap();

    let base = format!("/workspaces/{WORKSPACE}/mdm");
    let device = json!({
        "serial": needle("serial"), "platform": "ios", "name": needle("device-name"), "user": id,
    });
    api.post(&format!("{base}/devices"), device).await.unwrap().made().unwrap();
    let invited = json!({
        "user_name": needle("invited"), "email": format!("{}@acme.example", needle("invited-email")),
    });
    api.post(&format!("{base}/users"), invited).await.unwrap().made().unwrap();
    id
}

/// Requests that fail, with needles wherever a message could repeat them.
async fn fail(api: &mut Client, client: &mut Client, id: &str) {
    let path = format!("/Users/{id}");
    client
        .post("/Users", person())
        .await
        .unwrap()
        .expect_scim_error(409, Some("uniqueness"))
        .unwrap();
    let broken = format!("{{\"userName\": {}", needle("broken")).into_bytes();
    let answers = [
        client.send("POST", "/Users", broken).await,
        client.post("/Users", json!({ "userName": { "a": needle("wrong-type") } })).await,
        client.patch(&path, scim::set(&needle("path[a eq"), "x")).await,
        client.patch(&path, scim::set("active", needle("active"))).await,
        client.get(&format!("/Users?filter={}", scim::escape(&needle("filter regex")))).await,
        client.get(&scim::path_eq("/Users", "id", &needle("id"))).await,
        client.get(&format!("/Users/{}", needle("path"))).await,
        client.get(&format!("/{}", needle("endpoint"))).await,
        client.get(&format!("/Groups?{}=1", needle("parameter"))).await,
        api.get(&format!("/workspaces/{}", needle("workspace"))).await,
        api.post(&format!("/workspaces/{WORKSPACE}/mdm/users"), json!({ "x": needle("field") }))
            .await,
        api.get(&format!("/workspaces/{WORKSPACE}/mdm/users?q={}", needle("q"))).await,
    ];
    for answer in answers {
        assert!(answer.unwrap().status < 500);
    }
}

#[tokio::test]
async fn a_needle_in_every_attribute_is_found_in_read_models_and_nowhere_else() {
    let (mut server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "mdm", "generic", rule).await.unwrap();
    let mut client = connector.client().unwrap();
    let id = fill(&mut api, &mut client).await;
    fail(&mut api, &mut client, &id).await;
    let mut stranger = connector
        .client()
        .unwrap()
        .with_header("authorization", &format!("Bearer mst_{}", needle("token")))
        .unwrap();
    stranger.get("/Users").await.unwrap().expect_scim_error(401, None).unwrap();
    nothing_leaks(&server, "after it was written");

    // The needles did come in: the record shows what is sealed in the files. What is never kept is
    // the password, and what only the server may say.
    let record = Record::whole(&mut api, WORKSPACE).await.unwrap();
    let recorded: Value = record.events.iter().map(|event| event.json["data"].clone()).collect();
    let recorded = needles(&recorded);
    let never = ["password", "manager-name", "member-display", "pending-display"].map(needle);
    let wanted = needles(&person());
    let missing: Vec<_> = wanted.difference(&recorded).filter(|it| !never.contains(it)).collect();
    assert!(missing.is_empty(), "these were not recorded: {missing:?}");
    for name in ["serial", "device-name", "pending-member", "invited-email", "patched-extension"] {
        assert!(recorded.contains(&needle(name)), "{name} was not recorded");
    }
    for name in &never {
        assert!(!recorded.contains(name), "{name} was recorded");
    }

    for request in ["rebuild", "verify"] {
        let path = format!("/projections/{request}");
        api.post(&path, json!({})).await.unwrap().expect(200).unwrap();
        nothing_leaks(&server, request);
    }
    client.patch(&format!("/Users/{id}"), scim::active(false)).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    client.delete(&format!("/Users/{id}")).await.unwrap().expect(204).unwrap();
    nothing_leaks(&server, "after the person was offboarded and deleted");

    server.kill().await.unwrap();
    nothing_leaks(&server, "after a kill");
    server.restart().await.unwrap();
    nothing_leaks(&server, "after a restart");
    assert_eq!(server.stop().await.unwrap(), Some(0));
    nothing_leaks(&server, "after a stop");

    // The search finds what is there.
    let read = files(&server.data_dir().join("read"));
    assert!(read.iter().any(|file| holds(file, NEEDLE)), "no needle in any of {read:?}");
    let log = server.data_dir().join("log.db");
    assert!(holds(&log, "user.entry_added") && holds(&log, WORKSPACE));
}
