//! Roles whose value is a JSON object written as text.
//!
//! The mapping function `AppRoleAssignmentsComplex` sends each assigned role as
//! `{"value": "{\"id\": …, \"value\": \"Admin\", \"displayName\": \"Administrator\"}"}`. It means a
//! role with that value and display; the id is that of the role in Microsoft's application and
//! nothing that a SCIM role has room for.
//!
//! # Source
//! Microsoft Learn, "Tutorial: Customize user provisioning attribute-mappings" (as noted on 2026-11-25).

use domain::workspace::Idp;
use serde_json::{Map, Value};

use super::{Quirk, Request, find, member, operations};

pub(super) const QUIRK: Quirk = Quirk {
    name: "entra_app_roles",
    idps: &[Idp::Entra, Idp::Generic],
    requests: &[Request::User, Request::UserPatch],
    undo,
};

fn undo(body: &mut Value, request: Request) {
    if !request.is_patch() {
        if let Some(roles) = member(body, "roles") {
            unpack(roles);
        }
        return;
    }
    for operation in operations(body) {
        let path = find(operation, "path").and_then(|path| path.as_str().map(str::to_owned));
        let Some(value) = find(operation, "value") else { continue };
        match path.as_deref().filter(|path| !path.is_empty()) {
            None => member(value, "roles").into_iter().for_each(unpack),
            Some(path) if path.eq_ignore_ascii_case("roles") => unpack(value),
            Some(_) => {}
        }
    }
}

fn unpack(roles: &mut Value) {
    let roles = match roles {
        Value::Array(roles) => roles.as_mut_slice(),
        role => std::slice::from_mut(role),
    };
    for role in roles.iter_mut().filter_map(Value::as_object_mut) {
        let Some(mut packed) = packed(role) else { continue };
        let Some(value) = packed.remove("value") else { continue };
        role.insert("value".to_owned(), value);
        if let Some(display) =
            packed.remove("displayName").filter(|_| !role.contains_key("display"))
        {
            role.insert("display".to_owned(), display);
        }
    }
}

/// What the text of a role's value says, if it is an object.
fn packed(role: &Map<String, Value>) -> Option<Map<String, Value>> {
    let text = role.get("value")?.as_str()?.trim();
    if text.starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::undone, *};

    const PACKED: &str = r#"{"id":"06b0","value":"Admin","displayName":"Administrator"}"#;

    #[test]
    fn a_role_is_taken_out_of_its_text() {
        let proper = json!([{"value": "Admin", "display": "Administrator"}]);
        for path in ["roles", "Roles"] {
            let body = json!({"Operations": [
                {"op": "Add", "path": path, "value": [{"value": PACKED}]},
                {"op": "Add", "value": {"roles": [{"value": PACKED}]}}
            ]});
            assert_eq!(
                undone(body, Request::UserPatch, Idp::Entra),
                json!({"Operations": [
                    {"op": "Add", "path": path, "value": proper},
                    {"op": "Add", "value": {"roles": proper}}
                ]})
            );
        }
    }

    #[test]
    fn what_the_role_says_itself_stays() {
        let body = json!({"roles": [
            {"primary": "True", "type": "Role", "display": "Boss", "value": PACKED},
            {"value": "Viewer"},
            {"value": "{\"id\": 1}"}
        ]});
        assert_eq!(
            undone(body, Request::User, Idp::Entra),
            json!({"roles": [
                {"primary": "True", "type": "Role", "display": "Boss", "value": "Admin"},
                {"value": "Viewer"},
                {"value": "{\"id\": 1}"}
            ]})
        );
    }
}
