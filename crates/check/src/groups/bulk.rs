//! Many operations in one request: RFC 7644 §3.7.

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    case::{Case, Group, Stop, Verdict, case},
    offer::Feature,
    session::{PATCH_OP, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "bulk",
    about: "many operations in one request",
    needs: Some(Feature::Bulk),
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        created,
        "operations are answered in a BulkResponse, with status, location and bulkId",
        "RFC 7644 §3.7, §3.7.3"
    ),
    case!(Must, every_method, "POST, PUT, PATCH and DELETE are done", "RFC 7644 §3.7"),
    case!(Must, reference, "bulkId in data becomes the id of what was made", "RFC 7644 §3.7.2"),
    case!(
        Must,
        reference_forward,
        "bulkId may name what a later operation makes",
        "RFC 7644 §3.7.2"
    ),
    case!(
        Should,
        reference_in_path,
        "bulkId in a path becomes the id of what was made",
        "RFC 7644 §3.7.2"
    ),
    case!(
        Must,
        circle,
        "references in a circle are resolved, or refused with 409",
        "RFC 7644 §3.7.1"
    ),
    case!(Must, goes_on, "an error stops no other operation", "RFC 7644 §3.7, §3.7.3"),
    case!(
        Must,
        fail_on_errors,
        "failOnErrors stops after that many errors",
        "RFC 7644 §3.7, §3.7.3"
    ),
    case!(Must, error_body, "an operation that fails says why as a SCIM error", "RFC 7644 §3.7.3"),
    case!(Should, bulk_id_required, "a POST without a bulkId is refused", "RFC 7644 §3.7"),
    case!(Must, unknown_reference, "a bulkId that nothing makes is refused", "RFC 7644 §3.7.2"),
    case!(
        Must,
        too_many,
        "more operations than allowed answer 413 and name the limit",
        "RFC 7644 §3.7.4"
    ),
    case!(
        Must,
        too_large,
        "a larger body than allowed answers 413 and names the limit",
        "RFC 7644 §3.7.4"
    ),
    case!(Must, version, "an operation with a stale version answers 412", "RFC 7644 §3.7, §3.14"),
    case!(Must, no_operations, "a body without Operations answers 400", "RFC 7644 §3.7, §3.12"),
];

/// The largest body that is sent to see it refused, in bytes.
const BODY_BYTES_MAX: u64 = 32 << 20;

/// The most operations that are sent to see them refused.
const OPERATIONS_MAX: u64 = 20_000;

#[expect(clippy::needless_pass_by_value, reason = "so that a call reads `body(json!([…]))`")]
fn body(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
}

/// An operation that makes a user.
fn user(session: &Session, bulk_id: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": session.new_user(json!({}))})
}

/// An operation that makes a group with one member.
fn group(session: &Session, bulk_id: &str, member: &str) -> Value {
    let data = session.new_group(json!({"members": [{"value": member}]}));
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data})
}

/// Sends operations and returns the answer with its list of results, when this is a `BulkResponse`.
async fn bulk(session: &Session, body: &Value) -> Result<(Answer, Vec<Value>), Stop> {
    let answer = session.post("/Bulk", body).await?;
    answer.status(&[200])?;
    answer.has_schema("urn:ietf:params:scim:api:messages:2.0:BulkResponse")?;
    let results = answer.at("/Operations").as_array().cloned();
    let results = results.ok_or_else(|| answer.fail("a list Operations", "none"))?;
    Ok((answer, results))
}

/// Whether the operation with that bulkId or in that place has one of these statuses.
fn ended(answer: &Answer, place: usize, statuses: &[&str]) -> Verdict {
    let status = answer.at(&format!("/Operations/{place}/status"));
    let fits = statuses.iter().any(|known| status == known);
    answer.holds(fits, &format!("status {statuses:?} of operation {place}"), &status.to_string())
}

/// The id of what the operation in that place made.
fn id(answer: &Answer, place: usize) -> Result<String, Stop> {
    let location = answer.at(&format!("/Operations/{place}/location")).as_str().unwrap_or_default();
    let id = location.rsplit('/').next().unwrap_or_default();
    answer.holds(!id.is_empty(), &format!("a location of operation {place}"), location)?;
    Ok(id.to_owned())
}

async fn created(session: &Session) -> Verdict {
    let (answer, _) =
        bulk(session, &body(json!([user(session, "one"), user(session, "two")]))).await?;
    for (place, name) in ["one", "two"].into_iter().enumerate() {
        ended(&answer, place, &["201"])?;
        answer.has(&format!("/Operations/{place}/bulkId"), name)?;
        answer.has(&format!("/Operations/{place}/method"), "POST")?;
        let made = session.get(format!("/Users/{}", id(&answer, place)?)).await?;
        made.status(&[200])?;
    }
    Ok(())
}

async fn every_method(session: &Session) -> Verdict {
    let (ada, bob, cyd) = (
        session.user(json!({})).await?,
        session.user(json!({})).await?,
        session.user(json!({})).await?,
    );
    let patch = json!({"schemas": [PATCH_OP], "Operations": [
        {"op": "replace", "path": "active", "value": false},
    ]});
    let (answer, _) = bulk(session, &body(json!([
        {"method": "PUT", "path": ada.path, "data": {"schemas": [USER], "userName": ada.name, "active": false}},
        {"method": "PATCH", "path": bob.path, "data": patch},
        {"method": "DELETE", "path": cyd.path},
    ]))).await?;
    ended(&answer, 0, &["200"])?;
    ended(&answer, 1, &["200", "204"])?;
    ended(&answer, 2, &["204"])?;
    session.read(&ada).await?.has("/active", false)?;
    session.read(&bob).await?.has("/active", false)?;
    session.get(cyd.path).await?.status(&[404])
}

/// Whether the group made in one place has the user made in another.
async fn is_member(session: &Session, answer: &Answer, group: usize, user: usize) -> Verdict {
    ended(answer, group, &["201"])?;
    ended(answer, user, &["201"])?;
    let read = session.get(format!("/Groups/{}", id(answer, group)?)).await?;
    read.status(&[200])?;
    read.has_each("/members", "value", &[&id(answer, user)?])
}

async fn reference(session: &Session) -> Verdict {
    let operations = json!([user(session, "u"), group(session, "g", "bulkId:u")]);
    let (answer, _) = bulk(session, &body(operations)).await?;
    is_member(session, &answer, 1, 0).await
}

async fn reference_forward(session: &Session) -> Verdict {
    let operations = json!([group(session, "g", "bulkId:u"), user(session, "u")]);
    let (answer, results) = bulk(session, &body(operations)).await?;
    // The order of the results is the server's when it has to change that of the operations.
    let place = |name: &str| results.iter().position(|done| done["bulkId"] == name);
    let (Some(group), Some(user)) = (place("g"), place("u")) else {
        return Err(answer.fail("results with the bulkIds g and u", "others"));
    };
    is_member(session, &answer, group, user).await
}

async fn reference_in_path(session: &Session) -> Verdict {
    let patch = json!({"schemas": [PATCH_OP], "Operations": [
        {"op": "replace", "path": "active", "value": false},
    ]});
    let operations = json!([
        user(session, "u"), {"method": "PATCH", "path": "/Users/bulkId:u", "data": patch},
    ]);
    let (answer, _) = bulk(session, &body(operations)).await?;
    ended(&answer, 1, &["200", "204"])?;
    session.get(format!("/Users/{}", id(&answer, 0)?)).await?.has("/active", false)
}

async fn circle(session: &Session) -> Verdict {
    let operations = json!([group(session, "a", "bulkId:b"), group(session, "b", "bulkId:a")]);
    let (answer, results) = bulk(session, &body(operations)).await?;
    for place in 0..results.len() {
        ended(&answer, place, &["201", "409"])?;
    }
    answer.holds(results.len() == 2, "two results", &results.len().to_string())
}

async fn goes_on(session: &Session) -> Verdict {
    let bad =
        json!({"method": "POST", "path": "/Users", "bulkId": "bad", "data": {"schemas": [USER]}});
    let (answer, _) = bulk(session, &body(json!([bad, user(session, "good")]))).await?;
    ended(&answer, 0, &["400"])?;
    ended(&answer, 1, &["201"])
}

async fn fail_on_errors(session: &Session) -> Verdict {
    let bad =
        json!({"method": "POST", "path": "/Users", "bulkId": "bad", "data": {"schemas": [USER]}});
    let last = user(session, "last");
    let name = last["data"]["userName"].as_str().unwrap_or_default().to_owned();
    let mut body = body(json!([user(session, "first"), bad, last]));
    body["failOnErrors"] = json!(1);
    let (answer, results) = bulk(session, &body).await?;
    ended(&answer, 0, &["201"])?;
    ended(&answer, 1, &["400"])?;
    let done = results.iter().any(|result| result["bulkId"] == "last" && result["status"] == "201");
    answer.holds(!done, "no third operation", "it was done")?;
    session.find("/Users", &format!("userName eq \"{name}\"")).await?.finds(&[])
}

async fn error_body(session: &Session) -> Verdict {
    let taken = session.user(json!({})).await?;
    let data = json!({"schemas": [USER], "userName": taken.name});
    let operations = json!([{"method": "POST", "path": "/Users", "bulkId": "again", "data": data}]);
    let (answer, _) = bulk(session, &body(operations)).await?;
    ended(&answer, 0, &["409"])?;
    answer.has("/Operations/0/response/scimType", "uniqueness")?;
    answer.has("/Operations/0/response/status", "409")
}

/// Whether the request is refused whole, or its only operation is.
async fn not_done(session: &Session, operation: Value, statuses: &[&str]) -> Verdict {
    let answer = session.post("/Bulk", &body(json!([operation]))).await?;
    if answer.status == 400 {
        return answer.refused(400, "");
    }
    answer.status(&[200])?;
    ended(&answer, 0, statuses)
}

async fn bulk_id_required(session: &Session) -> Verdict {
    let mut operation = user(session, "u");
    operation.as_object_mut().map(|operation| operation.remove("bulkId"));
    not_done(session, operation, &["400"]).await
}

async fn unknown_reference(session: &Session) -> Verdict {
    not_done(session, group(session, "g", "bulkId:nobody"), &["400", "404", "409"]).await
}

/// Whether this is a 413 that names the limit.
fn names_limit(answer: &Answer, limit: u64) -> Verdict {
    answer.refused_as(&[413], &[])?;
    let digits: String = answer.text.chars().filter(char::is_ascii_digit).collect();
    answer.holds(
        digits.contains(&limit.to_string()),
        &format!("the limit {limit} in the error"),
        "no such number",
    )
}

async fn too_many(session: &Session) -> Verdict {
    let limit =
        session.offer.limit("bulk", "maxOperations").filter(|limit| *limit <= OPERATIONS_MAX);
    let limit = limit
        .ok_or_else(|| Stop::Skipped("bulk.maxOperations is too high to exceed".to_owned()))?;
    let operation =
        json!({"method": "DELETE", "path": "/Users/00000000-0000-4000-8000-00000000c0de"});
    let operations = Value::Array((0..=limit).map(|_| operation.clone()).collect());
    names_limit(&session.post("/Bulk", &body(operations)).await?, limit)
}

async fn too_large(session: &Session) -> Verdict {
    let limit =
        session.offer.limit("bulk", "maxPayloadSize").filter(|limit| *limit <= BODY_BYTES_MAX);
    let limit = limit
        .ok_or_else(|| Stop::Skipped("bulk.maxPayloadSize is too high to exceed".to_owned()))?;
    let padding = "x".repeat(usize::try_from(limit).unwrap_or_default());
    let mut operation = user(session, "u");
    operation["data"]["displayName"] = json!(padding);
    names_limit(&session.post("/Bulk", &body(json!([operation]))).await?, limit)
}

async fn version(session: &Session) -> Verdict {
    session.needs(Feature::Etag)?;
    let made = session.user(json!({})).await?;
    let stale = session.read(&made).await?.header("etag").to_owned();
    let operation = json!([{"op": "replace", "path": "active", "value": false}]);
    session.patched(&made, operation).await?;
    let data = json!({"schemas": [USER], "userName": made.name, "active": true});
    let operations = json!([{"method": "PUT", "path": made.path, "version": stale, "data": data}]);
    let (answer, _) = bulk(session, &body(operations)).await?;
    ended(&answer, 0, &["412"])?;
    session.read(&made).await?.has("/active", false)
}

async fn no_operations(session: &Session) -> Verdict {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]});
    session.post("/Bulk", &body).await?.refused(400, "")
}
