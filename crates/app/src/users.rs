//! SCIM Users: entries of the caller's connector.

use std::sync::Arc;

use domain::{
    Es,
    ids::{EntryId, OffboardingId, UserId},
    user::{Entry, User, UserCommand, UserRefusal, Via},
};
use projections::directory::{GroupRefRow, UserRow};
use scim::{
    etag::EntityTags,
    patch,
    resource::{Parsed, Written},
};

use crate::{
    App, Caller, DispatchError, Done, Order, Refusal, held::refuse_missing, write::decide::to_log,
};

/// How often a POST follows a person who turns out to have another stream.
const FOLLOW_MAX: usize = 3;

/// A SCIM User to be shown.
#[derive(Clone, Debug)]
pub struct UserView {
    /// The SCIM id.
    pub id: EntryId,
    /// What the connector said.
    pub resource: Written,
    /// When the connector brought the person, in microseconds since the epoch.
    pub created: i64,
    /// When the entry last changed.
    pub modified: i64,
    /// The entry's version: the ETag.
    pub version: u64,
    /// The groups it is a member of.
    pub groups: Vec<GroupRefRow>,
}

impl UserView {
    fn of(entry: &Entry, groups: Vec<GroupRefRow>) -> Self {
        Self {
            id: entry.id,
            resource: Written::of(&entry.resource),
            created: entry.created,
            modified: entry.modified,
            version: entry.version,
            groups,
        }
    }
}

impl From<UserRow> for UserView {
    fn from(row: UserRow) -> Self {
        let UserRow { id, written, created, modified, version, groups, .. } = row;
        Self { id, resource: written, created, modified, version, groups }
    }
}

impl App {
    /// POST /Users: an entry, with a fresh id, for somebody this connector has not had. They may be known to another
    /// connector of the portal, or have an account that still stands; then it is the same person.
    ///
    /// # Errors
    /// [`Refusal::Taken`] when this connector has that userName.
    pub async fn create_user(
        &self,
        caller: &Caller,
        entry: EntryId,
        parsed: Parsed,
    ) -> Result<UserView, Refusal> {
        self.note_name(caller, parsed.resource.user_name());
        let mut user = UserId(entry.0);
        for _ in 0..FOLLOW_MAX {
            let command = UserCommand::Provision {
                portal: caller.portal,
                via: self.via(caller, None),
                entry,
                resource: parsed.resource.clone(),
            };
            match self.on_user(caller, user, command).await {
                Ok(done) => {
                    let known = done.es.state.entry(&caller.connector, entry);
                    let known = known.ok_or(UserRefusal::NoEntry)?;
                    caller.trace.about(entry.0);
                    return Ok(UserView::of(known, Vec::new()));
                }
                Err(DispatchError::ClaimTaken { claim, holder })
                    if claim.scope.starts_with("person:") && holder.id != user.0 =>
                {
                    user = UserId(holder.id);
                }
                // Erased a moment ago: whoever comes now is somebody else.
                Err(DispatchError::Refused(UserRefusal::Erased)) => user = UserId(entry.0),
                Err(DispatchError::Refused(UserRefusal::EntryExists)) if user.0 != entry.0 => {
                    return Err(Refusal::Taken(
                        "userName: this connector has that person already, under another userName"
                            .to_owned(),
                    ));
                }
                Err(error) => return Err(self.taken(caller, error).await),
            }
        }
        Err(Refusal::Overloaded)
    }

    /// PUT /Users/{id}.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], 412 for a version that is not among `if_match`, or what is wrong with
    /// the resource.
    pub async fn replace_user(
        &self,
        caller: &Caller,
        entry: EntryId,
        parsed: Parsed,
        if_match: Option<EntityTags>,
    ) -> Result<UserView, Refusal> {
        self.note_name(caller, parsed.resource.user_name());
        let via = self.via(caller, if_match);
        let command = UserCommand::Replace { via, entry, resource: parsed.resource };
        self.change_user(caller, entry, command).await
    }

    /// PATCH /Users/{id}: all of it or nothing.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], 412 for a version that is not among `if_match`, or which operation is
    /// wrong and how.
    pub async fn patch_user(
        &self,
        caller: &Caller,
        entry: EntryId,
        request: patch::Request,
        options: patch::Options,
        if_match: Option<EntityTags>,
    ) -> Result<UserView, Refusal> {
        let via = self.via(caller, if_match);
        self.change_user(caller, entry, UserCommand::Patch { via, entry, request, options }).await
    }

    /// DELETE /Users/{id}.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or 412 for a version that is not among `if_match`.
    pub async fn delete_user(
        &self,
        caller: &Caller,
        entry: EntryId,
        if_match: Option<EntityTags>,
    ) -> Result<(), Refusal> {
        caller.trace.about(entry.0);
        let user = self.user_of(caller, entry).await?;
        let command = UserCommand::RemoveEntry { via: self.via(caller, if_match), entry };
        self.on_user(caller, user, command).await?;
        Ok(())
    }

    /// GET /Users/{id}.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn user(&self, caller: &Caller, entry: EntryId) -> Result<UserView, Refusal> {
        caller.trace.about(entry.0);
        if let Some(row) = self.undisturbed_user(caller, entry)? {
            return Ok(row.into());
        }
        let shown = self.shown(caller).await?;
        shown.refuse([entry.0])?;
        let row = shown.directory.user(&caller.workspace, &caller.connector, entry)?;
        if row.is_none() {
            refuse_missing(&*self.log, &caller.workspace, &shown, entry).await?;
        }
        Ok(row.ok_or_else(|| Refusal::NotFound("user".into()))?.into())
    }

    /// The directory, once it has caught up with the log and holds nothing back: for what decides.
    pub(crate) async fn directory(
        &self,
        workspace: &event_log::WorkspaceId,
    ) -> Result<projections::directory::Directory<'_>, Refusal> {
        self.read_models.caught_up(projections::directory::NAME, workspace).await?;
        Ok(self.read_models.directory())
    }

    async fn change_user(
        &self,
        caller: &Caller,
        entry: EntryId,
        command: UserCommand,
    ) -> Result<UserView, Refusal> {
        caller.trace.about(entry.0);
        let before = self.log.head(&caller.workspace);
        let user = self.user_of(caller, entry).await?;
        let done = match self.on_user(caller, user, command).await {
            Ok(done) => done,
            Err(error) => return Err(self.taken(caller, error).await),
        };
        let known = done.es.state.entry(&caller.connector, entry).ok_or(UserRefusal::NoEntry)?;
        self.note_name(caller, known.resource.user_name());
        // What was done is answered, though groups that are held are shown as they were. It changes none of
        // them, so that nothing is waited for that was recorded since the request came.
        if !self.groups_are_undisturbed(caller) {
            self.shown_to(caller, before).await?;
        }
        let directory = self.read_models.directory();
        let groups = directory.groups_of(&caller.workspace, entry.into())?;
        Ok(UserView::of(known, groups))
    }

    /// The person whom a SCIM id of this connector names. Answered by the log alone.
    async fn user_of(&self, caller: &Caller, entry: EntryId) -> Result<UserId, Refusal> {
        let has = |es: &Es<User>| es.state.entry(&caller.connector, entry).is_some();
        if has(&*self.users.load(&caller.workspace, entry.0).await?) {
            return Ok(UserId(entry.0));
        }
        let alias = to_log(&domain::Claim::alias(entry));
        let holder = self.log.claim_holder(&caller.workspace, &alias).await?;
        let holder = holder.ok_or(UserRefusal::NoEntry)?;
        let es = self.users.load(&caller.workspace, holder.id).await?;
        if has(&es) { Ok(UserId(holder.id)) } else { Err(UserRefusal::NoEntry.into()) }
    }

    async fn on_user(
        &self,
        caller: &Caller,
        user: UserId,
        command: UserCommand,
    ) -> Result<Done<User>, DispatchError<UserRefusal>> {
        let (workspace, meta) = (caller.workspace.clone(), caller.meta_with_rule());
        let order = Order { workspace, id: user.0, command, meta };
        let done = self.users.dispatch(order).await?;
        caller.trace.recorded(done.receipt.as_ref());
        Ok(done)
    }

    fn via(&self, caller: &Caller, if_match: Option<EntityTags>) -> Via {
        Via {
            connector: caller.connector.clone(),
            rule: Arc::clone(&caller.rule),
            gone: caller.gone.clone(),
            offboarding: OffboardingId(self.fresh_id()),
            catalogue: caller.catalogue.clone(),
            mapping: Arc::clone(&caller.mapping),
            if_match,
        }
    }
}
