//! Resources: what clients assert about a user or a group, in canonical form.
//!
//! A [`Resource`] holds neither what the service provider adds (`id`, `meta`, `schemas`, `groups`)
//! nor what it must not keep (`password`), nor the members of a group, which are facts of their
//! own. In this form two resources are equal exactly when a client means the same, so that
//! comparing the known with the desired one ([`Resource::diff`]) tells what changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bounds;
use crate::elements;
use crate::immutable;
use crate::object;
use crate::path::AttributePath;
use crate::schema::Kind;
use crate::urn;

pub use document::Meta;
pub use parse::Parsed;
pub use written::Written;

mod document;
mod dotted;
mod parse;
mod replace;
mod written;

/// The attributes that a client asserts about a user or a group.
///
/// Core attributes stand at the top level under the catalogue's spelling, extension attributes in
/// an object under their URN. Nothing in it is null or empty. Copies share what they hold until one of them
/// changes: one request hands it to a command, an event, a state, an answer and a cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource(Arc<Map<String, Value>>);

/// What makes one resource into another, by top-level attributes and whole extensions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Attributes with their new value.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub set: Map<String, Value>,
    /// Attributes that have no value any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty()
    }

    /// The names of all attributes and extensions that change.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().chain(&self.unset).map(String::as_str)
    }
}

impl Resource {
    /// The `userName` of a user.
    pub fn user_name(&self) -> Option<&str> {
        self.text("userName")
    }

    /// The `displayName` of a user or a group.
    pub fn display_name(&self) -> Option<&str> {
        self.text("displayName")
    }

    /// The client's own id for the resource.
    pub fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// The administrative status as the client set it; `None` if it never did.
    pub fn active(&self) -> Option<bool> {
        self.0.get("active").and_then(Value::as_bool)
    }

    /// The e-mail address to use: the primary one, else the one of type `work`, else the first.
    pub fn email(&self) -> Option<&str> {
        let emails = self.0.get("emails")?.as_array()?;
        let is_work = |email: &&Value| {
            let of_type = email.get("type").and_then(Value::as_str);
            of_type.is_some_and(|of_type| of_type.eq_ignore_ascii_case("work"))
        };
        let with_value = || emails.iter().filter(|email| email.get("value").is_some());
        with_value()
            .find(|email| elements::is_primary(email))
            .or_else(|| with_value().find(is_work))
            .or_else(|| with_value().next())?
            .get("value")?
            .as_str()
    }

    /// The value at a path; a path without a URN, or with a core one, is looked for at the top.
    ///
    /// A sub-attribute of a multi-valued attribute has no single value: `None`.
    pub fn get(&self, path: &AttributePath) -> Option<&Value> {
        let object = match path.schema.as_deref() {
            Some(urn) if !Kind::ALL.iter().any(|kind| urn.eq_ignore_ascii_case(kind.schema())) => {
                object::get(&self.0, urn)?.as_object()?
            }
            _ => &self.0,
        };
        let value = object::get(object, &path.name)?;
        match &path.sub {
            Some(sub) => object::get(value.as_object()?, sub),
            None => Some(value),
        }
    }

    /// All attributes and extension objects.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The same to be changed: whoever shares them keeps what they have.
    pub(crate) fn attributes_mut(&mut self) -> &mut Map<String, Value> {
        Arc::make_mut(&mut self.0)
    }

    /// The names of the attributes of all extensions, and of what is in those that are one object.
    pub fn extension_paths(&self) -> Vec<AttributePath> {
        let mut paths = Vec::new();
        for (urn, value) in self.0.iter().filter(|(name, _)| urn::is_uri(name)) {
            for (name, value) in value.as_object().into_iter().flatten() {
                let path = AttributePath::new(name).in_schema(urn);
                let subs = value.as_object().into_iter().flat_map(Map::keys);
                paths.extend(subs.map(|sub| path.clone().with_sub(sub)));
                paths.push(path);
            }
        }
        paths
    }

    /// About how many bytes of JSON it is.
    pub fn bytes(&self) -> usize {
        bounds::object_bytes(&self.0)
    }

    /// Whether nothing is asserted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has to change for this resource to become `desired`.
    ///
    /// The order of the elements of a multi-valued attribute is no difference: IdPs repeat a list
    /// in another order in every cycle.
    pub fn diff(&self, desired: &Self) -> Changes {
        let mut changes = Changes::default();
        for (name, value) in &*desired.0 {
            if !self.0.get(name).is_some_and(|known| immutable::is_same(known, value)) {
                changes.set.insert(name.clone(), value.clone());
            }
        }
        let gone = self.0.keys().filter(|name| !desired.0.contains_key(*name));
        changes.unset.extend(gone.cloned());
        changes
    }

    /// Applies what [`Resource::diff`] found.
    pub fn apply(&mut self, changes: &Changes) {
        let attributes = self.attributes_mut();
        for name in &changes.unset {
            attributes.remove(name);
        }
        for (name, value) in &changes.set {
            attributes.insert(name.clone(), value.clone());
        }
    }

    /// The URNs of the schemas whose attributes the resource has, the core schema first.
    pub fn schemas(&self, kind: Kind) -> Vec<String> {
        let extensions = self.0.keys().filter(|name| urn::is_uri(name)).cloned();
        std::iter::once(kind.schema().to_owned()).chain(extensions).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(value: Value) -> Resource {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_diff_holds_only_what_changed_and_leads_to_the_desired_resource() {
        let known = resource(json!({
            "userName": "ada", "title": "Countess", "active": true,
            "emails": [{"value": "a@x"}, {"value": "b@x"}],
            "urn:x:User": {"a": "1", "b": "2"}
        }));
        let desired = resource(json!({
            "userName": "ada", "active": false,
            "emails": [{"value": "b@x"}, {"value": "a@x"}],
            "urn:x:User": {"a": "1"}
        }));
        let changes = known.diff(&desired);
        assert_eq!(
            serde_json::to_value(&changes).unwrap(),
            json!({"set": {"active": false, "urn:x:User": {"a": "1"}}, "unset": ["title"]})
        );
        let mut applied = known.clone();
        applied.apply(&changes);
        assert!(applied.diff(&desired).is_empty());
        assert!(known.diff(&known).is_empty());
        assert_eq!(serde_json::from_value::<Changes>(json!({})).unwrap(), Changes::default());
    }

    #[test]
    fn the_email_is_the_primary_one_then_the_one_for_work_then_the_first() {
        let email = |emails| resource(json!({"emails": emails})).email().map(str::to_owned);
        let (home, work) =
            (json!({"value": "h", "type": "home"}), json!({"value": "w", "type": "Work"}));
        let primary = json!({"value": "p", "primary": true});
        assert_eq!(email(json!([home, work, primary])).as_deref(), Some("p"));
        assert_eq!(email(json!([home, work])).as_deref(), Some("w"));
        assert_eq!(email(json!([home])).as_deref(), Some("h"));
        assert_eq!(email(json!([{"type": "work", "primary": true}, home])).as_deref(), Some("h"));
        assert_eq!(resource(json!({})).email(), None);
    }

    #[test]
    fn values_are_read_by_path_in_any_case() {
        let ada = resource(json!({
            "userName": "ada", "name": {"givenName": "Ada"}, "emails": [{"value": "a@x"}],
            "urn:x:User": {"costCode": "7"}
        }));
        let get = |path: &str| ada.get(&AttributePath::parse(path).unwrap()).cloned();
        assert_eq!(get("USERNAME"), Some(json!("ada")));
        assert_eq!(
            get("urn:ietf:params:scim:schemas:core:2.0:User:name.givenname"),
            Some(json!("Ada"))
        );
        assert_eq!(get("URN:X:User:costcode"), Some(json!("7")));
        assert_eq!(get("urn:x:User"), Some(json!({"costCode": "7"})));
        assert_eq!(get("emails.value"), None);
        assert_eq!(get("title"), None);
    }
}
