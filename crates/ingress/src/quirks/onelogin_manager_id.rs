//! `manager.managerId`, as SCIM 1.1 called what is `manager.value` now.
//!
//! # Source
//! SCIM 1.1 Core Schema §7; templates on developers.onelogin.com/scim/implement-scim-api and
//! goauthentik/authentik#11249 (as noted on 2026-11-25).

use domain::workspace::Idp;
use serde_json::{Map, Value};

use super::{Quirk, Request, enterprise, find, operations, rename};

pub(super) const QUIRK: Quirk = Quirk {
    name: "onelogin_manager_id",
    idps: &[Idp::OneLogin, Idp::Generic],
    requests: &[Request::User, Request::UserPatch],
    undo,
};

fn undo(body: &mut Value, request: Request) {
    if !request.is_patch() {
        if let Some(object) = body.as_object_mut() {
            in_resource(object);
        }
        return;
    }
    for operation in operations(body) {
        let path = find(operation, "path").and_then(|path| path.as_str().map(str::to_owned));
        let Some(Value::Object(value)) = find(operation, "value") else { continue };
        match path.as_deref().filter(|path| !path.is_empty()) {
            None => in_resource(value),
            Some(path) if names_manager(path) => rename(value, "managerId", "value"),
            Some(_) => in_manager(value),
        }
    }
}

/// A resource, whole or in part: the manager at its top, where it does not belong, or where it does.
fn in_resource(resource: &mut Map<String, Value>) {
    in_manager(resource);
    if let Some(extension) = enterprise(resource) {
        in_manager(extension);
    }
}

fn in_manager(object: &mut Map<String, Value>) {
    if let Some(Value::Object(manager)) = find(object, "manager") {
        rename(manager, "managerId", "value");
    }
}

fn names_manager(path: &str) -> bool {
    let name = path.rsplit([':', '.']).next().unwrap_or(path);
    name.eq_ignore_ascii_case("manager")
}

#[cfg(test)]
mod tests {
    use scim::urn;
    use serde_json::json;

    use super::{super::tests::undone, *};

    #[test]
    fn a_manager_id_is_the_value_of_the_manager() {
        let body = json!({
            "manager": {"managerId": "7"},
            urn::ENTERPRISE_USER: {"manager": {"managerId": "8", "displayName": "Boss"}}
        });
        let proper = json!({
            "manager": {"value": "7"},
            urn::ENTERPRISE_USER: {"manager": {"value": "8", "displayName": "Boss"}}
        });
        assert_eq!(undone(body, Request::User, Idp::OneLogin), proper);
    }

    #[test]
    fn it_is_found_in_a_patch_with_and_without_a_path() {
        let manager = format!("{}:manager", urn::ENTERPRISE_USER);
        let body = |name: &str| {
            json!({"Operations": [
                {"op": "replace", "path": manager, "value": {name: "7"}},
                {"op": "replace", "path": urn::ENTERPRISE_USER, "value": {"manager": {name: "8"}}},
                {"op": "replace", "value": {urn::ENTERPRISE_USER: {"manager": {name: "9"}}}}
            ]})
        };
        let undone = undone(body("managerId"), Request::UserPatch, Idp::Generic);
        assert_eq!(undone, body("value"));
    }
}
