//! What proves the record: signed checkpoints, proofs about the tree, and exports (rule 31).

use backup::moving::past_keys;
use event_log::{Hash, Inclusion, TreeHead, WorkspaceId};
use record::{Note, PublicKey, export::Line};

use super::events::{EventQuery, Moment};
use crate::{App, Notary, Refusal, WORKSPACE_STREAM};

/// Proof that an event is in a workspace's tree.
#[derive(Clone, Debug)]
pub struct Included {
    /// The tree that it is in.
    pub head: TreeHead,
    /// The leaf hash, and the way from it to the root.
    pub proof: Inclusion,
}

/// Proof that a workspace's tree was only ever added to.
#[derive(Clone, Debug)]
pub struct Consistent {
    /// The earlier tree.
    pub from: TreeHead,
    /// The later one.
    pub to: TreeHead,
    /// What leads from one to the other.
    pub path: Vec<Hash>,
}

/// A part of an export.
#[derive(Debug)]
pub struct ExportPart {
    /// In order.
    pub lines: Vec<Line>,
    /// After which position to go on; `None` when everything was looked at.
    pub next: Option<u64>,
}

impl App {
    /// What signs checkpoints.
    pub fn notary(&self) -> &Notary {
        &self.notary
    }

    /// A signed checkpoint of a workspace as it is now, or as it was when it had `size` events.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a size beyond the head.
    pub async fn signed_checkpoint(
        &self,
        workspace: &WorkspaceId,
        size: Option<u64>,
    ) -> Result<Note, Refusal> {
        let head = self.tree_at("size", workspace, size).await?;
        Ok(self.notary.sign(workspace, head))
    }

    /// Every key that has signed checkpoints of a workspace, oldest first: those of the installations that
    /// it came from, then those of this one.
    ///
    /// # Errors
    /// When the file of the keys is damaged.
    pub async fn signing_keys(&self, workspace: &WorkspaceId) -> Result<Vec<PublicKey>, Refusal> {
        let known = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        let mut keys = past_keys(&known.state.origins)?;
        keys.extend(self.notary.keys(workspace)?);
        Ok(keys)
    }

    /// Replaces the key that signs, for every workspace.
    ///
    /// # Errors
    /// When the file of the keys cannot be written: the key is the one before.
    pub async fn rotate_signing_key(&self) -> Result<(), Refusal> {
        let mut heads = Vec::new();
        for (workspace, _) in self.log.heads() {
            let head = self.log.tree(&workspace).await?;
            heads.push((workspace, head));
        }
        self.notary.rotate(&heads, self.now())?;
        Ok(())
    }

    /// Proof that an event is in the tree of the first `size` events; of all, unless said.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a position or a size that is not there.
    pub async fn prove_inclusion(
        &self,
        workspace: &WorkspaceId,
        position: u64,
        size: Option<u64>,
    ) -> Result<Included, Refusal> {
        let head = self.tree_at("size", workspace, size).await?;
        let proof = self.log.inclusion(workspace, position, head.size).await?;
        let proof = proof.ok_or_else(|| beyond("position", 1, head.size))?;
        Ok(Included { head, proof })
    }

    /// Proof that the tree of the first `to` events, of all unless said, begins with that of the
    /// first `from`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for sizes that are not there, or not in order.
    pub async fn prove_consistency(
        &self,
        workspace: &WorkspaceId,
        from: u64,
        to: Option<u64>,
    ) -> Result<Consistent, Refusal> {
        let to = self.tree_at("to", workspace, to).await?;
        let path = self.log.consistency(workspace, from, to.size).await?;
        let path = path.ok_or_else(|| beyond("from", 0, to.size))?;
        let from = self.tree_at("from", workspace, Some(from)).await?;
        Ok(Consistent { from, to, path })
    }

    /// A part of an export of the first `size` events: like a part of the record, with what the
    /// leaves cover, and with proofs where they are asked for.
    ///
    /// # Errors
    /// As for [`App::events`].
    pub async fn export(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
        size: u64,
        prove: bool,
    ) -> Result<ExportPart, Refusal> {
        let upto = match query.to {
            None => size,
            Some(moment) => self.position_at(workspace, moment).await?.min(size),
        };
        let query = EventQuery { to: Some(Moment::Position(upto)), ..query.clone() };
        let part = self.events(workspace, &query).await?;
        let positions: Vec<_> = part.items.iter().map(|event| event.position).collect();
        let kept = self.log.kept(workspace, positions).await?;
        let mut lines = Vec::with_capacity(kept.len());
        for (event, kept) in part.items.iter().zip(&kept) {
            let mut path = None;
            if prove {
                let proof = self.log.inclusion(workspace, event.position, size).await?;
                path = proof.map(|proof| proof.path);
                // Reading does not wait, and others want the thread too.
                tokio::task::yield_now().await;
            }
            lines.push(Line::new(event, kept, path.as_deref()));
        }
        Ok(ExportPart { lines, next: part.next })
    }

    async fn tree_at(
        &self,
        name: &str,
        workspace: &WorkspaceId,
        size: Option<u64>,
    ) -> Result<TreeHead, Refusal> {
        let Some(size) = size else { return Ok(self.log.tree(workspace).await?) };
        let head = self.log.tree_at(workspace, size).await?;
        head.ok_or_else(|| beyond(name, 0, self.log.head(workspace)))
    }
}

fn beyond(name: &str, first: u64, last: u64) -> Refusal {
    Refusal::Malformed(format!("{name}: must be {first} to {last}"))
}
