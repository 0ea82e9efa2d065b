//! What a PATCH does: RFC 7644 §3.5.2.

use serde_json::json;

use crate::{
    case::{Case, Group, Stop, Verdict, case},
    offer::Feature,
    session::{ENTERPRISE, Made, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "patch",
    about: "changing resources with PATCH",
    needs: Some(Feature::Patch),
    cases: &[CASES, super::patch_errors::CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        answered,
        "PATCH answers 200 with the resource or 204 without a body",
        "RFC 7644 §3.5.2"
    ),
    case!(
        Must,
        add_without_path,
        "add without a path merges the attributes of its value",
        "RFC 7644 §3.5.2.1"
    ),
    case!(
        Must,
        add_single,
        "add sets a single value, or replaces the one that is there",
        "RFC 7644 §3.5.2.1"
    ),
    case!(
        Must,
        add_complex,
        "add to a complex attribute adds its sub-attributes and keeps the others",
        "RFC 7644 §3.5.2.1"
    ),
    case!(Must, add_to_list, "add to a list adds to its values", "RFC 7644 §3.5.2.1"),
    case!(
        Must,
        add_to_list_without_path,
        "add without a path adds to the values of lists",
        "RFC 7644 §3.5.2.1"
    ),
    case!(
        Must,
        add_again,
        "adding what is there changes nothing, lastModified included",
        "RFC 7644 §3.5.2.1"
    ),
    case!(
        Must,
        replace_without_path,
        "replace without a path replaces the attributes of its value and no others",
        "RFC 7644 §3.5.2.3"
    ),
    case!(Must, replace_single, "replace sets a single value", "RFC 7644 §3.5.2.3"),
    case!(Must, replace_absent, "replace of what has no value adds it", "RFC 7644 §3.5.2.3"),
    case!(
        Must,
        replace_complex,
        "replace of a complex attribute keeps sub-attributes that are not named",
        "RFC 7644 §3.5.2.3"
    ),
    case!(Must, replace_sub_attribute, "a path leads to a sub-attribute", "RFC 7644 §3.5.2, §3.10"),
    case!(Must, replace_list, "replace of a list replaces all of its values", "RFC 7644 §3.5.2.3"),
    case!(
        Must,
        replace_matching,
        "replace with a filter replaces the matching values",
        "RFC 7644 §3.5.2.3"
    ),
    case!(
        Must,
        replace_in_matching,
        "replace with a filter and a sub-attribute changes only that, in all that match",
        "RFC 7644 §3.5.2.3"
    ),
    case!(Must, remove_single, "remove takes a single value away", "RFC 7644 §3.5.2.2"),
    case!(Must, remove_complex, "remove takes a complex value away", "RFC 7644 §3.5.2.2"),
    case!(
        Must,
        remove_sub_attribute,
        "remove takes a sub-attribute away and keeps the others",
        "RFC 7644 §3.5.2.2"
    ),
    case!(Must, remove_list, "remove takes all values of a list away", "RFC 7644 §3.5.2.2"),
    case!(
        Must,
        remove_matching,
        "remove with a filter takes the matching values away",
        "RFC 7644 §3.5.2.2"
    ),
    case!(
        Must,
        remove_last,
        "a list whose last value is removed has no value",
        "RFC 7644 §3.5.2.2"
    ),
    case!(Must, remove_absent, "removing what has no value changes nothing", "RFC 7644 §3.5.2.2"),
    case!(Must, sequence, "operations apply one after the other", "RFC 7644 §3.5.2"),
    case!(
        Must,
        primary_moves,
        "a new primary value takes that from the old one",
        "RFC 7644 §3.5.2"
    ),
    case!(Must, active, "active is set to false and to true", "RFC 7644 §3.5.2.3, RFC 7643 §4.1.1"),
    case!(Must, paths_in_any_case, "paths are taken in any case", "RFC 7643 §2.1"),
    case!(Must, urn, "a path may stand behind the URN of its schema", "RFC 7644 §3.10"),
    case!(
        Must,
        enterprise,
        "an attribute of the enterprise extension is set by its URN, which joins schemas",
        "RFC 7644 §3.10, RFC 7643 §3"
    ),
    case!(
        Must,
        enterprise_removed,
        "an attribute of the enterprise extension is removed by its URN",
        "RFC 7644 §3.5.2.2, §3.10"
    ),
    case!(
        Must,
        last_modified,
        "a change moves meta.lastModified and not meta.created",
        "RFC 7643 §3.1"
    ),
];

/// Ada, with a bit of everything.
async fn ada(session: &Session) -> Result<Made, Stop> {
    session.needs_attributes(&["title", "name", "emails"])?;
    session
        .user(json!({
            "title": "Engineer", "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [
                {"value": "work@example.com", "type": "work", "primary": true},
                {"value": "home@example.com", "type": "home"},
            ],
        }))
        .await
}

async fn answered(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operations = json!([{"op": "replace", "path": "title", "value": "Countess"}]);
    let answer = session.patch(ada.path.as_str(), operations).await?;
    answer.changed()?;
    if answer.status == 200 { answer.has("/title", "Countess") } else { Ok(()) }
}

async fn add_without_path(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let value = json!({"title": "Countess", "name": {"middleName": "King"}});
    let answer = session.patched(&ada, json!([{"op": "add", "value": value}])).await?;
    answer.has("/title", "Countess")?;
    answer.has("/name/middleName", "King")?;
    answer.has("/name/familyName", "Lovelace")
}

async fn add_single(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    session.needs_attributes(&["nickName"])?;
    let answer = session
        .patched(
            &ada,
            json!([
                {"op": "add", "path": "nickName", "value": "Countess"},
                {"op": "add", "path": "title", "value": "Analyst"},
            ]),
        )
        .await?;
    answer.has("/nickName", "Countess")?;
    answer.has("/title", "Analyst")
}

async fn add_complex(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operation = json!([{"op": "add", "path": "name", "value": {"middleName": "King"}}]);
    let answer = session.patched(&ada, operation).await?;
    answer.has("/name/middleName", "King")?;
    answer.has("/name/givenName", "Ada")
}

async fn add_to_list(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let value = json!([{"value": "other@example.com", "type": "other"}]);
    let answer =
        session.patched(&ada, json!([{"op": "add", "path": "emails", "value": value}])).await?;
    let wanted = ["work@example.com", "home@example.com", "other@example.com"];
    answer.has_each("/emails", "value", &wanted)
}

async fn add_to_list_without_path(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let value = json!({"emails": [{"value": "other@example.com", "type": "other"}]});
    let answer = session.patched(&ada, json!([{"op": "add", "value": value}])).await?;
    let wanted = ["work@example.com", "home@example.com", "other@example.com"];
    answer.has_each("/emails", "value", &wanted)
}

async fn add_again(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let before = session.read(&ada).await?;
    let answer = session.patched(&ada, json!([
        {"op": "add", "path": "title", "value": "Engineer"},
        {"op": "add", "path": "emails", "value": [{"value": "home@example.com", "type": "home"}]},
    ])).await?;
    answer.has_each("/emails", "value", &["work@example.com", "home@example.com"])?;
    answer.has("/meta/lastModified", before.at("/meta/lastModified").clone())
}

async fn replace_without_path(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let value = json!({"title": "Countess", "emails": [{"value": "new@example.com"}]});
    let answer = session.patched(&ada, json!([{"op": "replace", "value": value}])).await?;
    answer.has("/title", "Countess")?;
    answer.has_each("/emails", "value", &["new@example.com"])?;
    answer.has("/name/familyName", "Lovelace")?;
    answer.has("/userName", ada.name)
}

async fn replace_single(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operation = json!([{"op": "replace", "path": "title", "value": "Countess"}]);
    session.patched(&ada, operation).await?.has("/title", "Countess")
}

async fn replace_absent(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    session.needs_attributes(&["nickName"])?;
    let answer = session
        .patched(
            &ada,
            json!([
                {"op": "replace", "path": "nickName", "value": "Countess"},
                {"op": "replace", "path": "name.middleName", "value": "King"},
            ]),
        )
        .await?;
    answer.has("/nickName", "Countess")?;
    answer.has("/name/middleName", "King")
}

async fn replace_complex(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operation = json!([{"op": "replace", "path": "name", "value": {"givenName": "Augusta"}}]);
    let answer = session.patched(&ada, operation).await?;
    answer.has("/name/givenName", "Augusta")?;
    answer.has("/name/familyName", "Lovelace")
}

async fn replace_sub_attribute(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operation = json!([{"op": "replace", "path": "name.familyName", "value": "King"}]);
    let answer = session.patched(&ada, operation).await?;
    answer.has("/name/familyName", "King")?;
    answer.has("/name/givenName", "Ada")
}

async fn replace_list(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let value = json!([{"value": "new@example.com", "type": "work"}]);
    let answer =
        session.patched(&ada, json!([{"op": "replace", "path": "emails", "value": value}])).await?;
    answer.has_each("/emails", "value", &["new@example.com"])
}

async fn replace_matching(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operation = json!([{
        "op": "replace", "path": "emails[type eq \"home\"]",
        "value": {"value": "garden@example.com", "type": "home"},
    }]);
    let answer = session.patched(&ada, operation).await?;
    answer.has_each("/emails", "value", &["work@example.com", "garden@example.com"])
}

async fn replace_in_matching(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operation = json!([{
        "op": "replace", "path": "emails[value ew \"example.com\"].display", "value": "Ada",
    }]);
    let answer = session.patched(&ada, operation).await?;
    answer.has_each("/emails", "value", &["work@example.com", "home@example.com"])?;
    answer.has_each("/emails", "type", &["work", "home"])?;
    answer.has_each("/emails", "display", &["Ada", "Ada"])
}

async fn remove_single(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.patched(&ada, json!([{"op": "remove", "path": "title"}])).await?;
    answer.lacks("/title")
}

async fn remove_complex(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    session.patched(&ada, json!([{"op": "remove", "path": "name"}])).await?.lacks("/name")
}

async fn remove_sub_attribute(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.patched(&ada, json!([{"op": "remove", "path": "name.givenName"}])).await?;
    answer.lacks("/name/givenName")?;
    answer.has("/name/familyName", "Lovelace")
}

async fn remove_list(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    session.patched(&ada, json!([{"op": "remove", "path": "emails"}])).await?.lacks("/emails")
}

async fn remove_matching(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let path = "emails[type eq \"work\" and value ew \"example.com\"]";
    let answer = session.patched(&ada, json!([{"op": "remove", "path": path}])).await?;
    answer.has_each("/emails", "value", &["home@example.com"])
}

async fn remove_last(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let path = "emails[value ew \"example.com\"]";
    session.patched(&ada, json!([{"op": "remove", "path": path}])).await?.lacks("/emails")
}

async fn remove_absent(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    session.needs_attributes(&["nickName"])?;
    let answer = session.patched(&ada, json!([{"op": "remove", "path": "nickName"}])).await?;
    answer.lacks("/nickName")?;
    answer.has("/title", "Engineer")
}

async fn sequence(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session.patched(&ada, json!([
        {"op": "replace", "path": "title", "value": "Countess"},
        {"op": "remove", "path": "emails"},
        {"op": "add", "path": "emails", "value": [{"value": "new@example.com", "type": "work"}]},
        {"op": "replace", "path": "title", "value": "Analyst"},
    ])).await?;
    answer.has("/title", "Analyst")?;
    answer.has_each("/emails", "value", &["new@example.com"])
}

async fn primary_moves(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let value = json!([{"value": "other@example.com", "type": "other", "primary": true}]);
    let answer =
        session.patched(&ada, json!([{"op": "add", "path": "emails", "value": value}])).await?;
    let primary = answer.at("/emails").as_array().into_iter().flatten();
    let primary: Vec<_> = primary.filter(|email| email["primary"] == true).collect();
    let fits = primary.len() == 1 && primary[0]["value"] == "other@example.com";
    answer.holds(fits, "the new address primary, and no other", &format!("{primary:?}"))
}

async fn active(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    for active in [false, true] {
        let operation = json!([{"op": "replace", "path": "active", "value": active}]);
        session.patched(&user, operation).await?.has("/active", active)?;
    }
    Ok(())
}

async fn paths_in_any_case(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session
        .patched(
            &ada,
            json!([
                {"op": "replace", "path": "TITLE", "value": "Countess"},
                {"op": "replace", "path": "Name.FamilyName", "value": "King"},
            ]),
        )
        .await?;
    answer.has("/title", "Countess")?;
    answer.has("/name/familyName", "King")
}

async fn urn(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let answer = session
        .patched(
            &ada,
            json!([
                {"op": "replace", "path": format!("{USER}:title"), "value": "Countess"},
                {"op": "replace", "path": format!("{USER}:name.familyName"), "value": "King"},
            ]),
        )
        .await?;
    answer.has("/title", "Countess")?;
    answer.has("/name/familyName", "King")
}

async fn enterprise(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["department"])?;
    let user = session.user(json!({})).await?;
    let path = format!("{ENTERPRISE}:department");
    let answer =
        session.patched(&user, json!([{"op": "add", "path": path, "value": "Engines"}])).await?;
    answer.has(&format!("/{ENTERPRISE}/department"), "Engines")?;
    answer.has_schema(ENTERPRISE)
}

async fn enterprise_removed(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["department", "costCenter"])?;
    let user = session
        .user(json!({
            "schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": "Engines", "costCenter": "7"},
        }))
        .await?;
    let path = format!("{ENTERPRISE}:department");
    let answer = session.patched(&user, json!([{"op": "remove", "path": path}])).await?;
    answer.lacks(&format!("/{ENTERPRISE}/department"))?;
    answer.has(&format!("/{ENTERPRISE}/costCenter"), "7")
}

async fn last_modified(session: &Session) -> Verdict {
    let ada = ada(session).await?;
    let operation = json!([{"op": "replace", "path": "title", "value": "Countess"}]);
    let answer = session.patched(&ada, operation).await?;
    answer.has("/meta/created", ada.answer.at("/meta/created").clone())?;
    let (before, after) = (ada.answer.at("/meta/lastModified"), answer.at("/meta/lastModified"));
    // A clock of whole seconds may show the same time twice; it may not go back.
    let fits = after.as_str() >= before.as_str();
    answer.holds(fits, &format!("a time not before {before}"), &after.to_string())
}
