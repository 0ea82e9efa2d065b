//! SCIM Groups of the caller's connector.

use domain::{
    group::{Group, GroupCommand, GroupRefusal, Living, MemberOp, MemberRef, Operation},
    ids::GroupId,
};
use projections::directory::{GroupRow, MemberRow, Page};
use scim::{
    filter::Filter,
    members::{self, MemberChange},
    patch,
    resource::{Parsed, Resource},
};

use crate::{App, Caller, DispatchError, Done, Order, Refusal};

/// How many members are read at a time.
const MEMBERS_CHUNK: usize = 1_000;

/// A SCIM Group to be shown.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// The SCIM id.
    pub id: GroupId,
    /// What the connector said.
    pub resource: Resource,
    /// When it was created, in microseconds since the epoch.
    pub created: i64,
    /// When it last changed.
    pub modified: i64,
    /// Its version: the ETag.
    pub version: u64,
    /// Its members, unless they were not asked for.
    pub members: Option<Vec<MemberRow>>,
}

impl GroupView {
    fn of(id: GroupId, version: u64, living: &Living) -> Self {
        Self {
            id,
            resource: living.resource.clone(),
            created: living.created,
            modified: living.modified,
            version,
            members: None,
        }
    }
}

impl From<GroupRow> for GroupView {
    fn from(row: GroupRow) -> Self {
        let GroupRow { id, resource, created, modified, version, .. } = row;
        Self { id, resource, created, modified, version, members: None }
    }
}

impl App {
    /// POST /Groups. Members that name nobody yet are kept as pending (rule 18).
    ///
    /// # Errors
    /// [`Refusal::Taken`] when this connector has a group of that displayName.
    pub async fn create_group(
        &self,
        caller: &Caller,
        parsed: Parsed,
    ) -> Result<GroupView, Refusal> {
        let id = GroupId(self.fresh_id());
        let values = parsed.members.unwrap_or_default().into_iter().map(|it| it.value).collect();
        let command = GroupCommand::Create {
            portal: caller.portal,
            connector: caller.connector.clone(),
            resource: parsed.resource,
            members: self.resolve(caller, values).await?,
        };
        let done = self.on_group(caller, id, command).await?;
        self.with_members(caller, id, &done).await
    }

    /// PUT /Groups/{id}. A body that does not speak of members leaves them.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or what is wrong with the resource.
    pub async fn replace_group(
        &self,
        caller: &Caller,
        id: GroupId,
        parsed: Parsed,
        with_members: bool,
    ) -> Result<GroupView, Refusal> {
        let members = match parsed.members {
            Some(members) => {
                let values = members.into_iter().map(|it| it.value).collect();
                Some(self.resolve(caller, values).await?)
            }
            None => None,
        };
        let connector = caller.connector.clone();
        let command = GroupCommand::Replace { connector, resource: parsed.resource, members };
        let done = self.on_group(caller, id, command).await?;
        if with_members {
            return self.with_members(caller, id, &done).await;
        }
        view(caller, id, &done)
    }

    /// PATCH /Groups/{id}: all of it or nothing, at the price of what it changes.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or which operation is wrong and how.
    pub async fn patch_group(
        &self,
        caller: &Caller,
        id: GroupId,
        request: patch::Request,
        options: patch::Options,
    ) -> Result<GroupView, Refusal> {
        let mut operations = Vec::with_capacity(request.changes.len());
        for change in request.changes {
            let operation = match members::of_with(&change, options.leniency)? {
                None => Operation::Attribute(change),
                Some(change) => Operation::Members(self.member_op(caller, change).await?),
            };
            operations.push(operation);
        }
        let connector = caller.connector.clone();
        let command = GroupCommand::Patch { connector, operations, options };
        let done = self.on_group(caller, id, command).await?;
        view(caller, id, &done)
    }

    /// DELETE /Groups/{id}. Its members stay who they are.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_group(&self, caller: &Caller, id: GroupId) -> Result<(), Refusal> {
        let connector = caller.connector.clone();
        self.on_group(caller, id, GroupCommand::Delete { connector }).await?;
        Ok(())
    }

    /// GET /Groups/{id}.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn group(
        &self,
        caller: &Caller,
        id: GroupId,
        with_members: bool,
    ) -> Result<GroupView, Refusal> {
        let directory = self.directory(&caller.workspace).await?;
        let row = directory.group(&caller.workspace, &caller.connector, id)?;
        let mut view: GroupView = row.ok_or_else(|| Refusal::NotFound("group".into()))?.into();
        if with_members {
            view.members = Some(self.members(caller, id).await?);
        }
        Ok(view)
    }

    /// GET /Groups: `start_index` counts from 1.
    ///
    /// # Errors
    /// When a read model has stopped.
    pub async fn list_groups(
        &self,
        caller: &Caller,
        filter: Option<&Filter>,
        start_index: u64,
        count: u64,
        with_members: bool,
    ) -> Result<Page<GroupView>, Refusal> {
        let directory = self.directory(&caller.workspace).await?;
        let (workspace, connector) = (&caller.workspace, &caller.connector);
        let page = directory.list_groups(workspace, connector, filter, start_index, count)?;
        let mut rows = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            let mut view = GroupView::from(row);
            if with_members {
                view.members = Some(self.members(caller, view.id).await?);
            }
            rows.push(view);
        }
        Ok(Page { total: page.total, rows })
    }

    /// The members of a group, in chunks: no read holds the whole of a large group's rows open.
    async fn members(&self, caller: &Caller, id: GroupId) -> Result<Vec<MemberRow>, Refusal> {
        let directory = self.directory(&caller.workspace).await?;
        let mut members = Vec::new();
        let mut after = None;
        loop {
            let chunk = directory.group_members(&caller.workspace, id, after, MEMBERS_CHUNK)?;
            let last = chunk.len() < MEMBERS_CHUNK;
            after = chunk.last().map(|row| row.value);
            members.extend(chunk);
            if last {
                return Ok(members);
            }
        }
    }

    async fn with_members(
        &self,
        caller: &Caller,
        id: GroupId,
        done: &Done<Group>,
    ) -> Result<GroupView, Refusal> {
        let members = Some(self.members(caller, id).await?);
        Ok(GroupView { members, ..view(caller, id, done)? })
    }

    async fn member_op(&self, caller: &Caller, change: MemberChange) -> Result<MemberOp, Refusal> {
        Ok(match change {
            MemberChange::Add(values) => MemberOp::Add(self.resolve(caller, values).await?),
            MemberChange::Remove(values) => MemberOp::Remove(self.resolve(caller, values).await?),
            MemberChange::Replace(values) => MemberOp::Replace(self.resolve(caller, values).await?),
            MemberChange::RemoveAll => MemberOp::RemoveAll,
            MemberChange::RemoveMatching(filter) => MemberOp::RemoveMatching(filter),
        })
    }

    /// Whom each value names in this connector. Somebody who arrives after this look is found by
    /// the policy that resolves pending members.
    async fn resolve(
        &self,
        caller: &Caller,
        values: Vec<String>,
    ) -> Result<Vec<MemberRef>, Refusal> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let directory = self.directory(&caller.workspace).await?;
        Ok(directory.resolve(&caller.workspace, &caller.connector, &values)?)
    }

    async fn on_group(
        &self,
        caller: &Caller,
        id: GroupId,
        command: GroupCommand,
    ) -> Result<Done<Group>, DispatchError<GroupRefusal>> {
        let (workspace, meta) = (caller.workspace.clone(), caller.meta());
        let order = Order { workspace, id: id.0, command, meta };
        self.groups.dispatch(order).await
    }
}

fn view(caller: &Caller, id: GroupId, done: &Done<Group>) -> Result<GroupView, Refusal> {
    let living = done.es.state.living(&caller.connector).ok_or(GroupRefusal::NoGroup)?;
    Ok(GroupView::of(id, done.es.version, living))
}
