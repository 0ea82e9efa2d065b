//! Writing how often attributes were seen and when tokens were used.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use smol_str::SmolStr;
use uuid::Uuid;

use super::{Names, Sightings};
use crate::{Micros, WorkspaceId};

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
