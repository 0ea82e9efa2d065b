//! The queries on publications.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::{group_filter::GroupFilter, ids::PublicationId};
use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::NAME;
use crate::{
    Cursor, Failure, ReadModels,
    cursor::cut,
    sql::{json, length, uuid},
};

/// The queries on publications.
#[derive(Clone, Copy)]
pub struct Publications<'a> {
    models: &'a ReadModels,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationRow {
    /// Its id.
    pub id: PublicationId,
    /// What people call it.
    pub name: String,
    /// Who sees it.
    pub groups: GroupFilter,
}

const PAGE: &str = "
    SELECT id, name, groups, name_fold FROM publications
    WHERE workspace = ?1 AND (name_fold, id) > (?2, ?3)
      AND (?4 = '' OR instr(name_fold, ?4) > 0)
    ORDER BY name_fold, id LIMIT ?5";
const FOR_EVERYBODY: &str = "
    SELECT id, name, groups, name_fold FROM publications
    WHERE workspace = ?1 AND everybody = 1 AND (name_fold, id) > (?2, ?3)
      AND (?4 = '' OR instr(name_fold, ?4) > 0)
    ORDER BY name_fold, id LIMIT ?5";
const BY_ID: &str = "
    SELECT id, name, groups, name_fold FROM publications
    WHERE workspace = ?1 AND id = ?2 AND (name_fold, id) > (?3, ?4)
      AND (?5 = '' OR instr(name_fold, ?5) > 0)";

/// A row with what lists are ordered by.
type Placed = (String, PublicationRow);

fn placed(row: &Row<'_>) -> rusqlite::Result<Placed> {
    let publication = PublicationRow {
        id: PublicationId(uuid(row, 0)?),
        name: row.get(1)?,
        groups: json(row, 2)?,
    };
    Ok((row.get(3)?, publication))
}

/// Which part of a list is asked for.
struct Part<'p> {
    workspace: &'p WorkspaceId,
    text: &'p str,
    id: &'p [u8],
    q: String,
    limit: usize,
}

impl<'p> Part<'p> {
    fn new(
        workspace: &'p WorkspaceId,
        q: Option<&str>,
        limit: usize,
        after: Option<&'p Cursor>,
    ) -> Self {
        let (text, id) = after.map_or(("", &[][..]), |it| (&*it.text, &it.id.as_bytes()[..]));
        Self { workspace, text, id, q: scim::fold::text(q.unwrap_or_default()), limit }
    }

    /// One row more than asked for.
    fn rows(&self, tx: &Connection, sql: &str) -> rusqlite::Result<Vec<Placed>> {
        let Self { workspace, text, id, q, limit } = self;
        tx.prepare_cached(sql)?
            .query_map(params![workspace.as_str(), text, id, q, length(*limit) + 1], placed)?
            .collect()
    }

    /// A publication, if it belongs to the part.
    fn one(&self, tx: &Connection, publication: Uuid) -> rusqlite::Result<Option<Placed>> {
        let Self { workspace, text, id, q, .. } = self;
        tx.prepare_cached(BY_ID)?
            .query_row(params![workspace.as_str(), publication.as_bytes(), text, id, q], placed)
            .optional()
    }

    fn cut(&self, rows: Vec<Placed>) -> (Vec<PublicationRow>, Option<Cursor>) {
        let (rows, next) =
            cut(rows, self.limit, |(fold, row)| Cursor { text: fold.clone(), id: row.id.0 });
        (rows.into_iter().map(|(_, row)| row).collect(), next)
    }
}

impl<'a> Publications<'a> {
    pub(crate) fn new(models: &'a ReadModels) -> Self {
        Self { models }
    }

    /// At most `limit` publications behind a cursor, by name; with `q`, those in whose name it occurs.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn list(
        self,
        workspace: &WorkspaceId,
        q: Option<&str>,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<(Vec<PublicationRow>, Option<Cursor>), Failure> {
        let reader = self.models.reader(NAME)?;
        let part = Part::new(workspace, q, limit, after);
        let rows = part.rows(&reader, PAGE)?;
        Ok(part.cut(rows))
    }

    /// The same of those that somebody sees who is in groups of these folded names: found from the
    /// names, not by a look at each publication.
    pub fn seen_by(
        self,
        workspace: &WorkspaceId,
        groups: &HashSet<String>,
        q: Option<&str>,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<(Vec<PublicationRow>, Option<Cursor>), Failure> {
        let tx = self.models.reader(NAME)?;
        let part = Part::new(workspace, q, limit, after);
        let mut rows = part.rows(&tx, FOR_EVERYBODY)?;
        for publication in opened(&tx, workspace, groups)? {
            rows.extend(part.one(&tx, publication)?);
        }
        rows.sort_by(|(fold, one), (other_fold, other)| {
            (fold, one.id).cmp(&(other_fold, other.id))
        });
        Ok(part.cut(rows))
    }
}

/// The publications of which some groups have a whole line.
fn opened(
    tx: &Connection,
    workspace: &WorkspaceId,
    groups: &HashSet<String>,
) -> rusqlite::Result<BTreeSet<Uuid>> {
    // How many names of a line are still missing.
    let mut missing: HashMap<(Uuid, i64), i64> = HashMap::new();
    let mut opened = BTreeSet::new();
    let mut statement = tx.prepare_cached(
        "SELECT publication, line, names FROM publication_lines WHERE workspace = ?1 AND fold = ?2",
    )?;
    for group in groups {
        let mut rows = statement.query(params![workspace.as_str(), group])?;
        while let Some(row) = rows.next()? {
            let publication = uuid(row, 0)?;
            let left = missing.entry((publication, row.get(1)?)).or_insert(row.get(2)?);
            *left -= 1;
            if *left == 0 {
                opened.insert(publication);
            }
        }
    }
    Ok(opened)
}
