//! What a server says about itself: RFC 7644 §4.

use hyper::Method;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    case::{Case, Group, Stop, Verdict, case},
    request::{Request, SCIM_JSON, escaped},
    session::{ENTERPRISE, GROUP as GROUP_URN, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "discovery",
    about: "the documents in which a server describes itself",
    needs: None,
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        config,
        "/ServiceProviderConfig says of each feature whether it is supported",
        "RFC 7643 §5"
    ),
    case!(
        Must,
        config_limits,
        "/ServiceProviderConfig names the limits of Bulk and of filters",
        "RFC 7643 §5"
    ),
    case!(
        Must,
        config_schemes,
        "/ServiceProviderConfig names the authentication schemes",
        "RFC 7643 §5"
    ),
    case!(
        Should,
        config_without_token,
        "/ServiceProviderConfig is readable without a token",
        "RFC 7643 §5"
    ),
    case!(Must, media_type, "documents are application/scim+json", "RFC 7644 §3.8"),
    case!(
        Must,
        resource_types,
        "/ResourceTypes lists the types with endpoint and schema",
        "RFC 7644 §4, RFC 7643 §6"
    ),
    case!(Must, resource_type, "/ResourceTypes/{name} is the document of the list", "RFC 7644 §4"),
    case!(Must, schemas, "/Schemas lists every schema that a resource type names", "RFC 7644 §4"),
    case!(Must, schema, "/Schemas/{urn} is the document of the list", "RFC 7644 §4"),
    case!(Must, attributes, "every attribute of a schema has its characteristics", "RFC 7643 §7"),
    case!(
        Must,
        user_name,
        "the schema says that userName is required, unique and not case-exact",
        "RFC 7643 §4.1.1"
    ),
    case!(
        Must,
        unknown_documents,
        "a type or schema that is not there answers 404",
        "RFC 7644 §3.12"
    ),
    case!(Should, filter_refused, "a filter on a discovery endpoint answers 403", "RFC 7644 §4"),
    case!(
        Must,
        paging_ignored,
        "paging and sorting are ignored on discovery endpoints",
        "RFC 7644 §4"
    ),
    case!(Should, not_writable, "discovery documents cannot be written: 405", "RFC 9110 §15.5.6"),
    case!(Should, me, "/Me is served, redirected, or answers 501", "RFC 7644 §3.11"),
];

const FEATURES: &[&str] = &["patch", "bulk", "filter", "changePassword", "sort", "etag"];

async fn config(session: &Session) -> Verdict {
    let answer = session.get("/ServiceProviderConfig").await?;
    answer.status(&[200])?;
    answer.has_schema("urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig")?;
    for feature in FEATURES {
        let supported = answer.at(&format!("/{feature}/supported"));
        let expected = format!("a boolean {feature}.supported");
        answer.holds(supported.is_boolean(), &expected, &supported.to_string())?;
    }
    Ok(())
}

async fn config_limits(session: &Session) -> Verdict {
    let answer = session.get("/ServiceProviderConfig").await?;
    answer.status(&[200])?;
    for pointer in ["/bulk/maxOperations", "/bulk/maxPayloadSize", "/filter/maxResults"] {
        let limit = answer.at(pointer);
        answer.holds(limit.is_u64(), &format!("an integer at {pointer}"), &limit.to_string())?;
    }
    Ok(())
}

async fn config_schemes(session: &Session) -> Verdict {
    let answer = session.get("/ServiceProviderConfig").await?;
    answer.status(&[200])?;
    let schemes = answer.at("/authenticationSchemes");
    answer.holds(schemes.is_array(), "a list authenticationSchemes", &schemes.to_string())?;
    for (row, _) in schemes.as_array().into_iter().flatten().enumerate() {
        for name in ["type", "name", "description"] {
            let pointer = format!("/authenticationSchemes/{row}/{name}");
            let value = answer.at(&pointer);
            answer.holds(value.is_string(), &format!("a text at {pointer}"), &value.to_string())?;
        }
    }
    Ok(())
}

async fn config_without_token(session: &Session) -> Verdict {
    let request = Request::new(Method::GET, "/ServiceProviderConfig").without_token();
    session.send(request).await?.status(&[200])
}

async fn media_type(session: &Session) -> Verdict {
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
        let answer = session.get(path).await?;
        answer.status(&[200])?;
        answer.holds(answer.media_type() == SCIM_JSON, SCIM_JSON, answer.media_type())?;
    }
    Ok(())
}

async fn resource_types(session: &Session) -> Verdict {
    let answer = session.get("/ResourceTypes").await?;
    let types = answer.list()?;
    for known in types {
        for name in ["name", "endpoint", "schema"] {
            let found = &known[name];
            answer.holds(
                found.is_string(),
                &format!("a {name} for every type"),
                &known.to_string(),
            )?;
        }
    }
    let user = types.iter().find(|known| known["name"] == "User");
    let fits = user.is_some_and(|user| user["schema"] == USER && user["endpoint"] == "/Users");
    answer.holds(fits, "the type User at /Users", &format!("{user:?}"))?;
    let group = types.iter().find(|known| known["name"] == "Group");
    let fits = group.is_none_or(|group| group["schema"] == GROUP_URN);
    answer.holds(fits, "the schema of the core Group for the type Group", &format!("{group:?}"))
}

async fn resource_type(session: &Session) -> Verdict {
    let list = session.get("/ResourceTypes").await?;
    for known in list.list()? {
        let name = known["name"].as_str().unwrap_or_default();
        let answer = session.get(format!("/ResourceTypes/{}", escaped(name))).await?;
        same_document(&answer, known)?;
    }
    Ok(())
}

async fn schemas(session: &Session) -> Verdict {
    let types = session.get("/ResourceTypes").await?;
    let answer = session.get("/Schemas").await?;
    let known: Vec<_> = answer.list()?.iter().filter_map(|schema| schema["id"].as_str()).collect();
    for kind in types.list()? {
        let extensions = kind["schemaExtensions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let extensions = extensions.iter().map(|extension| &extension["schema"]);
        for urn in extensions.chain([&kind["schema"]]).filter_map(Value::as_str) {
            answer.holds(known.contains(&urn), &format!("the schema {urn}"), "none of that id")?;
        }
    }
    answer.holds(known.contains(&USER), "the schema of the core User", "none of that id")
}

async fn schema(session: &Session) -> Verdict {
    let list = session.get("/Schemas").await?;
    for known in list.list()? {
        let urn = known["id"].as_str().unwrap_or_default();
        let answer = session.get(format!("/Schemas/{urn}")).await?;
        same_document(&answer, known)?;
    }
    Ok(())
}

async fn attributes(session: &Session) -> Verdict {
    let answer = session.get("/Schemas").await?;
    for schema in answer.list()? {
        let of = schema["id"].as_str().unwrap_or_default();
        let attributes = schema["attributes"].as_array().map(Vec::as_slice);
        let expected = format!("attributes of {of}");
        answer.holds(attributes.is_some(), &expected, &schema["attributes"].to_string())?;
        for attribute in attributes.unwrap_or_default() {
            described(&answer, of, attribute)?;
            for sub in attribute["subAttributes"].as_array().into_iter().flatten() {
                described(&answer, of, sub)?;
            }
        }
    }
    Ok(())
}

/// The values that a characteristic may have, RFC 7643 §7 and §2.2.
const CHARACTERISTICS: &[(&str, &[&str])] = &[
    (
        "type",
        &["string", "boolean", "decimal", "integer", "dateTime", "reference", "complex", "binary"],
    ),
    ("mutability", &["readOnly", "readWrite", "immutable", "writeOnly"]),
    ("returned", &["always", "never", "default", "request"]),
    ("uniqueness", &["none", "server", "global"]),
];

fn described(answer: &Answer, of: &str, attribute: &Value) -> Verdict {
    let name = attribute["name"].as_str().unwrap_or("without a name");
    answer.holds(
        attribute["name"].is_string(),
        &format!("a name for every attribute of {of}"),
        &attribute.to_string(),
    )?;
    answer.holds(
        attribute["multiValued"].is_boolean(),
        &format!("multiValued of {name} of {of}"),
        &attribute.to_string(),
    )?;
    for (characteristic, allowed) in CHARACTERISTICS {
        // All but the type have a default, RFC 7643 §2.2.
        let fits = match attribute.get(*characteristic) {
            None => *characteristic != "type",
            Some(found) => allowed.iter().any(|known| found == known),
        };
        let expected = format!("{characteristic} of {name} of {of} to be one of {allowed:?}");
        answer.holds(fits, &expected, &attribute[*characteristic].to_string())?;
    }
    Ok(())
}

async fn user_name(session: &Session) -> Verdict {
    let answer = session.get(format!("/Schemas/{USER}")).await?;
    answer.status(&[200])?;
    let attributes = answer.body["attributes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = attributes.iter().find(|attribute| attribute["name"] == "userName");
    let found = found.ok_or_else(|| answer.fail("an attribute userName", "none"))?;
    let fits = found["required"] == true
        && found["uniqueness"] != "none"
        && found.get("caseExact").is_none_or(|exact| exact == false);
    answer.holds(
        fits,
        "required true, uniqueness server or global, caseExact false",
        &found.to_string(),
    )
}

async fn unknown_documents(session: &Session) -> Verdict {
    for path in ["/ResourceTypes/Nothing", "/Schemas/urn:example:nothing"] {
        session.get(path).await?.refused(404, "")?;
    }
    Ok(())
}

async fn filter_refused(session: &Session) -> Verdict {
    let filter = escaped(&format!("id eq \"{ENTERPRISE}\""));
    for path in ["/Schemas", "/ResourceTypes"] {
        session.get(format!("{path}?filter={filter}")).await?.refused(403, "")?;
    }
    Ok(())
}

async fn paging_ignored(session: &Session) -> Verdict {
    for path in ["/Schemas", "/ResourceTypes"] {
        let all = session.get(path).await?.list()?.len();
        let answer = session.get(format!("{path}?startIndex=2&count=1&sortBy=id")).await?;
        let found = answer.list()?.len();
        answer.holds(found == all, &format!("all {all} documents"), &found.to_string())?;
    }
    Ok(())
}

async fn not_writable(session: &Session) -> Verdict {
    for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let request = Request::new(method.clone(), path);
            let request = if method == Method::DELETE { request } else { request.json(&json!({})) };
            session.send(request).await?.refused(405, "")?;
        }
    }
    Ok(())
}

async fn me(session: &Session) -> Verdict {
    match session.get("/Me").await {
        Ok(answer) => answer.status(&[200, 307, 308]),
        // A session takes 501 for "not offered", which is what the RFC advises here.
        Err(Stop::Skipped(_)) => Ok(()),
        Err(stop) => Err(stop),
    }
}

/// Whether a document is the one of the list. Where it lies may be left out of either.
fn same_document(answer: &Answer, listed: &Value) -> Verdict {
    answer.status(&[200])?;
    for (name, value) in listed.as_object().into_iter().flatten() {
        if name != "meta" {
            answer.has(&format!("/{name}"), value.clone())?;
        }
    }
    Ok(())
}
