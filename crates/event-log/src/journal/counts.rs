//! How often attributes were seen, and when tokens were used last: recording, writing and reading it.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use smol_str::SmolStr;
use uuid::Uuid;

use super::{Journal, Names};
use crate::{Failure, Micros, WorkspaceId};

/// How often an attribute was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sightings {
    /// When last.
    pub last_seen: Micros,
    /// In how many requests.
    pub count: u64,
}

/// The sightings of a connector's attributes, by namespace and key.
pub type AttributeHistory = HashMap<(SmolStr, SmolStr), Sightings>;

impl Journal {
    /// Records that a request of a connector carried attributes: namespaces with keys. Never waits
    /// for the disk.
    pub fn attributes_seen<'n>(
        &self,
        workspace: &WorkspaceId,
        connector: &str,
        names: impl IntoIterator<Item = (&'n str, &'n str)>,
        at: Micros,
    ) {
        self.inner.add(|waiting| {
            for (namespace, key) in names {
                waiting.attribute(workspace, connector, namespace, key, at);
            }
        });
    }

    /// Records that a token was used. Never waits for the disk.
    pub fn token_used(&self, workspace: &WorkspaceId, token: Uuid, at: Micros) {
        self.inner.add(|waiting| waiting.token(workspace, token, at));
    }

    /// Records that a person's access to the API was used. Never waits for the disk.
    pub fn access_used(&self, access: Uuid, at: Micros) {
        self.token_used(&WorkspaceId::installation(), access, at);
    }

    /// How often each attribute of a connector was seen, and when last.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn attribute_history(
        &self,
        workspace: &WorkspaceId,
        connector: &str,
    ) -> Result<AttributeHistory, Failure> {
        self.inner.read("reading how often attributes were seen", |conn| {
            conn.prepare_cached(
                "SELECT namespace, key, last_seen, count FROM attributes
                 WHERE workspace = ?1 AND connector = ?2",
            )?
            .query_map(params![workspace.as_str(), connector], |row| {
                let name = (text(row, 0)?, text(row, 1)?);
                let count = row.get::<_, i64>(3)?.unsigned_abs();
                Ok((name, Sightings { last_seen: row.get(2)?, count }))
            })?
            .collect()
        })
    }

    /// When each token of a workspace was last used; those that never were are missing.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn token_uses(&self, workspace: &WorkspaceId) -> Result<HashMap<Uuid, Micros>, Failure> {
        self.inner.read("reading when tokens were used", |conn| {
            conn.prepare_cached("SELECT token, last_used FROM tokens WHERE workspace = ?1")?
                .query_map([workspace.as_str()], |row| {
                    Ok((Uuid::from_bytes(row.get(0)?), row.get(1)?))
                })?
                .collect()
        })
    }

    /// When each access to the API was last used; those that never were are missing.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn access_uses(&self) -> Result<HashMap<Uuid, Micros>, Failure> {
        self.token_uses(&WorkspaceId::installation())
    }
}

/// Adds what waits to what there is.
pub(super) fn store(
    conn: &mut Connection,
    attributes: &HashMap<WorkspaceId, HashMap<SmolStr, Names>>,
    tokens: &HashMap<WorkspaceId, HashMap<Uuid, Micros>>,
) -> rusqlite::Result<()> {
    let tx = conn.transaction()?;
    for (workspace, connectors) in attributes {
        for (connector, names) in connectors {
            for (namespace, keys) in names {
                for (key, Sightings { last_seen, count }) in keys {
                    tx.prepare_cached(
                        "INSERT INTO attributes VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                         ON CONFLICT DO UPDATE SET count = count + excluded.count,
                             last_seen = max(last_seen, excluded.last_seen)",
                    )?
                    .execute(params![
                        workspace.as_str(),
                        connector.as_str(),
                        namespace.as_str(),
                        key.as_str(),
                        last_seen,
                        i64::try_from(*count).unwrap_or(i64::MAX),
                    ])?;
                }
            }
        }
    }
    for (workspace, tokens) in tokens {
        for (token, last_used) in tokens {
            tx.prepare_cached(
                "INSERT INTO tokens VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET last_used = max(last_used, excluded.last_used)",
            )?
            .execute(params![workspace.as_str(), token.as_bytes(), last_used])?;
        }
    }
    tx.commit()
}

fn text(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<SmolStr> {
    Ok(row.get_ref(index)?.as_str()?.into())
}
