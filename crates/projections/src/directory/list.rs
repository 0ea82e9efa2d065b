//! Lists: which rows a client asked for, in what order, from where on.
//!
//! A list is found in two steps. The first finds row numbers: from keys, by walking an index, or by
//! counting blocks; the second fetches the rows of the page. Nothing but the page is ever held, with
//! one exception that has a bound of its own: an order that no index has is made in memory, of sort
//! keys and row numbers.
//!
//! A cursor names the last row that was shown by its place in the order, not by a count of rows, so
//! that what is deleted or added in between makes no other row appear twice or not at all.

use std::ops::ControlFlow;

use domain::ids::ConnectorName;
use event_log::WorkspaceId;
use rusqlite::Connection;
use scim::{
    filter::Filter,
    schema::{Catalogue, Kind},
    sort::{Sort, SortKey},
};
use serde::{Deserialize, Serialize};

use super::{
    Directory, GroupRow, UserRow,
    blocks::{From, Rows},
    connectors::{self, ConnectorRow},
    groups, keys,
    lens::Lens,
    order::{Column, Mark, Walk},
    plan::{self, Plan, Source},
    schema, users,
};
use crate::Failure;

/// How many rows one request may look at one by one. More are refused, or, with a cursor, are for
/// the next request.
pub const EXAMINED_MAX: u64 = 250_000;
/// How many rows may be sorted by what no index sorts.
pub const SORTED_MAX: u64 = 100_000;
/// How many row numbers are read at a time.
const CHUNK: u64 = 500;

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
    kind: Kind,
    spot: Spot,
    ordinal: i64,
}

/// What a row is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Spot {
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

impl std::convert::From<rusqlite::Error> for ListError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Ask<'_> {
    /// Whether an answer may take long: a thread that others wait for should not look for it.
    pub fn is_long(&self) -> bool {
        self.kinds.iter().any(|kind| {
            let Plan { source, exact } = plan::plan(self.filter, *kind, self.catalogue);
            let sorted =
                self.sort.is_some_and(|it| Column::of(it, *kind, self.catalogue).is_none());
            let keys = matches!(source, Source::Keys(_));
            !keys && (!exact || sorted || (self.sort.is_some() && source != Source::All))
        })
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
        listed(&*reader.snapshot()?, workspace, connector, ask)
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
    let Found { total, items, next, examined } = found;
    let mut rows = Vec::with_capacity(items.len());
    for Item { kind, no, .. } in items {
        rows.extend(match kind {
            Kind::User => users::by_number(tx, &connector, no)?.map(Row::User),
            Kind::Group => groups::by_number(tx, no)?.map(Row::Group),
        });
    }
    Ok(Listed { total, rows, next, examined })
}

/// A row that was found.
#[derive(Clone, Debug)]
struct Item {
    kind: Kind,
    no: i64,
    spot: Spot,
}

impl Item {
    fn position(&self) -> Position {
        let Self { kind, no, spot } = self.clone();
        Position { kind, spot, ordinal: schema::ordinal(no) }
    }
}

#[derive(Default)]
struct Found {
    total: Option<u64>,
    items: Vec<Item>,
    next: Option<Position>,
    examined: u64,
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
fn slice(connector: &ConnectorRow, mut items: Vec<Item>, ask: &Ask<'_>) -> Found {
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

/// The search for rows of one kind.
struct Search<'q> {
    tx: &'q Connection,
    connector: &'q ConnectorRow,
    kind: Kind,
    ask: Ask<'q>,
    plan: Plan,
    lens: Lens<'q>,
}

/// Rows in an order that costs nothing to have.
enum Stream {
    Created(Rows),
    Sorted(Walk),
}

impl<'q> Search<'q> {
    fn new(
        tx: &'q Connection,
        connector: &'q ConnectorRow,
        kind: Kind,
        ask: &Ask<'q>,
        start: Start,
        count: u64,
    ) -> Result<Self, ListError> {
        let plan = plan::plan(ask.filter, kind, ask.catalogue);
        let lens = Lens::new(tx, connector, kind, (ask.filter, ask.sort), ask.catalogue)?;
        Ok(Self { tx, connector, kind, ask: Ask { start, count, ..ask.clone() }, plan, lens })
    }

    fn run(&self) -> Result<Found, ListError> {
        let column = self.ask.sort.map(|sort| Column::of(sort, self.kind, self.ask.catalogue));
        let in_memory = matches!(self.plan.source, Source::Keys(_)) || column == Some(None);
        if in_memory {
            let (items, examined) = self.collect()?;
            return Ok(Found { examined, ..slice(self.connector, items, &self.ask) });
        }
        let natural = self.natural();
        // Index paging has to know the total; where the index is exact, it is cheap.
        let total = self.plan.exact.then(|| natural.total(self.tx)).transpose()?;
        let (stream, is_exact) = match column.flatten() {
            None => (natural, self.plan.exact),
            Some(column) => self.sorted_by(column),
        };
        if is_exact { self.page(&stream, total) } else { self.look_through(&stream, total) }
    }

    /// The rows of the source, in the order in which it has them.
    fn natural(&self) -> Stream {
        let active = match self.plan.source {
            Source::Active(active) => Some(active),
            Source::Modified(from, to) => {
                let no = self.connector.no;
                let whole = Walk::whole(no, self.kind, Column::Modified, false);
                return Stream::Sorted(whole.between(from, to));
            }
            Source::All | Source::Keys(_) => None,
        };
        Stream::Created(Rows { connector: self.connector.no, kind: self.kind, active })
    }

    /// Rows in the order of a column, and whether all of them match.
    fn sorted_by(&self, column: Column) -> (Stream, bool) {
        let descending = self.ask.sort.is_some_and(|sort| sort.descending);
        let whole = Walk::whole(self.connector.no, self.kind, column, descending);
        match self.plan.source {
            Source::Modified(from, to) if column == Column::Modified => {
                (Stream::Sorted(whole.between(from, to)), self.plan.exact)
            }
            Source::All => (Stream::Sorted(whole), self.plan.exact),
            Source::Active(_) | Source::Modified(..) | Source::Keys(_) => {
                (Stream::Sorted(whole), false)
            }
        }
    }

    /// All matches, with what they are sorted by, and how many rows were looked at.
    fn collect(&self) -> Result<(Vec<Item>, u64), ListError> {
        let spot = |key| if self.ask.sort.is_some() { Spot::Key(key) } else { Spot::Created };
        let (mut items, mut examined) = (Vec::new(), 0);
        let mut see = |no| -> Result<(), ListError> {
            let key = if self.plan.exact && self.ask.sort.is_none() {
                Some(SortKey::Missing)
            } else {
                examined += 1;
                self.lens.see(no)?
            };
            items.extend(key.map(|key| Item { kind: self.kind, no, spot: spot(key) }));
            Ok(())
        };
        if let Source::Keys(keys) = &self.plan.source {
            for no in keys::numbers(self.tx, self.connector.no, self.kind, keys)? {
                see(no)?;
            }
            return Ok((items, examined));
        }
        let natural = self.natural();
        let candidates = natural.total(self.tx)?;
        if candidates > SORTED_MAX {
            let how = "sort by userName, displayName, id or meta.lastModified, or filter more";
            return Err(self.too_many("sorted", candidates, SORTED_MAX, how));
        }
        natural.each(self.tx, None, |no, _| see(no).map(ControlFlow::Continue))?;
        Ok((items, examined))
    }

    /// A page of a stream of which every row matches.
    fn page(&self, stream: &Stream, total: Option<u64>) -> Result<Found, ListError> {
        let (after, skip) = self.start();
        // One more tells whether it goes on.
        let wanted = self.ask.count.saturating_add(1);
        let numbers = stream.numbers(self.tx, after.as_ref(), (wanted, skip))?;
        let mut found = Found { total, ..Found::default() };
        for (no, spot) in numbers {
            if !self.take(&mut found, no, spot) {
                break;
            }
        }
        Ok(found)
    }

    /// A page of a stream of which some rows match.
    fn look_through(&self, stream: &Stream, total: Option<u64>) -> Result<Found, ListError> {
        let by_cursor = matches!(self.ask.start, Start::Behind(_));
        if total.is_none() && !by_cursor {
            self.refuse_if_long(stream)?;
        }
        let (after, mut skip) = self.start();
        let mut found = Found { total, ..Found::default() };
        let mut counted = 0;
        let mut last = None;
        stream.each(self.tx, after, |no, spot| {
            if found.examined == EXAMINED_MAX {
                if !by_cursor {
                    return Err(self.too_long(EXAMINED_MAX));
                }
                found.next = last.take();
                return Ok(ControlFlow::Break(()));
            }
            found.examined += 1;
            if by_cursor && found.examined == EXAMINED_MAX {
                last = Some(Item { kind: self.kind, no, spot: spot.clone() }.position());
            }
            if self.lens.see(no)?.is_none() {
                return Ok(ControlFlow::Continue(()));
            }
            counted += 1;
            if skip > 0 {
                skip -= 1;
            } else if !self.take(&mut found, no, spot) && (by_cursor || total.is_some()) {
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if !by_cursor {
            found.total = found.total.or(Some(counted));
        }
        Ok(found)
    }

    /// Takes a match into the page; `false` when the page is full, and so goes on behind its last.
    fn take(&self, found: &mut Found, no: i64, spot: Spot) -> bool {
        if (found.items.len() as u64) < self.ask.count {
            found.items.push(Item { kind: self.kind, no, spot });
            return true;
        }
        if matches!(self.ask.start, Start::Behind(_)) {
            found.next = found.items.last().map(Item::position);
        }
        false
    }

    fn start(&self) -> (Option<(Spot, i64)>, u64) {
        match &self.ask.start {
            Start::Skip(skip) => (None, *skip),
            Start::Behind(None) => (None, 0),
            Start::Behind(Some(Position { spot, ordinal, .. })) => {
                let no = schema::range(self.connector.no).0 | ordinal;
                (Some((spot.clone(), no)), 0)
            }
        }
    }

    fn refuse_if_long(&self, stream: &Stream) -> Result<(), ListError> {
        let candidates = stream.total(self.tx)?;
        if candidates > EXAMINED_MAX { Err(self.too_long(candidates)) } else { Ok(()) }
    }

    fn too_long(&self, candidates: u64) -> ListError {
        let how = "page by cursor (RFC 9865), or compare by eq one of id, userName, externalId, \
                   displayName, emails.value, manager, active, or meta.lastModified";
        self.too_many("looked at one by one", candidates, EXAMINED_MAX, how)
    }

    fn too_many(&self, what: &str, candidates: u64, max: u64, how: &str) -> ListError {
        let kind = self.kind.endpoint();
        scim::Error::too_many(format!(
            "{candidates} of {kind} would have to be {what}, more than {max}: {how}"
        ))
        .into()
    }
}

impl Stream {
    fn total(&self, tx: &Connection) -> rusqlite::Result<u64> {
        match self {
            Self::Created(rows) => rows.total(tx),
            Self::Sorted(walk) => walk.total(tx),
        }
    }

    fn numbers(
        &self,
        tx: &Connection,
        after: Option<&(Spot, i64)>,
        (limit, skip): (u64, u64),
    ) -> rusqlite::Result<Vec<(i64, Spot)>> {
        match self {
            Self::Created(rows) => {
                let from = after.map_or(From::Skip(skip), |(_, no)| From::After(*no));
                let numbers = rows.numbers(tx, from, limit)?;
                Ok(numbers.into_iter().map(|no| (no, Spot::Created)).collect())
            }
            Self::Sorted(walk) => {
                let after = after.and_then(|(spot, no)| match spot {
                    Spot::Column(mark) => Some((mark.clone(), *no)),
                    // A cursor of another order: whoever made it has been refused already.
                    Spot::Created | Spot::Key(_) => None,
                });
                let numbers = walk.numbers(tx, after.as_ref(), (limit, skip))?;
                Ok(numbers.into_iter().map(|(no, mark)| (no, Spot::Column(mark))).collect())
            }
        }
    }

    /// Goes through all rows behind a place, until told to stop.
    fn each(
        &self,
        tx: &Connection,
        mut after: Option<(Spot, i64)>,
        mut each: impl FnMut(i64, Spot) -> Result<ControlFlow<()>, ListError>,
    ) -> Result<(), ListError> {
        loop {
            let chunk = self.numbers(tx, after.as_ref(), (CHUNK, 0))?;
            let Some((no, spot)) = chunk.last().cloned() else { return Ok(()) };
            after = Some((spot, no));
            for (no, spot) in chunk {
                if each(no, spot)?.is_break() {
                    return Ok(());
                }
            }
        }
    }
}
