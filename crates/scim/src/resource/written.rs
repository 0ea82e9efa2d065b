//! Resources as they are written down: JSON text that is sent as it stands.
//!
//! Most answers show a resource whole. Reading its text, only to write the same text again, costs more
//! than finding it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Meta, Resource};
use crate::schema::Kind;
use crate::urn;

/// The text of a [`Resource`]: an object of JSON, of which nothing is known but the names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    text: String,
    extensions: Extensions,
}

/// The URNs among the names of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Extensions(Vec<String>);

/// What stands before the attributes of a document.
#[derive(Serialize)]
struct Head<'a> {
    schemas: Vec<&'a str>,
    id: &'a str,
}

/// What stands behind them.
#[derive(Serialize)]
struct Tail<'a, G> {
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<G>,
    meta: super::document::Shown<'a>,
}

impl Written {
    /// Writes a resource down.
    pub fn of(resource: &Resource) -> Self {
        let text = match serde_json::to_string(resource) {
            Ok(text) => text,
            Err(error) => unreachable!("an object with texts for names can be written: {error}"),
        };
        let extensions = resource.0.keys().filter(|name| urn::is_uri(name)).cloned().collect();
        Self { text, extensions: Extensions(extensions) }
    }

    /// Takes the text of a resource.
    ///
    /// # Errors
    /// When it is no object of JSON.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        let text = text.trim();
        Ok(Self { text: text.to_owned(), extensions: serde_json::from_str(text)? })
    }

    /// How long the text is.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Reads the resource.
    ///
    /// # Errors
    /// When the text has a value that cannot be read, such as a number beyond all bounds. What
    /// [`Written::of`] has made has none.
    pub fn read(&self) -> serde_json::Result<Resource> {
        serde_json::from_str(&self.text)
    }

    /// Writes the whole document into a buffer: what [`Resource::document`] makes, and `groups`, if there
    /// are any to be shown.
    pub fn write_document(
        &self,
        kind: Kind,
        id: &str,
        meta: &Meta,
        groups: Option<impl Serialize>,
        buffer: &mut Vec<u8>,
    ) {
        let extensions = self.extensions.0.iter().map(String::as_str);
        let schemas = std::iter::once(kind.schema()).chain(extensions).collect();
        write(&Head { schemas, id }, buffer);
        let inside = self.text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let inside = inside.unwrap_or_default().trim_ascii();
        buffer.pop();
        if !inside.is_empty() {
            buffer.push(b',');
            buffer.extend_from_slice(inside.as_bytes());
        }
        let tail = buffer.len();
        write(&Tail { groups, meta: meta.shown(kind) }, buffer);
        // Its brace becomes the comma between the two.
        buffer[tail] = b',';
    }
}

fn write(part: &impl Serialize, buffer: &mut Vec<u8>) {
    if let Err(error) = serde_json::to_writer(buffer, part) {
        unreachable!("an object with texts for names is written to memory: {error}")
    }
}

impl<'de> Deserialize<'de> for Extensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

/// Collects [`Extensions`].
struct Names;

/// A name, which nearly always stands in the text as it is.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Names {
    type Value = Extensions;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Extensions, A::Error> {
        let mut extensions = Vec::new();
        while let Some((Name(name), IgnoredAny)) = object.next_entry()? {
            if urn::is_uri(&name) {
                extensions.push(name.into_owned());
            }
        }
        Ok(Extensions(extensions))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resource(value: Value) -> Resource {
        serde_json::from_value(value).unwrap()
    }

    fn document(written: &Written, meta: &Meta, groups: Option<Value>) -> Value {
        let mut buffer = b"before".to_vec();
        written.write_document(Kind::User, "1", meta, groups, &mut buffer);
        serde_json::from_slice(&buffer[6..]).unwrap()
    }

    #[test]
    fn the_document_is_the_one_that_a_resource_makes() {
        let meta = Meta {
            created: "2026-01-01T00:00:00Z".to_owned(),
            last_modified: "2026-01-02T00:00:00Z".to_owned(),
            location: "https://example.com/\"1\"".to_owned(),
            version: Some("W/\"2\"".to_owned()),
        };
        for value in [
            json!({}),
            json!({"userName": "ada"}),
            json!({
                "userName": "a \"}\u{1F600}\n", "name": {"urn:no": "{"}, "emails": [{"value": "a@x"}],
                "urn:x:User": {"costCode": 7.5}, "HTTP://x": {"a": [true, null]}
            }),
        ] {
            let ada = resource(value);
            let written = Written::of(&ada);
            for meta in [&meta, &Meta::default()] {
                let expected = ada.document(Kind::User, "1", meta);
                assert_eq!(document(&written, meta, None), expected);
                let mut with_groups = expected;
                with_groups["groups"] = json!([{"value": "g"}]);
                let groups = Some(json!([{"value": "g"}]));
                assert_eq!(document(&written, meta, groups), with_groups);
            }
            assert_eq!(written.read().unwrap(), ada);
        }
    }

    #[test]
    fn a_text_that_was_written_is_taken_as_it_is_and_no_other_kind_of_text() {
        let ada = resource(json!({"userName": "ada", "urn:x:Üser": {"a": 1}, "x": "urn:y"}));
        let text = serde_json::to_string(&ada).unwrap();
        assert_eq!(Written::parse(&text).unwrap(), Written::of(&ada));
        let escaped =
            Written::parse(" {\"urn:x:\\u00dcser\": {}, \"a\": [{\"urn:z\": 1}] } ").unwrap();
        assert_eq!(escaped.extensions.0, ["urn:x:Üser"]);
        let shown = document(&escaped, &Meta::default(), None);
        assert_eq!(shown["schemas"][1], "urn:x:Üser");
        assert_eq!(shown["a"], json!([{"urn:z": 1}]));
        for bad in ["", "[]", "7", "{", "{} {}", "{\"a\":}", "{\"a\" 1}", "{\"a\":\"\u{1}\"}"] {
            assert!(Written::parse(bad).is_err(), "{bad}");
        }
    }
}
