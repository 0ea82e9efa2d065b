//! Replacing resources: RFC 7644 §3.5.1.

use serde_json::{Value, json};

use crate::{
    case::{Case, Group, Verdict, case},
    session::{ENTERPRISE, GROUP as GROUP_URN, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "replace",
    about: "replacing users and groups with PUT",
    needs: None,
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        replaced,
        "PUT answers 200 with the whole resource as it is now",
        "RFC 7644 §3.5.1"
    ),
    case!(
        Must,
        copy,
        "a resource that is sent back as it was read is accepted and stays as it is",
        "RFC 7644 §3.5.1"
    ),
    case!(
        Must,
        read_only_ignored,
        "id, meta and groups of the client are ignored",
        "RFC 7644 §3.5.1"
    ),
    case!(Must, created_stays, "meta.created stays, whatever is replaced", "RFC 7643 §3.1"),
    case!(
        Must,
        lists_replaced,
        "the values of a list are replaced by those sent",
        "RFC 7644 §3.5.1"
    ),
    case!(
        Must,
        deactivated,
        "active false deactivates and true activates again",
        "RFC 7643 §4.1.1"
    ),
    case!(
        Must,
        renamed,
        "a user gets another userName, and the old one is free",
        "RFC 7644 §3.5.1"
    ),
    case!(
        Must,
        user_name_required,
        "a user without userName answers 400 invalidValue",
        "RFC 7644 §3.5.1, Table 9"
    ),
    case!(
        Must,
        user_name_taken,
        "a userName that is taken answers 409 uniqueness",
        "RFC 7644 §3.3, §3.5.1"
    ),
    case!(
        Must,
        never_creates,
        "PUT to an id that is not there answers 404 and makes nothing",
        "RFC 7644 §3.5.1"
    ),
    case!(Must, refused_changes_nothing, "what is refused changes nothing", "RFC 7644 §3.5.1"),
    case!(
        Must,
        enterprise,
        "the enterprise extension is replaced with the rest",
        "RFC 7644 §3.5.1, RFC 7643 §4.3"
    ),
    case!(Must, members, "the members of a group are replaced by those sent", "RFC 7644 §3.5.1"),
];

fn user(name: &str, attributes: Value) -> Value {
    let mut body = json!({"schemas": [USER], "userName": name, "active": true});
    if let (Some(body), Value::Object(attributes)) = (body.as_object_mut(), attributes) {
        body.extend(attributes);
    }
    body
}

async fn replaced(session: &Session) -> Verdict {
    session.needs_attributes(&["title", "name"])?;
    let made = session.user(json!({"title": "Engineer"})).await?;
    let body = user(&made.name, json!({"title": "Countess", "name": {"familyName": "King"}}));
    let answer = session.put(made.path.as_str(), &body).await?;
    answer.status(&[200])?;
    for answer in [&answer, &session.read(&made).await?] {
        answer.has("/id", made.id.clone())?;
        answer.has("/title", "Countess")?;
        answer.has("/name/familyName", "King")?;
    }
    Ok(())
}

async fn copy(session: &Session) -> Verdict {
    let made = session.user(json!({"externalId": session.name()})).await?;
    let before = session.read(&made).await?;
    session.put(made.path.as_str(), &before.body).await?.status(&[200])?;
    let after = session.read(&made).await?;
    for name in ["id", "userName", "externalId", "active"] {
        after.has(&format!("/{name}"), before.at(&format!("/{name}")).clone())?;
    }
    Ok(())
}

async fn read_only_ignored(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    let body = user(
        &made.name,
        json!({
            "id": "chosen-by-the-client", "groups": [{"value": "chosen-by-the-client"}],
            "meta": {"resourceType": "Nothing", "location": "https://example.com/nothing"},
        }),
    );
    let answer = session.put(made.path.as_str(), &body).await?;
    answer.status(&[200])?;
    answer.has("/id", made.id.clone())?;
    answer.has("/meta/resourceType", "User")?;
    answer.has("/meta/location", made.answer.at("/meta/location").clone())?;
    answer.lacks("/groups")
}

async fn created_stays(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    let body =
        user(&made.name, json!({"active": false, "meta": {"created": "1970-01-01T00:00:00Z"}}));
    session.put(made.path.as_str(), &body).await?.status(&[200])?;
    session.read(&made).await?.has("/meta/created", made.answer.at("/meta/created").clone())
}

async fn lists_replaced(session: &Session) -> Verdict {
    session.needs_attributes(&["emails"])?;
    let made = session
        .user(json!({"emails": [
            {"value": "a@example.com", "type": "work"}, {"value": "b@example.com", "type": "home"},
        ]}))
        .await?;
    let body = user(&made.name, json!({"emails": [{"value": "c@example.com", "type": "work"}]}));
    session.put(made.path.as_str(), &body).await?.status(&[200])?;
    session.read(&made).await?.has_each("/emails", "value", &["c@example.com"])
}

async fn deactivated(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    for active in [false, true] {
        let answer =
            session.put(made.path.as_str(), &user(&made.name, json!({"active": active}))).await?;
        answer.status(&[200])?;
        session.read(&made).await?.has("/active", active)?;
    }
    Ok(())
}

async fn renamed(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    let name = format!("{}@example.com", session.name());
    session.put(made.path.as_str(), &user(&name, json!({}))).await?.status(&[200])?;
    session.read(&made).await?.has("/userName", name)?;
    let answer = session.post("/Users", &user(&made.name, json!({}))).await?;
    answer.status(&[201])
}

async fn user_name_required(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    let answer =
        session.put(made.path.as_str(), &json!({"schemas": [USER], "active": true})).await?;
    answer.refused(400, "invalidValue")?;
    session.read(&made).await?.has("/userName", made.name)
}

async fn user_name_taken(session: &Session) -> Verdict {
    let (ada, bob) = (session.user(json!({})).await?, session.user(json!({})).await?);
    let body = user(&ada.name.to_uppercase(), json!({}));
    session.put(bob.path.as_str(), &body).await?.refused(409, "uniqueness")?;
    session.read(&bob).await?.has("/userName", bob.name)
}

async fn never_creates(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    session.delete(made.path.as_str()).await?.status(&[204])?;
    session.put(made.path.as_str(), &user(&made.name, json!({}))).await?.refused(404, "")?;
    session.get(made.path.as_str()).await?.refused(404, "")
}

async fn refused_changes_nothing(session: &Session) -> Verdict {
    session.needs_attributes(&["title", "name"])?;
    let made = session.user(json!({"title": "Engineer"})).await?;
    let body = user(&made.name, json!({"title": "Countess", "name": 7}));
    session.put(made.path.as_str(), &body).await?.refused(400, "")?;
    session.read(&made).await?.has("/title", "Engineer")
}

async fn enterprise(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["department"])?;
    let made = session.user(json!({})).await?;
    let body = user(
        &made.name,
        json!({
            "schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": "Engines"},
        }),
    );
    session.put(made.path.as_str(), &body).await?.status(&[200])?;
    let answer = session.read(&made).await?;
    answer.has(&format!("/{ENTERPRISE}/department"), "Engines")?;
    answer.has_schema(ENTERPRISE)
}

async fn members(session: &Session) -> Verdict {
    let (ada, bob) = (session.user(json!({})).await?, session.user(json!({})).await?);
    let group = session.group_of(&[&ada]).await?;
    let body = json!({
        "schemas": [GROUP_URN], "displayName": group.name, "members": [{"value": bob.id}],
    });
    session.put(group.path.as_str(), &body).await?.status(&[200])?;
    session.read(&group).await?.has_members(&[&bob])
}
