//! The people of a portal: its accounts, and whom connectors brought without one (rules 8 and 10).

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    Es,
    device::{Changes, DeviceCommand},
    ids::{EntryId, ErasureId, OffboardingId, UserId},
    portal::{Portal, Role},
    user::{AccountState, Source, User, UserCommand, UserRefusal},
};
use event_log::WorkspaceId;
use projections::{
    Cursor, ReadModels,
    accounts::{AccountRow, EntryRef},
};
use tokio::sync::MutexGuard;
use uuid::Uuid;

use super::{
    page::{Listed, Listing},
    people_of, typed,
};
use crate::{
    App, DispatchError, Done, Order, Person, Refusal,
    erasures::{Gone, is_owner},
    write::decide::to_log,
};

/// The length of a userName or an address, at most, in characters.
const NAME_CHARACTERS_MAX: usize = 500;
/// How often an invitation follows a person who turns out to have another stream.
const FOLLOW_MAX: usize = 3;

/// A person of a portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// The person.
    pub id: UserId,
    /// How they sign in.
    pub user_name: String,
    /// Where they are written to.
    pub email: Option<String>,
    /// Who made the account.
    pub source: Source,
    /// Whether there is one.
    pub account: AccountState,
    /// Dashboard: their role.
    pub role: Option<Role>,
    /// The offboarding that has not ended.
    pub offboarding: Option<OffboardingId>,
    /// The values of mapped attributes.
    pub metadata: BTreeMap<String, String>,
    /// What connectors know of them.
    pub scim: Vec<EntryRef>,
    /// By which erasure everything else that was known of them went.
    pub erased: Option<ErasureId>,
}

impl AccountView {
    pub(crate) fn of(id: UserId, user: &User) -> Self {
        let entries = user.entries.iter().map(|(connector, entry)| EntryRef {
            connector: connector.clone(),
            id: entry.id,
            active: entry.active(),
        });
        Self {
            id,
            user_name: user.account.user_name.clone(),
            email: user.account.email.clone(),
            source: user.account.source,
            account: user.account.state,
            role: user.account.role,
            offboarding: user.open_offboarding().map(|open| open.id),
            metadata: user.metadata(),
            scim: entries.collect(),
            erased: user.erased(),
        }
    }
}

impl From<AccountRow> for AccountView {
    fn from(row: AccountRow) -> Self {
        Self {
            id: row.id,
            user_name: row.user_name,
            email: row.email,
            source: row.source,
            account: row.account,
            role: row.role,
            offboarding: row.offboarding,
            metadata: row.metadata,
            scim: row.scim,
            erased: None,
        }
    }
}

/// An account to be made by hand.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// How the person signs in, and by what SCIM will recognise them.
    pub user_name: String,
    /// Where they are written to.
    pub email: Option<String>,
    /// Dashboard: their role.
    pub role: Option<Role>,
}

impl App {
    /// The people of a portal whose account is in one of some states, by userName. In the past, those who
    /// were erased since come first: they have no name any more.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when a read model has stopped.
    pub async fn list_accounts(
        &self,
        workspace: &WorkspaceId,
        portal: Portal,
        states: &[AccountState],
        listing: &Listing,
    ) -> Result<Listed<AccountView>, Refusal> {
        self.current(portal.as_str(), workspace).await?;
        let after = listing.after::<Cursor>()?;
        let mut items = self.gone_of(portal, states, listing, after.as_ref());
        let nameless = |view: &AccountView| Cursor::nameless(view.id.0).to_string();
        if items.len() > listing.limit {
            items.truncate(listing.limit);
            return Ok(Listed { next: items.last().map(nameless), items });
        }
        // One row tells whether there is more.
        let left = listing.limit - items.len();
        let (of, q, states) = (workspace.clone(), listing.q.clone(), states.to_vec());
        let behind = after.filter(|after| !after.is_nameless());
        let look = move |models: &ReadModels| {
            let (q, limit, behind) = (q.as_deref(), left.max(1), behind.as_ref());
            Ok(models.accounts().list(&of, portal, q, &states, limit, behind)?)
        };
        let (rows, next) = self.look_through(look).await?;
        if left == 0 {
            let next = items.last().filter(|_| !rows.is_empty()).map(nameless);
            return Ok(Listed { items, next });
        }
        let gone: Vec<_> = self.gone().iter().map(|gone| gone.view.id).collect();
        // Until their key is destroyed, a past may still show what was said of them.
        let rows = rows.into_iter().filter(|row| !gone.contains(&row.id));
        items.extend(rows.map(AccountView::from));
        Ok(Listed { items, next: next.map(|next| next.to_string()) })
    }

    /// Who was there at the moment of the past that this is of, and was erased since; nobody, if it is of
    /// today.
    pub(super) fn gone(&self) -> &[Gone] {
        self.gone.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Those of them that a list begins with.
    fn gone_of(
        &self,
        portal: Portal,
        states: &[AccountState],
        listing: &Listing,
        after: Option<&Cursor>,
    ) -> Vec<AccountView> {
        let behind = |id: UserId| after.is_none_or(|after| after.is_before(id.0));
        let found = self.gone().iter().filter(|gone| gone.portal == portal);
        let views = found.map(|gone| &gone.view).filter(|view| {
            listing.q.is_none() && states.contains(&view.account) && behind(view.id)
        });
        views.cloned().collect()
    }

    /// A person of a portal, whether they have an account or not; by their id or by the SCIM id of
    /// one of their entries.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn account(
        &self,
        workspace: &WorkspaceId,
        portal: Portal,
        id: Uuid,
    ) -> Result<AccountView, Refusal> {
        self.followed(workspace).await;
        if let Some(gone) = self.gone().iter().find(|it| it.portal == portal && it.is(id)) {
            return Ok(gone.view.clone());
        }
        let (user, mut es) = self.require_person(workspace, portal, id).await?;
        if portal == Portal::Dashboard {
            self.look_ahead(workspace, user).await?;
            es = self.users.load(workspace, user.0).await?;
        }
        Ok(AccountView::of(user, &es.state))
    }

    /// Makes an account by hand. Somebody whom a connector has brought already is the same person.
    ///
    /// # Errors
    /// [`Refusal::State`] when they have an account already.
    pub async fn invite(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        portal: Portal,
        invitation: Invitation,
    ) -> Result<AccountView, Refusal> {
        let user_name = typed("user_name", &invitation.user_name, NAME_CHARACTERS_MAX)?;
        let email = invitation.email.as_deref();
        let email = email.map(|text| typed("email", text, NAME_CHARACTERS_MAX)).transpose()?;
        let mut user = UserId(self.fresh_id());
        for _ in 0..FOLLOW_MAX {
            let (user_name, email) = (user_name.clone(), email.clone());
            let role = invitation.role;
            let command = UserCommand::Invite { portal, user_name, email, role };
            match self.on_account(person, workspace, user, command).await {
                Ok(done) => return Ok(AccountView::of(user, &done.es.state)),
                Err(DispatchError::ClaimTaken { holder, .. }) if holder.id != user.0 => {
                    user = UserId(holder.id);
                }
                Err(DispatchError::Refused(UserRefusal::Erased)) => user = UserId(self.fresh_id()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Overloaded)
    }

    /// Gives a collaborator another role.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Malformed`] where there are no roles, [`Refusal::State`]
    /// where there is no account, or where the last Owner would cease to be one.
    pub async fn set_role(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        portal: Portal,
        id: Uuid,
        role: Role,
    ) -> Result<AccountView, Refusal> {
        let (user, known) = self.require_person(workspace, portal, id).await?;
        let mapping = &self.workspace(workspace).await?.state.role_mapping;
        if mapping.follow_groups && known.state.account.source == Source::Scim {
            return Err(Refusal::State(
                "the role of this collaborator follows their groups (follow_groups): change their \
                 groups, the role mapping, or switch follow_groups off"
                    .to_owned(),
            ));
        }
        let _alone = match role {
            Role::Owner => None,
            _ => self.unless_last_owner(workspace, user).await?,
        };
        let done = self.on_account(person, workspace, user, UserCommand::SetRole { role }).await?;
        Ok(AccountView::of(user, &done.es.state))
    }

    /// Removes an account; in MDM, after the person's devices have been unassigned, as SCIM's rule
    /// does. What connectors know of the person stays.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::State`] where there is no account, where a device of
    /// the person is being removed, or where it is the last Owner's; in MDM, when it is not known which
    /// devices they have.
    pub async fn remove_account(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        portal: Portal,
        id: Uuid,
    ) -> Result<(), Refusal> {
        let (user, es) = self.require_person(workspace, portal, id).await?;
        let _alone = self.unless_last_owner(workspace, user).await?;
        if portal == Portal::Mdm && es.state.account.stands() {
            self.settle(workspace).await?;
            self.read_models.caught_up(projections::mdm::NAME, workspace).await?;
            for device in self.read_models.devices().of_user(workspace, user)? {
                let unassign =
                    DeviceCommand::Change(Changes { user: Some(None), ..Changes::default() });
                self.on_device(person, workspace, device.id, unassign).await?;
            }
        }
        self.on_account(person, workspace, user, UserCommand::RemoveAccount).await?;
        Ok(())
    }

    /// Refuses what would leave a Dashboard without an Owner. As long as what is given back is held, nobody
    /// else ceases to be one.
    pub(super) async fn unless_last_owner(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<Option<MutexGuard<'_, ()>>, Refusal> {
        if !is_owner(&self.users.load(workspace, user.0).await?.state) {
            return Ok(None);
        }
        let alone = self.erasures.alone().await;
        let es = self.users.load(workspace, user.0).await?;
        self.another_owner(workspace, user, &es.state).await?;
        Ok(Some(alone))
    }

    /// A person by their id or by the SCIM id of one of their entries, of those that were removed too.
    /// Answered by the log alone.
    pub(crate) async fn person_of(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
    ) -> Result<Option<(UserId, Arc<Es<User>>)>, Refusal> {
        let es = self.users.load(workspace, id).await?;
        if es.version > 0 {
            return Ok(Some((UserId(id), es)));
        }
        let alias = to_log(&domain::Claim::alias(EntryId(id)));
        let Some(holder) = self.log.claim_holder(workspace, &alias).await? else { return Ok(None) };
        let es = self.users.load(workspace, holder.id).await?;
        // Claims are those of today: of a past the person may be no part yet.
        Ok((es.version > 0).then_some((UserId(holder.id), es)))
    }

    pub(super) async fn require_person(
        &self,
        workspace: &WorkspaceId,
        portal: Portal,
        id: Uuid,
    ) -> Result<(UserId, Arc<Es<User>>), Refusal> {
        let found = self.person_of(workspace, id).await?;
        // Of whoever is gone, not even the portal can be read.
        let is_known = !self.gone().iter().any(|gone| gone.is(id));
        let found = found.filter(|(_, es)| is_known && es.state.portal == portal);
        found.ok_or_else(|| Refusal::NotFound(people_of(portal).to_owned()))
    }

    async fn on_account(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        user: UserId,
        command: UserCommand,
    ) -> Result<Done<User>, DispatchError<UserRefusal>> {
        let (workspace, meta) = (workspace.clone(), person.meta());
        self.users.dispatch(Order { workspace, id: user.0, command, meta }).await
    }
}
