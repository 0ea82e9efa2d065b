//! What Okta sends: its own application with PUT, and one of its catalogue with PATCH.

use serde_json::{Value, json};

use crate::{
    case::{Case, Group, Verdict, case},
    request::escaped,
    session::{GROUP as GROUP_URN, Session, USER},
};

pub(super) const GROUP: Group =
    Group { name: "okta", about: "Okta, with PUT and with PATCH", needs: None, cases: &[CASES] };

const REFERENCE: &str = "Okta, SCIM 2.0 protocol reference (as noted on 2026-11-25)";
const QUESTIONS: &str = "Okta, SCIM technical questions (as noted on 2026-11-25)";
const CAPTURED: &str = "captured traffic of Okta's SCIM client (as noted on 2026-11-25)";

const CASES: &[Case] = &[
    case!(
        Dialect,
        test_connector,
        "the connection test reads the first page of users, with integers",
        CAPTURED
    ),
    case!(
        Dialect,
        groups_page,
        "the first page of groups answers 200, also where there are none",
        CAPTURED
    ),
    case!(
        Dialect,
        create_user,
        "a user is made as Okta sends it, password and all, and comes back whole",
        CAPTURED
    ),
    case!(
        Dialect,
        put_copy,
        "PUT of a copy with active false deactivates, read-only parts ignored",
        QUESTIONS
    ),
    case!(
        Dialect,
        reactivate_by_put,
        "an inactive user is found and activated with PUT: same id, memberships kept",
        CAPTURED
    ),
    case!(
        Dialect,
        deactivate_without_path,
        "PATCH of active without a path deactivates",
        REFERENCE
    ),
    case!(Dialect, unknown_id, "an id that is gone answers 404", CAPTURED),
    case!(Dialect, push_group, "a group is made with members and their display", CAPTURED),
    case!(
        Dialect,
        put_group,
        "PUT of a group sets exactly its members, in any order and with display null",
        CAPTURED
    ),
    case!(
        Dialect,
        rename_group,
        "a group is renamed by a value with its id, its members stay",
        REFERENCE
    ),
    case!(
        Dialect,
        replace_members,
        "members are replaced by a path, without a path, and by none",
        REFERENCE
    ),
    case!(
        Dialect,
        plus_sign,
        "a plus sign in a userName is found when it is sent as %2B",
        "RFC 3986 §2.1"
    ),
];

async fn test_connector(session: &Session) -> Verdict {
    let answer = session.get("/Users?startIndex=1&count=2").await?;
    answer.list()?;
    for name in ["totalResults", "startIndex", "itemsPerPage"] {
        let found = answer.at(&format!("/{name}"));
        answer.holds(found.is_u64(), &format!("an integer {name}"), &found.to_string())?;
    }
    let resources = answer.at("/Resources");
    answer.holds(resources.is_array(), "a list Resources", &resources.to_string())
}

async fn groups_page(session: &Session) -> Verdict {
    session.get("/Groups?startIndex=1&count=100").await?.list().map(drop)
}

/// A user as Okta sends it.
fn user(session: &Session) -> Value {
    let name = format!("{}@example.com", session.name());
    json!({
        "schemas": [USER], "userName": name, "externalId": session.name(),
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"primary": true, "value": name, "type": "work"}],
        "displayName": "Ada Lovelace", "locale": "en-US", "groups": [], "password": "1mz050nq",
        "active": true,
    })
}

async fn create_user(session: &Session) -> Verdict {
    let body = user(session);
    let answer = session.post("/Users", &body).await?;
    answer.status(&[201])?;
    answer.has("/userName", body["userName"].clone())?;
    answer.has("/externalId", body["externalId"].clone())?;
    answer.has("/active", true)?;
    answer.lacks("/password")
}

async fn put_copy(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let group = session.group_of(&[&made]).await?;
    let mut copy = session.read(&made).await?.body;
    copy["active"] = json!(false);
    copy["password"] = json!("1mz050nq");
    let answer = session.put(made.path.as_str(), &copy).await?;
    answer.status(&[200])?;
    answer.has("/id", made.id.clone())?;
    answer.has("/active", false)?;
    answer.has("/userName", made.name.clone())?;
    answer.lacks("/password")?;
    session.read(&group).await?.has_members(&[&made])
}

async fn reactivate_by_put(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let group = session.group_of(&[&made]).await?;
    for active in [false, true] {
        let filter = escaped(&format!("userName eq \"{}\"", made.name));
        let found = session.get(format!("/Users?filter={filter}&startIndex=1&count=100")).await?;
        found.finds(&[&made])?;
        let mut copy = session.read(&made).await?.body;
        copy["active"] = json!(active);
        let answer = session.put(made.path.as_str(), &copy).await?;
        answer.status(&[200])?;
        answer.has("/active", active)?;
    }
    session.read(&group).await?.has_members(&[&made])
}

async fn deactivate_without_path(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    for active in [false, true] {
        let operation = json!([{"op": "replace", "value": {"active": active}}]);
        let answer = session.patched(&made, operation).await?;
        answer.has("/active", active)?;
        answer.has("/name/familyName", "Lovelace")?;
    }
    Ok(())
}

async fn unknown_id(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    session.delete(made.path.as_str()).await?.status(&[204])?;
    session.get(made.path.as_str()).await?.refused(404, "")?;
    session.put(made.path, &user(session)).await?.refused(404, "")
}

async fn push_group(session: &Session) -> Verdict {
    let ada = session.user(user(session)).await?;
    let members = json!([{"value": ada.id, "display": ada.name}]);
    let group = session.group(json!({"members": members})).await?;
    session.read(&group).await?.has_members(&[&ada])
}

async fn put_group(session: &Session) -> Verdict {
    let (ada, bob, cyd) = (
        session.user(user(session)).await?,
        session.user(user(session)).await?,
        session.user(user(session)).await?,
    );
    let group = session.group_of(&[&ada, &bob]).await?;
    for members in [[&bob, &ada], [&cyd, &ada]] {
        let list: Value =
            members.iter().map(|made| json!({"value": made.id, "display": null})).collect();
        let body = json!({
            "schemas": [GROUP_URN], "id": group.id, "displayName": group.name, "members": list,
        });
        let answer = session.put(group.path.as_str(), &body).await?;
        answer.status(&[200, 204])?;
        session.read(&group).await?.has_members(&members)?;
    }
    Ok(())
}

async fn rename_group(session: &Session) -> Verdict {
    let ada = session.user(user(session)).await?;
    let group = session.group_of(&[&ada]).await?;
    let name = session.name();
    let value = json!({"id": group.id, "displayName": name});
    let answer = session.patched(&group, json!([{"op": "replace", "value": value}])).await?;
    answer.has("/displayName", name)?;
    answer.has_members(&[&ada])
}

async fn replace_members(session: &Session) -> Verdict {
    let (ada, bob) = (session.user(user(session)).await?, session.user(user(session)).await?);
    let group = session.group_of(&[&ada]).await?;
    let bobs = json!([{"value": bob.id, "display": bob.name}]);
    let operation = json!([{"op": "replace", "path": "members", "value": bobs}]);
    session.patched(&group, operation).await?.has_members(&[&bob])?;
    let value = json!({"members": [{"value": ada.id}]});
    let answer = session.patched(&group, json!([{"op": "replace", "value": value}])).await?;
    answer.has_members(&[&ada])?;
    answer.has("/displayName", group.name.clone())?;
    let operation = json!([{"op": "replace", "path": "members", "value": []}]);
    session.patched(&group, operation).await?.lacks("/members")
}

async fn plus_sign(session: &Session) -> Verdict {
    let mut body = user(session);
    body["userName"] = json!(format!("{}+alias@example.com", session.name()));
    let made = session.user(body).await?;
    let filter = escaped(&format!("userName eq \"{}\"", made.name));
    let path = format!("/Users?filter={filter}&startIndex=1&count=100");
    session.get(path).await?.finds(&[&made])
}
