//! The positions of somebody's timeline outside of their own stream.

use std::collections::{BTreeSet, HashMap};

use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::NAME;
use crate::{
    Failure, ReadModels,
    sql::{int, length, natural, uuid},
};

/// The queries on timelines.
#[derive(Clone, Copy)]
pub struct Timelines<'a> {
    models: &'a ReadModels,
}

impl<'a> Timelines<'a> {
    pub(crate) fn new(models: &'a ReadModels) -> Self {
        Self { models }
    }

    /// At most `limit` positions after `after`, in order, of events that are about somebody who is, or
    /// was, known by these ids.
    ///
    /// Costs a look at each membership that they ever had, besides the rows that it returns.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn positions(
        self,
        workspace: &WorkspaceId,
        subjects: &[Uuid],
        after: u64,
        limit: usize,
    ) -> Result<Vec<u64>, Failure> {
        let reader = self.models.reader(NAME)?;
        let mut found = BTreeSet::new();
        for subject in subjects {
            found.extend(mentions(&reader, workspace, *subject, after, limit)?);
            found.extend(deletions(&reader, workspace, *subject, after)?);
        }
        Ok(found.into_iter().take(limit).collect())
    }
}

fn mentions(
    conn: &Connection,
    workspace: &WorkspaceId,
    subject: Uuid,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<u64>> {
    conn.prepare_cached(
        "SELECT position FROM mentions WHERE workspace = ?1 AND subject = ?2 AND position > ?3
         ORDER BY position LIMIT ?4",
    )?
    .query_map(params![workspace.as_str(), subject.as_bytes(), int(after), length(limit)], |row| {
        natural(row, 0)
    })?
    .collect()
}

/// When groups were deleted in which somebody was until then.
fn deletions(
    conn: &Connection,
    workspace: &WorkspaceId,
    subject: Uuid,
    after: u64,
) -> rusqlite::Result<Vec<u64>> {
    let mut is_in = HashMap::new();
    let mut turns = conn.prepare_cached(
        "SELECT grp, came FROM mentions WHERE workspace = ?1 AND subject = ?2 AND grp IS NOT NULL
         ORDER BY position",
    )?;
    let mut rows = turns.query(params![workspace.as_str(), subject.as_bytes()])?;
    while let Some(row) = rows.next()? {
        is_in.insert(uuid(row, 0)?, row.get::<_, bool>(1)?);
    }
    let mut deleted = conn.prepare_cached(
        "SELECT position FROM deleted WHERE workspace = ?1 AND grp = ?2 AND position > ?3",
    )?;
    let mut found = Vec::new();
    for (group, _) in is_in.into_iter().filter(|(_, is_in)| *is_in) {
        let key = params![workspace.as_str(), group.as_bytes(), int(after)];
        found.extend(deleted.query_row(key, |row| natural(row, 0)).optional()?);
    }
    Ok(found)
}
