//! A collaborator's role follows their groups: while they settle, or for ever (rules 13 and 14).
//!
//! Whatever may change what somebody's groups make them is heard: an account that is granted, a
//! membership that comes or goes, a group that is renamed or deleted, the setting itself. Each time
//! the person's groups are looked at as they are now, and the aggregate decides whether that still
//! matters, by the recorded time of what was heard.

use std::collections::{BTreeSet, HashSet};

use domain::{
    Event, Micros,
    group::{GroupEvent, Living},
    ids::{ConnectorName, EntryId, GroupId, MemberId, UserId},
    portal::Portal,
    role_mapping::Membership,
    user::{UserCommand, UserEvent},
    workspace::WorkspaceEvent,
};
use event_log::{BoxFuture, WorkspaceId};
use projections::{
    Recorded,
    directory::{Directory, EffectiveGroup},
};
use scim::Kind;
use uuid::Uuid;

use super::{Consequence, Policy};
use crate::{App, Refusal, WORKSPACE_STREAM, groups::MEMBERS_CHUNK};

/// For the log's actor column.
pub(super) const NAME: &str = "roles";

/// How many people are looked at among the policies, at most; more of them are looked at beside these.
const PEOPLE_MAX: usize = 1_000;

/// See the module.
pub(super) struct Roles;

impl Policy for Roles {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hears(&self, name: &str) -> bool {
        matches!(
            name,
            "user.account_granted"
                | "user.account_restored"
                | "user.account_adopted"
                | "user.entry_added"
                | "user.entry_removed"
                | "group.changed"
                | "group.deleted"
                | "group.members_added"
                | "group.members_removed"
                | "group.pending_resolved"
                | "workspace.role_mapping_set"
        )
    }

    fn react<'a>(
        &'a self,
        app: &'a App,
        event: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>> {
        Box::pin(async move {
            let workspace = app.workspaces.load(&event.workspace, WORKSPACE_STREAM).await?;
            let is_set = matches!(&event.event, Event::Workspace(_));
            let mapping = &workspace.state.role_mapping;
            if mapping.rules.is_empty() && mapping.no_match.is_none() && !is_set {
                return Ok(Vec::new());
            }
            let people = match &event.event {
                Event::User(
                    UserEvent::AccountGranted { .. }
                    | UserEvent::AccountRestored {}
                    | UserEvent::AccountAdopted { .. }
                    | UserEvent::EntryAdded { .. }
                    | UserEvent::EntryRemoved { .. },
                ) => Some(BTreeSet::from([UserId(event.stream)])),
                Event::Group(fact) => of_group(app, event, fact).await?,
                Event::Workspace(WorkspaceEvent::RoleMappingSet { .. }) => {
                    collaborators(app, &event.workspace).await?
                }
                Event::User(_)
                | Event::Workspace(_)
                | Event::Device(_)
                | Event::Publication(_)
                | Event::Segments(_) => Some(BTreeSet::new()),
            };
            Ok(match people {
                Some(people) => {
                    people.into_iter().map(|user| Consequence::Role(user, event.at)).collect()
                }
                None => vec![Consequence::Roles(event.at)],
            })
        })
    }
}

/// The people whom a fact of a group concerns; `None` for too many of them.
async fn of_group(
    app: &App,
    event: &Recorded,
    fact: &GroupEvent,
) -> Result<Option<BTreeSet<UserId>>, Refusal> {
    let group = GroupId(event.stream);
    let Some(connector) = connector_of(app, event, group).await? else {
        return Ok(Some(BTreeSet::new()));
    };
    let members: Vec<MemberId> = match fact {
        GroupEvent::MembersAdded { members } | GroupEvent::MembersRemoved { members } => {
            members.clone()
        }
        GroupEvent::PendingResolved { member, .. } => vec![*member],
        GroupEvent::Changed { changes } if changes.names().any(|name| name == "displayName") => {
            vec![group.into()]
        }
        // What a deleted group had is in its past only.
        GroupEvent::Deleted {} => {
            let before = app.groups.at(&event.workspace, group.0, event.version - 1).await?;
            let members = before.state.0.map(|living| living.members).unwrap_or_default();
            members.into_iter().collect()
        }
        GroupEvent::Created { .. }
        | GroupEvent::Changed { .. }
        | GroupEvent::MemberPending { .. }
        | GroupEvent::PendingDropped { .. } => Vec::new(),
    };
    let directory = app.directory(&event.workspace).await?;
    let mut search = People { directory, workspace: &event.workspace, seen: HashSet::new() };
    let mut people = BTreeSet::new();
    for member in members {
        search.collect(&connector, member, &mut people)?;
        if people.len() > PEOPLE_MAX {
            return Ok(None);
        }
    }
    Ok(Some(people))
}

/// The connector of a group, which may be gone; `None` if its people are no collaborators.
async fn connector_of(
    app: &App,
    event: &Recorded,
    group: GroupId,
) -> Result<Option<ConnectorName>, Refusal> {
    let now = app.groups.load(&event.workspace, group.0).await?;
    let place = |living: &Living| (living.portal, living.connector.clone());
    let place = match now.state.0.as_ref().map(place) {
        Some(place) => Some(place),
        None => app.groups.at(&event.workspace, group.0, 1).await?.state.0.as_ref().map(place),
    };
    Ok(place.filter(|(portal, _)| *portal == Portal::Dashboard).map(|(_, connector)| connector))
}

/// Finds the people behind members, those of nested groups too.
struct People<'a> {
    directory: Directory<'a>,
    workspace: &'a WorkspaceId,
    seen: HashSet<GroupId>,
}

impl People<'_> {
    /// Stops at more than [`PEOPLE_MAX`]. Clients decide how deep groups are nested, so what is left to
    /// look at is no call stack.
    fn collect(
        &mut self,
        connector: &ConnectorName,
        member: MemberId,
        people: &mut BTreeSet<UserId>,
    ) -> Result<(), Refusal> {
        let mut waiting = vec![member.0];
        while let Some(member) = waiting.pop() {
            if people.len() > PEOPLE_MAX {
                return Ok(());
            }
            let entry = EntryId(member);
            if let Some(user) = self.directory.person(self.workspace, connector, entry)? {
                people.insert(user);
            } else if self.seen.insert(GroupId(member)) {
                self.members_of(GroupId(member), connector, people, &mut waiting)?;
            }
        }
        Ok(())
    }

    fn members_of(
        &self,
        group: GroupId,
        connector: &ConnectorName,
        people: &mut BTreeSet<UserId>,
        groups: &mut Vec<Uuid>,
    ) -> Result<(), Refusal> {
        let mut after = None;
        loop {
            let chunk =
                self.directory.group_members(self.workspace, group, after, MEMBERS_CHUNK)?;
            for row in &chunk {
                match row.kind {
                    Kind::User => {
                        let entry = EntryId(row.value);
                        people.extend(self.directory.person(self.workspace, connector, entry)?);
                    }
                    Kind::Group => groups.push(row.value),
                }
            }
            after = chunk.last().map(|row| row.value);
            if chunk.len() < MEMBERS_CHUNK || people.len() > PEOPLE_MAX {
                return Ok(());
            }
        }
    }
}

/// Everybody who has an account of the Dashboard; `None` for too many of them.
async fn collaborators(
    app: &App,
    workspace: &WorkspaceId,
) -> Result<Option<BTreeSet<UserId>>, Refusal> {
    app.read_models.caught_up(Portal::Dashboard.as_str(), workspace).await?;
    let accounts = app.read_models.accounts();
    let people = accounts.standing(workspace, Portal::Dashboard, None, PEOPLE_MAX + 1)?;
    Ok((people.len() <= PEOPLE_MAX).then(|| people.into_iter().collect()))
}

impl App {
    /// What a person's groups make them now, as a command to them. Whoever calls this lets nobody
    /// else do so for the same person until the command is carried out: what is looked at later has
    /// to be decided later.
    pub(crate) async fn look_at_role(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        at: Micros,
    ) -> Result<Option<UserCommand>, Refusal> {
        let known = self.users.load(workspace, user.0).await?;
        if known.state.portal != Portal::Dashboard || !known.state.account.stands() {
            return Ok(None);
        }
        let setting = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        let mapping = std::sync::Arc::clone(&setting.state.role_mapping);
        let mut memberships = Vec::new();
        for entry in known.state.entries.values() {
            memberships.extend(self.effective_groups(workspace, entry.id.into()).await?);
        }
        let mapped = mapping.role_of(&memberships);
        // What was heard may be older than the setting by which it is judged.
        let at = at.max(setting.state.role_mapping_set);
        Ok(Some(UserCommand::MapRole { mapped, mapping, at }))
    }

    /// The groups that somebody is in, directly or through other groups, each once.
    pub(crate) async fn effective_groups(
        &self,
        workspace: &WorkspaceId,
        member: MemberId,
    ) -> Result<Vec<Membership>, Refusal> {
        let directory = self.directory(workspace).await?;
        let groups = directory.effective_groups(workspace, &[member])?.into_iter();
        let membership = |group: EffectiveGroup| Membership {
            group: group.id,
            connector: group.connector,
            display: group.display,
        };
        Ok(groups.map(membership).collect())
    }
}
