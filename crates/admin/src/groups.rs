//! `/workspaces/{ws}/groups`, and `/mdm/groups` for those of that portal (rules 16 and 22).

use actix_web::{http::Method, web::Json};
use domain::{ids::GroupId, portal::Portal};
use projections::directory::{GroupRow, MemberRow};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Done, Part, page},
    ask::{Id, Inside},
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let of_all = endpoints_of("/workspaces/{ws}/groups", &Portal::ALL);
    let of_mdm = endpoints_of("/workspaces/{ws}/mdm/groups", &[Portal::Mdm]);
    of_all.into_iter().chain(of_mdm).collect()
}

/// The routes for the groups of some portals.
fn endpoints_of(base: &str, portals: &'static [Portal]) -> Vec<Endpoint> {
    let list = move |inside, params| list(portals, inside, params);
    let get = move |inside, id| get(portals, inside, id);
    let delete = move |inside, id| delete(portals, inside, id);
    let members = move |inside, id, params| members(portals, inside, id, params);
    let pending = move |inside, id, params| pending(portals, inside, id, params);
    let mut all =
        Endpoint::new(Method::GET, base, "List the groups", list).lists::<Group>().goes_back();
    if portals.len() > 1 {
        all = all.param("portal", "Only the groups of this portal");
    }
    vec![
        all,
        Endpoint::new(Method::GET, format!("{base}/{{id}}"), "Get a group", get)
            .shows::<Group>()
            .goes_back(),
        Endpoint::new(
            Method::DELETE,
            format!("{base}/{{id}}"),
            "Delete a group that a removed connector has left",
            delete,
        )
        .refuses(409, "Its connector is there, and it is deleted at the IdP"),
        Endpoint::new(
            Method::GET,
            format!("{base}/{{id}}/members"),
            "List the members of a group",
            members,
        )
        .lists::<Member>()
        .goes_back(),
        Endpoint::new(
            Method::GET,
            format!("{base}/{{id}}/pending"),
            "List the members that a group names and nobody has brought yet",
            pending,
        )
        .lists::<Pending>()
        .goes_back(),
    ]
}

/// A group that a connector has pushed.
#[derive(Debug, Serialize, ToSchema)]
struct Group {
    /// Its SCIM id.
    #[schema(schema_with = words::id)]
    id: String,
    display_name: String,
    #[schema(value_type = Option<String>)]
    external_id: Option<String>,
    #[schema(schema_with = words::portal)]
    portal: Portal,
    /// The slug of the connector that made it.
    connector: String,
    /// How many members it has.
    members: u64,
    #[schema(schema_with = words::time)]
    created_at: String,
    /// When it last changed, its members included.
    #[schema(schema_with = words::time)]
    modified_at: String,
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        Self {
            id: row.id.to_string(),
            display_name: row.resource.display_name().unwrap_or_default().to_owned(),
            external_id: row.resource.external_id().map(str::to_owned),
            portal: row.portal,
            connector: row.connector.to_string(),
            members: row.members_count,
            created_at: moment::show(row.created),
            modified_at: moment::show(row.modified),
        }
    }
}

/// A member of a group.
#[derive(Debug, Serialize, ToSchema)]
struct Member {
    /// Its SCIM id, by which everything here can be asked for.
    #[schema(schema_with = words::id)]
    id: String,
    /// `User`, or `Group` for one within another.
    r#type: &'static str,
    /// What people call it.
    display: Option<String>,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        Self { id: row.value.to_string(), r#type: row.kind.name(), display: row.display }
    }
}

/// A member that a group names and nobody has brought yet.
#[derive(Debug, Serialize, ToSchema)]
struct Pending {
    /// The version of the event that brought it.
    id: String,
    /// What the connector calls them.
    value: String,
}

async fn list(portals: &[Portal], inside: Inside, params: Params) -> Part<Group> {
    let chosen = params.parsed::<Portal>("portal", "dashboard, store or mdm")?;
    let chosen = chosen.as_slice();
    let portals = if portals.len() > 1 && !chosen.is_empty() { chosen } else { portals };
    let Inside { app, workspace, .. } = inside;
    let listed = app.groups_of_portals(&workspace, portals, &params.listing()?).await?;
    Ok(page(listed, Group::from))
}

async fn get(portals: &[Portal], inside: Inside, id: Id<GroupId>) -> Answer<Group> {
    let row = inside.app.group_of_portals(&inside.workspace, portals, id.0).await?;
    Ok(Json(row.into()))
}

async fn delete(portals: &[Portal], inside: Inside, id: Id<GroupId>) -> Result<Done, Refused> {
    let Inside { app, person, workspace } = inside;
    app.delete_left_group(&person, &workspace, portals, id.0).await?;
    Ok(Done)
}

async fn members(
    portals: &[Portal],
    inside: Inside,
    id: Id<GroupId>,
    params: Params,
) -> Part<Member> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.members_of_group(&workspace, portals, id.0, &params.listing()?).await?;
    Ok(page(listed, Member::from))
}

async fn pending(
    portals: &[Portal],
    inside: Inside,
    id: Id<GroupId>,
    params: Params,
) -> Part<Pending> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.pending_of_group(&workspace, portals, id.0, &params.listing()?).await?;
    Ok(page(listed, |(at, value)| Pending { id: at.to_string(), value }))
}
