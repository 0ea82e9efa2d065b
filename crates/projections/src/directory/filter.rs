//! Filters: the part that an index answers, and the documents on which the rest is evaluated.
//!
//! An index narrows the search to candidates; the evaluator of `scim` decides on each of them,
//! whatever the index said. So this need not understand a filter, only find in it a comparison that
//! every match must satisfy.

use domain::Micros;
use scim::{
    filter::{Filter, Matcher},
    path::AttributePath,
    resource::{Meta, Resource},
    schema::{Catalogue, Kind},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::sql::{from_json, unreadable};

/// A comparison that every match satisfies and an index answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The resource's own id.
    Id(Uuid),
    /// `userName`, folded.
    UserName(String),
    /// `displayName` of a group, folded.
    DisplayName(String),
    /// `externalId`, to the letter.
    ExternalId(String),
    /// A group with this member.
    Member(Uuid),
    /// Nothing can match: an id that is none.
    Never,
}

/// Finds the narrowest key in a filter.
pub(super) fn key(filter: &Filter, kind: Kind) -> Option<Key> {
    filter.conjuncts().filter_map(|term| of_term(term, kind)).min_by_key(|key| match key {
        Key::Never => 0,
        Key::Id(_) => 1,
        Key::UserName(_) | Key::DisplayName(_) => 2,
        Key::ExternalId(_) => 3,
        Key::Member(_) => 4,
    })
}

fn of_term(term: &Filter, kind: Kind) -> Option<Key> {
    if let Filter::Element { path, filter } = term {
        let of_members = kind == Kind::Group && name(path, kind)? == "members";
        return filter.conjuncts().filter(|_| of_members).find_map(|term| {
            let (path, value) = term.equality()?;
            path.name.eq_ignore_ascii_case("value").then(|| member(value)).flatten()
        });
    }
    let (path, value) = term.equality()?;
    let text = text(value)?;
    match (kind, name(path, kind)?.as_str()) {
        (_, "id") => Some(text.parse().map_or(Key::Never, Key::Id)),
        (_, "externalId") => Some(Key::ExternalId(text)),
        (Kind::User, "userName") => Some(Key::UserName(scim::fold::user_name(&text))),
        (Kind::Group, "displayName") => Some(Key::DisplayName(scim::fold::text(&text))),
        (Kind::Group, "members" | "members.value") => member(value),
        _ => None,
    }
}

fn member(value: &Value) -> Option<Key> {
    Some(text(value)?.parse().map_or(Key::Never, Key::Member))
}

/// A literal as the evaluator compares it with text; `null` asks for absence.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The canonical name of a core attribute, `a` or `a.b`.
fn name(path: &AttributePath, kind: Kind) -> Option<String> {
    let place = Catalogue::standard().locate(kind, path)?;
    if place.extension.is_some() {
        return None;
    }
    let attribute = place.attribute?.name;
    Some(match place.sub {
        Some(sub) => format!("{attribute}.{}", sub.name),
        None => attribute.to_owned(),
    })
}

/// Whether a filter speaks of a top-level attribute at all.
pub(super) fn mentions(filter: &Filter, attribute: &str) -> bool {
    match filter {
        Filter::Compare { path, .. } | Filter::Present(path) | Filter::Element { path, .. } => {
            path.name.eq_ignore_ascii_case(attribute)
        }
        Filter::Not(term) => mentions(term, attribute),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().any(|term| mentions(term, attribute))
        }
    }
}

/// Which members of a group the document needs for a filter to be decided.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The filter does not speak of members.
    Nobody,
    /// Only whether these are members matters.
    These(Vec<Uuid>),
    /// Anybody's presence may matter.
    All,
}

/// Finds out which members a filter speaks of.
pub(super) fn named_members(filter: &Filter) -> Named {
    let mut named = Named::Nobody;
    collect_members(filter, &mut named);
    named
}

fn collect_members(filter: &Filter, named: &mut Named) {
    match filter {
        Filter::Not(term) => collect_members(term, named),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().for_each(|term| collect_members(term, named));
        }
        Filter::Compare { path, .. } | Filter::Present(path) | Filter::Element { path, .. } => {
            if !path.name.eq_ignore_ascii_case("members") {
                return;
            }
            match (of_term(filter, Kind::Group), &mut *named) {
                (_, Named::All) | (Some(Key::Never), Named::These(_)) => {}
                (Some(Key::Member(id)), Named::These(ids)) => ids.push(id),
                (Some(Key::Member(id)), Named::Nobody) => *named = Named::These(vec![id]),
                (Some(Key::Never), Named::Nobody) => *named = Named::These(Vec::new()),
                _ => *named = Named::All,
            }
        }
    }
}

/// What a row has beside its resource.
pub(super) struct Facts {
    pub(super) id: Uuid,
    pub(super) created: Micros,
    pub(super) modified: Micros,
    pub(super) version: u64,
}

/// A filter, ready for rows of one kind.
pub(super) struct Test<'f> {
    matcher: Option<Matcher<'f>>,
    kind: Kind,
    /// What of [`ADDED`] the filter speaks of.
    added: Vec<&'static str>,
}

/// What a document has that its resource has not.
const ADDED: [&str; 3] = ["id", "meta", "schemas"];

impl<'f> Test<'f> {
    /// A filter that does not fit the schema matches nothing; whoever took it has checked it.
    pub(super) fn new(filter: &'f Filter, kind: Kind) -> Self {
        let matcher = Matcher::new(filter, kind, Catalogue::standard()).ok();
        let added = ADDED.into_iter().filter(|name| mentions(filter, name)).collect();
        Self { matcher, kind, added }
    }

    /// The resource of a row, if its document matches; `extra` is what other tables know of it.
    pub(super) fn matching(
        &self,
        resource: &str,
        facts: &Facts,
        extra: Option<(&'static str, Value)>,
    ) -> rusqlite::Result<Option<Resource>> {
        let Some(matcher) = &self.matcher else { return Ok(None) };
        let mut document: Map<String, Value> = from_json(resource)?;
        for name in &self.added {
            let value = self.added(name, facts, &document);
            document.insert((*name).to_owned(), value);
        }
        let more = extra.as_ref().map(|(name, _)| *name);
        document.extend(extra.map(|(name, value)| (name.to_owned(), value)));
        let mut document = Value::Object(document);
        if !matcher.matches(&document) {
            return Ok(None);
        }
        if let Value::Object(document) = &mut document {
            for name in self.added.iter().copied().chain(more) {
                document.remove(name);
            }
        }
        let resource = serde_json::from_value(document);
        resource.map(Some).map_err(|error| unreadable(error.into()))
    }

    fn added(&self, name: &str, facts: &Facts, resource: &Map<String, Value>) -> Value {
        match name {
            "id" => Value::from(facts.id.to_string()),
            "schemas" => {
                let extensions = resource.keys().filter(|name| scim::urn::is_uri(name));
                let extensions = extensions.map(String::as_str);
                std::iter::once(self.kind.schema()).chain(extensions).collect()
            }
            _ => {
                let meta = Meta {
                    created: time(facts.created),
                    last_modified: time(facts.modified),
                    location: String::new(),
                    version: Some(format!("W/\"{}\"", facts.version)),
                };
                meta.to_json(self.kind)
            }
        }
    }
}

/// RFC 3339, as evaluators read it.
fn time(micros: Micros) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Option<Key> {
        key(&Filter::parse(text).unwrap(), Kind::User)
    }

    #[test]
    fn a_comparison_that_all_matches_satisfy_is_found() {
        let ada = || Some(Key::UserName("ada@x".to_owned()));
        assert_eq!(user(r#"userName eq "Ada@X""#), ada());
        assert_eq!(
            user(r#"urn:ietf:params:scim:schemas:core:2.0:User:USERNAME eq "Ada@X""#),
            ada()
        );
        assert_eq!(user(r#"active eq true and (title pr and userName eq "Ada@X")"#), ada());
        assert_eq!(user(r#"externalId eq "7" and userName eq "Ada@X""#), ada());
        assert_eq!(user("externalId eq 7"), Some(Key::ExternalId("7".to_owned())));
        assert_eq!(user(r#"id eq "nobody""#), Some(Key::Never));
    }

    #[test]
    fn what_an_index_cannot_answer_is_left_to_the_evaluator() {
        for text in [
            r#"userName eq "a" or userName eq "b""#,
            r#"not (userName eq "a")"#,
            r#"userName sw "a""#,
            "externalId eq null",
            r#"emails eq "a@x""#,
            r#"urn:company:User:userName eq "a""#,
            r#"members eq "a""#,
        ] {
            assert_eq!(user(text), None, "{text}");
        }
    }

    #[test]
    fn groups_are_found_by_a_member() {
        let id = Uuid::from_u128(7);
        for text in ["members eq", "members.value eq"] {
            let filter = Filter::parse(&format!("{text} \"{id}\"")).unwrap();
            assert_eq!(key(&filter, Kind::Group), Some(Key::Member(id)), "{text}");
        }
        let text = format!("members[value eq \"{id}\" and type eq \"User\"]");
        assert_eq!(key(&Filter::parse(&text).unwrap(), Kind::Group), Some(Key::Member(id)));
    }
}
