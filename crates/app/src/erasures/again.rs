//! What can still be known of somebody whose erasure is recorded again.
//!
//! A log that was restored may be older than an erasure of the ledger. When it is opened the keys are
//! destroyed again, so that nothing of what was said of the person can be read, and no remains stand in
//! the record. What can be read is put together here: the kinds of their events and who did them, the
//! devices that say that they are theirs, and what is owed to devices because of them. No removal that is
//! owed is lost over an erasure: the offboarding begins anew from its actions.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Decider,
    ids::{ConnectorName, DeviceId, EntryId, UserId},
    offboarding::{ActionKind, Offboarding, Planned},
    portal::Portal,
    rule::OnDeactivate,
    user::{AccountState, Again, Remains, Source, User},
    workspace::Workspace,
};
use event_log::{Micros, StoredEvent, StreamId, WorkspaceId};
use projections::effects::ActionRow;

use crate::{App, Refusal, WORKSPACE_STREAM};

/// How many events, or actions, are read at a time.
const CHUNK: usize = 1_000;

/// What the kinds of somebody's events say, and who did them.
#[derive(Default)]
pub(super) struct Outline {
    /// Which connectors acted on them, the first one first.
    connectors: Vec<ConnectorName>,
    /// The connector that brought them, if one did.
    brought_by: Option<ConnectorName>,
    pub(super) account: AccountState,
    pub(super) source: Source,
    /// Where and when their last offboarding began.
    started: Option<(u64, Micros)>,
}

impl Outline {
    fn note(&mut self, event: &StoredEvent) {
        let connector = connector_of(&event.meta.actor);
        if event.version == 1 && event.name == "user.entry_added" {
            self.brought_by.clone_from(&connector);
        }
        self.connectors.extend(connector);
        match event.name.as_str() {
            "user.account_granted" | "user.account_restored" => self.account = AccountState::Active,
            "user.account_invited" => {
                (self.account, self.source) = (AccountState::Active, Source::Hand);
            }
            "user.account_adopted" => self.source = Source::Scim,
            "user.account_suspended" => self.account = AccountState::Suspended,
            "user.account_removed" => self.account = AccountState::Removed,
            "user.offboarding_started" => self.started = Some((event.position, event.time)),
            _ => {}
        }
    }
}

impl App {
    /// What is left of somebody of the ledger, and the devices that they have or that something is owed to.
    pub(super) async fn left_of(
        &self,
        erasure: &event_log::Erasure,
    ) -> Result<(Again, Vec<DeviceId>), Refusal> {
        let (workspace, user) = (&erasure.workspace, UserId(erasure.user));
        let outline = self.outline(workspace, user, u64::MAX).await?;
        let setting = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        let owed = self.owed_to_devices(workspace, user).await?;
        self.read_models.caught_up(projections::mdm::NAME, workspace).await?;
        let theirs = self.read_models.devices().of_user(workspace, user)?;
        let devices: BTreeSet<_> =
            theirs.iter().map(|row| row.id).chain(owed.iter().map(|row| row.device)).collect();
        let known = outline.connectors.iter().find_map(|name| portal_of(&setting.state, name));
        let known = if devices.is_empty() { known } else { Some(Portal::Mdm) };
        let brought_by = outline.brought_by.clone();
        let entries: BTreeMap<_, _> =
            brought_by.map(|it| (it, EntryId(user.0))).into_iter().collect();
        let remains = Remains {
            portal: known.unwrap_or_default(),
            entries,
            aliases: Vec::new(),
            account: outline.account,
            source: outline.source,
            role: None,
            offboarding: self.begun_anew(workspace, &outline, &setting.state, &owed)?,
        };
        let again = Again { remains, erased: erasure.at, portal_is_known: known.is_some() };
        Ok((again, devices.into_iter().collect()))
    }

    /// What somebody's events up to a position are.
    pub(super) async fn outline(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        upto: u64,
    ) -> Result<Outline, Refusal> {
        let stream = StreamId::new(User::KIND, user.0);
        let (mut outline, mut after) = (Outline::default(), 0);
        loop {
            let events = self.log.read_stream(workspace, &stream, after, CHUNK).await?;
            let by_then = events.iter().filter(|event| event.position <= upto);
            by_then.for_each(|event| outline.note(event));
            match events.last() {
                Some(last) if events.len() == CHUNK => after = last.version,
                _ => return Ok(outline),
            }
        }
    }

    /// What is owed to devices because of somebody, in the order in which it was requested.
    async fn owed_to_devices(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<Vec<ActionRow>, Refusal> {
        self.read_models.caught_up(projections::effects::NAME, workspace).await?;
        let (mut owed, mut after) = (Vec::new(), 0);
        loop {
            let rows = self.read_models.effects().actions(workspace, None, after, CHUNK)?;
            let (last, found) = (rows.last().map(|row| row.position), rows.len());
            owed.extend(rows.into_iter().filter(|row| row.user == user && !row.state.ended()));
            match last {
                Some(last) if found == CHUNK => after = last,
                _ => return Ok(owed),
            }
        }
    }

    /// The offboarding that actions are owed by: the last one, since an older one has ended.
    fn begun_anew(
        &self,
        workspace: &WorkspaceId,
        outline: &Outline,
        setting: &Workspace,
        owed: &[ActionRow],
    ) -> Result<Option<Offboarding>, Refusal> {
        let Some(last) = owed.last() else { return Ok(None) };
        let all = self.read_models.effects().actions_of(workspace, last.offboarding)?;
        let (rule, policy) = match last.kind {
            ActionKind::Remove => (OnDeactivate::RemoveUserAndDevices, None),
            ActionKind::ChangePolicy { policy } => (OnDeactivate::ChangePolicy, Some(policy)),
            ActionKind::Unassign => (OnDeactivate::RemoveUser, None),
        };
        let mut mdm = setting.connectors.keys().chain(setting.removed.keys());
        let mdm = mdm.find(|name| portal_of(setting, name) == Some(Portal::Mdm));
        // An offboarding has a connector, so that there is one.
        let Some(connector) = outline.connectors.last().or(mdm).cloned() else { return Ok(None) };
        let (started, began) = outline.started.unwrap_or((last.position, last.requested_at));
        Ok(Some(Offboarding {
            id: last.offboarding,
            started,
            connector,
            rule,
            policy,
            held: false,
            approved: false,
            planned: all.iter().map(|row| Planned { action: row.id, device: row.device }).collect(),
            completed: false,
            began,
            ended: None,
            hold: None,
        }))
    }

    /// Whether the ledger says that somebody was erased. As long as the record does not, nothing is known of
    /// what is owed because of them, and nothing of it may be taken back.
    pub fn ledger_names(&self, workspace: &WorkspaceId, user: UserId) -> bool {
        let erasures = self.log.ledger().erasures();
        erasures.iter().any(|it| it.workspace == *workspace && it.user == user.0)
    }
}

fn portal_of(setting: &Workspace, name: &ConnectorName) -> Option<Portal> {
    let known = setting.connectors.get(name).map(|it| it.portal);
    known.or_else(|| setting.removed.get(name).map(|it| it.portal))
}

/// The connector that did something, if one did.
fn connector_of(actor: &str) -> Option<ConnectorName> {
    let (connector, _) = actor.strip_prefix("connector:")?.split_once('/')?;
    ConnectorName::parse(connector).ok()
}
