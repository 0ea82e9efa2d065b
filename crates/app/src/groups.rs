//! SCIM Groups of the caller's connector.

use domain::{
    group::{Group, GroupCommand, GroupRefusal, Living, MemberOp, MemberRef, Operation, Via},
    ids::{EntryId, GroupId, MemberId},
};
use imbl::OrdSet;
use projections::directory::{GroupRow, MemberRow};
use scim::{
    etag::EntityTags,
    filter::Filter,
    members::{self, MemberChange},
    patch,
    resource::{Parsed, Written},
};
use uuid::Uuid;

use crate::{App, Caller, Done, Order, Refusal};

/// How many members are read at a time.
pub const MEMBERS_CHUNK: usize = 1_000;

/// A SCIM Group to be shown.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// The SCIM id.
    pub id: GroupId,
    /// What the connector said.
    pub resource: Written,
    /// When it was created, in microseconds since the epoch.
    pub created: i64,
    /// When it last changed.
    pub modified: i64,
    /// Its version: the ETag.
    pub version: u64,
    /// Who its members are, of the same version.
    pub members: MemberIds,
}

/// The members of a group, by id: those too that were deleted a moment ago.
#[derive(Clone, Debug)]
pub enum MemberIds {
    /// As the group itself has them.
    Set(OrdSet<MemberId>),
    /// As they were read; none, where nobody asked for them.
    List(Vec<Uuid>),
}

impl MemberIds {
    /// The ids, in order.
    pub fn into_vec(self) -> Vec<Uuid> {
        match self {
            Self::Set(set) => set.iter().map(|member| member.0).collect(),
            Self::List(list) => list,
        }
    }
}

impl GroupView {
    fn of(id: GroupId, version: u64, living: &Living) -> Self {
        Self {
            id,
            resource: Written::of(&living.resource),
            created: living.created,
            modified: living.modified,
            version,
            members: MemberIds::Set(living.members.clone()),
        }
    }
}

impl From<GroupRow> for GroupView {
    fn from(row: GroupRow) -> Self {
        let GroupRow { id, resource, created, modified, version, members, .. } = row;
        let resource = Written::of(&resource);
        let members = MemberIds::List(members.unwrap_or_default());
        Self { id, resource, created, modified, version, members }
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
        id: GroupId,
        parsed: Parsed,
    ) -> Result<GroupView, Refusal> {
        self.note_name(caller, parsed.resource.display_name());
        let values = parsed.members.unwrap_or_default().into_iter().map(|it| it.value).collect();
        let command = GroupCommand::Create {
            portal: caller.portal,
            connector: caller.connector.clone(),
            resource: parsed.resource,
            members: self.resolve(caller, values).await?,
        };
        let done = self.on_group(caller, id, command).await?;
        caller.trace.about(id.0);
        view(caller, id, &done)
    }

    /// PUT /Groups/{id}. A body that does not speak of members leaves them.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], 412 for a version that is not among `if_match`, or what is wrong with
    /// the resource.
    pub async fn replace_group(
        &self,
        caller: &Caller,
        id: GroupId,
        parsed: Parsed,
        if_match: Option<EntityTags>,
    ) -> Result<GroupView, Refusal> {
        caller.trace.about(id.0);
        self.note_name(caller, parsed.resource.display_name());
        let members = match parsed.members {
            Some(members) => {
                let values = members.into_iter().map(|it| it.value).collect();
                Some(self.resolve(caller, values).await?)
            }
            None => None,
        };
        let via = via(caller, if_match);
        let command = GroupCommand::Replace { via, resource: parsed.resource, members };
        let done = self.on_group(caller, id, command).await?;
        view(caller, id, &done)
    }

    /// PATCH /Groups/{id}: all of it or nothing, at the price of what it changes.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], 412 for a version that is not among `if_match`, or which operation is
    /// wrong and how.
    pub async fn patch_group(
        &self,
        caller: &Caller,
        id: GroupId,
        request: patch::Request,
        options: patch::Options,
        if_match: Option<EntityTags>,
    ) -> Result<GroupView, Refusal> {
        caller.trace.about(id.0);
        let group = self.groups.load(&caller.workspace, id.0).await?;
        let living = group.state.living(&caller.connector);
        let mut operations = Vec::with_capacity(request.changes.len());
        for change in request.changes {
            let operation = match members::of_with(&change, options.leniency)? {
                None => Operation::Attribute(change),
                Some(change) => {
                    Operation::Members(self.member_op(caller, id, change, living).await?)
                }
            };
            operations.push(operation);
        }
        caller.budget.compare(comparisons(&operations, living))?;
        let command = GroupCommand::Patch { via: via(caller, if_match), operations, options };
        let done = self.on_group(caller, id, command).await?;
        let living = done.es.state.living(&caller.connector);
        self.note_name(caller, living.and_then(|living| living.resource.display_name()));
        view(caller, id, &done)
    }

    /// DELETE /Groups/{id}. Its members stay who they are.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or 412 for a version that is not among `if_match`.
    pub async fn delete_group(
        &self,
        caller: &Caller,
        id: GroupId,
        if_match: Option<EntityTags>,
    ) -> Result<(), Refusal> {
        caller.trace.about(id.0);
        self.on_group(caller, id, GroupCommand::Delete { via: via(caller, if_match) }).await?;
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
        caller.trace.about(id.0);
        let shown = self.shown(caller).await?;
        shown.refuse([id.0])?;
        let row = shown.directory.group(&caller.workspace, &caller.connector, id, with_members)?;
        let members = row.iter().filter_map(|row| row.members.as_ref()).flatten();
        shown.refuse(members.copied())?;
        Ok(row.ok_or_else(|| Refusal::NotFound("group".into()))?.into())
    }

    /// Those of some ids that are of users or groups of the connector now, as members of a group. A
    /// large group is shown in parts of [`MEMBERS_CHUNK`].
    ///
    /// # Errors
    /// When a read model has stopped.
    pub async fn members(&self, caller: &Caller, ids: &[Uuid]) -> Result<Vec<MemberRow>, Refusal> {
        let shown = self.shown(caller).await?;
        shown.refuse(ids.iter().copied())?;
        Ok(shown.directory.members_among(&caller.workspace, &caller.connector, ids)?)
    }

    async fn member_op(
        &self,
        caller: &Caller,
        id: GroupId,
        change: MemberChange,
        living: Option<&Living>,
    ) -> Result<MemberOp, Refusal> {
        Ok(match change {
            MemberChange::Add(values) => MemberOp::Add(self.resolve(caller, values).await?),
            MemberChange::Remove(values) => {
                let mut members = self.resolve(caller, values).await?;
                members.extend(self.awaited(caller, id, &members, living).await?);
                MemberOp::Remove(members)
            }
            MemberChange::Replace(values) => MemberOp::Replace(self.resolve(caller, values).await?),
            MemberChange::RemoveAll => MemberOp::RemoveAll,
            // The group itself knows its members by their values and types only.
            MemberChange::RemoveMatching(filter)
                if filter.mentions("display") || filter.mentions("$ref") =>
            {
                MemberOp::Remove(self.matching(caller, &filter, living).await?)
            }
            MemberChange::RemoveMatching(filter) => MemberOp::RemoveMatching(filter),
        })
    }

    /// The pending values of a group that name some of these members by another name: somebody who is
    /// removed must not come back when the value is resolved.
    async fn awaited(
        &self,
        caller: &Caller,
        id: GroupId,
        members: &[MemberRef],
        living: Option<&Living>,
    ) -> Result<Vec<MemberRef>, Refusal> {
        let Some(living) = living.filter(|living| !living.pending.is_empty()) else {
            return Ok(Vec::new());
        };
        let (workspace, connector) = (&caller.workspace, &caller.connector);
        let shown = self.shown(caller).await?;
        shown.refuse(members.iter().filter_map(|it| it.known).map(|member| member.0))?;
        let directory = shown.directory;
        let mut found = Vec::new();
        for member in members.iter().filter_map(|it| it.known) {
            let user = directory.user(workspace, connector, EntryId(member.0))?;
            let resource = user.map(|user| user.resource()).transpose()?.unwrap_or_default();
            let (external_id, user_name) = (resource.external_id(), resource.user_name());
            let groups =
                directory.pending_for(workspace, connector, member, external_id, user_name)?;
            let here = groups.into_iter().filter(|(group, _)| *group == id);
            let values = here.flat_map(|(_, versions)| versions);
            found.extend(
                values
                    .filter_map(|version| living.pending.value_of(version))
                    .map(|value| MemberRef { value: value.to_owned(), known: None }),
            );
        }
        Ok(found)
    }

    /// The members that a filter matches as a client sees them. What that costs is taken from the
    /// budget of the request before any of them is read.
    async fn matching(
        &self,
        caller: &Caller,
        filter: &Filter,
        living: Option<&Living>,
    ) -> Result<Vec<MemberRef>, Refusal> {
        let base_url = self.base_url(&caller.workspace, &caller.connector);
        let matcher = members::matcher(filter)?;
        let living = living.ok_or(GroupRefusal::NoGroup)?;
        caller.budget.see(living.members.len().saturating_mul(filter.comparisons()))?;
        let ids: Vec<_> = living.members.iter().map(|member| member.0).collect();
        let mut found = Vec::new();
        for ids in ids.chunks(MEMBERS_CHUNK) {
            let rows = self.members(caller, ids).await?;
            let matches = rows.iter().filter(|row| matcher.matches(&row.document(&base_url)));
            found.extend(matches.map(|row| MemberRef {
                value: row.value.to_string(),
                known: Some(MemberId(row.value)),
            }));
        }
        Ok(found)
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
        let shown = self.shown(caller).await?;
        let members = shown.directory.resolve(&caller.workspace, &caller.connector, &values)?;
        // Nothing would ever resolve a pending value whose user was there all the time.
        if members.iter().any(|member| member.known.is_none()) {
            shown.refuse_absence()?;
        }
        shown.refuse(members.iter().filter_map(|it| it.known).map(|member| member.0))?;
        Ok(members)
    }

    async fn on_group(
        &self,
        caller: &Caller,
        id: GroupId,
        command: GroupCommand,
    ) -> Result<Done<Group>, Refusal> {
        let (workspace, meta) = (caller.workspace.clone(), caller.meta());
        let order = Order { workspace, id: id.0, command, meta };
        let done = match self.groups.dispatch(order).await {
            Ok(done) => done,
            Err(error) => return Err(self.taken(caller, error).await),
        };
        caller.trace.recorded(done.receipt.as_ref());
        Ok(done)
    }
}

/// How often the filters of some operations are compared with a member of the group.
fn comparisons(operations: &[Operation], living: Option<&Living>) -> usize {
    let members = living.map_or(0, |living| living.members.len() + living.pending.len());
    let filters = operations.iter().filter_map(|operation| match operation {
        Operation::Members(MemberOp::RemoveMatching(filter)) => Some(filter.comparisons()),
        _ => None,
    });
    filters.sum::<usize>().saturating_mul(members)
}

fn via(caller: &Caller, if_match: Option<EntityTags>) -> Via {
    let (connector, catalogue) = (caller.connector.clone(), caller.catalogue.clone());
    Via { connector, catalogue, if_match }
}

fn view(caller: &Caller, id: GroupId, done: &Done<Group>) -> Result<GroupView, Refusal> {
    let living = done.es.state.living(&caller.connector).ok_or(GroupRefusal::NoGroup)?;
    Ok(GroupView::of(id, done.es.version, living))
}
