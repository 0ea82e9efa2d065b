//! The enterprise extension's URN without its last colon: `…:enterprise:2.0User`.
//!
//! It stood in a sample of Microsoft's tutorial, so that mappings have been made with it.
//!
//! # Source
//! Microsoft Learn, "Develop and plan provisioning for a SCIM endpoint" (page of March 2025,
//! as noted on 2026-11-25).

use domain::workspace::Idp;
use scim::urn;
use serde_json::Value;

use super::{Quirk, Request, find, operations, rename_schema};

pub(super) const QUIRK: Quirk = Quirk {
    name: "entra_enterprise_urn",
    idps: &[Idp::Entra, Idp::Generic],
    requests: &[Request::User, Request::UserPatch],
    undo,
};

const MISTYPED: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User";

fn undo(body: &mut Value, request: Request) {
    if !request.is_patch() {
        if let Some(object) = body.as_object_mut() {
            rename_schema(object, MISTYPED, urn::ENTERPRISE_USER);
        }
        return;
    }
    for operation in operations(body) {
        if let Some(Value::String(path)) = find(operation, "path")
            && path.get(..MISTYPED.len()).is_some_and(|head| head.eq_ignore_ascii_case(MISTYPED))
        {
            path.replace_range(..MISTYPED.len(), urn::ENTERPRISE_USER);
        }
        if let Some(Value::Object(value)) = find(operation, "value") {
            rename_schema(value, MISTYPED, urn::ENTERPRISE_USER);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::undone, *};

    #[test]
    fn the_colon_is_put_back() {
        assert_eq!(
            undone(json!({MISTYPED: {"department": "x"}}), Request::User, Idp::Entra),
            json!({urn::ENTERPRISE_USER: {"department": "x"}})
        );
        let body = json!({"Operations": [
            {"op": "Add", "path": format!("{MISTYPED}:department"), "value": "x"},
            {"op": "Add", "value": {MISTYPED: {"division": "y"}}}
        ]});
        assert_eq!(
            undone(body, Request::UserPatch, Idp::Entra),
            json!({"Operations": [
                {"op": "Add", "path": format!("{}:department", urn::ENTERPRISE_USER), "value": "x"},
                {"op": "Add", "value": {urn::ENTERPRISE_USER: {"division": "y"}}}
            ]})
        );
    }

    /// With the flag, an operation without a path has paths for names.
    #[test]
    fn in_the_full_name_of_an_attribute_too() {
        let full = |urn: &str| json!({format!("{urn}:department"): "x", "title": "y"});
        let patch = |value: Value| json!({"Operations": [{"op": "add", "value": value}]});
        let proper = full(urn::ENTERPRISE_USER);
        for mistyped in [full(MISTYPED), full(&MISTYPED.to_uppercase())] {
            assert_eq!(undone(mistyped.clone(), Request::User, Idp::Entra), proper);
            let undone = undone(patch(mistyped), Request::UserPatch, Idp::Entra);
            assert_eq!(undone, patch(proper.clone()));
        }
        let longer = full(&format!("{MISTYPED}s"));
        assert_eq!(undone(longer.clone(), Request::User, Idp::Entra), longer);
    }
}
