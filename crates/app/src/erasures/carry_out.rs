//! Making an erasure true for every file. Each step may be done twice; a crash in between loses none.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    Decider,
    device::{Changes, DeviceCommand},
    group::GroupCommand,
    ids::{DeviceId, ErasureId, UserId},
    portal::Portal,
    stored,
    user::{Namesake, User, UserEvent},
};
use event_log::{Erasure, EventFilter, Meta, Payload, StoredEvent, StreamId, WorkspaceId};
use projections::RebuildError;
use smol_str::format_smolstr;
use uuid::Uuid;

use super::{device_names::DeviceNames, traces::Traces};
use crate::{App, Order, Refusal};

/// For the log's actor column.
pub(super) const NAME: &str = "erasures";

/// An erasure as it stands in the log.
pub(super) struct Recorded {
    pub(super) event: StoredEvent,
    pub(super) fact: UserEvent,
}

impl App {
    /// Sees to it that nothing is left of somebody who was erased.
    pub(super) async fn carry_out_erasure(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<(), Refusal> {
        let Some(Recorded { event, fact }) = self.recorded_erasure(workspace, user).await? else {
            return Ok(());
        };
        let UserEvent::Erased { erasure, remains, reason, others, all_portals, .. } = fact else {
            return Ok(());
        };
        let go_too: Vec<_> = others.into_iter().filter(|it| all_portals || it.goes_too).collect();
        if !go_too.is_empty() {
            self.erase_others(workspace, &event, reason.as_deref(), (remains.portal, go_too))
                .await?;
        }
        let mut traces = Traces::find(self, workspace, &event.stream, event.version).await?;
        traces.entries.extend(remains.entries.values().map(|entry| entry.0));
        let meta = Meta {
            actor: format_smolstr!("policy:{NAME}"),
            request: None,
            correlation: event.meta.correlation.clone(),
            causation: Some(event.position),
            rule: None,
        };
        let mentions = traces.mentions(self, workspace).await?;
        for (group, pending) in mentions.groups {
            let command = GroupCommand::Drop { pending };
            let (workspace, meta) = (workspace.clone(), meta.clone());
            self.groups.dispatch(Order { workspace, id: group.0, command, meta }).await?;
        }
        if remains.portal == Portal::Mdm {
            self.take_devices(workspace, user, &meta).await?;
        }
        let mut keys = mentions.keys;
        keys.extend(self.take_names(workspace, user, &meta).await?);
        keys.extend(traces.ended(self, workspace, event.position).await?);
        let entries = self.destroy_keys(workspace, &event, erasure, traces, keys).await?;
        self.log.journal().forget(workspace, &entries)?;
        self.purge(workspace).await
    }

    /// Others of the name were to be erased with somebody: so they are, if whoever asked did not come to it.
    async fn erase_others(
        &self,
        workspace: &WorkspaceId,
        event: &StoredEvent,
        reason: Option<&str>,
        (portal, others): (Portal, Vec<Namesake>),
    ) -> Result<(), Refusal> {
        let meta = Meta { causation: Some(event.position), rule: None, ..(*event.meta).clone() };
        let first = Namesake::going(portal, UserId(event.stream.id));
        let all: Vec<_> = [first].into_iter().chain(others.iter().copied()).collect();
        for other in others {
            match self.erase_one(&meta, workspace, other.user, reason, &all).await {
                // Whoever became the last Owner meanwhile stays; the certificate says so.
                Err(Refusal::State(why)) => {
                    tracing::warn!(%workspace, user = %other.user, %why, "a person is not erased");
                }
                erased => drop(erased?),
            }
        }
        Ok(())
    }

    /// Destroys everything that was said of them. Returns the ids by which the journal knows them.
    async fn destroy_keys(
        &self,
        workspace: &WorkspaceId,
        event: &StoredEvent,
        erasure: ErasureId,
        traces: Traces,
        others: BTreeSet<u64>,
    ) -> Result<Vec<Uuid>, Refusal> {
        let Traces { mut keys, mut entries, .. } = traces;
        keys.extend(others);
        entries.insert(event.stream.id);
        // What an attempt that was cut off has found may not be readable any more.
        for known in self.log.ledger().erasures() {
            if known.id == erasure.0 {
                entries.extend(known.entries);
            }
        }
        let entries: Vec<_> = entries.into_iter().collect();
        let erasure = Erasure {
            id: erasure.0,
            workspace: workspace.clone(),
            user: event.stream.id,
            entries: entries.clone(),
            keys: keys.into_iter().collect(),
            at: event.time,
        };
        self.log.erase(erasure).await?;
        // Bodies of requests may be about anybody.
        self.destroy_of_nobody(workspace, self.log.journal().body_keys(workspace)?).await?;
        Ok(entries)
    }

    /// Destroys keys that are of no person in particular. They stand in the ledger in a line of nobody, which no
    /// certificate counts.
    async fn destroy_of_nobody(
        &self,
        workspace: &WorkspaceId,
        keys: impl IntoIterator<Item = u64>,
    ) -> Result<(), Refusal> {
        let keys: Vec<_> = keys.into_iter().collect();
        if !keys.is_empty() {
            self.log.erase(Erasure::of_nobody(workspace.clone(), keys, self.now())).await?;
        }
        Ok(())
    }

    /// Every erasure of a workspace is carried out: what is destroyed and has no line in the ledger gets one,
    /// since a ledger that was lost may have named it, and nobody can tell any more whose it was.
    pub(super) async fn keep_destroyed(&self, workspace: &WorkspaceId) -> Result<(), Refusal> {
        self.destroy_of_nobody(workspace, self.keys_of_nobody(workspace)?).await
    }

    /// An account that is removed leaves no device behind; an offboarding sees to its devices itself.
    async fn take_devices(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        meta: &Meta,
    ) -> Result<(), Refusal> {
        let known = self.users.load(workspace, user.0).await?;
        if known.state.account.stands() || known.state.offboarding.is_some() {
            return Ok(());
        }
        self.read_models.caught_up(projections::mdm::NAME, workspace).await?;
        for device in self.read_models.devices().of_user(workspace, user)? {
            self.take_device(workspace, device.id, meta.clone()).await?;
        }
        Ok(())
    }

    async fn take_device(
        &self,
        workspace: &WorkspaceId,
        device: DeviceId,
        meta: Meta,
    ) -> Result<(), Refusal> {
        let command = DeviceCommand::Change(Changes { user: Some(None), ..Changes::default() });
        let order = Order { workspace: workspace.clone(), id: device.0, command, meta };
        match self.devices.dispatch(order).await.map_err(Refusal::from) {
            // One that is being removed will be nobody's.
            Ok(_) | Err(Refusal::State(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Nothing is called any more what it was called while it was theirs. Returns the keys of such names.
    async fn take_names(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        meta: &Meta,
    ) -> Result<BTreeSet<u64>, Refusal> {
        let names = DeviceNames::find(self, workspace, user).await?;
        for device in names.called {
            let (workspace, meta) = (workspace.clone(), meta.clone());
            let command = DeviceCommand::Unname;
            self.devices.dispatch(Order { workspace, id: device.0, command, meta }).await?;
        }
        Ok(names.keys)
    }

    /// Brings the read models to where nothing is left of rows that are gone.
    async fn purge(&self, workspace: &WorkspaceId) -> Result<(), Refusal> {
        for status in self.read_models.status() {
            if status.workspace == *workspace {
                self.read_models.caught_up(status.projection, workspace).await?;
            }
        }
        self.pasts.forget(&self.read_models).await?;
        let models = Arc::clone(&self.read_models);
        match tokio::task::spawn_blocking(move || models.purge()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(RebuildError::File(failure))) => Err(failure.into()),
            Ok(Err(_)) | Err(_) => Err(Refusal::Stopping),
        }
    }

    /// The erasure of somebody, if they were erased.
    pub(super) async fn recorded_erasure(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<Option<Recorded>, Refusal> {
        let stream = StreamId::new(User::KIND, user.0);
        let filter = EventFilter {
            stream: Some(stream),
            name: Some(super::owed::EVENT),
            ..EventFilter::default()
        };
        let event = self.log.find(workspace, &filter, 0, 1).await?.pop();
        event.map(Recorded::read).transpose()
    }
}

impl Recorded {
    pub(super) fn read(event: StoredEvent) -> Result<Self, Refusal> {
        let Payload::Plain(payload) = &event.payload else { return Err(Refusal::Unreadable) };
        let fact = stored::decode(&event.name, event.schema_version, payload);
        Ok(Self { fact: fact.map_err(|_| Refusal::Unreadable)?, event })
    }
}
