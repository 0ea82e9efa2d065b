//! Versions of resources: RFC 7644 §3.14.

use hyper::{
    Method,
    header::{HeaderName, IF_MATCH, IF_NONE_MATCH},
};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    case::{Case, Group, Stop, Verdict, case},
    offer::Feature,
    request::Request,
    session::{Made, PATCH_OP, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "etag",
    about: "versions and conditional requests",
    needs: Some(Feature::Etag),
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(Must, header, "a resource comes with an ETag, on POST, GET and PUT", "RFC 7644 §3.14"),
    case!(Should, version, "meta.version is the ETag", "RFC 7644 §3.14"),
    case!(Must, changes, "a change makes another version", "RFC 7644 §3.14"),
    case!(
        Should,
        no_change,
        "a request that changes nothing leaves the version as it is",
        "RFC 7644 §3.5.2.1, §3.14"
    ),
    case!(
        Must,
        not_modified,
        "If-None-Match with the current version answers 304 without a body",
        "RFC 7644 §3.14"
    ),
    case!(Must, modified, "If-None-Match with another version answers 200", "RFC 7644 §3.14"),
    case!(
        Must,
        put_stale,
        "PUT with a stale If-Match answers 412 and changes nothing",
        "RFC 7644 §3.14"
    ),
    case!(
        Must,
        patch_stale,
        "PATCH with a stale If-Match answers 412 and changes nothing",
        "RFC 7644 §3.14"
    ),
    case!(
        Must,
        delete_stale,
        "DELETE with a stale If-Match answers 412 and removes nothing",
        "RFC 7644 §3.12, §3.14"
    ),
    case!(
        Must,
        current,
        "PUT, PATCH and DELETE with the current If-Match are done",
        "RFC 7644 §3.14"
    ),
    case!(Must, any, "If-Match * is the version of whatever is there", "RFC 9110 §13.1.1"),
    case!(Must, groups, "groups have versions as users do", "RFC 7644 §3.14"),
];

fn etag(answer: &Answer) -> Result<String, Stop> {
    let found = answer.header("etag");
    answer.holds(!found.is_empty(), "a header ETag", "none")?;
    Ok(found.to_owned())
}

/// Makes a user and changes it: the version that it had, and the one that it has.
async fn changed(session: &Session) -> Result<(Made, String, String), Stop> {
    let user = session.user(json!({})).await?;
    let stale = etag(&session.read(&user).await?)?;
    let current = etag(&session.patched(&user, active(false)).await?)?;
    Ok((user, stale, current))
}

fn active(active: bool) -> Value {
    json!([{"op": "replace", "path": "active", "value": active}])
}

async fn send(
    session: &Session,
    method: Method,
    user: &Made,
    condition: (HeaderName, &str),
) -> Result<Answer, Stop> {
    let request = Request::new(method.clone(), user.path.as_str()).header(condition.0, condition.1);
    let request = match method {
        Method::PUT => {
            request.json(&json!({"schemas": [USER], "userName": user.name, "active": true}))
        }
        Method::PATCH => request.json(&json!({"schemas": [PATCH_OP], "Operations": active(true)})),
        _ => request,
    };
    session.send(request).await
}

async fn header(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    etag(&user.answer)?;
    etag(&session.read(&user).await?)?;
    let body = json!({"schemas": [USER], "userName": user.name, "active": false});
    etag(&session.put(user.path, &body).await?).map(drop)
}

async fn version(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = session.read(&user).await?;
    answer.has("/meta/version", etag(&answer)?)
}

async fn changes(session: &Session) -> Verdict {
    let (user, stale, current) = changed(session).await?;
    user.answer.holds(stale != current, "another ETag after a change", &current)
}

async fn no_change(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let before = etag(&session.read(&user).await?)?;
    let answer = session.patched(&user, active(true)).await?;
    let after = etag(&answer)?;
    answer.holds(before == after, &format!("the ETag {before}"), &after)
}

async fn not_modified(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let current = etag(&session.read(&user).await?)?;
    let answer = send(session, Method::GET, &user, (IF_NONE_MATCH, &current)).await?;
    answer.status(&[304])?;
    answer.holds(answer.text.is_empty(), "no body", "a body")
}

async fn modified(session: &Session) -> Verdict {
    let (user, stale, _) = changed(session).await?;
    send(session, Method::GET, &user, (IF_NONE_MATCH, &stale)).await?.status(&[200])
}

async fn stale(session: &Session, method: Method) -> Verdict {
    let (user, stale, current) = changed(session).await?;
    send(session, method, &user, (IF_MATCH, &stale)).await?.refused(412, "")?;
    let answer = session.read(&user).await?;
    answer.has("/active", false)?;
    let found = etag(&answer)?;
    answer.holds(found == current, &format!("the ETag {current}"), &found)
}

async fn put_stale(session: &Session) -> Verdict {
    stale(session, Method::PUT).await
}

async fn patch_stale(session: &Session) -> Verdict {
    stale(session, Method::PATCH).await
}

async fn delete_stale(session: &Session) -> Verdict {
    stale(session, Method::DELETE).await
}

async fn current(session: &Session) -> Verdict {
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let (user, _, current) = changed(session).await?;
        send(session, method, &user, (IF_MATCH, &current)).await?.status(&[200, 204])?;
    }
    Ok(())
}

async fn any(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    send(session, Method::PUT, &user, (IF_MATCH, "*")).await?.status(&[200])
}

async fn groups(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let group = session.group(json!({})).await?;
    let stale = etag(&session.read(&group).await?)?;
    let add = json!([{"op": "add", "path": "members", "value": [{"value": user.id}]}]);
    let current = etag(&session.patched(&group, add).await?)?;
    group.answer.holds(stale != current, "another ETag with another member", &current)?;
    let answer = send(session, Method::GET, &group, (IF_NONE_MATCH, &current)).await?;
    answer.status(&[304])?;
    send(session, Method::DELETE, &group, (IF_MATCH, &stale)).await?.refused(412, "")
}
