//! A pending member takes effect when somebody arrives whom it names (rule 18).
//!
//! Heard from both sides, so that it does not matter which came first: a person arriving or changing
//! their names looks for values that name them; a value arriving looks for the person.

use domain::{
    Event,
    group::{GroupCommand, GroupEvent},
    ids::{ConnectorName, GroupId, MemberId},
    user::UserEvent,
};
use event_log::BoxFuture;
use projections::Recorded;

use super::{Consequence, Policy};
use crate::{App, Refusal};

/// See the module.
pub(super) struct Pending;

impl Policy for Pending {
    fn name(&self) -> &'static str {
        "pending"
    }

    fn hears(&self, name: &str) -> bool {
        matches!(
            name,
            "user.entry_added" | "user.entry_changed" | "group.created" | "group.member_pending"
        )
    }

    fn react<'a>(
        &'a self,
        app: &'a App,
        event: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>> {
        Box::pin(async move {
            match &event.event {
                Event::User(
                    UserEvent::EntryAdded { connector, .. }
                    | UserEvent::EntryChanged { connector, .. },
                ) => person(app, event, connector).await,
                Event::Group(GroupEvent::Created { connector, .. }) => {
                    let member = GroupId(event.stream).into();
                    named(app, event, connector, member, None, None).await
                }
                Event::Group(GroupEvent::MemberPending { value }) => {
                    arrived(app, event, value).await
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

/// Who arrived, or is called something else now.
async fn person(
    app: &App,
    event: &Recorded,
    connector: &ConnectorName,
) -> Result<Vec<Consequence>, Refusal> {
    if !app.directory(&event.workspace).await?.any_pending(&event.workspace, connector)? {
        return Ok(Vec::new());
    }
    let user = app.users.load(&event.workspace, event.stream).await?;
    let Some(entry) = user.state.entries.get(connector) else { return Ok(Vec::new()) };
    let (user_name, external_id) = (entry.user_name(), entry.resource.external_id());
    named(app, event, connector, entry.id.into(), Some(user_name), external_id).await
}

/// The pending values that name a member.
async fn named(
    app: &App,
    event: &Recorded,
    connector: &ConnectorName,
    member: MemberId,
    user_name: Option<&str>,
    external_id: Option<&str>,
) -> Result<Vec<Consequence>, Refusal> {
    let directory = app.directory(&event.workspace).await?;
    let found =
        directory.pending_for(&event.workspace, connector, member, external_id, user_name)?;
    let resolve =
        |(group, pending)| Consequence::Group(group, GroupCommand::Resolve { pending, member });
    Ok(found.into_iter().map(resolve).collect())
}

/// A value that may name somebody who arrived while it was on its way.
async fn arrived(app: &App, event: &Recorded, value: &str) -> Result<Vec<Consequence>, Refusal> {
    let group = app.groups.load(&event.workspace, event.stream).await?;
    let Some(living) = &group.state.0 else { return Ok(Vec::new()) };
    let directory = app.directory(&event.workspace).await?;
    let values = [value.to_owned()];
    let found = directory.resolve(&event.workspace, &living.connector, &values)?;
    let member = found.into_iter().find_map(|member| member.known);
    let resolve = |member| {
        let command = GroupCommand::Resolve { pending: vec![event.version], member };
        Consequence::Group(GroupId(event.stream), command)
    };
    Ok(member.map(resolve).into_iter().collect())
}
