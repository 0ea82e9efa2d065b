//! Audiences: the people whom a filter of groups lets pass (rule 17).
//!
//! They are found from the groups: each line is led by the name that has the fewest members, and the
//! members of those groups, and of the groups within them, are gone through side by side in the order
//! of their ids. Each is looked at once: whether they are active, and whether the other groups of the
//! line have them too. A list goes on behind the last id, so that no page holds more than itself and
//! a few rows of each group.
//!
//! Somebody whom several connectors know stands at the first of their ids at which they are found.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque},
};

use domain::{
    ids::{EntryId, UserId},
    portal::Portal,
};
use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::Directory;
use crate::{
    Failure,
    sql::{length, natural, uuid},
};

/// How many members all groups together hold ready, about.
const READY: usize = 1_000;
/// How many groups are asked one by one whether they have somebody, at most; beyond, the person's own
/// groups are found instead, once.
const ONE_BY_ONE_MAX: usize = 16;

/// How many members are looked at in one go, at most: some lines fit hardly anybody in large groups.
const LOOKED_AT_MAX: usize = 5_000;

/// A part of an audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The people, each with the entry at which they stand, in the order of these.
    pub people: Vec<(EntryId, UserId)>,
    /// Behind which entry there may be more of them. A part may be empty and still go on.
    pub next: Option<EntryId>,
}

impl Directory<'_> {
    /// At most `limit` people of a portal behind the entry `after`, who are in all groups of one of
    /// some lines of folded names, and who count: that is not the directory's to say. Entries that
    /// are not active count for nothing.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn audience(
        self,
        workspace: &WorkspaceId,
        portal: Portal,
        lines: &[BTreeSet<String>],
        after: Option<EntryId>,
        limit: usize,
        counts: impl Fn(UserId) -> Result<bool, Failure>,
    ) -> Result<Audience, Failure> {
        let tx = self.reader()?;
        let filter = Filter::new(&tx, workspace, portal, lines)?;
        filter.people(after, limit, LOOKED_AT_MAX, counts)
    }
}

/// The groups of one name, with the groups within them.
#[derive(Default)]
struct Named {
    groups: HashSet<i64>,
    /// At most how many members they have.
    members: u64,
}

/// A line whose names are all names of groups.
struct Line {
    names: Vec<String>,
    /// Of these the one with the fewest members.
    lead: String,
}

struct Filter<'t> {
    tx: &'t Connection,
    workspace: &'t WorkspaceId,
    named: HashMap<String, Named>,
    lines: Vec<Line>,
}

impl<'t> Filter<'t> {
    fn new(
        tx: &'t Connection,
        workspace: &'t WorkspaceId,
        portal: Portal,
        lines: &[BTreeSet<String>],
    ) -> rusqlite::Result<Self> {
        let mut named = HashMap::new();
        for name in lines.iter().flatten() {
            if !named.contains_key(name) {
                named.insert(name.clone(), groups_named(tx, workspace, portal, name)?);
            }
        }
        let possible =
            |line: &&BTreeSet<String>| line.iter().all(|it| !named[it].groups.is_empty());
        let line = |line: &BTreeSet<String>| {
            let lead = line.iter().min_by_key(|name| named[*name].members)?;
            Some(Line { names: line.iter().cloned().collect(), lead: lead.clone() })
        };
        let lines = lines.iter().filter(possible).filter_map(line).collect();
        Ok(Self { tx, workspace, named, lines })
    }

    /// The groups among whose members everybody is who passes.
    fn leads(&self) -> BTreeSet<i64> {
        self.lines.iter().flat_map(|line| &self.named[&line.lead].groups).copied().collect()
    }

    /// At most `limit` people who pass and count behind an entry, among as many members.
    fn people(
        &self,
        after: Option<EntryId>,
        limit: usize,
        members: usize,
        counts: impl Fn(UserId) -> Result<bool, Failure>,
    ) -> Result<Audience, Failure> {
        let mut candidates = Members::new(self.tx, self.leads(), after.map(|entry| entry.0));
        let (mut people, mut next) = (Vec::new(), after);
        for _ in 0..members {
            let Some((connector, member)) = candidates.next()? else {
                return Ok(Audience { people, next: None });
            };
            if let Some(user) = self.passes(connector, member)?
                && counts(user)?
            {
                if people.len() == limit {
                    break;
                }
                people.push((EntryId(member), user));
            }
            next = Some(EntryId(member));
        }
        Ok(Audience { people, next })
    }

    /// The person of a member, if they pass and stand at this member.
    fn passes(&self, connector: i64, member: Uuid) -> rusqlite::Result<Option<UserId>> {
        let Some(user) = person(self.tx, connector, member)? else { return Ok(None) };
        let mut entries = Vec::new();
        for entry in entries_of(self.tx, self.workspace, user)? {
            entries.push(Looked { tx: self.tx, entry, asked: 0, groups: None });
        }
        let mut first: Option<Uuid> = None;
        for line in &self.lines {
            let mut fits = true;
            for name in &line.names {
                let named = &self.named[name];
                let mut is_in = false;
                for entry in &mut entries {
                    is_in = is_in || entry.is_in(self.workspace, named)?;
                }
                fits = fits && is_in;
                if !fits {
                    break;
                }
            }
            if !fits {
                continue;
            }
            for entry in &mut entries {
                let sooner = first.is_none_or(|first| entry.entry < first);
                if sooner && entry.is_in(self.workspace, &self.named[&line.lead])? {
                    first = Some(entry.entry);
                }
            }
        }
        Ok((first == Some(member)).then_some(user))
    }
}

/// An active entry of somebody who is looked at.
struct Looked<'t> {
    tx: &'t Connection,
    entry: Uuid,
    /// How many groups were asked.
    asked: usize,
    /// The groups it is in, once they were found.
    groups: Option<HashSet<i64>>,
}

impl Looked<'_> {
    fn is_in(&mut self, workspace: &WorkspaceId, named: &Named) -> rusqlite::Result<bool> {
        self.asked += named.groups.len();
        if self.asked <= ONE_BY_ONE_MAX {
            for group in &named.groups {
                if has(self.tx, *group, self.entry)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        if self.groups.is_none() {
            self.groups = Some(groups_above(self.tx, workspace, self.entry)?);
        }
        Ok(self.groups.as_ref().is_some_and(|groups| !groups.is_disjoint(&named.groups)))
    }
}

/// The members of some groups, each once, by id.
struct Members<'t> {
    tx: &'t Connection,
    streams: Vec<Stream>,
    /// The next member of each group that has one.
    heads: BinaryHeap<Reverse<(Uuid, usize)>>,
    /// How many are read of each group at a time.
    chunk: usize,
    begun: bool,
    last: Option<Uuid>,
}

struct Stream {
    group: i64,
    ready: VecDeque<Uuid>,
    after: Option<Uuid>,
    ended: bool,
}

impl<'t> Members<'t> {
    fn new(tx: &'t Connection, groups: BTreeSet<i64>, after: Option<Uuid>) -> Self {
        let chunk = (READY / groups.len().max(1)).max(4);
        let stream = |group| Stream { group, ready: VecDeque::new(), after, ended: false };
        let streams = groups.into_iter().map(stream).collect();
        Self { tx, streams, heads: BinaryHeap::new(), chunk, begun: false, last: None }
    }

    /// The next one, with the number of its connector.
    fn next(&mut self) -> rusqlite::Result<Option<(i64, Uuid)>> {
        if !self.begun {
            self.begun = true;
            for number in 0..self.streams.len() {
                self.refill(number)?;
            }
        }
        while let Some(Reverse((member, number))) = self.heads.pop() {
            self.refill(number)?;
            // Others have them too.
            if self.last == Some(member) {
                continue;
            }
            self.last = Some(member);
            return Ok(Some((self.streams[number].group >> 32, member)));
        }
        Ok(None)
    }

    /// Puts the next member of a group among the heads.
    fn refill(&mut self, number: usize) -> rusqlite::Result<()> {
        let stream = &mut self.streams[number];
        if stream.ready.is_empty() && !stream.ended {
            let after = stream.after.as_ref().map_or(&[][..], |after| &after.as_bytes()[..]);
            let rows = self
                .tx
                .prepare_cached(
                    "SELECT member FROM members WHERE group_no = ?1 AND member > ?2
                     ORDER BY member LIMIT ?3",
                )?
                .query_map(params![stream.group, after, length(self.chunk)], |row| uuid(row, 0))?
                .collect::<rusqlite::Result<VecDeque<_>>>()?;
            stream.ended = rows.len() < self.chunk;
            stream.after = rows.back().copied().or(stream.after);
            stream.ready = rows;
        }
        if let Some(member) = stream.ready.pop_front() {
            self.heads.push(Reverse((member, number)));
        }
        Ok(())
    }
}

/// The groups of a portal that have a folded name, and the groups within them.
fn groups_named(
    tx: &Connection,
    workspace: &WorkspaceId,
    portal: Portal,
    name: &str,
) -> rusqlite::Result<Named> {
    let mut waiting: Vec<i64> = tx
        .prepare_cached(
            "SELECT no FROM groups WHERE workspace = ?1 AND portal = ?2 AND display_fold = ?3",
        )?
        .query_map(params![workspace.as_str(), portal.as_str(), name], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut named = Named::default();
    while let Some(group) = waiting.pop() {
        if named.groups.insert(group) {
            let (members, within) = within(tx, group)?;
            named.members += members;
            waiting.extend(within);
        }
    }
    Ok(named)
}

/// How many members a group has, and the groups among them: whichever are fewer are gone through,
/// its members or the groups of its connector.
fn within(tx: &Connection, group: i64) -> rusqlite::Result<(u64, Vec<i64>)> {
    let connector = group >> 32;
    let (members, groups) = tx
        .prepare_cached(
            "SELECT g.members, c.groups FROM groups g JOIN connectors c ON c.no = g.connector
             WHERE g.no = ?1",
        )?
        .query_row([group], |row| Ok((natural(row, 0)?, natural(row, 1)?)))?;
    let sql = if members <= groups {
        "SELECT g.no FROM members m CROSS JOIN groups g
         WHERE m.group_no = ?1 AND g.connector = ?2 AND g.id = m.member"
    } else {
        "SELECT g.no FROM groups g CROSS JOIN members m
         WHERE g.connector = ?2 AND m.group_no = ?1 AND m.member = g.id"
    };
    let groups = tx
        .prepare_cached(sql)?
        .query_map([group, connector], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok((members, groups))
}

/// The person of an entry that is active; `None` for whatever else a member may be.
fn person(tx: &Connection, connector: i64, entry: Uuid) -> rusqlite::Result<Option<UserId>> {
    let user = tx
        .prepare_cached(
            "SELECT user FROM entries
             WHERE connector = ?1 AND id = ?2 AND coalesce(active, 1) = 1",
        )?
        .query_row(params![connector, entry.as_bytes()], |row| uuid(row, 0))
        .optional()?;
    Ok(user.map(UserId))
}

/// The active entries of a person.
fn entries_of(
    tx: &Connection,
    workspace: &WorkspaceId,
    user: UserId,
) -> rusqlite::Result<Vec<Uuid>> {
    tx.prepare_cached(
        "SELECT e.id FROM connectors c CROSS JOIN entries e
         WHERE c.workspace = ?1 AND e.connector = c.no AND e.user = ?2 AND coalesce(e.active, 1) = 1",
    )?
    .query_map(params![workspace.as_str(), user.0.as_bytes()], |row| uuid(row, 0))?
    .collect()
}

/// Whether a group names a member.
fn has(tx: &Connection, group: i64, member: Uuid) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM members WHERE group_no = ?1 AND member = ?2)")?
        .query_row(params![group, member.as_bytes()], |row| row.get(0))
}

/// The groups that a member is in, directly or through others.
fn groups_above(
    tx: &Connection,
    workspace: &WorkspaceId,
    member: Uuid,
) -> rusqlite::Result<HashSet<i64>> {
    let mut statement = tx.prepare_cached(
        // In this order: otherwise every group of the workspace is looked at.
        "SELECT g.no, g.id FROM members m CROSS JOIN groups g
         WHERE m.member = ?1 AND g.no = m.group_no AND g.workspace = ?2",
    )?;
    let (mut found, mut waiting) = (HashSet::new(), vec![member]);
    while let Some(member) = waiting.pop() {
        let mut rows = statement.query(params![member.as_bytes(), workspace.as_str()])?;
        while let Some(row) = rows.next()? {
            if found.insert(row.get(0)?) {
                waiting.push(uuid(row, 1)?);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
