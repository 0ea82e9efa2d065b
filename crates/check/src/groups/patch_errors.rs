//! What a PATCH may not do: RFC 7644 §3.5.2 and Table 9.

use hyper::Method;
use serde_json::{Value, json};

use crate::{
    case::{Case, Stop, Verdict, case},
    request::{Request, SCIM_JSON},
    session::{Made, PATCH_OP, Session},
};

pub(super) const CASES: &[Case] = &[
    case!(
        Must,
        remove_without_path,
        "remove without a path answers 400 noTarget",
        "RFC 7644 §3.5.2.2"
    ),
    case!(
        Must,
        replace_without_match,
        "replace whose filter matches no value answers 400 noTarget",
        "RFC 7644 §3.5.2.3"
    ),
    case!(Must, remove_required, "removing userName answers 400 mutability", "RFC 7644 §3.5.2.2"),
    case!(Must, replace_id, "replacing id answers 400 mutability", "RFC 7644 §3.5.2, Table 9"),
    case!(
        Must,
        replace_read_only,
        "replacing meta.created or groups answers 400 mutability",
        "RFC 7644 §3.5.2, Table 9"
    ),
    case!(
        Must,
        bad_path,
        "a path that cannot be read answers 400 invalidPath",
        "RFC 7644 §3.5.2, Table 9"
    ),
    case!(
        Must,
        bad_filter,
        "a path whose filter cannot be read answers 400 invalidFilter or invalidPath",
        "RFC 7644 §3.5.2, Table 9"
    ),
    case!(
        Must,
        unknown_operation,
        "an op other than add, remove and replace answers 400",
        "RFC 7644 §3.5.2"
    ),
    case!(Must, no_value, "add without a value answers 400", "RFC 7644 §3.5.2.1"),
    case!(
        Must,
        wrong_type,
        "a value of the wrong type answers 400 invalidValue",
        "RFC 7644 §3.5.2, Table 9"
    ),
    case!(Must, no_operations, "a PATCH without operations answers 400", "RFC 7644 §3.5.2"),
    case!(
        Must,
        broken_json,
        "a body that is no JSON answers 400 invalidSyntax",
        "RFC 7644 §3.12, Table 9"
    ),
    case!(
        Must,
        atomic,
        "one bad operation of several leaves the resource as it was",
        "RFC 7644 §3.5.2"
    ),
    case!(
        Must,
        user_name_taken,
        "a userName that is taken is refused as uniqueness",
        "RFC 7644 §3.12, Table 9"
    ),
];

async fn ada(session: &Session) -> Result<Made, Stop> {
    session.needs_attributes(&["title", "emails"])?;
    session
        .user(json!({
            "title": "Engineer", "emails": [{"value": "work@example.com", "type": "work"}],
        }))
        .await
}

async fn refused(session: &Session, operation: Value, scim_types: &[&str]) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.patch(ada.path.as_str(), json!([operation])).await?;
    answer.refused_as(&[400], scim_types)
}

async fn remove_without_path(session: &Session) -> Verdict {
    refused(session, json!({"op": "remove"}), &["noTarget"]).await
}

async fn replace_without_match(session: &Session) -> Verdict {
    let path = "emails[value eq \"nobody@example.com\"].display";
    refused(session, json!({"op": "replace", "path": path, "value": "x"}), &["noTarget"]).await
}

async fn remove_required(session: &Session) -> Verdict {
    refused(session, json!({"op": "remove", "path": "userName"}), &["mutability"]).await
}

async fn replace_id(session: &Session) -> Verdict {
    refused(session, json!({"op": "replace", "path": "id", "value": "7"}), &["mutability"]).await
}

async fn replace_read_only(session: &Session) -> Verdict {
    let created = json!({"op": "replace", "path": "meta.created", "value": "2011-05-13T04:42:34Z"});
    refused(session, created, &["mutability"]).await?;
    let groups = json!({"op": "add", "path": "groups", "value": [{"value": "7"}]});
    refused(session, groups, &["mutability"]).await
}

async fn bad_path(session: &Session) -> Verdict {
    for path in ["emails[", "..", "name.", "title title"] {
        let operation = json!({"op": "replace", "path": path, "value": "x"});
        refused(session, operation, &["invalidPath", "invalidFilter"]).await?;
    }
    Ok(())
}

async fn bad_filter(session: &Session) -> Verdict {
    let path = "emails[type regex \"x\"].value";
    let operation = json!({"op": "replace", "path": path, "value": "x"});
    refused(session, operation, &["invalidFilter", "invalidPath"]).await
}

async fn unknown_operation(session: &Session) -> Verdict {
    let operation = json!({"op": "twist", "path": "title", "value": "x"});
    refused(session, operation, &["invalidSyntax", "invalidValue"]).await
}

async fn no_value(session: &Session) -> Verdict {
    let operation = json!({"op": "add", "path": "title"});
    refused(session, operation, &["invalidValue", "invalidSyntax"]).await
}

async fn wrong_type(session: &Session) -> Verdict {
    session.needs_attributes(&["name"])?;
    let operation = json!({"op": "replace", "path": "active", "value": "perhaps"});
    refused(session, operation, &["invalidValue"]).await?;
    let operation = json!({"op": "replace", "path": "name", "value": 7});
    refused(session, operation, &["invalidValue"]).await
}

async fn no_operations(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    for body in [json!({"schemas": [PATCH_OP]}), json!({"schemas": [PATCH_OP], "Operations": []})] {
        let request = Request::new(Method::PATCH, ada.path.as_str()).json(&body);
        session.send(request).await?.refused_as(&[400], &["invalidSyntax", "invalidValue"])?;
    }
    Ok(())
}

async fn broken_json(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let request = Request::new(Method::PATCH, ada.path).text("{\"Operations\": [", SCIM_JSON);
    session.send(request).await?.refused(400, "invalidSyntax")
}

async fn atomic(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operations = json!([
        {"op": "replace", "path": "title", "value": "Countess"},
        {"op": "replace", "path": "active", "value": "perhaps"},
        {"op": "remove", "path": "emails"},
    ]);
    session.patch(ada.path.as_str(), operations).await?.refused(400, "")?;
    let answer = session.read(&ada).await?;
    answer.has("/title", "Engineer")?;
    answer.has_each("/emails", "value", &["work@example.com"])
}

async fn user_name_taken(session: &Session) -> Verdict {
    let (ada, bob) = (session.user(json!({})).await?, session.user(json!({})).await?);
    let operation = json!([{"op": "replace", "path": "userName", "value": ada.name}]);
    let answer = session.patch(bob.path.as_str(), operation).await?;
    answer.refused_as(&[409, 400], &["uniqueness"])?;
    session.read(&bob).await?.has("/userName", bob.name)
}
