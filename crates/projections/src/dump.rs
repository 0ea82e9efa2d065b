//! Rows as text, in an order of their own: for snapshots, for parity, and for whoever wants to look.
//!
//! One line for each row, columns apart by a tab, with tabs, line ends and backslashes written as
//! `\t`, `\n` and `\\`, absent values as `\N`, ids as ids. Two files with the same rows give the same
//! text, whatever order workspaces took turns in while they were filled.

use std::{borrow::Cow, fmt::Write as _, io::Write};

use event_log::WorkspaceId;
use rusqlite::{Connection, Row, types::ValueRef};
use uuid::Uuid;

use crate::{Failure, Projection, ReadModels, Table};

impl ReadModels {
    /// Writes all rows of a projection, of one workspace or of all, under headings.
    ///
    /// # Errors
    /// When the read model cannot be read, or `out` refuses.
    pub fn dump(
        &self,
        name: &str,
        workspace: Option<&WorkspaceId>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let seat = self.seat(name);
        let tx = seat.reader()?;
        let all = || self.shop.log.heads().into_iter().map(|(workspace, _)| workspace);
        let mut workspaces: Vec<_> =
            workspace.map_or_else(|| all().collect(), |it| vec![it.clone()]);
        workspaces.sort();
        for workspace in &workspaces {
            dump(&tx, seat.projection, workspace, out)?;
        }
        Ok(())
    }
}

/// Writes all rows of a workspace.
pub(crate) fn dump(
    connection: &Connection,
    projection: &dyn Projection,
    workspace: &WorkspaceId,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for table in projection.tables() {
        writeln!(out, "[{workspace} {}]", table.name)?;
        lines(connection, table, workspace, |line| writeln!(out, "{line}").map_err(Failure::from))?;
    }
    Ok(())
}

/// Gives each row of a table to `each`, as a line.
pub(crate) fn lines<E: From<rusqlite::Error>>(
    connection: &Connection,
    table: &Table,
    workspace: &WorkspaceId,
    mut each: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = connection.prepare(table.rows)?;
    let columns = statement.column_count();
    let mut rows = statement.query([workspace.as_str()])?;
    let mut text = String::new();
    while let Some(row) = rows.next()? {
        line(row, columns, &mut text)?;
        each(&text)?;
    }
    Ok(())
}

/// Writes a row as a line.
pub(crate) fn line(row: &Row<'_>, columns: usize, text: &mut String) -> rusqlite::Result<()> {
    text.clear();
    for column in 0..columns {
        if column > 0 {
            text.push('\t');
        }
        // Writing to a text cannot fail.
        let _ = match row.get_ref(column)? {
            ValueRef::Null => text.write_str("\\N"),
            ValueRef::Integer(number) => write!(text, "{number}"),
            ValueRef::Real(number) => write!(text, "{number}"),
            ValueRef::Text(bytes) => text.write_str(&escaped(&String::from_utf8_lossy(bytes))),
            ValueRef::Blob(bytes) => match Uuid::from_slice(bytes) {
                Ok(id) => write!(text, "{id}"),
                Err(_) => bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}")),
            },
        };
    }
    Ok(())
}

fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['\t', '\n', '\\']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n"))
}
