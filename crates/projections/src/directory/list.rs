//! Lists: which rows a client asked for, in what order, from where on.
//!
//! A list is found in two steps. The first finds row numbers: from keys, by walking an index, or by
//! counting blocks; the second fetches the rows of the page. Nothing but the page is ever held, with
//! one exception that has a bound of its own: an order that no index has is made in memory, of sort
//! keys and row numbers.
//!
//! A cursor names the last row that was shown by its place in the order, not by a count of rows, so
//! that what is deleted or added in between makes no other row appear twice or not at all.

use domain::ids::ConnectorName;
use event_log::WorkspaceId;
use rusqlite::Connection;
use scim::{
    filter::Filter,
    schema::{Catalogue, Kind},
    sort::{Sort, SortKey},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Directory, GroupRow, UserRow,
    connectors::{self, ConnectorRow},
    groups,
    order::{Column, Mark},
    plan::{self, Members, Plan, Source},
    schema,
    search::Search,
    users,
};
use crate::Failure;

/// How many rows one request may look at one by one, fewer where its filter makes many comparisons.
/// More are refused, or, with a cursor, are for the next request.
pub const EXAMINED_MAX: u64 = 250_000;
/// How many ids of members one page may hold, of all its groups together; one group always fits.
const MEMBERS_MAX: usize = 500_000;
/// How many bytes of resources one page may hold, members not counted; one resource always fits.
const PAGE_BYTES_MAX: usize = 32 << 20;
/// How many rows are shown by the thread that was asked: a thousandth of a second or so.
const SHOWN_MAX: u64 = 100;
/// How many rows of an index are skipped there.
const SKIPPED_MAX: u64 = 10_000;
/// How many rows may be sorted by what no index sorts.
pub const SORTED_MAX: u64 = 100_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask<'q> {
    /// Of which kinds, in this order.
    pub kinds: &'q [Kind],
    /// Which of them.
    pub filter: Option<&'q Filter>,
    /// In which order; in that of their creation if `None`.
    pub sort: Option<&'q Sort>,
    /// The schemas that names are looked up in.
    pub catalogue: &'q Catalogue,
    /// Where the connector's resources are found: what a location begins with.
    pub base_url: &'q str,
    /// Whether groups come with the ids of their members.
    pub with_members: bool,
    /// From where on.
    pub start: Start,
    /// How many.
    pub count: u64,
}

/// From where on a list is asked for.
#[derive(Clone, Debug)]
pub enum Start {
    /// Behind so many matches.
    Skip(u64),
    /// Behind a place; from the first match on if `None`.
    Behind(Option<Position>),
}

/// A place in a list, behind one row. It holds when the row is gone, and in a rebuilt read model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub(super) kind: Kind,
    pub(super) spot: Spot,
    pub(super) ordinal: i64,
}

/// What a row is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Spot {
    /// Its creation.
    Created,
    /// A column that an index has.
    Column(Mark),
    /// Anything else.
    Key(SortKey),
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// How many matches there are in all; `None` where nobody has counted, with a cursor.
    pub total: Option<u64>,
    /// Those that were asked for.
    pub rows: Vec<Row>,
    /// Where it goes on; `None` at the end, and where a count of rows was skipped.
    pub next: Option<Position>,
    /// How many rows were looked at one by one.
    pub examined: u64,
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A user.
    User(UserRow),
    /// A group.
    Group(GroupRow),
}

impl Row {
    /// How large it is, members not counted.
    fn bytes(&self) -> usize {
        match self {
            Self::User(user) => user.written.bytes(),
            Self::Group(group) => group.resource.bytes(),
        }
    }
}

/// By what a filter names a resource, where the log knows to whom that belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Its SCIM id.
    Id(Uuid),
    /// A user's userName, folded.
    UserName(String),
    /// A group's displayName, folded.
    DisplayName(String),
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be asked for like that.
    #[error(transparent)]
    Refused(#[from] scim::Error),
    /// The read model cannot be read.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<rusqlite::Error> for ListError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Ask<'_> {
    /// The names of which every match must have one; `None` where a match may be named otherwise.
    pub fn names(&self) -> Option<Vec<Named>> {
        let [kind] = self.kinds else { return None };
        let Source::Keys(keys) = plan::plan(self.filter, *kind, self.catalogue).source else {
            return None;
        };
        let name = |key| match key {
            plan::Key::Id(id) => Some(Named::Id(id)),
            plan::Key::UserName(name) if *kind == Kind::User => Some(Named::UserName(name)),
            plan::Key::DisplayName(name) if *kind == Kind::Group => Some(Named::DisplayName(name)),
            _ => None,
        };
        keys.into_iter().map(name).collect()
    }

    /// Whether the filter or the order speaks of an attribute.
    pub fn speaks_of(&self, name: &str) -> bool {
        self.filter.is_some_and(|filter| filter.mentions(name)) || self.is_sorted_by(name)
    }

    /// The members by which groups are found and put in order.
    pub fn members(&self) -> Members {
        match self.filter {
            _ if self.is_sorted_by("members") => Members::All,
            Some(filter) => plan::named_members(filter, self.catalogue),
            None => Members::Nobody,
        }
    }

    fn is_sorted_by(&self, name: &str) -> bool {
        self.sort.is_some_and(|sort| sort.by.name.eq_ignore_ascii_case(name))
    }

    /// The userName, folded, by which one user is asked for, if nothing else is asked.
    fn user_name(&self) -> Option<String> {
        let is_whole = matches!(self.start, Start::Skip(0) | Start::Behind(None));
        if *self.kinds != [Kind::User] || self.sort.is_some() || !is_whole || self.count == 0 {
            return None;
        }
        let plan = plan::plan(self.filter, Kind::User, self.catalogue);
        let Plan { source: Source::Keys(keys), exact: true } = plan else { return None };
        match <[_; 1]>::try_from(keys) {
            Ok([plan::Key::UserName(name)]) => Some(name),
            _ => None,
        }
    }

    /// Whether an answer may take long: a thread that others wait for should not look for it.
    pub fn is_long(&self) -> bool {
        self.kinds.iter().any(|kind| {
            let Plan { source, exact } = plan::plan(self.filter, *kind, self.catalogue);
            let column = self.sort.map(|sort| Column::of(sort, *kind, self.catalogue));
            match source {
                Source::Keys(keys) => {
                    keys.len() as u64 > SHOWN_MAX || !keys.iter().all(|key| key.is_of_few(*kind))
                }
                // How many there are is counted row by row.
                Source::Modified(..) => true,
                Source::All | Source::Active(_) if !exact || self.count > SHOWN_MAX => true,
                Source::All => column == Some(None) || (column.is_some() && self.skips_many()),
                Source::Active(_) => column.is_some(),
            }
        })
    }

    fn skips_many(&self) -> bool {
        matches!(self.start, Start::Skip(skip) if skip > SKIPPED_MAX)
    }
}

impl Directory<'_> {
    /// A part of the users and groups of a connector.
    ///
    /// # Errors
    /// [`ListError::Refused`] with `tooMany` when too many rows would have to be looked at or sorted,
    /// or with what is wrong with the filter.
    pub fn list(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        ask: &Ask<'_>,
    ) -> Result<Listed, ListError> {
        let reader = self.reader()?;
        // What identity providers ask before each change is found by one statement.
        if let Some(name) = ask.user_name() {
            let users = users::named(&reader, (workspace, connector), &name)?;
            let (total, rows) = (Some(users.len() as u64), users.into_iter().map(Row::User));
            return Ok(Listed { total, rows: rows.collect(), next: None, examined: 0 });
        }
        listed(&reader, workspace, connector, ask)
    }
}

/// A part of a list, of one state of the tables.
pub(super) fn listed(
    tx: &Connection,
    workspace: &WorkspaceId,
    connector: &ConnectorName,
    ask: &Ask<'_>,
) -> Result<Listed, ListError> {
    let Some(connector) = connectors::find(tx, workspace, connector)? else {
        return Ok(Listed { total: Some(0), rows: Vec::new(), next: None, examined: 0 });
    };
    let found = match (ask.kinds, ask.sort) {
        ([_, _, ..], Some(_)) => in_memory(tx, &connector, ask)?,
        _ => in_turn(tx, &connector, ask)?,
    };
    let Found { total, items, mut next, examined } = found;
    let mut rows = Vec::with_capacity(items.len());
    let (mut members, mut bytes) = (0, 0);
    for (index, item) in items.iter().enumerate() {
        let row = match item.kind {
            Kind::User => users::by_number(tx, &connector, item.no)?.map(Row::User),
            Kind::Group => {
                let group = groups::by_number(tx, item.no, ask.with_members)?;
                members += group.iter().flat_map(|it| &it.members).map(Vec::len).sum::<usize>();
                group.map(Row::Group)
            }
        };
        bytes += row.as_ref().map_or(0, Row::bytes);
        // A page of what is very large ends early: the next one begins behind it.
        if (members > MEMBERS_MAX || bytes > PAGE_BYTES_MAX) && index > 0 {
            let by_cursor = matches!(ask.start, Start::Behind(_));
            next = items.get(index - 1).filter(|_| by_cursor).map(Item::position);
            break;
        }
        rows.extend(row);
    }
    Ok(Listed { total, rows, next, examined })
}

/// A row that was found.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) no: i64,
    pub(super) spot: Spot,
}

impl Item {
    pub(super) fn position(&self) -> Position {
        let Self { kind, no, spot } = self.clone();
        Position { kind, spot, ordinal: schema::ordinal(no) }
    }
}

/// A page, as far as row numbers tell it.
#[derive(Default)]
pub(super) struct Found {
    pub(super) total: Option<u64>,
    pub(super) items: Vec<Item>,
    pub(super) next: Option<Position>,
    pub(super) examined: u64,
}

/// One kind after the other.
fn in_turn(tx: &Connection, connector: &ConnectorRow, ask: &Ask<'_>) -> Result<Found, ListError> {
    let mut all = Found { total: Some(0), ..Found::default() };
    let mut start = ask.start.clone();
    for kind in ask.kinds {
        if let Start::Behind(Some(position)) = &start
            && position.kind != *kind
        {
            // The cursor is already behind this kind; its rows still count.
            all.total = None;
            continue;
        }
        let count = ask.count - all.items.len() as u64;
        let search = Search::new(tx, connector, *kind, ask, start.clone(), count)?;
        let found = search.run()?;
        start = match &start {
            Start::Skip(skip) => Start::Skip(skip.saturating_sub(found.total.unwrap_or(0))),
            Start::Behind(_) => Start::Behind(None),
        };
        all.total = all.total.zip(found.total).map(|(sum, more)| sum + more);
        all.examined += found.examined;
        all.items.extend(found.items);
        all.next = found.next;
        if all.next.is_some() {
            // What is behind has not been counted.
            all.total = all.total.filter(|_| ask.kinds.last() == Some(kind));
            break;
        }
        let is_full = all.items.len() as u64 >= ask.count;
        if is_full && matches!(start, Start::Behind(_)) && ask.kinds.last() != Some(kind) {
            all.next = all.items.last().map(Item::position);
            all.total = None;
            break;
        }
    }
    Ok(all)
}

/// All kinds together, sorted.
fn in_memory(tx: &Connection, connector: &ConnectorRow, ask: &Ask<'_>) -> Result<Found, ListError> {
    let mut items = Vec::new();
    let mut examined = 0;
    for kind in ask.kinds {
        let search = Search::new(tx, connector, *kind, ask, ask.start.clone(), ask.count)?;
        let (found, looked_at) = search.collect()?;
        items.extend(found);
        examined += looked_at;
    }
    Ok(Found { examined, ..slice(connector, items, ask) })
}

/// Sorts what was collected, and cuts the page out of it.
pub(super) fn slice(connector: &ConnectorRow, mut items: Vec<Item>, ask: &Ask<'_>) -> Found {
    let descending = ask.sort.is_some_and(|sort| sort.descending);
    let key = |item: &Item| match &item.spot {
        Spot::Key(key) => (key.clone(), item.kind, item.no),
        Spot::Created | Spot::Column(_) => (SortKey::Missing, item.kind, item.no),
    };
    items.sort_by_cached_key(key);
    if descending {
        items.reverse();
    }
    let total = items.len() as u64;
    let skip = match &ask.start {
        Start::Skip(skip) => usize::try_from(*skip).unwrap_or(usize::MAX),
        Start::Behind(None) => 0,
        Start::Behind(Some(Position { kind, spot, ordinal })) => {
            let no = schema::range(connector.no).0 | ordinal;
            let behind = key(&Item { kind: *kind, no, spot: spot.clone() });
            let is_before = |item: &Item| {
                let order = key(item).cmp(&behind);
                if descending { order.is_ge() } else { order.is_le() }
            };
            items.iter().take_while(|item| is_before(item)).count()
        }
    };
    let count = usize::try_from(ask.count).unwrap_or(usize::MAX);
    let more = items.len() > skip.saturating_add(count);
    let items: Vec<_> = items.into_iter().skip(skip).take(count).collect();
    let goes_on = more && matches!(ask.start, Start::Behind(_));
    let next = items.last().filter(|_| goes_on).map(Item::position);
    Found { total: Some(total), items, next, examined: 0 }
}
