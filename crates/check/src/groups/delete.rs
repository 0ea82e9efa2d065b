//! Removing resources: RFC 7644 §3.6.

use serde_json::json;

use crate::{
    case::{Case, Group, Verdict, case},
    session::{Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "delete",
    about: "removing users and groups with DELETE",
    needs: None,
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(Must, deleted, "DELETE answers 204 without a body", "RFC 7644 §3.6"),
    case!(Must, gone, "a deleted user answers 404 to every method", "RFC 7644 §3.6"),
    case!(Must, not_found, "a deleted user is in no list", "RFC 7644 §3.6"),
    case!(
        Must,
        name_is_free,
        "a deleted user's userName is free, and its id is not given again",
        "RFC 7644 §3.6, RFC 7643 §3.1"
    ),
    case!(Must, group, "a deleted group answers 404, and its members stay", "RFC 7644 §3.6"),
];

async fn deleted(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = session.delete(user.path).await?;
    answer.status(&[204])?;
    answer.holds(answer.text.is_empty(), "no body", "a body")
}

async fn gone(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let path = user.path.as_str();
    session.delete(path).await?.status(&[204])?;
    session.get(path).await?.refused(404, "")?;
    let body = json!({"schemas": [USER], "userName": user.name});
    session.put(path, &body).await?.refused(404, "")?;
    session.delete(path).await?.refused(404, "")?;
    let operation = json!([{"op": "replace", "path": "active", "value": false}]);
    session.patch(path, operation).await?.refused(404, "")
}

async fn not_found(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    session.delete(user.path).await?.status(&[204])?;
    session.find("/Users", &format!("userName eq \"{}\"", user.name)).await?.finds(&[])
}

async fn name_is_free(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    session.delete(user.path).await?.status(&[204])?;
    let again = session.user(json!({"userName": user.name})).await?;
    again.answer.holds(again.id != user.id, "another id", &again.id)
}

async fn group(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let group = session.group_of(&[&user]).await?;
    session.delete(group.path.as_str()).await?.status(&[204])?;
    session.get(group.path.as_str()).await?.refused(404, "")?;
    session.delete(group.path).await?.refused(404, "")?;
    let answer = session.read(&user).await?;
    answer.has("/id", user.id)?;
    answer.lacks("/groups")
}
