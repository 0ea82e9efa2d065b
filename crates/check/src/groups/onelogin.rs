//! What OneLogin sends: bodies made from templates, with the spellings of SCIM 1.

use serde_json::{Value, json};

use crate::{
    case::{Case, Group, Verdict, case},
    request::escaped,
    session::{ENTERPRISE, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "onelogin",
    about: "OneLogin, with bodies from templates",
    needs: None,
    cases: &[CASES],
};

const TEMPLATES: &str = "developers.onelogin.com/scim/implement-scim-api and goauthentik/authentik#11249 (as noted on 2026-11-25)";

const CASES: &[Case] = &[
    case!(
        Dialect,
        filter_with_plus,
        "a filter with + for spaces and a & at the end is understood",
        TEMPLATES
    ),
    case!(
        Dialect,
        put_with_question_mark,
        "PUT to a URL with a ? at its end is understood",
        TEMPLATES
    ),
    case!(Dialect, old_schemas, "URNs of SCIM 1 in schemas are ignored", TEMPLATES),
    case!(
        Dialect,
        boolean_text,
        "active as the text \"true\" or \"false\" is a boolean",
        TEMPLATES
    ),
    case!(Dialect, null_id, "an id that is null is ignored", TEMPLATES),
    case!(Dialect, single_mail, "emails that are one object are a list of one", TEMPLATES),
    case!(Dialect, empty_texts, "empty texts are no values", TEMPLATES),
    case!(Dialect, manager_id, "a managerId is the manager's value", TEMPLATES),
    case!(Dialect, single_member, "a member is added as one object and as a bare id", TEMPLATES),
];

/// A user as a template of OneLogin's makes it.
fn user(session: &Session, attributes: Value) -> Value {
    let mut body = json!({
        "schemas": [USER], "userName": format!("{}@example.com", session.name()), "active": true,
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
    });
    if let (Some(body), Value::Object(attributes)) = (body.as_object_mut(), attributes) {
        body.extend(attributes);
    }
    body
}

async fn filter_with_plus(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    let answer =
        session.get(format!("/Users?filter=userName+eq+%22{}%22&", escaped(&made.name))).await?;
    answer.finds(&[&made])
}

async fn put_with_question_mark(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    let body = user(session, json!({"userName": made.name, "active": false}));
    session.put(format!("{}?", made.path), &body).await?.status(&[200])?;
    session.read(&made).await?.has("/active", false)
}

async fn old_schemas(session: &Session) -> Verdict {
    let schemas = json!({"schemas": ["urn:scim:schemas:core:1.0", "urn:scim:schemas:core:2.0"]});
    let made = session.user(user(session, schemas)).await?;
    session.read(&made).await?.has("/name/familyName", "Lovelace")
}

async fn boolean_text(session: &Session) -> Verdict {
    for (text, active) in [("true", true), ("false", false)] {
        let made = session.user(user(session, json!({"active": text}))).await?;
        session.read(&made).await?.has("/active", active)?;
    }
    Ok(())
}

async fn null_id(session: &Session) -> Verdict {
    session.user(user(session, json!({"id": null}))).await.map(drop)
}

async fn single_mail(session: &Session) -> Verdict {
    session.needs_attributes(&["emails"])?;
    let mail = json!({"value": "ada@example.com", "type": "work", "primary": true});
    let made = session.user(user(session, json!({"emails": mail}))).await?;
    session.read(&made).await?.has_each("/emails", "value", &["ada@example.com"])
}

async fn empty_texts(session: &Session) -> Verdict {
    session.needs_attributes(&["title", "nickName"])?;
    let made = session.user(user(session, json!({"title": "", "nickName": ""}))).await?;
    let answer = session.read(&made).await?;
    answer.lacks("/title")?;
    answer.lacks("/nickName")
}

async fn manager_id(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["manager"])?;
    let boss = session.user(json!({})).await?;
    let manager = json!({ENTERPRISE: {"manager": {"managerId": boss.id}}});
    let made = session.user(user(session, manager)).await?;
    session.read(&made).await?.has(&format!("/{ENTERPRISE}/manager/value"), boss.id)
}

async fn single_member(session: &Session) -> Verdict {
    let (ada, bob) = (session.user(json!({})).await?, session.user(json!({})).await?);
    let group = session.group_of(&[]).await?;
    let operation = json!([{"op": "add", "path": "members", "value": {"value": ada.id}}]);
    session.patched(&group, operation).await?.has_members(&[&ada])?;
    let operation = json!([{"op": "add", "path": "members", "value": bob.id}]);
    session.patched(&group, operation).await?.has_members(&[&ada, &bob])
}
