//! Reading resources: RFC 7644 §3.4.1 and §3.4.2.

use hyper::{Method, header::ACCEPT};
use serde_json::json;

use crate::{
    case::{Case, Group, Verdict, case},
    request::{Request, SCIM_JSON},
    session::Session,
};

pub(super) const GROUP: Group = Group {
    name: "read",
    about: "reading one resource and all of them",
    needs: None,
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(Must, by_id, "a user is read by id as it was made", "RFC 7644 §3.4.1"),
    case!(Must, group_by_id, "a group is read by id as it was made", "RFC 7644 §3.4.1"),
    case!(Must, media_type, "resources are application/scim+json", "RFC 7644 §3.8"),
    case!(Should, json_accepted, "who asks for application/json is answered", "RFC 7644 §3.8"),
    case!(Must, users, "/Users is a ListResponse with integers", "RFC 7644 §3.4.2"),
    case!(Must, groups, "/Groups is a ListResponse with integers", "RFC 7644 §3.4.2"),
    case!(
        Must,
        listed_with_schemas,
        "every resource of a list has id, schemas and meta",
        "RFC 7643 §3.1, RFC 7644 §3.4.2"
    ),
    case!(Should, inactive_is_there, "an inactive user is read as any other", "RFC 7644 §3.4.1"),
    case!(
        Should,
        unknown_parameters,
        "parameters that nobody knows are ignored",
        "RFC 7644 §3.4.2"
    ),
    case!(Should, head, "HEAD answers as GET does, without a body", "RFC 9110 §9.3.2"),
];

async fn by_id(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = session.read(&user).await?;
    for (name, value) in user.answer.body.as_object().into_iter().flatten() {
        answer.has(&format!("/{name}"), value.clone())?;
    }
    Ok(())
}

async fn group_by_id(session: &Session) -> Verdict {
    let group = session.group(json!({})).await?;
    let answer = session.read(&group).await?;
    answer.has("/id", group.id.clone())?;
    answer.has("/displayName", group.name.clone())?;
    answer.has("/meta", group.answer.at("/meta").clone())
}

async fn media_type(session: &Session) -> Verdict {
    let answer = session.get("/Users?count=1").await?;
    answer.list()?;
    answer.holds(answer.media_type() == SCIM_JSON, SCIM_JSON, answer.media_type())
}

async fn json_accepted(session: &Session) -> Verdict {
    let request = Request::new(Method::GET, "/Users?count=1").header(ACCEPT, "application/json");
    session.send(request).await?.list().map(drop)
}

async fn users(session: &Session) -> Verdict {
    session.get("/Users?count=2").await?.list().map(drop)
}

async fn groups(session: &Session) -> Verdict {
    session.get("/Groups?count=2").await?.list().map(drop)
}

async fn listed_with_schemas(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = session.find("/Users", &format!("userName eq \"{}\"", user.name)).await?;
    answer.finds(&[&user])?;
    let found = answer.at("/Resources/0/schemas");
    answer.holds(
        found.as_array().is_some_and(|schemas| !schemas.is_empty()),
        "schemas",
        &found.to_string(),
    )?;
    answer.has("/Resources/0/meta/resourceType", "User")?;
    answer.has("/Resources/0/meta/location", user.answer.at("/meta/location").clone())
}

async fn inactive_is_there(session: &Session) -> Verdict {
    let user = session.user(json!({"active": false})).await?;
    session.read(&user).await?.has("/active", false)?;
    session.find("/Users", &format!("userName eq \"{}\"", user.name)).await?.finds(&[&user])
}

async fn unknown_parameters(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = session.get(format!("{}?nobodyKnowsThis=1&andThis", user.path)).await?;
    answer.status(&[200])?;
    answer.has("/id", user.id)
}

async fn head(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = session.send(Request::new(Method::HEAD, user.path)).await?;
    answer.status(&[200])?;
    answer.holds(answer.text.is_empty(), "no body", "a body")?;
    answer.holds(answer.media_type() == SCIM_JSON, SCIM_JSON, answer.media_type())
}
