//! The lens: a row as the evaluator sees it.
//!
//! A row's resource becomes the document that a client would read, as far as the filter and the sort
//! order speak of it: `id`, `meta`, `schemas`, and the groups of a user or the members of a group
//! stand elsewhere, and are fetched only if they matter.

use domain::{Micros, ids::EntryId};
use rusqlite::{Connection, OptionalExtension};
use scim::{
    filter::Matcher,
    resource::Meta,
    schema::Kind,
    sort::{SortKey, Sorter},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{connectors::ConnectorRow, list::Ask, members, plan::Members, users};
use crate::sql::{from_json, natural, uuid};

/// What a document has that its resource has not.
const ADDED: [&str; 3] = ["id", "meta", "schemas"];

/// Decides on rows of one kind of one connector, and tells where they are sorted.
pub(super) struct Lens<'q> {
    tx: &'q Connection,
    connector: &'q ConnectorRow,
    kind: Kind,
    /// `None`: every row matches.
    matcher: Option<Matcher<'q>>,
    sorter: Option<Sorter<'q>>,
    /// What of [`ADDED`] is spoken of.
    added: Vec<&'static str>,
    with_groups: bool,
    members: Members,
    base_url: &'q str,
}

/// A row, and what stands beside its resource.
struct Seen {
    id: Uuid,
    resource: Map<String, Value>,
    created: Micros,
    modified: Micros,
    version: u64,
}

impl<'q> Lens<'q> {
    /// # Errors
    /// What is wrong with the filter.
    pub(super) fn new(
        tx: &'q Connection,
        connector: &'q ConnectorRow,
        kind: Kind,
        ask: &Ask<'q>,
    ) -> Result<Self, scim::Error> {
        let Ask { filter, sort, catalogue, base_url, .. } = *ask;
        Ok(Self {
            tx,
            connector,
            kind,
            matcher: filter.map(|it| Matcher::new(it, kind, catalogue)).transpose()?,
            sorter: sort.map(|sort| Sorter::new(sort, kind, catalogue)),
            added: ADDED.into_iter().filter(|name| ask.speaks_of(name)).collect(),
            with_groups: kind == Kind::User && ask.speaks_of("groups"),
            members: if kind == Kind::Group { ask.members() } else { Members::Nobody },
            base_url,
        })
    }

    /// Where a row stands in the order, if it is there and matches.
    pub(super) fn see(&self, no: i64) -> rusqlite::Result<Option<SortKey>> {
        let Some(seen) = self.read(no)? else { return Ok(None) };
        let document = self.document(no, seen)?;
        if self.matcher.as_ref().is_some_and(|matcher| !matcher.matches(&document)) {
            return Ok(None);
        }
        Ok(Some(self.sorter.as_ref().map_or(SortKey::Missing, |sorter| sorter.key(&document))))
    }

    fn read(&self, no: i64) -> rusqlite::Result<Option<Seen>> {
        let mut statement = self.tx.prepare_cached(match self.kind {
            Kind::User => {
                "SELECT id, resource, created, modified, version FROM entries WHERE no = ?1"
            }
            Kind::Group => {
                "SELECT id, resource, created, modified, version FROM groups WHERE no = ?1"
            }
        })?;
        let seen = statement.query_row([no], |row| {
            Ok(Seen {
                id: uuid(row, 0)?,
                resource: from_json(row.get_ref(1)?.as_str()?)?,
                created: row.get(2)?,
                modified: row.get(3)?,
                version: natural(row, 4)?,
            })
        });
        seen.optional()
    }

    fn document(&self, no: i64, seen: Seen) -> rusqlite::Result<Value> {
        let added: Vec<_> =
            self.added.iter().map(|name| (*name, self.added(name, &seen))).collect();
        let mut document = seen.resource;
        document.extend(added.into_iter().map(|(name, value)| (name.to_owned(), value)));
        if self.with_groups {
            let groups = users::groups_within(self.tx, self.connector, EntryId(seen.id))?;
            document.insert("groups".to_owned(), users::shown(&groups, self.base_url));
        }
        let members = match &self.members {
            Members::Nobody => None,
            Members::These(ids) => Some(members::among(self.tx, self.connector.no, no, ids)?),
            Members::All => Some(members::all(self.tx, self.connector.no, no)?),
        };
        document
            .extend(members.map(|it| ("members".to_owned(), members::shown(&it, self.base_url))));
        Ok(Value::Object(document))
    }

    fn added(&self, name: &str, seen: &Seen) -> Value {
        match name {
            "id" => Value::from(seen.id.to_string()),
            "schemas" => {
                let extensions = seen.resource.keys().filter(|name| scim::urn::is_uri(name));
                let extensions = extensions.map(String::as_str);
                std::iter::once(self.kind.schema()).chain(extensions).collect()
            }
            _ => {
                let meta = Meta {
                    created: time(seen.created),
                    last_modified: time(seen.modified),
                    location: self.kind.location(self.base_url, seen.id),
                    version: Some(scim::etag::of(seen.version)),
                };
                meta.to_json(self.kind)
            }
        }
    }
}

/// A time as clients see it: to the millisecond.
fn time(micros: Micros) -> String {
    format!("{:.3}", jiff::Timestamp::from_microsecond(micros).unwrap_or_default())
}
