//! Quirks: what IdPs send that the RFC does not allow, undone before anything else sees it.
//!
//! One file for each; `docs/adding.md` says how to add one. Only what has to be known of an IdP is
//! here: spellings that any client may use (operations in capitals, `"True"` for a boolean, one
//! object for a list, a bare id for an object, dotted names without a path) are leniences of `scim`,
//! which a strict connector goes without.
//!
//! Invariant: this is the only place that asks which IdP a connector belongs to.

mod entra_app_roles;
mod entra_enterprise_urn;
mod onelogin_manager_id;
mod onelogin_scim1_urns;

use domain::workspace::Idp;
use scim::{Leniency, patch, urn};
use serde_json::{Map, Value};

/// A request that has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `POST` and `PUT /Users`
    User,
    /// `PATCH /Users`
    UserPatch,
    /// `POST` and `PUT /Groups`
    Group,
    /// `PATCH /Groups`
    GroupPatch,
    /// `.search`
    Search,
    /// `/Bulk`, as a whole; what is in it is a request of its own.
    Bulk,
}

/// One deviation of one or more IdPs.
struct Quirk {
    /// What it is called.
    name: &'static str,
    /// Who has it.
    idps: &'static [Idp],
    /// In which requests.
    requests: &'static [Request],
    /// Makes a body what it should have been. One that has nothing of it stays as it is.
    undo: fn(&mut Value, Request),
}

/// All quirks, in the order in which they are undone.
const ALL: &[Quirk] = &[
    onelogin_scim1_urns::QUIRK,
    onelogin_manager_id::QUIRK,
    entra_enterprise_urn::QUIRK,
    entra_app_roles::QUIRK,
];

/// The names of what is undone for an IdP of this kind, for those who ask why a body was taken.
pub fn names(idp: Idp) -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(move |quirk| quirk.idps.contains(&idp)).map(|quirk| quirk.name)
}

/// Undoes the quirks that a body of this IdP may have.
pub(crate) fn undo(body: &mut Value, request: Request, idp: Idp) {
    let concerns = |quirk: &&Quirk| quirk.idps.contains(&idp) && quirk.requests.contains(&request);
    for quirk in ALL.iter().filter(concerns) {
        (quirk.undo)(body, request);
    }
}

/// How values are taken that do not have the type of the schema.
pub(crate) fn leniency(idp: Idp) -> Leniency {
    match idp {
        Idp::Entra | Idp::Okta | Idp::OneLogin | Idp::Generic => Leniency::Lenient,
        Idp::Strict => Leniency::Strict,
    }
}

/// How PATCH operations are taken that the RFC refuses.
pub(crate) fn patch_options(idp: Idp) -> patch::Options {
    match idp {
        Idp::Entra | Idp::Generic => patch::Options::LENIENT,
        // Nothing that these send selects what is not there.
        Idp::Okta | Idp::OneLogin => {
            patch::Options { create_missing: false, ..patch::Options::LENIENT }
        }
        Idp::Strict => patch::Options::STRICT,
    }
}

impl Request {
    fn is_patch(self) -> bool {
        matches!(self, Self::UserPatch | Self::GroupPatch)
    }
}

/// The operations of a PATCH body, those that are objects.
fn operations(body: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let operations = match member(body, "Operations") {
        Some(Value::Array(operations)) => operations.as_mut_slice(),
        Some(operation) => std::slice::from_mut(operation),
        None => &mut [],
    };
    operations.iter_mut().filter_map(Value::as_object_mut)
}

/// What has a name in an object, in any case.
fn member<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    find(object.as_object_mut()?, name)
}

fn find<'a>(object: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    object.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Gives what has a name another one; what has that already is merged with it and wins.
fn rename(object: &mut Map<String, Value>, old: &str, new: &str) {
    let Some(key) = object.keys().find(|key| key.eq_ignore_ascii_case(old)).cloned() else {
        return;
    };
    let Some(value) = object.remove(&key) else { return };
    match (find(object, new), value) {
        (None, value) => {
            object.insert(new.to_owned(), value);
        }
        (Some(Value::Object(known)), Value::Object(value)) => {
            for (key, value) in value {
                known.entry(key).or_insert(value);
            }
        }
        (Some(_), _) => {}
    }
}

/// Gives a schema another URN: to the object under it, and in the full names of attributes, which begin
/// with it.
fn rename_schema(object: &mut Map<String, Value>, old: &str, new: &str) {
    let below = |key: &str| {
        let rest = key.get(old.len()..).filter(|rest| rest.is_empty() || rest.starts_with(':'))?;
        key[..old.len()].eq_ignore_ascii_case(old).then(|| format!("{new}{rest}"))
    };
    let keys: Vec<_> = object.keys().filter_map(|key| Some((key.clone(), below(key)?))).collect();
    keys.iter().for_each(|(key, renamed)| rename(object, key, renamed));
}

/// The object under the enterprise extension's URN.
fn enterprise(object: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    find(object, urn::ENTERPRISE_USER)?.as_object_mut()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    /// What is left of a body that an IdP of a kind sends.
    pub(super) fn undone(mut body: Value, request: Request, idp: Idp) -> Value {
        undo(&mut body, request, idp);
        body
    }

    #[test]
    fn a_strict_connector_has_no_quirks_and_a_generic_one_has_all() {
        for quirk in ALL {
            assert!(!quirk.idps.contains(&Idp::Strict), "{}", quirk.name);
            assert!(quirk.idps.contains(&Idp::Generic), "{}", quirk.name);
            assert!(!quirk.requests.is_empty(), "{}", quirk.name);
        }
        assert_eq!(names(Idp::Strict).count(), 0);
        assert_eq!(names(Idp::Generic).collect::<HashSet<_>>().len(), ALL.len());
    }

    #[test]
    fn no_quirk_minds_a_body_of_any_shape() {
        use Request::{Group, GroupPatch, User, UserPatch};
        for body in [
            json!(null),
            json!([1]),
            json!("x"),
            json!({}),
            json!({"Operations": {}}),
            json!({"Operations": [null, {"path": 1, "value": null}]}),
            json!({"Operations": [{"path": "roles", "value": "x"}], "roles": 7, "manager": []}),
            json!({"roles": [1, {"value": {}}, {"value": "{"}], "schemas": "urn:scim:schemas:core:1.0"}),
        ] {
            for request in [User, UserPatch, Group, GroupPatch] {
                undone(body.clone(), request, Idp::Generic);
            }
        }
    }

    #[test]
    fn a_proper_body_stays_as_it_is() {
        let body = json!({
            "schemas": [urn::CORE_USER, urn::ENTERPRISE_USER], "userName": "ada",
            "roles": [{"value": "Admin", "display": "{not json}"}],
            urn::ENTERPRISE_USER: {"manager": {"value": "7"}}
        });
        assert_eq!(undone(body.clone(), Request::User, Idp::Generic), body);
        let patch = json!({"schemas": [urn::PATCH_OP], "Operations": [
            {"op": "add", "path": "roles", "value": [{"value": "Admin"}]},
            {"op": "replace", "path": format!("{}:department", urn::ENTERPRISE_USER), "value": "x"}
        ]});
        assert_eq!(undone(patch.clone(), Request::UserPatch, Idp::Generic), patch);
    }

    #[test]
    fn two_names_of_one_thing_are_merged() {
        let mut body = json!({"OLD": {"a": 1, "b": 1}, "New": {"a": 2}});
        rename(body.as_object_mut().unwrap(), "old", "new");
        assert_eq!(body, json!({"New": {"a": 2, "b": 1}}));
    }
}
