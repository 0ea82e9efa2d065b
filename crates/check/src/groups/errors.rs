//! What a server says when it refuses: RFC 7644 §2 and §3.12.

use hyper::Method;
use serde_json::json;

use crate::{
    case::{Case, Group, Stop, Verdict, case},
    request::{Request, SCIM_JSON},
    session::{Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "errors",
    about: "statuses and bodies of refusals",
    needs: None,
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        no_token,
        "a request without a token answers 401 with WWW-Authenticate",
        "RFC 7644 §2, RFC 9110 §11.6.1"
    ),
    case!(
        Must,
        wrong_token,
        "a request with a wrong token answers 401 with WWW-Authenticate",
        "RFC 7644 §2, RFC 9110 §11.6.1"
    ),
    case!(
        Must,
        unknown_user,
        "an id that no user has answers 404 to every method",
        "RFC 7644 §3.12"
    ),
    case!(
        Must,
        unknown_group,
        "an id that no group has answers 404 to every method",
        "RFC 7644 §3.12"
    ),
    case!(Must, unknown_endpoint, "an endpoint that is not there answers 404", "RFC 7644 §3.12"),
    case!(Must, media_type, "errors are application/scim+json", "RFC 7644 §3.8, §3.12"),
    case!(
        Should,
        method,
        "a method that an endpoint does not have answers 405 and names those it has",
        "RFC 9110 §15.5.6"
    ),
    case!(Should, not_json, "a body of another media type answers 415", "RFC 9110 §15.5.16"),
    case!(
        Must,
        broken_json,
        "a body that is no JSON answers 400 invalidSyntax",
        "RFC 7644 §3.12, Table 9"
    ),
    case!(
        Must,
        not_an_object,
        "a body that is no object answers 400 invalidSyntax",
        "RFC 7644 §3.12, Table 9"
    ),
    case!(Should, no_body, "a body that is missing answers 400", "RFC 7644 §3.12"),
    case!(
        Must,
        wrong_type,
        "a value of the wrong type answers 400 invalidValue",
        "RFC 7644 §3.12, Table 9"
    ),
    case!(Should, detail, "an error says in words what was wrong", "RFC 7644 §3.12"),
    case!(
        Should,
        too_large,
        "a body of 20 MiB is made or refused, with an answer of SCIM",
        "RFC 7644 §3.12, RFC 9110 §15.5.14"
    ),
];

/// An id that no server gives, and that is of the form most give.
const NOBODY: &str = "00000000-0000-4000-8000-00000000c0de";

async fn unauthorized(session: &Session, request: Request) -> Verdict {
    if !session.has_token() {
        return Err(Stop::Skipped("no token was given".to_owned()));
    }
    let answer = session.send(request).await?;
    answer.refused(401, "")?;
    let challenge = answer.header("www-authenticate");
    answer.holds(!challenge.is_empty(), "a header WWW-Authenticate", "none")
}

async fn no_token(session: &Session) -> Verdict {
    unauthorized(session, Request::new(Method::GET, "/Users?count=1").without_token()).await
}

async fn wrong_token(session: &Session) -> Verdict {
    unauthorized(session, Request::new(Method::GET, "/Users?count=1").with_wrong_token()).await
}

async fn unknown_user(session: &Session) -> Verdict {
    let path = format!("/Users/{NOBODY}");
    session.get(path.as_str()).await?.refused(404, "")?;
    session.put(path.as_str(), &session.new_user(json!({}))).await?.refused(404, "")?;
    let rename = json!([{"op": "replace", "path": "displayName", "value": "x"}]);
    session.patch(path.as_str(), rename).await?.refused(404, "")?;
    session.delete(path).await?.refused(404, "")
}

async fn unknown_group(session: &Session) -> Verdict {
    let path = format!("/Groups/{NOBODY}");
    session.get(path.as_str()).await?.refused(404, "")?;
    session.put(path.as_str(), &session.new_group(json!({}))).await?.refused(404, "")?;
    let rename = json!([{"op": "replace", "path": "displayName", "value": "x"}]);
    session.patch(path.as_str(), rename).await?.refused(404, "")?;
    session.delete(path).await?.refused(404, "")
}

async fn unknown_endpoint(session: &Session) -> Verdict {
    session.get("/Nothing").await?.refused(404, "")
}

async fn media_type(session: &Session) -> Verdict {
    let unknown = session.get(format!("/Users/{NOBODY}")).await?;
    unknown.refused(404, "")?;
    unknown.holds(unknown.media_type() == SCIM_JSON, SCIM_JSON, unknown.media_type())?;
    let request = Request::new(Method::GET, "/Users?count=1").with_wrong_token();
    let refused = session.send(request).await?;
    refused.holds(refused.media_type() == SCIM_JSON, SCIM_JSON, refused.media_type())
}

async fn method(session: &Session) -> Verdict {
    let answer = session.send(Request::new(Method::DELETE, "/Users")).await?;
    answer.refused(405, "")?;
    answer.holds(!answer.header("allow").is_empty(), "a header Allow", "none")
}

async fn not_json(session: &Session) -> Verdict {
    let body = session.new_user(json!({})).to_string();
    let request = Request::new(Method::POST, "/Users").text(body, "text/plain");
    session.send(request).await?.refused(415, "")
}

async fn broken_json(session: &Session) -> Verdict {
    let request = Request::new(Method::POST, "/Users").text("{\"userName\": ", SCIM_JSON);
    session.send(request).await?.refused(400, "invalidSyntax")
}

async fn not_an_object(session: &Session) -> Verdict {
    for body in ["[]", "\"userName\"", "7", "null"] {
        let request = Request::new(Method::POST, "/Users").text(body, SCIM_JSON);
        session.send(request).await?.refused(400, "invalidSyntax")?;
    }
    Ok(())
}

async fn no_body(session: &Session) -> Verdict {
    let request = Request::new(Method::POST, "/Users").text("", SCIM_JSON);
    session.send(request).await?.refused(400, "")
}

async fn wrong_type(session: &Session) -> Verdict {
    session.needs_attributes(&["name"])?;
    for attributes in
        [json!({"name": 7}), json!({"active": "perhaps"}), json!({"userName": {"a": 1}})]
    {
        let answer = session.post("/Users", &session.new_user(attributes)).await?;
        answer.refused(400, "invalidValue")?;
    }
    Ok(())
}

async fn detail(session: &Session) -> Verdict {
    let answer = session.post("/Users", &json!({"schemas": [USER]})).await?;
    answer.refused(400, "")?;
    let detail = answer.at("/detail");
    answer.holds(
        detail.as_str().is_some_and(|text| !text.is_empty()),
        "a detail",
        &detail.to_string(),
    )
}

async fn too_large(session: &Session) -> Verdict {
    let name = "x".repeat(20 << 20);
    let answer = session.post("/Users", &session.new_user(json!({"displayName": name}))).await?;
    answer.status(&[201, 400, 413])?;
    if answer.status == 201 { Ok(()) } else { answer.refused(answer.status, "") }
}
