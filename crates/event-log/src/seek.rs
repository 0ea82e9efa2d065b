//! The positions of events of some types, or by some actors, found by looks into an index.
//!
//! Types and actors are few, and events are many. So each type and each actor that is wanted keeps the place
//! where it goes on, and the nearest of these is the next position. Where both are wanted, the two are
//! moved forward in turns until they meet. What is looked at grows with the rarer of the two, and
//! not with the log.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::rows::unsigned;

/// What sorts behind every text that begins with what is before it.
const LAST: char = char::MAX;
/// What makes of a text the next one that may be there.
const NEXT: char = '\u{1}';

/// Texts that are wanted: from one to another, both included.
pub(crate) struct Texts(pub(crate) String, pub(crate) String);

impl Texts {
    /// A type, or with a star at its end all that begin so.
    pub(crate) fn of_name(name: &str) -> Self {
        match name.strip_suffix('*') {
            Some(begin) => Self(begin.to_owned(), format!("{begin}{LAST}")),
            None => Self(name.to_owned(), name.to_owned()),
        }
    }

    /// An actor, and all that are below it.
    pub(crate) fn of_actor(actor: &str) -> [Self; 2] {
        let below = format!("{actor}/{LAST}");
        [Self(actor.to_owned(), actor.to_owned()), Self(format!("{actor}/"), below)]
    }

    /// Whether one is among them.
    pub(crate) fn has(&self, text: &str) -> bool {
        (self.0.as_str()..=self.1.as_str()).contains(&text)
    }
}

/// An index over texts, and how it is looked into.
struct Index {
    /// The first text that is there from one to another.
    first: &'static str,
    /// The first span of positions of a text that does not end before a position.
    next: &'static str,
}

const NAMES: Index = Index {
    first: "SELECT name FROM events WHERE workspace = ?1 AND name BETWEEN ?2 AND ?3
            ORDER BY name LIMIT 1",
    next: "SELECT position, position FROM events WHERE workspace = ?1 AND name = ?2
               AND position >= ?3 ORDER BY position LIMIT 1",
};

const ACTORS: Index = Index {
    first: "SELECT actor FROM transactions WHERE workspace = ?1 AND actor BETWEEN ?2 AND ?3
            ORDER BY actor LIMIT 1",
    next: "SELECT first, last FROM transactions WHERE workspace = ?1 AND actor = ?2
               AND last >= ?3 ORDER BY last LIMIT 1",
};

/// A text that is wanted and is there.
struct Wanted {
    text: String,
    /// The positions that come next; `None` when there are no more.
    next: Option<(u64, u64)>,
}

/// Goes forward through the positions of some texts.
pub(crate) struct Seeker<'c> {
    workspace: i64,
    statement: CachedStatement<'c>,
    wanted: Vec<Wanted>,
}

impl<'c> Seeker<'c> {
    /// Through those of events of these types.
    pub(crate) fn of_names(
        conn: &'c Connection,
        workspace: i64,
        texts: &[Texts],
    ) -> rusqlite::Result<Self> {
        Self::new(conn, workspace, &NAMES, texts)
    }

    /// Through those of events by these actors.
    pub(crate) fn of_actors(
        conn: &'c Connection,
        workspace: i64,
        texts: &[Texts],
    ) -> rusqlite::Result<Self> {
        Self::new(conn, workspace, &ACTORS, texts)
    }

    fn new(
        conn: &'c Connection,
        workspace: i64,
        index: &Index,
        texts: &[Texts],
    ) -> rusqlite::Result<Self> {
        let mut first = conn.prepare_cached(index.first)?;
        let mut wanted = Vec::new();
        for Texts(from, to) in texts {
            let mut from = from.clone();
            loop {
                let found = first
                    .query_row(params![workspace, from, to], |row| row.get::<_, String>(0))
                    .optional()?;
                let Some(text) = found else { break };
                from = format!("{text}{NEXT}");
                // No position is before the first one.
                wanted.push(Wanted { text, next: Some((0, 0)) });
            }
        }
        Ok(Self { workspace, statement: conn.prepare_cached(index.next)?, wanted })
    }

    /// The first position of any of them, from one on.
    fn seek(&mut self, at: u64) -> rusqlite::Result<Option<u64>> {
        let mut nearest = None;
        for Wanted { text, next } in &mut self.wanted {
            if next.is_some_and(|(_, last)| last < at) {
                *next = self
                    .statement
                    .query_row(params![self.workspace, &*text, at.cast_signed()], |row| {
                        Ok((unsigned(row, 0)?, unsigned(row, 1)?))
                    })
                    .optional()?;
            }
            let here = next.map(|(first, _)| first.max(at));
            nearest = [nearest, here].into_iter().flatten().min();
        }
        Ok(nearest)
    }
}

/// At most `limit` positions after one and up to another that all seekers come to, in order.
pub(crate) fn meet(
    seekers: &mut [Seeker<'_>],
    after: u64,
    until: u64,
    limit: usize,
) -> rusqlite::Result<Vec<u64>> {
    let (mut found, mut at) = (Vec::new(), after.saturating_add(1));
    while found.len() < limit && at <= until {
        let (mut furthest, mut agree) = (at, true);
        for seeker in &mut *seekers {
            let Some(next) = seeker.seek(furthest)? else { return Ok(found) };
            agree &= next == furthest;
            furthest = next;
        }
        at = furthest;
        // Where only one looks, it agrees with itself.
        if (agree || seekers.len() == 1) && at <= until {
            found.push(at);
            at += 1;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn each_look_goes_by_its_index() {
        let dir = tempfile::tempdir().unwrap();
        let conn = schema::LOG.open(&dir.path().join("log.db")).unwrap();
        for (sql, index) in [
            (NAMES.first, "events_by_name (workspace=? AND name>? AND name<?)"),
            (NAMES.next, "events_by_name (workspace=? AND name=? AND position>?)"),
            (ACTORS.first, "transactions_by_actor (workspace=? AND actor>? AND actor<?)"),
            (ACTORS.next, "transactions_by_actor (workspace=? AND actor=? AND last>?)"),
        ] {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan: Vec<String> =
                statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            assert!(plan.len() == 1 && plan[0].contains(index), "{plan:?}");
        }
    }

    #[test]
    fn texts_are_those_that_are_named_or_begin_so_or_are_below() {
        let has = |texts: &[Texts], text: &str| texts.iter().any(|it| it.has(text));
        let star = [Texts::of_name("user.*")];
        for (text, is) in
            [("user.erased", true), ("user.", true), ("user", false), ("users.x", false)]
        {
            assert_eq!(has(&star, text), is, "{text}");
        }
        assert!(has(&[Texts::of_name("a.b")], "a.b") && !has(&[Texts::of_name("a.b")], "a.bc"));
        let okta = Texts::of_actor("connector:okta");
        for (text, is) in [
            ("connector:okta", true),
            ("connector:okta/t", true),
            ("connector:okta-2/t", false),
            ("connector:okt", false),
        ] {
            assert_eq!(has(&okta, text), is, "{text}");
        }
    }
}
