//! What SCIM is answered while the directory holds something back
//! ([decision 13](../../../docs/decisions/0013-held-events.md)).
//!
//! Whatever concerns a held user or group is answered 503: what is known of it is old, and an old answer
//! would be believed. What certainly does not concern it is answered as ever.

use std::{collections::HashSet, ops::Deref, sync::Arc};

use domain::{
    Claim, Decider,
    group::Group,
    ids::{EntryId, GroupId, UserId},
    user::User,
    workspace::Skip,
};
use event_log::{EventLog, StreamId, WorkspaceId};
use projections::{
    HeldStream, Stale,
    directory::{Ask, Directory, Listed, Members, NAME, Named, Row},
};
use scim::schema::Kind;
use uuid::Uuid;

use crate::{App, Caller, DispatchError, Refusal, WORKSPACE_STREAM, write::decide::to_log};

/// The directory as a connector sees it, and what is held back of it.
pub(crate) struct Shown<'a> {
    pub(crate) directory: Directory<'a>,
    pub(crate) kept_back: KeptBack,
}

/// What is held back.
pub(crate) struct KeptBack {
    held: Arc<[HeldStream]>,
    /// The SCIM ids that may be of something held: ids of streams, and of the entries that are known.
    ids: HashSet<Uuid>,
}

impl App {
    /// The directory, once it has seen what is in the log.
    pub(crate) async fn shown(&self, caller: &Caller) -> Result<Shown<'_>, Refusal> {
        self.shown_to(caller, self.log.head(&caller.workspace)).await
    }

    /// The directory, once it has seen the log up to a position.
    pub(crate) async fn shown_to(
        &self,
        caller: &Caller,
        position: u64,
    ) -> Result<Shown<'_>, Refusal> {
        let Caller { workspace, connector, .. } = caller;
        let held = self.read_models.followed_to(NAME, workspace, position).await?;
        let directory = self.read_models.directory();
        let mut ids = HashSet::new();
        for held in &*held {
            ids.insert(held.stream);
            if held.kind == User::KIND {
                let entry = directory.entry_of(workspace, connector, UserId(held.stream))?;
                ids.extend(entry.map(|entry| entry.0));
            }
        }
        Ok(Shown { directory, kept_back: KeptBack { held, ids } })
    }

    /// Refuses a list that might lack what is held, show it as it was, or be chosen by it.
    pub(crate) async fn refuse_held(
        &self,
        caller: &Caller,
        shown: &Shown<'_>,
        ask: &Ask<'_>,
    ) -> Result<(), Refusal> {
        if shown.held.is_empty() {
            return Ok(());
        }
        self.refuse_chosen_by_held(caller, shown, ask).await?;
        let mut kinds = ask.kinds.iter().map(|kind| match kind {
            Kind::User => User::KIND,
            Kind::Group => Group::KIND,
        });
        let Some(held) = kinds.find_map(|kind| shown.of_kind(kind)) else { return Ok(()) };
        let Some(names) = ask.names() else { return Err(stale(held)) };
        for name in names {
            let claim = match name {
                Named::Id(id) if shown.ids.contains(&id) => return Err(stale(held)),
                Named::Id(id) => Claim::alias(EntryId(id)),
                Named::UserName(name) => Claim::entry(&caller.connector, &name),
                Named::DisplayName(name) => Claim::group(&caller.connector, &name),
            };
            // The log knows who has a name, whatever a read model knows.
            let holder = self.log.claim_holder(&caller.workspace, &to_log(&claim)).await?;
            shown.refuse(holder.map(|holder| holder.id))?;
        }
        Ok(())
    }

    /// Refuses a list of groups that something held decides about as a member, and one of users that are
    /// chosen by their groups while a group is held.
    async fn refuse_chosen_by_held(
        &self,
        caller: &Caller,
        shown: &Shown<'_>,
        ask: &Ask<'_>,
    ) -> Result<(), Refusal> {
        if ask.kinds.contains(&Kind::User) && ask.speaks_of("groups") {
            shown.refuse_if_held(Group::KIND)?;
        }
        if !ask.kinds.contains(&Kind::Group) {
            return Ok(());
        }
        match ask.members() {
            Members::Nobody => {}
            Members::These(ids) => {
                for id in ids {
                    shown.refuse([id])?;
                    refuse_missing(&*self.log, &caller.workspace, shown, EntryId(id)).await?;
                }
            }
            Members::All => {
                shown.refuse_if_held(User::KIND)?;
                shown.refuse_if_held(Group::KIND)?;
            }
        }
        Ok(())
    }
}

impl Deref for Shown<'_> {
    type Target = KeptBack;

    fn deref(&self) -> &KeptBack {
        &self.kept_back
    }
}

impl KeptBack {
    /// Something of a kind that is held.
    fn of_kind(&self, kind: &str) -> Option<&HeldStream> {
        self.held.iter().find(|held| held.kind == kind)
    }

    /// Refuses what is about one of these, if it is held.
    pub(crate) fn refuse(&self, ids: impl IntoIterator<Item = Uuid>) -> Result<(), Refusal> {
        if self.held.is_empty() || !ids.into_iter().any(|id| self.ids.contains(&id)) {
            return Ok(());
        }
        self.held.first().map_or(Ok(()), |held| Err(stale(held)))
    }

    /// Refuses if anything of a kind is held.
    fn refuse_if_held(&self, kind: &str) -> Result<(), Refusal> {
        self.of_kind(kind).map_or(Ok(()), |held| Err(stale(held)))
    }

    /// Refuses to say that somebody is not there while a user is held: it may be they.
    pub(crate) fn refuse_absence(&self) -> Result<(), Refusal> {
        self.refuse_if_held(User::KIND)
    }

    /// Refuses what was found, if some of it is held, or has a member that is.
    pub(crate) fn refuse_found(&self, found: &Listed) -> Result<(), Refusal> {
        for row in &found.rows {
            match row {
                Row::User(user) => self.refuse([user.id.0, user.user.0])?,
                Row::Group(group) => {
                    let members = group.members.iter().flatten().copied();
                    self.refuse(members.chain([group.id.0]))?;
                }
            }
        }
        Ok(())
    }
}

impl App {
    /// Why a name cannot be given that another stream holds: somebody has it, or has it and is shown by
    /// nothing, since a person has let the directory pass over the event that brought them.
    pub(crate) async fn taken<R: Into<Refusal>>(
        &self,
        caller: &Caller,
        error: DispatchError<R>,
    ) -> Refusal {
        let DispatchError::ClaimTaken { claim, holder } = error else { return error.into() };
        let skipped = self.skipped(caller, &holder).await;
        let plainly = DispatchError::<R>::ClaimTaken { claim, holder: holder.clone() }.into();
        match (plainly, skipped) {
            (Refusal::Taken(detail), Ok(Some(position))) => Refusal::Taken(format!(
                "{detail}; nothing shows it, since an operator has let the directory pass over the event at \
                 position {position}: muster projections unskip {NAME}.{}.{}.{} --position {position} takes \
                 that back",
                caller.workspace, holder.kind, holder.id
            )),
            (refusal, _) => refusal,
        }
    }

    /// At which position the directory passes over an event of a stream that it shows nothing of.
    async fn skipped(&self, caller: &Caller, holder: &StreamId) -> Result<Option<u64>, Refusal> {
        let Caller { workspace, connector, .. } = caller;
        let setting = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        let of = |skip: &&Skip| {
            skip.projection == NAME && skip.kind == holder.kind && skip.stream == holder.id
        };
        let Some(skip) = setting.state.skipped.iter().find(of) else { return Ok(None) };
        let directory = self.read_models.directory();
        let is_shown = match holder.kind.as_str() {
            User::KIND => directory.entry_of(workspace, connector, UserId(holder.id))?.is_some(),
            _ => directory.exists(workspace, GroupId(holder.id).into())?,
        };
        Ok((!is_shown).then_some(skip.position))
    }
}

/// Refuses an entry that is not in the directory, if what is held was to add it.
pub(crate) async fn refuse_missing(
    log: &dyn EventLog,
    workspace: &WorkspaceId,
    shown: &Shown<'_>,
    entry: EntryId,
) -> Result<(), Refusal> {
    if shown.of_kind(User::KIND).is_none() {
        return Ok(());
    }
    let holder = log.claim_holder(workspace, &to_log(&Claim::alias(entry))).await?;
    shown.refuse(holder.map(|holder| holder.id))
}

fn stale(held: &HeldStream) -> Refusal {
    Refusal::Stale(Stale::from(held))
}
