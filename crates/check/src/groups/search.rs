//! Queries in a body: RFC 7644 §3.4.3.

use serde_json::{Value, json};

use crate::{
    case::{Case, Group, Verdict, case},
    offer::Feature,
    request::{Request, SCIM_JSON},
    session::Session,
};

pub(super) const GROUP: Group = Group {
    name: "search",
    about: "queries with POST to .search",
    needs: Some(Feature::Filter),
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(Must, users, "/Users/.search finds users by a filter in its body", "RFC 7644 §3.4.3"),
    case!(Must, groups, "/Groups/.search finds groups", "RFC 7644 §3.4.3"),
    case!(Must, everything, "/.search finds resources of all types", "RFC 7644 §3.4.2.1, §3.4.3"),
    case!(Must, by_type, "meta.resourceType chooses the type in /.search", "RFC 7644 §3.4.2.1"),
    case!(
        Must,
        attributes,
        "attributes and excludedAttributes in the body are obeyed",
        "RFC 7644 §3.4.3"
    ),
    case!(Must, pages, "startIndex and count in the body are obeyed", "RFC 7644 §3.4.3"),
    case!(Must, sorted, "sortBy and sortOrder in the body are obeyed", "RFC 7644 §3.4.3"),
    case!(
        Must,
        bad_filter,
        "a bad filter in the body answers 400 invalidFilter",
        "RFC 7644 §3.4.3, Table 9"
    ),
    case!(
        Must,
        broken_json,
        "a body that is no JSON answers 400 invalidSyntax",
        "RFC 7644 §3.4.3, Table 9"
    ),
];

/// A `SearchRequest` with these parameters.
#[expect(clippy::needless_pass_by_value, reason = "so that a call reads `query(json!({…}))`")]
fn query(parameters: Value) -> Value {
    let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
    for (name, value) in parameters.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

async fn users(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let body = query(json!({"filter": format!("userName eq \"{}\"", user.name)}));
    session.post("/Users/.search", &body).await?.finds(&[&user])
}

async fn groups(session: &Session) -> Verdict {
    let group = session.group(json!({})).await?;
    let body = query(json!({"filter": format!("displayName eq \"{}\"", group.name)}));
    session.post("/Groups/.search", &body).await?.finds(&[&group])
}

async fn everything(session: &Session) -> Verdict {
    session.needs_attributes(&["displayName"])?;
    let stem = session.name();
    let user = session.user(json!({"displayName": format!("{stem}-user")})).await?;
    let group = session.group(json!({"displayName": format!("{stem}-group")})).await?;
    let body = query(json!({"filter": format!("displayName sw \"{stem}-\"")}));
    session.post("/.search", &body).await?.finds(&[&user, &group])
}

async fn by_type(session: &Session) -> Verdict {
    session.needs_attributes(&["displayName"])?;
    let stem = session.name();
    let user = session.user(json!({"displayName": format!("{stem}-user")})).await?;
    session.group(json!({"displayName": format!("{stem}-group")})).await?;
    let filter = format!("displayName sw \"{stem}-\" and meta.resourceType eq \"User\"");
    session.post("/.search", &query(json!({"filter": filter}))).await?.finds(&[&user])
}

async fn attributes(session: &Session) -> Verdict {
    session.needs_attributes(&["title"])?;
    let user = session.user(json!({"title": "Engineer"})).await?;
    let filter = format!("userName eq \"{}\"", user.name);
    let body = query(json!({"filter": filter, "attributes": ["title"]}));
    let answer = session.post("/Users/.search", &body).await?;
    answer.finds(&[&user])?;
    answer.has("/Resources/0/title", "Engineer")?;
    answer.lacks("/Resources/0/userName")?;
    let body = query(json!({"filter": filter, "excludedAttributes": ["title"]}));
    let answer = session.post("/Users/.search", &body).await?;
    answer.lacks("/Resources/0/title")?;
    answer.has("/Resources/0/userName", user.name)
}

async fn pages(session: &Session) -> Verdict {
    let stem = session.name();
    for number in 0..3 {
        session.user(json!({"userName": format!("{stem}-{number}@example.com")})).await?;
    }
    let filter = format!("userName sw \"{stem}-\"");
    let body = query(json!({"filter": filter, "startIndex": 3, "count": 2}));
    let answer = session.post("/Users/.search", &body).await?;
    let found = answer.list()?.len();
    answer.holds(found == 1, "the third user of three", &format!("{found} users"))?;
    answer.has("/totalResults", 3)?;
    answer.has("/startIndex", 3)
}

async fn sorted(session: &Session) -> Verdict {
    session.needs(Feature::Sort)?;
    let stem = session.name();
    let first = session.user(json!({"userName": format!("{stem}-1@example.com")})).await?;
    let second = session.user(json!({"userName": format!("{stem}-2@example.com")})).await?;
    let filter = format!("userName sw \"{stem}-\"");
    let body = query(json!({"filter": filter, "sortBy": "userName", "sortOrder": "descending"}));
    session.post("/Users/.search", &body).await?.finds_in_order(&[&second, &first])
}

async fn bad_filter(session: &Session) -> Verdict {
    let body = query(json!({"filter": "userName regex \"x\""}));
    session.post("/Users/.search", &body).await?.refused(400, "invalidFilter")
}

async fn broken_json(session: &Session) -> Verdict {
    let request = Request::new(hyper::Method::POST, "/Users/.search").text("{", SCIM_JSON);
    session.send(request).await?.refused(400, "invalidSyntax")
}
