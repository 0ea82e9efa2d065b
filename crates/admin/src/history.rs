//! `/workspaces/{ws}/history/…` and `/workspaces/{ws}/diff`: what stood, and what changed (rule 30).

use actix_web::{http::Method, web::Json};
use app::{
    Refusal,
    admin::events::Moment,
    history::{Change, Changed, Diff, StateAsOf},
};
use domain::{
    Micros,
    ids::{DeviceId, GroupId},
};
use projections::mdm::DeviceRow;
use scim::{Kind, Meta, Resource, etag};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::Account,
    answer::Answer,
    ask::{self, Id, Inside},
    devices::Device,
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let at = "As of this position or RFC 3339 time; now unless said";
    let users = "/workspaces/{ws}/history/users/{id}";
    let groups = "/workspaces/{ws}/history/groups/{id}";
    let devices = "/workspaces/{ws}/history/devices/{id}";
    let compare = "List what is different between two moments, by whom it is about";
    vec![
        Endpoint::new(Method::GET, users, "Get a person as they stood", user)
            .param("at", at)
            .shows::<UserThen>(),
        Endpoint::new(Method::GET, groups, "Get a group as it stood", group)
            .param("at", at)
            .shows::<GroupThen>(),
        Endpoint::new(Method::GET, devices, "Get a device as it stood", device)
            .param("at", at)
            .shows::<DeviceThen>(),
        Endpoint::new(Method::GET, "/workspaces/{ws}/diff", compare, diff)
            .param("from", "A position or RFC 3339 time; before there was anything unless said")
            .param("to", "A position or RFC 3339 time; now unless said")
            .param(
                "stream",
                "Only of this person, group or device: `user/<id>`, where a SCIM id will do, `group/<id>`, `device/<id>`",
            )
            .param("limit", "How many at most: 100 unless said, 1,000 at most")
            .param("cursor", "The `next_cursor` of the part before")
            .shows::<Differences>(),
    ]
}

/// A person as they stood.
#[derive(Debug, Serialize, ToSchema)]
struct UserThen {
    /// The position of the last event by then.
    at: u64,
    /// When that was recorded.
    time: Option<String>,
    /// What the connector whose SCIM id was asked for said of them, else the first that knew them; null
    /// when none did. What lies in other streams is left out: `groups`, and what members are called.
    #[schema(schema_with = words::anything)]
    resource: Value,
    account: Account,
}

/// A group as it stood.
#[derive(Debug, Serialize, ToSchema)]
struct GroupThen {
    /// The position of the last event by then.
    at: u64,
    /// When that was recorded.
    time: Option<String>,
    /// What SCIM would have shown, with all members.
    #[schema(schema_with = words::anything)]
    resource: Value,
    /// Members that it named and nobody had brought yet.
    pending: Vec<String>,
}

/// A device as it stood.
#[derive(Debug, Serialize, ToSchema)]
struct DeviceThen {
    /// The position of the last event by then.
    at: u64,
    /// When that was recorded.
    time: Option<String>,
    resource: Device,
}

/// What is different between two moments.
#[derive(Debug, Serialize, ToSchema)]
struct Differences {
    /// The position that is compared from.
    from: u64,
    /// The position that is compared to.
    to: u64,
    /// In the order in which they changed first. A part may be short, or empty, and not the last.
    items: Vec<Difference>,
    /// The `cursor` of the next part; null after the last one.
    next_cursor: Option<String>,
}

/// Somebody or something that is different.
#[derive(Debug, Serialize, ToSchema)]
struct Difference {
    /// `user`, `group` or `device`.
    kind: String,
    #[schema(schema_with = words::id)]
    id: String,
    /// None where that cannot be known any more: see `erasure`.
    changes: Vec<ShownChange>,
    /// The id of the erasure of a person who had events between the moments: what changed of them cannot be
    /// read any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    erasure: Option<String>,
}

/// An attribute that is different.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
struct ShownChange {
    /// Which, such as `resource.name.familyName`, `account.role`, `resource.members` or `pending` (the members
    /// that a group names and nobody has brought yet); `scim.<connector>` for what a further connector says
    /// of a person.
    path: String,
    /// What it was; null when it was not there, so that of whoever is new everything is null. With `delta`:
    /// what went from the list.
    #[schema(schema_with = words::anything)]
    before: Value,
    /// What it is; null when it is not there any more. With `delta`: what came into the list.
    #[schema(schema_with = words::anything)]
    after: Value,
    /// There for a list that was there at both moments, such as members: `before` and `after` are not the
    /// whole of it, only what went and what came.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    delta: bool,
    /// The position of the last event that changed it.
    position: u64,
}

impl From<Changed> for Difference {
    fn from(Changed { kind, id, changes, erased }: Changed) -> Self {
        let change = |Change { path, before, after, delta, position }| ShownChange {
            path,
            before,
            after,
            delta,
            position,
        };
        let changes = changes.into_iter().map(change).collect();
        Self { kind, id: id.to_string(), changes, erasure: erased.map(|it| it.to_string()) }
    }
}

async fn user(inside: Inside, id: Id<Uuid>, params: Params) -> Answer<UserThen> {
    let at = at(&inside, &params).await?;
    let Inside { app, workspace, .. } = inside;
    let found = app.user_as_of(&workspace, id.0, at).await?;
    let StateAsOf { at, time, state: (user, account) } = found;
    let asked = user.entries.iter().find(|(_, entry)| entry.id.0 == id.0);
    let resource = asked.or_else(|| user.entries.iter().next()).map(|(connector, entry)| {
        let stamps = (entry.created, entry.modified, entry.version);
        let base_url = app.base_url(&workspace, connector);
        document(Kind::User, entry.id.0, entry.resource.clone(), stamps, &base_url)
    });
    let (time, resource) = (time.map(moment::show), resource.unwrap_or_default());
    Ok(Json(UserThen { at, time, resource, account: account.into() }))
}

async fn group(inside: Inside, id: Id<GroupId>, params: Params) -> Answer<GroupThen> {
    let at = at(&inside, &params).await?;
    let Inside { app, workspace, .. } = inside;
    let StateAsOf { at, time, state } = app.group_as_of(&workspace, id.0, at).await?;
    let living = state.0.ok_or_else(|| Refusal::NotFound("group".to_owned()))?;
    let base_url = app.base_url(&workspace, &living.connector);
    let stamps = (living.created, living.modified, living.version);
    let mut resource = document(Kind::Group, id.0.0, living.resource, stamps, &base_url);
    if !living.members.is_empty() {
        let members = living.members.iter().map(|member| json!({ "value": member.0 }));
        resource["members"] = members.collect();
    }
    let pending = living.pending.iter().map(|(_, value)| value.to_owned()).collect();
    Ok(Json(GroupThen { at, time: time.map(moment::show), resource, pending }))
}

async fn device(inside: Inside, id: Id<DeviceId>, params: Params) -> Answer<DeviceThen> {
    let at = at(&inside, &params).await?;
    let Inside { app, workspace, .. } = inside;
    let StateAsOf { at, time, state } = app.device_as_of(&workspace, id.0, at).await?;
    let resource = DeviceRow::of(id.0, state).into();
    Ok(Json(DeviceThen { at, time: time.map(moment::show), resource }))
}

async fn diff(inside: Inside, params: Params) -> Answer<Differences> {
    let Inside { app, workspace, .. } = inside;
    let moment = |name, default| {
        let given = params.get(name).map(|text| moment::moment(name, text)).transpose();
        given.map(|given| given.unwrap_or(Moment::Position(default)))
    };
    let span = (moment("from", 0)?, moment("to", u64::MAX)?);
    let (stream, listing) = (params.get("stream"), params.listing()?);
    let Diff { from, to, items } = app.diff(&workspace, span, stream, &listing).await?;
    let listed = items.map(Difference::from);
    Ok(Json(Differences { from, to, items: listed.items, next_cursor: listed.next }))
}

/// The moment that is asked about.
///
/// # Errors
/// 404 when the workspace did not exist yet.
async fn at(inside: &Inside, params: &Params) -> Result<Option<Moment>, Refused> {
    let Some(text) = params.get("at") else { return Ok(None) };
    let moment = moment::moment("at", text)?;
    if inside.app.position_at(&inside.workspace, moment).await? == 0 {
        return Err(ask::not_yet(&inside.workspace));
    }
    Ok(Some(moment))
}

/// A resource as SCIM shows it.
fn document(
    kind: Kind,
    id: Uuid,
    resource: Resource,
    (created, modified, version): (Micros, Micros, u64),
    base_url: &str,
) -> Value {
    let meta = Meta {
        created: moment::show_scim(created),
        last_modified: moment::show_scim(modified),
        location: kind.location(base_url, id),
        version: Some(etag::of(version)),
    };
    resource.into_document(kind, &id.to_string(), &meta)
}
