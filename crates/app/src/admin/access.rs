//! Who may enter a portal, and the groups that somebody is in (rules 16 and 17).

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use domain::{
    group_filter::GroupFilter,
    ids::{MemberId, UserId},
    portal::Portal,
    user::{AccountState, User},
    workspace::WorkspaceCommand,
};
use event_log::WorkspaceId;
use projections::directory::EffectiveGroup;
use scim::fold;
use uuid::Uuid;

use super::page::{Listed, Listing};
use crate::{App, Person, Refusal};

/// The groups that somebody is in, and what they open.
#[derive(Clone, Debug)]
pub struct PersonGroups {
    /// The person.
    pub user: UserId,
    /// Their portal.
    pub portal: Portal,
    /// A part of their groups, by id.
    pub groups: Listed<EffectiveGroup>,
    /// Whether they may enter their portal, and why.
    pub entry: MayEnter,
}

/// Whether somebody may enter their portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MayEnter {
    /// The portal requires no groups.
    NoneRequired,
    /// They are in all groups of this line.
    Line(Vec<String>),
    /// Their account is not active.
    NoAccount(AccountState),
    /// They are in all groups of no line.
    NoLine,
    /// They were erased since, and which groups they were in cannot be read any more.
    NotKnown,
}

impl App {
    /// The groups that a portal requires to enter.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn access(
        &self,
        workspace: &WorkspaceId,
        portal: Portal,
    ) -> Result<Arc<GroupFilter>, Refusal> {
        Ok(self.workspace(workspace).await?.state.access(portal))
    }

    /// Says which groups a portal requires to enter.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] names the line that makes no sense.
    pub async fn set_access(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        portal: Portal,
        groups: GroupFilter,
    ) -> Result<Arc<GroupFilter>, Refusal> {
        let command = WorkspaceCommand::SetAccess { portal, groups };
        let done = self.on_workspace(workspace, command, person.meta()).await?;
        Ok(done.es.state.access(portal))
    }

    /// The groups that a person of any portal is in, over all their active entries, and whether
    /// those let them in. By their id or by the SCIM id of one of their entries.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Malformed`] for a foreign cursor.
    pub async fn groups_of_person(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
        listing: &Listing,
    ) -> Result<PersonGroups, Refusal> {
        self.followed(workspace).await;
        if let Some(gone) = self.gone().iter().find(|it| it.is(id)) {
            let access = self.access(workspace, gone.portal).await?;
            let entry = may_have_entered(gone.view.account, &access);
            let groups = Listed { items: Vec::new(), next: None };
            return Ok(PersonGroups { user: gone.view.id, portal: gone.portal, groups, entry });
        }
        let found = self.person_of(workspace, id).await?;
        let (user, es) = found.ok_or_else(|| Refusal::NotFound("person".to_owned()))?;
        let groups = self.groups_over_entries(workspace, &es.state).await?;
        let portal = es.state.portal;
        let access = self.access(workspace, portal).await?;
        let entry = may_enter(&es.state, &access, &folded(&groups));
        let by_id: BTreeMap<_, _> = groups.into_iter().map(|group| (group.id, group)).collect();
        let listed = listing.of(by_id, |_, group| listing.wants(&[&group.display]))?;
        let groups = listed.map(|(_, group)| group);
        Ok(PersonGroups { user, portal, groups, entry })
    }

    /// The groups that a person is in over their active entries, directly or through others.
    pub(super) async fn groups_over_entries(
        &self,
        workspace: &WorkspaceId,
        user: &User,
    ) -> Result<Vec<EffectiveGroup>, Refusal> {
        let active = user.entries.values().filter(|entry| entry.active());
        let entries: Vec<MemberId> = active.map(|entry| entry.id.into()).collect();
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.directory(workspace).await?.effective_groups(workspace, &entries)?)
    }
}

/// The names of groups as filters compare them.
pub(super) fn folded(groups: &[EffectiveGroup]) -> HashSet<String> {
    groups.iter().map(|group| fold::text(&group.display)).collect()
}

fn may_enter(user: &User, access: &GroupFilter, groups: &HashSet<String>) -> MayEnter {
    let account = user.account.state;
    if account != AccountState::Active {
        return MayEnter::NoAccount(account);
    }
    if access.is_everybody() {
        return MayEnter::NoneRequired;
    }
    access.line_of(groups).map_or(MayEnter::NoLine, |line| MayEnter::Line(line.to_vec()))
}

/// The same of somebody who was erased since: whether there was an account can still be said.
fn may_have_entered(account: AccountState, access: &GroupFilter) -> MayEnter {
    if account != AccountState::Active {
        return MayEnter::NoAccount(account);
    }
    if access.is_everybody() { MayEnter::NoneRequired } else { MayEnter::NotKnown }
}
