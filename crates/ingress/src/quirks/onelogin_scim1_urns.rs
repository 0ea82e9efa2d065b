//! The URNs of SCIM 1.1 in bodies of SCIM 2.0.
//!
//! Templates that administrators have copied since SCIM 1.1 name the schemas
//! `urn:scim:schemas:core:1.0` and `urn:scim:schemas:extension:enterprise:1.0`, some with `2.0`. The
//! enterprise attributes stand under the latter; read as a custom extension they would be lost to
//! everything that asks for `department`.
//!
//! # Source
//! developers.onelogin.com/scim/implement-scim-api (as noted on 2026-11-25), goauthentik/authentik#11249;
//! SCIM 1.1 Core Schema §7.

use domain::workspace::Idp;
use scim::urn;
use serde_json::Value;

use super::{Quirk, Request, find, member, operations, rename_schema};

pub(super) const QUIRK: Quirk = Quirk {
    name: "onelogin_scim1_urns",
    idps: &[Idp::OneLogin, Idp::Generic],
    requests: &[Request::User, Request::UserPatch, Request::Group, Request::GroupPatch],
    undo,
};

/// How every URN of SCIM 1.1 begins.
const PREFIX: &str = "urn:scim:schemas:";
/// What the enterprise extension is called.
const ENTERPRISE: [&str; 2] =
    ["urn:scim:schemas:extension:enterprise:1.0", "urn:scim:schemas:extension:enterprise:2.0"];

fn undo(body: &mut Value, request: Request) {
    if let Some(Value::Array(schemas)) = member(body, "schemas") {
        schemas.retain(|schema| !schema.as_str().is_some_and(is_scim_1));
    }
    if request.is_patch() {
        for operation in operations(body) {
            if let Some(Value::String(path)) = find(operation, "path") {
                rewrite(path);
            }
            if let Some(Value::Object(value)) = find(operation, "value") {
                ENTERPRISE.iter().for_each(|old| rename_schema(value, old, urn::ENTERPRISE_USER));
            }
        }
    } else if let Some(object) = body.as_object_mut() {
        ENTERPRISE.iter().for_each(|old| rename_schema(object, old, urn::ENTERPRISE_USER));
    }
}

fn is_scim_1(urn: &str) -> bool {
    urn.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX))
}

/// `urn:scim:schemas:extension:enterprise:1.0:department` or `….department`
fn rewrite(path: &mut String) {
    for old in ENTERPRISE {
        let rest = path.get(..old.len()).filter(|head| head.eq_ignore_ascii_case(old));
        let rest = rest.map(|head| &path[head.len()..]);
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with([':', '.'])) {
            *path = format!("{}{}", urn::ENTERPRISE_USER, rest.replacen('.', ":", 1));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::undone, *};

    #[test]
    fn a_user_of_scim_1_becomes_one_of_scim_2() {
        let body = json!({
            "schemas": ["urn:scim:schemas:core:1.0", "urn:scim:schemas:extension:enterprise:1.0"],
            "userName": "ada",
            "urn:scim:schemas:extension:enterprise:1.0": {"department": "math"}
        });
        assert_eq!(
            undone(body.clone(), Request::User, Idp::OneLogin),
            json!({"schemas": [], "userName": "ada", urn::ENTERPRISE_USER: {"department": "math"}})
        );
        assert_eq!(undone(body.clone(), Request::User, Idp::Entra), body);
    }

    #[test]
    fn paths_and_values_of_a_patch_are_renamed() {
        let body = json!({"schemas": [urn::PATCH_OP], "Operations": [
            {"op": "replace", "path": "urn:scim:schemas:extension:enterprise:1.0:department", "value": "x"},
            {"op": "replace", "value": {"urn:scim:schemas:extension:enterprise:2.0": {"division": "y"}}},
            {"op": "replace", "value": {"urn:scim:schemas:extension:enterprise:1.0:division": "y"}},
            {"op": "replace", "path": "title", "value": "z"}
        ]});
        assert_eq!(
            undone(body, Request::UserPatch, Idp::OneLogin),
            json!({"schemas": [urn::PATCH_OP], "Operations": [
                {"op": "replace", "path": format!("{}:department", urn::ENTERPRISE_USER), "value": "x"},
                {"op": "replace", "value": {urn::ENTERPRISE_USER: {"division": "y"}}},
                {"op": "replace", "value": {format!("{}:division", urn::ENTERPRISE_USER): "y"}},
                {"op": "replace", "path": "title", "value": "z"}
            ]})
        );
    }
}
