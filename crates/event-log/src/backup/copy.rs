//! Events, from one log to another that has a part of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use crate::readers::Readers;
use crate::rows::{Of, events, unsigned};
use crate::tree::Edge;
use crate::verify::Verification;
use crate::{Failure, Fault, Hash, Micros, OpenError, TreeHead, Verdict, WorkspaceId};
use crate::{find, nodes, schema};

use super::Upto;
use super::page::{NEW, Target, leaf_of};

/// How many events are read at a time, and written in one transaction.
pub(super) const PAGE: usize = 1_000;

const DOING: &str = "copying the log";

/// A log that is copied, and the copy.
pub struct Copying {
    pub(super) from: Connection,
    pub(super) into: Connection,
    /// The file of the copy, to be synchronised at the end.
    into_path: PathBuf,
}

/// What a copy has of a workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copied {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// What it has now.
    pub head: TreeHead,
    before: Edge,
}

impl Copied {
    /// How many events it had before.
    pub fn before(&self) -> u64 {
        self.before.size()
    }
}

/// Why nothing was copied, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Uncopied {
    /// What is there is the copy of another log, or of this one before it was set back.
    #[error(
        "workspace {0}: the copy has events that the log does not have: choose another directory"
    )]
    OtherHistory(WorkspaceId),
    /// The two belong to different installations.
    #[error("the copy is of another installation: choose another directory")]
    OtherInstallation,
    /// The log itself is damaged.
    #[error("workspace {workspace}: {} at position {:?}", fault.what, fault.position)]
    Broken {
        /// Which workspace.
        workspace: WorkspaceId,
        /// What is wrong, and where.
        fault: Fault,
    },
    /// A file could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The storage refused.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<rusqlite::Error> for Uncopied {
    fn from(error: rusqlite::Error) -> Self {
        Failure::storage(DOING)(error).into()
    }
}

/// What is to be copied of a workspace.
struct Part {
    target: Target,
    checkpoints: Vec<(String, u64)>,
    size: u64,
    /// Whether there is more.
    is_cut: bool,
}

impl Copying {
    /// Opens the `log.db` of one directory for reading and that of another to be added to; makes this one
    /// when it is missing.
    ///
    /// # Errors
    /// [`Uncopied::OtherInstallation`], and when a file does not open.
    pub fn open(from: &Path, into: &Path) -> Result<Self, Uncopied> {
        Self::open_as(from, into, None)
    }

    /// The same, but the copy is of another installation, of which this is the fingerprint.
    pub(crate) fn open_as(
        from: &Path,
        into: &Path,
        installation: Option<Hash>,
    ) -> Result<Self, Uncopied> {
        let into_path = into.join("log.db");
        let from = schema::open_reader(&from.join("log.db"))?;
        let into = schema::LOG.open(&into_path)?;
        // A power cut may cost the last pages, and damages nothing: what is missing is copied again.
        into.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1000;")?;
        let claims = |conn: &Connection| -> rusqlite::Result<Option<Hash>> {
            conn.query_row("SELECT claims FROM installation", [], |row| row.get(0)).optional()
        };
        let meant = match installation {
            Some(other) => Some(other),
            None => claims(&from)?,
        };
        match (meant, claims(&into)?) {
            (Some(known), None) => {
                into.execute("INSERT INTO installation VALUES (?1)", [known])?;
            }
            (known, there) if known == there => {}
            _ => return Err(Uncopied::OtherInstallation),
        }
        let there = heads(&from)?;
        let stranger =
            heads(&into)?.into_iter().find(|(it, _)| !there.iter().any(|(known, _)| known == it));
        match stranger {
            Some((workspace, _)) => Err(Uncopied::OtherHistory(workspace)),
            None => Ok(Self { from, into, into_path }),
        }
    }

    /// The workspaces of the log and how many events each has now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn heads(&self) -> Result<Vec<(WorkspaceId, u64)>, Failure> {
        heads(&self.from).map_err(Failure::storage(DOING))
    }

    /// The last position of a workspace that was recorded at a time or before it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn position_at(&self, workspace: &WorkspaceId, time: Micros) -> Result<u64, Failure> {
        let found = || match number(&self.from, workspace)? {
            Some(no) => find::position_at(&self.from, no, time),
            None => Ok(0),
        };
        found().map_err(Failure::storage(DOING))
    }

    /// When the event at a position was recorded.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn time_of(
        &self,
        workspace: &WorkspaceId,
        position: u64,
    ) -> Result<Option<Micros>, Failure> {
        let found = || -> rusqlite::Result<_> {
            let Some(no) = number(&self.from, workspace)? else { return Ok(None) };
            let event = events(&self.from, Of::Workspace(no), position.saturating_sub(1), 1)?;
            Ok(event.first().map(|event| event.transaction.time))
        };
        found().map_err(Failure::storage(DOING))
    }

    /// Copies the first events of some workspaces, as far as the copy lacks them: up to the numbers given,
    /// or to the end of the last commit before; without a number, all that there are. `progress` is told
    /// how many events are done, of how many.
    ///
    /// Workspaces that are not named stay as they are. How far policies have come is copied with them.
    ///
    /// # Errors
    /// [`Uncopied`]; what was copied before that is sound, and a further call goes on from there.
    pub fn copy(
        &self,
        upto: &[Upto],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Copied>, Uncopied> {
        let mut parts = Vec::new();
        for (workspace, size) in upto {
            let target = self.target(workspace)?;
            // Read before the events: what follows from an event is recorded before policies are past it.
            let checkpoints = checkpoints(&self.from, target.from)?;
            let head = head(&self.from, target.from)?;
            let is_cut = size.is_some_and(|size| size < head);
            let size = size.map_or(head, |size| size.min(head));
            parts.push(Part { target, checkpoints, size, is_cut });
        }
        let total = parts.iter().map(|it| it.size.saturating_sub(it.target.edge.size())).sum();
        let (mut done, mut copied) = (0, Vec::new());
        for Part { mut target, checkpoints, size, is_cut } in parts {
            let before = target.edge.clone();
            while target.edge.size() < size {
                let page = self.page(&mut target, size)?;
                if page == 0 {
                    break;
                }
                done += page;
                progress(done, total);
            }
            if !self.is_beginning(&target)? {
                let fault = Fault { position: None, what: "the tree is not what its events make" };
                return Err(Uncopied::Broken { workspace: target.workspace, fault });
            }
            if target.into != NEW {
                self.put_checkpoints(&target, checkpoints, is_cut)?;
            }
            let Target { workspace, edge, .. } = target;
            copied.push(Copied { workspace, before, head: edge.head() });
        }
        Ok(copied)
    }

    /// Size and root of the log's first `size` events, made from these. Nothing is copied.
    ///
    /// # Errors
    /// [`Uncopied::Broken`] when one of them is missing or does not fit its leaf hash.
    pub fn tree(&self, workspace: &WorkspaceId, size: u64) -> Result<TreeHead, Uncopied> {
        let broken = |position, what| Uncopied::Broken {
            workspace: workspace.clone(),
            fault: Fault { position: Some(position), what },
        };
        let no = number(&self.from, workspace)?.unwrap_or_default();
        let mut edge = Edge::default();
        while edge.size() < size {
            let limit = usize::try_from(size - edge.size()).unwrap_or(PAGE).min(PAGE);
            let page = events(&self.from, Of::Workspace(no), edge.size(), limit)?;
            if page.is_empty() {
                return Err(broken(edge.size() + 1, "the event is missing"));
            }
            for event in page {
                let position = edge.size() + 1;
                if event.position != position || leaf_of(workspace, &event) != event.leaf {
                    return Err(broken(position, "the event does not fit its leaf hash"));
                }
                edge.push(event.leaf);
            }
        }
        Ok(edge.head())
    }

    /// Reads back what was added, from where the copy was before, and compares it with itself and with
    /// what was meant to be in it.
    ///
    /// # Errors
    /// [`Uncopied::Broken`].
    pub fn check(&self, copied: &Copied) -> Result<(), Uncopied> {
        let Copied { workspace, before, head } = copied;
        let fault = |fault| Uncopied::Broken { workspace: workspace.clone(), fault };
        let readers = Readers::new(self.into_path.clone());
        let verification = Verification::new(&readers, workspace)?;
        let Some(verification) = verification else { return Ok(()) };
        let mut verification = verification.after(before.clone());
        loop {
            match verification.step()? {
                None => {}
                Some(Verdict::Broken(it)) => return Err(fault(it)),
                Some(Verdict::Sound(it)) if it == *head => return Ok(()),
                Some(Verdict::Sound(_)) => {
                    let what = "the copy is another than what was copied";
                    return Err(fault(Fault { position: None, what }));
                }
            }
        }
    }

    /// Brings the copy into one file, on disk.
    ///
    /// # Errors
    /// When that fails.
    pub fn finish(self) -> Result<(), Failure> {
        let failed = Failure::storage(DOING);
        self.into
            .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
            .map_err(Failure::storage(DOING))?;
        self.into.close().map_err(|(_, error)| failed(error))?;
        super::small::sync(&self.into_path).map_err(Failure::storage(DOING))
    }

    /// A workspace of the log, with what the copy has of it.
    fn target(&self, workspace: &WorkspaceId) -> Result<Target, Uncopied> {
        let from = number(&self.from, workspace)?;
        let from = from.ok_or_else(|| Uncopied::OtherHistory(workspace.clone()))?;
        let known = self
            .into
            .prepare_cached("SELECT no, head, time, key, edge FROM workspaces WHERE id = ?1")?
            .query_row([workspace.as_str()], |row| {
                let edge = Edge::from_bytes(unsigned(row, 1)?, &row.get::<_, Vec<u8>>(4)?);
                Ok((row.get(0)?, row.get(2)?, unsigned(row, 3)?, edge))
            })
            .optional()?;
        let (workspace, streams) = (workspace.clone(), HashMap::new());
        let Some((into, time, key, edge)) = known else {
            let (into, time, key, edge) = (NEW, Micros::MIN, 0, Edge::default());
            return Ok(Target { workspace, from, into, edge, time, key, streams });
        };
        let what = "the edge of the copy's tree does not fit its size";
        let broken = || Fault { position: None, what };
        let edge =
            edge.ok_or_else(|| Uncopied::Broken { workspace: workspace.clone(), fault: broken() })?;
        let target = Target { workspace, from, into, edge, time, key, streams };
        if self.is_beginning(&target)? {
            Ok(target)
        } else {
            Err(Uncopied::OtherHistory(target.workspace))
        }
    }

    /// Whether the log's first events are those of the copy, as far as the log's own tree says.
    fn is_beginning(&self, target: &Target) -> rusqlite::Result<bool> {
        let size = target.edge.size();
        if size > head(&self.from, target.from)? {
            return Ok(false);
        }
        let root = nodes::subtree(&self.from, target.from, 0..size)?;
        Ok(size == 0 || root == Some(target.edge.head().root))
    }
}

fn heads(conn: &Connection) -> rusqlite::Result<Vec<(WorkspaceId, u64)>> {
    conn.prepare_cached("SELECT id, head FROM workspaces ORDER BY id")?
        .query_map([], |row| Ok((row.get::<_, String>(0)?, unsigned(row, 1)?)))?
        .filter_map(|row| {
            let parse = |(id, head): (String, u64)| Some((WorkspaceId::parse(&id).ok()?, head));
            row.map(parse).transpose()
        })
        .collect()
}

fn head(conn: &Connection, workspace: i64) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT head FROM workspaces WHERE no = ?1")?
        .query_row([workspace], |row| unsigned(row, 0))
}

/// The file's number of a workspace.
fn number(conn: &Connection, workspace: &WorkspaceId) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT no FROM workspaces WHERE id = ?1")?
        .query_row([workspace.as_str()], |row| row.get(0))
        .optional()
}

fn checkpoints(conn: &Connection, workspace: i64) -> rusqlite::Result<Vec<(String, u64)>> {
    conn.prepare_cached("SELECT name, position FROM checkpoints WHERE workspace = ?1")?
        .query_map([workspace], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?
        .collect()
}

/// Completes or rolls back in the `log.db` of a directory what was cut off there. Nobody may have it open.
///
/// # Errors
/// When the file does not open.
pub fn make_sound(dir: &Path) -> Result<(), OpenError> {
    schema::LOG.open(&dir.join("log.db")).map(drop)
}

/// Size and root of the first `size` events of a workspace in the `log.db` of a directory, as its tree says.
/// `None` when there are not so many.
///
/// # Errors
/// When the file cannot be read.
pub fn tree_at(
    dir: &Path,
    workspace: &WorkspaceId,
    size: u64,
) -> Result<Option<TreeHead>, Failure> {
    let found = || -> rusqlite::Result<_> {
        let conn = schema::open_reader(&dir.join("log.db"))?;
        let Some(no) = number(&conn, workspace)? else { return Ok(None) };
        if size > head(&conn, no)? {
            return Ok(None);
        }
        let root = nodes::subtree(&conn, no, 0..size)?;
        Ok(root.map(|root| TreeHead { size, root }))
    };
    found().map_err(Failure::storage(DOING))
}
