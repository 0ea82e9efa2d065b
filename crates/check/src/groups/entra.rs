//! What Microsoft Entra sends by default, without `aadOptscim062020`.

use serde_json::{Value, json};

use crate::{
    case::{Case, Group, Stop, Verdict, case},
    offer::Feature,
    request::escaped,
    session::{ENTERPRISE, GROUP as GROUP_URN, Made, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "entra",
    about: "Microsoft Entra as it is by default",
    needs: Some(Feature::Patch),
    cases: &[CASES],
};

const DEVELOP: &str = "Microsoft Learn, Develop and plan provisioning for a SCIM endpoint (2025-03, as noted on 2026-11-25)";
const COMPLIANCE: &str = "Microsoft Learn, Known issues with SCIM 2.0 protocol compliance (2025-08, as noted on 2026-11-25)";
const ATTRIBUTES: &str = "Microsoft Learn, Customize attribute mappings (as noted on 2026-11-25)";
const GALLERY: &str =
    "Microsoft, validation template for the gallery (2026-06, as noted on 2026-11-25)";
const VALIDATOR: &str =
    "pranems/SCIMServer, on Microsoft's SCIM Validator (as noted on 2026-11-25)";
const WORKAROUNDS: &str =
    "Captain-P-Goldfish/SCIM-SDK, workarounds for Entra (as noted on 2026-11-25)";

const CASES: &[Case] = &[
    case!(Dialect, test_connection, "the connection test finds nobody and answers 200", DEVELOP),
    case!(Dialect, groups_probe, "/Groups answers 200, also where nobody uses groups", DEVELOP),
    case!(Dialect, schemas_without_null, "/Schemas has no null in it", DEVELOP),
    case!(
        Dialect,
        create_user,
        "a user is made as Entra sends it: meta, empty roles, values that are null",
        DEVELOP
    ),
    case!(Dialect, find_user, "the new user is found at once, in any case", DEVELOP),
    case!(Dialect, taken, "a userName that is taken answers 409 uniqueness", VALIDATOR),
    case!(
        Dialect,
        deactivate,
        "Replace active \"False\" deactivates; the user is still found",
        COMPLIANCE
    ),
    case!(
        Dialect,
        reactivate,
        "Replace active \"True\" activates again: same id, memberships kept",
        COMPLIANCE
    ),
    case!(Dialect, several, "a PATCH of several paths in capitals is done whole", COMPLIANCE),
    case!(
        Dialect,
        work_mail,
        "a work address that is missing is made by Replace with its filter",
        WORKAROUNDS
    ),
    case!(Dialect, cleared, "Replace with an empty text clears an attribute", GALLERY),
    case!(
        Dialect,
        manager,
        "a manager is set as a list, as an object and as a bare id",
        WORKAROUNDS
    ),
    case!(Dialect, manager_removed, "a manager with an empty value is none", VALIDATOR),
    case!(Dialect, roles, "roles[primary eq \"True\"].value makes one primary role", ATTRIBUTES),
    case!(
        Dialect,
        custom_extension,
        "an extension that schemas does not name is taken",
        ATTRIBUTES
    ),
    case!(
        Dialect,
        custom_attribute,
        "an attribute of such an extension is added, replaced and removed",
        ATTRIBUTES
    ),
    case!(
        Dialect,
        many_additions,
        "a user with nothing gets everything by one PATCH of many Adds",
        VALIDATOR
    ),
    case!(
        Dialect,
        create_group,
        "a group is made with Microsoft's own schema and no members",
        DEVELOP
    ),
    case!(Dialect, group_taken, "a displayName that is taken answers 409 uniqueness", VALIDATOR),
    case!(Dialect, find_group, "a group is found by displayName without its members", DEVELOP),
    case!(Dialect, get_group, "a group is read without its members", DEVELOP),
    case!(Dialect, add_members, "Add of members is done, and done again", DEVELOP),
    case!(Dialect, remove_members, "Remove of members with a list removes only those", COMPLIANCE),
    case!(
        Dialect,
        member_reference,
        "id eq and members eq tell whether somebody is a member",
        DEVELOP
    ),
    case!(
        Dialect,
        manager_reference,
        "id eq and manager eq tell whether somebody is the manager",
        DEVELOP
    ),
    case!(
        Dialect,
        by_work_mail,
        "a user is found by the work address, both ways of writing it",
        DEVELOP
    ),
    case!(Dialect, external_id, "a user is found by externalId in its exact case", DEVELOP),
    case!(Dialect, unquoted, "a filter whose text stands without quotes is understood", DEVELOP),
];

/// The path of the work address.
const WORK_MAIL: &str = "emails[type eq \"work\"].value";

async fn test_connection(session: &Session) -> Verdict {
    let filter = format!("userName eq \"{}\"", session.name());
    let answer = session.find("/Users", &filter).await?;
    answer.finds(&[])?;
    answer.has("/Resources", json!([]))
}

async fn groups_probe(session: &Session) -> Verdict {
    session.get("/Groups?startIndex=1&count=1").await?.list().map(drop)
}

async fn schemas_without_null(session: &Session) -> Verdict {
    let answer = session.get("/Schemas").await?;
    answer.list()?;
    answer.holds(!has_null(&answer.body), "no null in any schema", "a null")
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// A user as Entra sends it.
fn user(session: &Session) -> Value {
    let name = format!("{}@example.com", session.name());
    json!({
        "schemas": [USER, ENTERPRISE], "externalId": session.name(), "userName": name, "active": true,
        "emails": [{"primary": true, "type": "work", "value": name}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
        "roles": [],
    })
}

async fn create_user(session: &Session) -> Verdict {
    let mut body = user(session);
    (body["addresses"], body["manager"]) = (Value::Null, Value::Null);
    let answer = session.post("/Users", &body).await?;
    answer.status(&[201])?;
    answer.has("/userName", body["userName"].clone())?;
    answer.has("/externalId", body["externalId"].clone())?;
    answer.has("/active", true)?;
    let location = answer.header("location").to_owned();
    answer.has("/meta/location", location)
}

async fn find_user(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let capitals = made.name.to_uppercase();
    let answer = session.find("/Users", &format!("userName eq \"{capitals}\"")).await?;
    answer.finds(&[&made])?;
    answer.has("/Resources/0/userName", made.name)
}

async fn taken(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let mut again = user(session);
    again["userName"] = json!(made.name);
    session.post("/Users", &again).await?.refused(409, "uniqueness")
}

async fn deactivate(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let operation = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    session.patched(&made, operation).await?.has("/active", false)?;
    let answer = session.find("/Users", &format!("userName eq \"{}\"", made.name)).await?;
    answer.finds(&[&made])?;
    answer.has("/Resources/0/active", false)
}

async fn reactivate(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let group = session.group_of(&[&made]).await?;
    for text in ["False", "True"] {
        let operation = json!([{"op": "Replace", "path": "active", "value": text}]);
        let answer = session.patched(&made, operation).await?;
        answer.has("/active", text == "True")?;
        answer.has("/id", made.id.clone())?;
    }
    session.read(&group).await?.has_members(&[&made])
}

async fn several(session: &Session) -> Verdict {
    session.needs_attributes(&["nickName", "title"])?;
    session.needs_of(ENTERPRISE, &["department"])?;
    let mut body = user(session);
    body["title"] = json!("Engineer");
    let made = session.user(body).await?;
    let answer = session
        .patched(
            &made,
            json!([
                {"op": "Replace", "path": WORK_MAIL, "value": "updated@example.com"},
                {"op": "Replace", "path": "name.familyName", "value": "King"},
                {"op": "Add", "path": "nickName", "value": "Countess"},
                {"op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Engines"},
                {"op": "Remove", "path": "title"},
            ]),
        )
        .await?;
    answer.has_each("/emails", "value", &["updated@example.com"])?;
    answer.has("/name/familyName", "King")?;
    answer.has("/nickName", "Countess")?;
    answer.has(&format!("/{ENTERPRISE}/department"), "Engines")?;
    answer.lacks("/title")
}

async fn work_mail(session: &Session) -> Verdict {
    let made = session.user(json!({})).await?;
    let operation = json!([{"op": "Replace", "path": WORK_MAIL, "value": "new@example.com"}]);
    let answer = session.patched(&made, operation).await?;
    answer.has_each("/emails", "value", &["new@example.com"])?;
    answer.has_each("/emails", "type", &["work"])
}

async fn cleared(session: &Session) -> Verdict {
    session.needs_attributes(&["title", "phoneNumbers"])?;
    session.needs_of(ENTERPRISE, &["department"])?;
    let mut body = user(session);
    body["title"] = json!("Engineer");
    body["phoneNumbers"] = json!([{"type": "work", "value": "+1 555 0100"}]);
    body[ENTERPRISE] = json!({"department": "Engines"});
    let made = session.user(body).await?;
    let department = format!("{ENTERPRISE}:department");
    for path in ["title", "phoneNumbers[type eq \"work\"].value", &department] {
        let operation = json!([{"op": "replace", "path": path, "value": ""}]);
        session.patch(made.path.as_str(), operation).await?.changed()?;
    }
    let answer = session.read(&made).await?;
    answer.lacks("/title")?;
    answer.lacks("/phoneNumbers/0/value")?;
    answer.lacks(&format!("/{ENTERPRISE}/department"))
}

async fn manager(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["manager"])?;
    let (made, boss) = (session.user(user(session)).await?, session.user(user(session)).await?);
    let pointer = format!("/{ENTERPRISE}/manager/value");
    let operation =
        json!([{"op": "Add", "path": "manager", "value": [{"$ref": boss.path, "value": boss.id}]}]);
    session.patched(&made, operation).await?.has(&pointer, boss.id)?;
    let path = format!("{ENTERPRISE}:manager");
    // The validator sends a manager that the server cannot know.
    let operation = json!([{"op": "Add", "path": path, "value": "271"}]);
    session.patched(&made, operation).await?.has(&pointer, "271")?;
    let operation = json!([{"op": "Replace", "path": path, "value": {"value": "272"}}]);
    session.patched(&made, operation).await?.has(&pointer, "272")
}

async fn manager_removed(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["manager"])?;
    let mut body = user(session);
    body[ENTERPRISE] = json!({"manager": {"value": "271"}});
    let made = session.user(body).await?;
    let operation =
        json!([{"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": {"value": ""}}]);
    session.patched(&made, operation).await?.lacks(&format!("/{ENTERPRISE}/manager/value"))
}

async fn roles(session: &Session) -> Verdict {
    session.needs_attributes(&["roles"])?;
    let made = session.user(user(session)).await?;
    let operation =
        json!([{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}]);
    let answer = session.patched(&made, operation).await?;
    answer.has_each("/roles", "value", &["Admin"])?;
    answer.has("/roles/0/primary", true)
}

async fn custom_extension(session: &Session) -> Verdict {
    let mut body = user(session);
    body["urn:example:params:scim:schemas:extension:check:2.0:User"] = json!({"costCode": "7"});
    session.post("/Users", &body).await?.status(&[201])
}

async fn custom_attribute(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let path = "urn:example:params:scim:schemas:extension:check:2.0:User:costCode";
    for operation in [
        json!({"op": "Add", "path": path, "value": "7"}),
        json!({"op": "Replace", "path": path, "value": "8"}),
        json!({"op": "Remove", "path": path}),
    ] {
        session.patch(made.path.as_str(), json!([operation])).await?.changed()?;
    }
    Ok(())
}

async fn many_additions(session: &Session) -> Verdict {
    session.needs_attributes(&[
        "name",
        "emails",
        "phoneNumbers",
        "addresses",
        "title",
        "nickName",
    ])?;
    session.needs_of(ENTERPRISE, &["department", "employeeNumber"])?;
    let made = session.user(json!({})).await?;
    let (department, number) =
        (format!("{ENTERPRISE}:department"), format!("{ENTERPRISE}:employeeNumber"));
    let additions = [
        ("name.givenName", "Ada"),
        ("name.familyName", "Lovelace"),
        ("title", "Engineer"),
        ("nickName", "Countess"),
        (WORK_MAIL, "ada@example.com"),
        ("phoneNumbers[type eq \"work\"].value", "+1 555 0100"),
        ("phoneNumbers[type eq \"mobile\"].value", "+1 555 0101"),
        ("addresses[type eq \"work\"].locality", "Belize City"),
        ("addresses[type eq \"work\"].country", "Belize"),
        (&department, "Engines"),
        (&number, "1815"),
    ];
    let operations: Value = additions
        .into_iter()
        .map(|(path, value)| json!({"op": "Add", "path": path, "value": value}))
        .collect();
    let answer = session.patched(&made, operations).await?;
    answer.has("/name/familyName", "Lovelace")?;
    answer.has_each("/emails", "value", &["ada@example.com"])?;
    answer.has_each("/phoneNumbers", "value", &["+1 555 0100", "+1 555 0101"])?;
    answer.has_each("/phoneNumbers", "type", &["work", "mobile"])?;
    answer.has_each("/addresses", "locality", &["Belize City"])?;
    answer.has_each("/addresses", "country", &["Belize"])?;
    answer.has(&format!("/{ENTERPRISE}/employeeNumber"), "1815")
}

/// A group as Entra sends it.
fn group(session: &Session) -> Value {
    json!({
        "schemas": [GROUP_URN], "externalId": session.name(), "displayName": session.name(),
        "meta": {"resourceType": "Group"},
    })
}

async fn create_group(session: &Session) -> Verdict {
    let mut body = group(session);
    let own = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    body["schemas"] = json!([GROUP_URN, own]);
    let answer = session.post("/Groups", &body).await?;
    answer.status(&[201])?;
    answer.has("/displayName", body["displayName"].clone())?;
    answer.has_schema(GROUP_URN)
}

async fn group_taken(session: &Session) -> Verdict {
    let made = session.group(group(session)).await?;
    let mut again = group(session);
    again["displayName"] = json!(made.name);
    session.post("/Groups", &again).await?.refused(409, "uniqueness")?;
    let other = session.group(group(session)).await?;
    let operation = json!([{"op": "Replace", "path": "displayName", "value": made.name}]);
    session.patch(other.path, operation).await?.refused(409, "uniqueness")
}

async fn with_member(session: &Session) -> Result<(Made, Made), Stop> {
    let member = session.user(user(session)).await?;
    let group = session.group(group(session)).await?;
    let operation =
        json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": member.id}]}]);
    session.patch(group.path.as_str(), operation).await?.changed()?;
    Ok((group, member))
}

async fn find_group(session: &Session) -> Verdict {
    let (group, _) = with_member(session).await?;
    let filter = escaped(&format!("displayName eq \"{}\"", group.name.to_uppercase()));
    let answer = session.get(format!("/Groups?excludedAttributes=members&filter={filter}")).await?;
    answer.finds(&[&group])?;
    answer.lacks("/Resources/0/members")
}

async fn get_group(session: &Session) -> Verdict {
    let (group, _) = with_member(session).await?;
    let answer = session.get(format!("{}?excludedAttributes=members", group.path)).await?;
    answer.status(&[200])?;
    answer.has("/displayName", group.name)?;
    answer.lacks("/members")
}

async fn add_members(session: &Session) -> Verdict {
    let (group, member) = with_member(session).await?;
    let operation =
        json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": member.id}]}]);
    session.patched(&group, operation).await?.has_members(&[&member])
}

async fn remove_members(session: &Session) -> Verdict {
    let (group, member) = with_member(session).await?;
    let other = session.user(user(session)).await?;
    let operation =
        json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": other.id}]}]);
    session.patched(&group, operation).await?.has_members(&[&member, &other])?;
    let operation =
        json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": member.id}]}]);
    session.patched(&group, operation).await?.has_members(&[&other])
}

async fn member_reference(session: &Session) -> Verdict {
    let (group, member) = with_member(session).await?;
    let other = session.user(user(session)).await?;
    let asked = |user: &Made| format!("id eq \"{}\" and members eq \"{}\"", group.id, user.id);
    session.find("/Groups", &asked(&member)).await?.finds(&[&group])?;
    session.find("/Groups", &asked(&other)).await?.finds(&[])
}

async fn manager_reference(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["manager"])?;
    let boss = session.user(user(session)).await?;
    let mut body = user(session);
    body[ENTERPRISE] = json!({"manager": {"value": boss.id}});
    let made = session.user(body).await?;
    for (manager, wanted) in [(&boss, vec![&made]), (&made, vec![])] {
        let filter = escaped(&format!("id eq \"{}\" and manager eq \"{}\"", made.id, manager.id));
        session.get(format!("/Users?filter={filter}&attributes=id")).await?.finds(&wanted)?;
    }
    Ok(())
}

async fn by_work_mail(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let mail = &made.name;
    let dotted = format!("emails[type eq \"work\"].value eq \"{mail}\"");
    session.find("/Users", &dotted).await?.finds(&[&made])?;
    let inside = format!("emails[type eq \"work\" and value eq \"{mail}\"]");
    session.find("/Users", &inside).await?.finds(&[&made])
}

async fn external_id(session: &Session) -> Verdict {
    let mut body = user(session);
    let id = format!("{}-AbC", session.name());
    body["externalId"] = json!(id);
    let made = session.user(body).await?;
    session.find("/Users", &format!("externalId eq \"{id}\"")).await?.finds(&[&made])?;
    let folded = id.to_lowercase();
    session.find("/Users", &format!("externalId eq \"{folded}\"")).await?.finds(&[])
}

async fn unquoted(session: &Session) -> Verdict {
    let made = session.user(user(session)).await?;
    let id = made.answer.at("/externalId").as_str().unwrap_or_default();
    session.find("/Users", &format!("externalId eq {id}")).await?.finds(&[&made])
}
