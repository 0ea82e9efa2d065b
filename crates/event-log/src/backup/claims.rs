//! Claims, made anew from the events of a copied log.
//!
//! What a stream holds follows from its events, and how, the caller knows. A stream that nothing can be
//! read of any more holds nothing.

use std::path::Path;

use rusqlite::{Connection, params};
use smol_str::SmolStr;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::claims::ClaimHasher;
use crate::keyfile::{CLAIMS, KeyFile};
use crate::reading;
use crate::rows::{self, Of};
use crate::{Claim, Failure, OpenError, StoredEvent, StreamId, WorkspaceId, schema};

const DOING: &str = "making claims from the events";

/// What a stream with these events holds.
pub type Held<'a> =
    &'a mut dyn FnMut(&StreamId, Vec<StoredEvent>) -> Result<Vec<Claim>, ClaimsError>;

/// A copied log, with its keys, in which nobody else is at work.
pub struct Claims {
    conn: Connection,
    keys: KeyFile,
    hasher: ClaimHasher,
}

/// Why there are no claims.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// Two streams cannot both hold something: the log is not what it was.
    #[error("workspace {workspace}: {stream} holds what another stream holds too")]
    HeldTwice {
        /// Which workspace.
        workspace: WorkspaceId,
        /// The second stream.
        stream: StreamId,
    },
    /// An event does not read, or its key is missing.
    #[error("the event at position {position} does not read")]
    Unreadable {
        /// Its position.
        position: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The storage refused.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl Claims {
    /// Opens `log.db` and `keys.db` of a directory.
    ///
    /// # Errors
    /// When they do not open or do not belong together.
    pub fn open(dir: &Path, master_key: Option<&[u8; 32]>) -> Result<Self, OpenError> {
        let conn = schema::LOG.open(&dir.join("log.db"))?;
        let keys = KeyFile::open(&dir.join("keys.db"), master_key)?;
        let key = keys.secret(CLAIMS)?.and_then(|secret| secret.try_into().ok());
        let hasher = ClaimHasher::new(&Zeroizing::new(key.ok_or(OpenError::OtherKeys)?));
        let sql = "SELECT claims FROM installation";
        let known: [u8; 32] =
            conn.query_row(sql, [], |row| row.get(0)).map_err(Failure::storage(DOING))?;
        if known == hasher.fingerprint() {
            Ok(Self { conn, keys, hasher })
        } else {
            Err(OpenError::OtherKeys)
        }
    }

    /// Makes the claims of a workspace from its events, in the place of those that are there. `progress` is
    /// told how many streams are done.
    ///
    /// # Errors
    /// [`ClaimsError`]: those that were there are there still.
    pub fn make(
        &mut self,
        workspace: &WorkspaceId,
        held: Held<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ClaimsError> {
        let failed = Failure::storage(DOING);
        let tx = self.conn.unchecked_transaction().map_err(&failed)?;
        let (no, streams) = streams(&tx, workspace).map_err(&failed)?;
        tx.execute("DELETE FROM claims WHERE workspace = ?1", [no]).map_err(&failed)?;
        let total = streams.len() as u64;
        for ((stream_no, stream), done) in streams.into_iter().zip(1..) {
            let rows = rows::events(&tx, Of::Stream(stream_no), 0, usize::MAX).map_err(&failed)?;
            let numbers = rows.iter().filter_map(|row| row.key).collect();
            let keys = self.keys.lookup_all(workspace, &numbers)?;
            let events = rows.into_iter().map(|row| reading::open(workspace, row, &keys)).collect();
            for claim in held(&stream, events)? {
                let hash = self.hasher.hash(workspace, &claim);
                let put = tx
                    .prepare_cached(
                        "INSERT INTO claims VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    )
                    .and_then(|mut put| {
                        put.execute(params![no, hash, claim.scope.as_str(), stream_no])
                    });
                if put.map_err(&failed)? == 0 {
                    return Err(ClaimsError::HeldTwice { workspace: workspace.clone(), stream });
                }
            }
            progress(done, total);
        }
        tx.commit().map_err(&failed)?;
        Ok(())
    }

    /// Closes the files.
    pub fn close(self) {
        self.keys.close();
    }
}

/// A workspace's number, and its streams with theirs.
fn streams(
    conn: &Connection,
    workspace: &WorkspaceId,
) -> rusqlite::Result<(i64, Vec<(i64, StreamId)>)> {
    let sql = "SELECT no FROM workspaces WHERE id = ?1";
    let no: i64 = conn.query_row(sql, [workspace.as_str()], |row| row.get(0))?;
    let streams = conn
        .prepare_cached("SELECT no, kind, id FROM streams WHERE workspace = ?1")?
        .query_map([no], |row| {
            let kind = SmolStr::new(row.get_ref(1)?.as_str()?);
            Ok((row.get(0)?, StreamId { kind, id: Uuid::from_bytes(row.get(2)?) }))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok((no, streams))
}
