//! Whoever is gone is a member no more.
//!
//! SCIM reads never show a member that does not exist, since they join memberships with people; this
//! policy makes the record say so too. It also hears members being added: an addition that was
//! decided while its member was being deleted is undone here.

use domain::{
    Event,
    group::{GroupCommand, GroupEvent},
    ids::{GroupId, MemberId},
    user::UserEvent,
};
use event_log::BoxFuture;
use projections::Recorded;

use super::{Consequence, Policy};
use crate::{App, Refusal};

/// See the module.
pub(super) struct Memberships;

impl Policy for Memberships {
    fn name(&self) -> &'static str {
        "memberships"
    }

    fn hears(&self, name: &str) -> bool {
        matches!(
            name,
            "user.entry_removed"
                | "group.deleted"
                | "group.members_added"
                | "group.pending_resolved"
        )
    }

    fn react<'a>(
        &'a self,
        app: &'a App,
        event: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>> {
        Box::pin(async move {
            match &event.event {
                Event::User(UserEvent::EntryRemoved { entry, .. }) => {
                    forget(app, event, (*entry).into()).await
                }
                Event::Group(GroupEvent::Deleted {}) => {
                    forget(app, event, GroupId(event.stream).into()).await
                }
                Event::Group(GroupEvent::MembersAdded { members }) => {
                    undo(app, event, members).await
                }
                Event::Group(GroupEvent::PendingResolved { member, .. }) => {
                    undo(app, event, &[*member]).await
                }
                Event::User(_)
                | Event::Group(_)
                | Event::Workspace(_)
                | Event::Device(_)
                | Event::Publication(_)
                | Event::Segments(_) => Ok(Vec::new()),
            }
        })
    }
}

/// Takes a member that is gone out of every group it is in.
async fn forget(
    app: &App,
    event: &Recorded,
    member: MemberId,
) -> Result<Vec<Consequence>, Refusal> {
    let directory = app.directory(&event.workspace).await?;
    let groups = directory.memberships_of(&event.workspace, member)?;
    let forget = |group| Consequence::Group(group, GroupCommand::Forget { members: vec![member] });
    Ok(groups.into_iter().map(forget).collect())
}

/// Takes out again those of the added members that are gone by now.
async fn undo(
    app: &App,
    event: &Recorded,
    members: &[MemberId],
) -> Result<Vec<Consequence>, Refusal> {
    let directory = app.directory(&event.workspace).await?;
    let mut gone = Vec::new();
    for member in members {
        if !directory.exists(&event.workspace, *member)? {
            gone.push(*member);
        }
    }
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let group = GroupId(event.stream);
    Ok(vec![Consequence::Group(group, GroupCommand::Forget { members: gone })])
}
