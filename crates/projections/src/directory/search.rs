//! The search for rows of one kind: collected, walked, or counted out.

use std::ops::ControlFlow;

use rusqlite::Connection;
use scim::{filter::Filter, schema::Kind, sort::SortKey};

use super::{
    blocks::Rows,
    connectors::ConnectorRow,
    keys,
    lens::Lens,
    list::{Ask, EXAMINED_MAX, Found, Item, ListError, Position, SORTED_MAX, Spot, Start, slice},
    order::{Column, Walk},
    plan::{self, Plan, Source},
    schema,
    stream::Stream,
};

/// The search for rows of one kind.
pub(super) struct Search<'q> {
    tx: &'q Connection,
    connector: &'q ConnectorRow,
    kind: Kind,
    ask: Ask<'q>,
    plan: Plan,
    lens: Lens<'q>,
    /// How many rows may be looked at.
    examined_max: u64,
}

/// How many comparisons of a filter cost what reading a row does.
const COMPARISONS_OF_A_ROW: usize = 8;

impl<'q> Search<'q> {
    pub(super) fn new(
        tx: &'q Connection,
        connector: &'q ConnectorRow,
        kind: Kind,
        ask: &Ask<'q>,
        start: Start,
        count: u64,
    ) -> Result<Self, ListError> {
        let plan = plan::plan(ask.filter, kind, ask.catalogue);
        let lens = Lens::new(tx, connector, kind, ask)?;
        let comparisons = ask.filter.map_or(0, Filter::comparisons) / COMPARISONS_OF_A_ROW;
        let examined_max = EXAMINED_MAX / (1 + comparisons as u64);
        let ask = Ask { start, count, ..ask.clone() };
        Ok(Self { tx, connector, kind, ask, plan, lens, examined_max })
    }

    /// The page that is asked for.
    pub(super) fn run(&self) -> Result<Found, ListError> {
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
    pub(super) fn collect(&self) -> Result<(Vec<Item>, u64), ListError> {
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
            let numbers = keys::numbers(self.tx, self.connector.no, self.kind, keys)?;
            if numbers.len() as u64 > self.examined_max {
                return Err(self.too_long(numbers.len() as u64));
            }
            numbers.into_iter().try_for_each(see)?;
            return Ok((items, examined));
        }
        let natural = self.natural();
        let candidates = natural.total(self.tx)?;
        let max = SORTED_MAX.min(self.examined_max);
        if candidates > max {
            let how = if self.ask.kinds.len() > 1 {
                "list users or groups alone, or filter more"
            } else {
                "sort by userName, displayName, id or meta.lastModified, or filter more"
            };
            return Err(self.too_many("sorted", candidates, max, how));
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
            if found.examined == self.examined_max {
                if !by_cursor {
                    return Err(self.too_long(self.examined_max));
                }
                found.next = last.take();
                return Ok(ControlFlow::Break(()));
            }
            found.examined += 1;
            if by_cursor && found.examined == self.examined_max {
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
        if candidates > self.examined_max { Err(self.too_long(candidates)) } else { Ok(()) }
    }

    fn too_long(&self, candidates: u64) -> ListError {
        let how = "page by cursor (RFC 9865), or compare by eq one of id, userName, externalId, \
                   displayName, emails.value, manager, active, or meta.lastModified";
        self.too_many("looked at one by one", candidates, self.examined_max, how)
    }

    fn too_many(&self, what: &str, candidates: u64, max: u64, how: &str) -> ListError {
        let kind = self.kind.endpoint();
        scim::Error::too_many(format!(
            "{candidates} of {kind} would have to be {what}, more than {max}: {how}"
        ))
        .into()
    }
}
