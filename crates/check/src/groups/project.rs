//! Which attributes come back: RFC 7644 §3.4.2.5 and §3.9.

use hyper::Method;
use serde_json::{Value, json};

use crate::{
    case::{Case, Group, Stop, Verdict, case},
    request::{Request, escaped},
    session::{ENTERPRISE, Made, PATCH_OP, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "project",
    about: "attributes and excludedAttributes",
    needs: None,
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        attributes,
        "attributes names what comes back, besides what always does",
        "RFC 7644 §3.9"
    ),
    case!(Must, several, "attributes takes a list with commas", "RFC 7644 §3.9"),
    case!(Must, sub_attribute, "attributes takes a sub-attribute", "RFC 7644 §3.9, §3.10"),
    case!(Must, in_any_case, "attributes takes names in any case", "RFC 7643 §2.1"),
    case!(Must, urn, "attributes takes names behind the URN of their schema", "RFC 7644 §3.10"),
    case!(Must, enterprise, "attributes takes names of the enterprise extension", "RFC 7644 §3.10"),
    case!(Must, excluded, "excludedAttributes names what does not come back", "RFC 7644 §3.9"),
    case!(
        Must,
        excluded_sub_attribute,
        "excludedAttributes takes a sub-attribute",
        "RFC 7644 §3.9, §3.10"
    ),
    case!(Must, id_always, "id comes back whatever is asked for", "RFC 7643 §3.1, RFC 7644 §3.9"),
    case!(Should, both, "attributes and excludedAttributes together answer 400", "RFC 7644 §3.9"),
    case!(Must, in_lists, "lists obey as single resources do", "RFC 7644 §3.4.2.5"),
    case!(Must, of_groups, "a group comes without its members when told so", "RFC 7644 §3.9"),
    case!(Must, on_create, "the answer to POST obeys", "RFC 7644 §3.9"),
    case!(Must, on_replace, "the answer to PUT obeys", "RFC 7644 §3.9"),
    case!(
        Must,
        on_patch,
        "a PATCH with attributes is answered with 200 and obeys",
        "RFC 7644 §3.5.2, §3.9"
    ),
];

async fn ada(session: &Session) -> Result<Made, Stop> {
    session.needs_attributes(&["name", "title", "emails"])?;
    session.user(body()).await
}

fn body() -> Value {
    json!({
        "name": {"givenName": "Ada", "familyName": "Lovelace"}, "title": "Engineer",
        "emails": [{"value": "ada@example.com", "type": "work"}],
    })
}

async fn attributes(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.get(format!("{}?attributes=title", ada.path)).await?;
    answer.has("/title", "Engineer")?;
    answer.has("/id", ada.id)?;
    answer.lacks("/name")?;
    answer.lacks("/emails")
}

async fn several(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.get(format!("{}?attributes=title%2CuserName", ada.path)).await?;
    answer.has("/title", "Engineer")?;
    answer.has("/userName", ada.name)?;
    answer.lacks("/emails")
}

async fn sub_attribute(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.get(format!("{}?attributes=name.familyName", ada.path)).await?;
    answer.has("/name/familyName", "Lovelace")?;
    answer.lacks("/name/givenName")?;
    answer.lacks("/title")
}

async fn in_any_case(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.get(format!("{}?attributes=TITLE", ada.path)).await?;
    answer.has("/title", "Engineer")?;
    answer.lacks("/name")
}

async fn urn(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let name = escaped(&format!("{USER}:name.familyName"));
    let answer = session.get(format!("{}?attributes={name}", ada.path)).await?;
    answer.has("/name/familyName", "Lovelace")?;
    answer.lacks("/title")
}

async fn enterprise(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["department", "costCenter"])?;
    let user = session
        .user(json!({
            "schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": "Engines", "costCenter": "7"},
        }))
        .await?;
    let name = escaped(&format!("{ENTERPRISE}:department"));
    let answer = session.get(format!("{}?attributes={name}", user.path)).await?;
    answer.has(&format!("/{ENTERPRISE}/department"), "Engines")?;
    answer.lacks(&format!("/{ENTERPRISE}/costCenter"))?;
    answer.lacks("/active")
}

async fn excluded(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.get(format!("{}?excludedAttributes=emails,title", ada.path)).await?;
    answer.lacks("/emails")?;
    answer.lacks("/title")?;
    answer.has("/name/familyName", "Lovelace")
}

async fn excluded_sub_attribute(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.get(format!("{}?excludedAttributes=name.givenName", ada.path)).await?;
    answer.lacks("/name/givenName")?;
    answer.has("/name/familyName", "Lovelace")
}

async fn id_always(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = session.get(format!("{}?excludedAttributes=id", user.path)).await?;
    answer.has("/id", user.id.clone())?;
    session.get(format!("{}?attributes=userName", user.path)).await?.has("/id", user.id)
}

async fn both(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let path = format!("{}?attributes=userName&excludedAttributes=emails", user.path);
    session.get(path).await?.refused(400, "")
}

async fn in_lists(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let filter = escaped(&format!("userName eq \"{}\"", ada.name));
    let answer = session.get(format!("/Users?filter={filter}&attributes=title")).await?;
    answer.finds(&[&ada])?;
    answer.has("/Resources/0/title", "Engineer")?;
    answer.lacks("/Resources/0/name")?;
    let answer = session.get(format!("/Users?filter={filter}&excludedAttributes=title")).await?;
    answer.lacks("/Resources/0/title")?;
    answer.has("/Resources/0/name/familyName", "Lovelace")
}

async fn of_groups(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let group = session.group_of(&[&user]).await?;
    let answer = session.get(format!("{}?excludedAttributes=members", group.path)).await?;
    answer.has("/displayName", group.name)?;
    answer.lacks("/members")?;
    session.read(&Made { name: String::new(), ..group }).await?.has_members(&[&user])
}

async fn on_create(session: &Session) -> Verdict {
    session.needs_attributes(&["title", "name"])?;
    let answer = session.post("/Users?attributes=title", &session.new_user(body())).await?;
    answer.status(&[201])?;
    answer.has("/title", "Engineer")?;
    answer.lacks("/name")
}

async fn on_replace(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let mut body = body();
    (body["schemas"], body["userName"]) = (json!([USER]), json!(ada.name));
    let answer = session.put(format!("{}?excludedAttributes=name", ada.path), &body).await?;
    answer.status(&[200])?;
    answer.has("/title", "Engineer")?;
    answer.lacks("/name")
}

async fn on_patch(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let body = json!({"schemas": [PATCH_OP], "Operations": [
        {"op": "replace", "path": "title", "value": "Countess"},
    ]});
    let request = Request::new(Method::PATCH, format!("{}?attributes=title", ada.path)).json(&body);
    let answer = session.send(request).await?;
    answer.status(&[200])?;
    answer.has("/title", "Countess")?;
    answer.lacks("/name")
}
