//! The bodies that Entra sends.
//!
//! After Microsoft Learn, "Develop and plan provisioning for a SCIM endpoint" and "Known issues
//! with SCIM 2.0 protocol compliance" (2025). The flag `aadOptscim062020` changes PATCH and nothing
//! else. Passwords are never sent, an attribute without a value is left out of a POST.

use serde_json::{Map, Value, json};

use crate::{
    expect::{ENTERPRISE, WORK_MAIL},
    people::{Group, Person},
};

/// How Entra writes a PATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Capitalised operations, one path each, booleans as text, removals by a list of values.
    Default,
    /// RFC 7644, with many attributes in one operation, under dotted and URN keys.
    Flag,
}

/// One attribute that changes: its path, and its text now, or nothing when it has none any more.
pub(super) type Change = (String, Option<String>);

/// Returns the attributes that Entra maps, by their paths, with what the person has in them.
pub(super) fn attributes(person: &Person) -> Vec<Change> {
    let enterprise = |name: &str| format!("{ENTERPRISE}:{name}");
    vec![
        ("displayName".to_owned(), Some(person.display_name())),
        ("name.givenName".to_owned(), Some(person.given_name.clone())),
        ("name.familyName".to_owned(), Some(person.family_name.clone())),
        ("name.formatted".to_owned(), Some(person.display_name())),
        ("title".to_owned(), person.title.clone()),
        (WORK_MAIL.to_owned(), Some(person.email.clone())),
        (enterprise("employeeNumber"), Some(person.employee_number.clone())),
        (enterprise("department"), Some(person.department.clone())),
    ]
}

/// Returns the attributes in which a person is not what they were.
pub(super) fn changes(before: &Person, now: &Person) -> Vec<Change> {
    let pairs = attributes(before).into_iter().zip(attributes(now));
    pairs.filter(|(before, now)| before != now).map(|(_, now)| now).collect()
}

pub(super) fn user(person: &Person) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": person.entra_id,
        "userName": person.user_name,
        "active": true,
        "displayName": person.display_name(),
        "emails": [{ "primary": true, "type": "work", "value": person.email }],
        "meta": { "resourceType": "User" },
        "name": {
            "formatted": person.display_name(),
            "familyName": person.family_name,
            "givenName": person.given_name,
        },
        "roles": [],
        (ENTERPRISE): {
            "employeeNumber": person.employee_number,
            "department": person.department,
        },
    });
    if let Some(title) = &person.title {
        body["title"] = json!(title);
    }
    body
}

pub(super) fn group(group: &Group) -> Value {
    json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:Group",
            "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
        ],
        "externalId": group.entra_id,
        "displayName": group.display_name,
        "meta": { "resourceType": "Group" },
    })
}

impl Dialect {
    pub(super) fn attributes(self, changes: &[Change]) -> Value {
        match self {
            Self::Default => patch(changes.iter().map(|(path, value)| match value {
                Some(value) => json!({ "op": "Replace", "path": path, "value": value }),
                None => json!({ "op": "Remove", "path": path }),
            })),
            Self::Flag => {
                let (filtered, plain): (Vec<_>, Vec<_>) =
                    changes.iter().partition(|(path, _)| path.contains('['));
                let (cleared, plain): (Vec<_>, Vec<_>) =
                    plain.into_iter().partition(|(_, value)| value.is_none());
                let keys: Map<String, Value> =
                    plain.into_iter().map(|(path, value)| (path.clone(), json!(value))).collect();
                let keys = (!keys.is_empty()).then(|| json!({ "op": "replace", "value": keys }));
                let paths = filtered.into_iter().chain(cleared).map(|(path, value)| {
                    let value = value.as_deref().unwrap_or_default();
                    json!({ "op": "replace", "path": path, "value": value })
                });
                patch(keys.into_iter().chain(paths))
            }
        }
    }

    pub(super) fn active(self, active: bool) -> Value {
        let value = match self {
            Self::Default => json!(if active { "True" } else { "False" }),
            Self::Flag => json!(active),
        };
        patch([json!({ "op": self.replace(), "path": "active", "value": value })])
    }

    pub(super) fn manager(self, base_url: &str, id: &str) -> Value {
        match self {
            Self::Default => {
                let reference = format!("{}/Users/{id}", base_url.trim_end_matches('/'));
                let value = json!([{ "$ref": reference, "value": id }]);
                patch([json!({ "op": "Add", "path": "manager", "value": value })])
            }
            Self::Flag => {
                let path = format!("{ENTERPRISE}:manager");
                patch([json!({ "op": "add", "path": path, "value": id })])
            }
        }
    }

    pub(super) fn rename(self, display_name: &str) -> Value {
        let op = self.replace();
        patch([json!({ "op": op, "path": "displayName", "value": display_name })])
    }

    pub(super) fn add_members(self, ids: &[String]) -> Value {
        let op = if self == Self::Default { "Add" } else { "add" };
        patch([json!({ "op": op, "path": "members", "value": references(ids) })])
    }

    pub(super) fn remove_members(self, ids: &[String]) -> Value {
        match self {
            Self::Default => {
                patch([json!({ "op": "Remove", "path": "members", "value": references(ids) })])
            }
            Self::Flag => patch(ids.iter().map(
                |id| json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") }),
            )),
        }
    }

    fn replace(self) -> &'static str {
        if self == Self::Default { "Replace" } else { "replace" }
    }
}

fn references(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({ "$ref": null, "value": id })).collect()
}

fn patch(operations: impl IntoIterator<Item = Value>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations.into_iter().collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
