//! What Microsoft Entra sends with `aadOptscim062020` in the tenant URL.

use serde_json::json;

use crate::{
    case::{Case, Group, Verdict, case},
    offer::Feature,
    request::escaped,
    session::{ENTERPRISE, Made, Session},
};

pub(super) const GROUP: Group = Group {
    name: "entra-flag",
    about: "Microsoft Entra with aadOptscim062020",
    needs: Some(Feature::Patch),
    cases: &[CASES],
};

const COMPLIANCE: &str = "Microsoft Learn, Known issues with SCIM 2.0 protocol compliance (2025-08, as noted on 2026-11-25)";
const VALIDATOR: &str =
    "pranems/SCIMServer, on Microsoft's SCIM Validator (as noted on 2026-11-25)";

const CASES: &[Case] = &[
    case!(
        Dialect,
        flag_ignored,
        "the flag in the query of every request is no reason to refuse",
        COMPLIANCE
    ),
    case!(Dialect, active, "replace active false and true", COMPLIANCE),
    case!(
        Dialect,
        dotted_keys,
        "a value without a path has dotted names and URNs as keys",
        COMPLIANCE
    ),
    case!(
        Dialect,
        work_mail,
        "a work address that is missing is made by replace with its filter",
        COMPLIANCE
    ),
    case!(Dialect, remove_member, "a member is removed by a filter, and again", COMPLIANCE),
    case!(
        Dialect,
        group_without_path,
        "a group's attributes are replaced without a path, its members stay",
        VALIDATOR
    ),
];

/// The path of a request with the flag.
fn flagged(made: &Made) -> String {
    format!("{}?aadOptscim062020", made.path)
}

async fn flag_ignored(session: &Session) -> Verdict {
    let body = session.new_user(json!({}));
    let answer = session.post("/Users?aadOptscim062020", &body).await?;
    answer.status(&[201])?;
    let name = body["userName"].as_str().unwrap_or_default();
    let filter = escaped(&format!("userName eq \"{name}\""));
    let found = session.get(format!("/Users?filter={filter}&aadOptscim062020")).await?;
    let listed = found.list()?.len();
    found.holds(listed == 1, "the user", &format!("{listed} users"))
}

async fn active(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    for active in [false, true] {
        let operation = json!([{"op": "replace", "path": "active", "value": active}]);
        session.patch(flagged(&user), operation).await?.changed()?;
        session.read(&user).await?.has("/active", active)?;
    }
    Ok(())
}

async fn dotted_keys(session: &Session) -> Verdict {
    session.needs_attributes(&["displayName", "name"])?;
    session.needs_of(ENTERPRISE, &["employeeNumber"])?;
    let user = session.user(json!({"name": {"middleName": "Byron"}})).await?;
    let number = format!("{ENTERPRISE}:employeeNumber");
    let value = json!({
        "displayName": "Ada L.", "name.givenName": "Ada", "name.familyName": "Lovelace", number: "6",
    });
    session.patch(flagged(&user), json!([{"op": "replace", "value": value}])).await?.changed()?;
    let answer = session.read(&user).await?;
    answer.has("/displayName", "Ada L.")?;
    answer.has("/name/givenName", "Ada")?;
    answer.has("/name/familyName", "Lovelace")?;
    answer.has("/name/middleName", "Byron")?;
    answer.has(&format!("/{ENTERPRISE}/employeeNumber"), "6")?;
    answer.has_schema(ENTERPRISE)
}

async fn work_mail(session: &Session) -> Verdict {
    session.needs_attributes(&["emails"])?;
    let user = session.user(json!({})).await?;
    let path = "emails[type eq \"work\"].value";
    let operation = json!([{"op": "replace", "path": path, "value": "new@example.com"}]);
    session.patch(flagged(&user), operation).await?.changed()?;
    session.read(&user).await?.has_each("/emails", "value", &["new@example.com"])
}

async fn remove_member(session: &Session) -> Verdict {
    let (ada, bob) = (session.user(json!({})).await?, session.user(json!({})).await?);
    let group = session.group_of(&[&ada, &bob]).await?;
    for _ in 0..2 {
        let path = format!("members[value eq \"{}\"]", ada.id);
        let operation = json!([{"op": "remove", "path": path}]);
        session.patch(flagged(&group), operation).await?.changed()?;
        session.read(&group).await?.has_members(&[&bob])?;
    }
    Ok(())
}

async fn group_without_path(session: &Session) -> Verdict {
    let ada = session.user(json!({})).await?;
    let group = session.group_of(&[&ada]).await?;
    let (name, id) = (session.name(), session.name());
    let value = json!({"displayName": name, "externalId": id});
    session.patch(flagged(&group), json!([{"op": "replace", "value": value}])).await?.changed()?;
    let answer = session.read(&group).await?;
    answer.has("/displayName", name)?;
    answer.has("/externalId", id)?;
    answer.has_members(&[&ada])
}
