//! What the facts of publications do to their rows.

#![deny(clippy::wildcard_enum_match_arm)]

use domain::{group_filter::GroupFilter, publication::PublicationEvent};
use rusqlite::{Transaction, params};

use crate::{
    Recorded,
    sql::{length, to_json},
};

pub(super) fn publication(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &PublicationEvent,
) -> rusqlite::Result<()> {
    let (workspace, id) = (event.workspace.as_str(), event.stream.as_bytes());
    match fact {
        PublicationEvent::Published { name, groups } => {
            tx.prepare_cached("INSERT INTO publications VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                .execute(params![
                    workspace,
                    id,
                    name,
                    scim::fold::text(name),
                    groups.is_everybody(),
                    to_json(groups)?,
                    event.at,
                ])?;
            add_lines(tx, event, groups)
        }
        PublicationEvent::Renamed { name } => {
            tx.prepare_cached(
                "UPDATE publications SET name = ?3, name_fold = ?4 WHERE workspace = ?1 AND id = ?2",
            )?
            .execute(params![workspace, id, name, scim::fold::text(name)])?;
            Ok(())
        }
        PublicationEvent::VisibilitySet { groups } => {
            tx.prepare_cached(
                "UPDATE publications SET everybody = ?3, groups = ?4
                 WHERE workspace = ?1 AND id = ?2",
            )?
            .execute(params![
                workspace,
                id,
                groups.is_everybody(),
                to_json(groups)?
            ])?;
            remove_lines(tx, event)?;
            add_lines(tx, event, groups)
        }
        PublicationEvent::Withdrawn {} => {
            tx.prepare_cached("DELETE FROM publications WHERE workspace = ?1 AND id = ?2")?
                .execute(params![workspace, id])?;
            remove_lines(tx, event)
        }
    }
}

fn add_lines(tx: &Transaction<'_>, event: &Recorded, groups: &GroupFilter) -> rusqlite::Result<()> {
    let mut insert =
        tx.prepare_cached("INSERT INTO publication_lines VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (line, names) in groups.folded().iter().enumerate() {
        for name in names {
            insert.execute(params![
                event.workspace.as_str(),
                name,
                event.stream.as_bytes(),
                length(line),
                length(names.len()),
            ])?;
        }
    }
    Ok(())
}

fn remove_lines(tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
    tx.prepare_cached(
        // Without the hint all lines of the workspace are looked at.
        "DELETE FROM publication_lines INDEXED BY publication_lines_of
         WHERE workspace = ?1 AND publication = ?2",
    )?
    .execute(params![event.workspace.as_str(), event.stream.as_bytes()])?;
    Ok(())
}
