//! `/workspaces/{ws}/mdm/segments` and `/workspaces/{ws}/collaborators/{id}/segments` (rule 15).

use std::collections::BTreeSet;

use actix_web::{http::Method, web::Json};
use app::admin::{
    devices::Set,
    segments::{Named, Permitted},
};
use domain::{
    ids::SegmentId,
    segments::{Grants, Permission, Segment},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::{Answer, Created, Done, Part, page},
    ask::{Id, Inside},
    body::{Body, set},
    endpoint::Endpoint,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let (all, one) = ("/workspaces/{ws}/mdm/segments", "/workspaces/{ws}/mdm/segments/{id}");
    let grants = "/workspaces/{ws}/mdm/segments/{id}/grants";
    let of_person = "/workspaces/{ws}/collaborators/{id}/segments";
    let place = "The name is taken there, or the tree would be no tree or too deep";
    vec![
        Endpoint::new(Method::GET, all, "List the segments", list)
            .lists::<ShownSegment>()
            .goes_back(),
        Endpoint::new(Method::POST, all, "Add a segment", add)
            .takes::<NewSegment>()
            .makes::<ShownSegment>()
            .refuses(409, place),
        Endpoint::new(Method::GET, one, "Get a segment", get).shows::<ShownSegment>().goes_back(),
        Endpoint::new(Method::PATCH, one, "Rename a segment or move it", change)
            .takes::<ChangeSegment>()
            .shows::<ShownSegment>()
            .refuses(409, place),
        Endpoint::new(Method::DELETE, one, "Remove a segment that has none below it", remove)
            .refuses(409, "Segments stand under it"),
        Endpoint::new(Method::GET, grants, "Get what collaborators may do in a segment", granted)
            .shows::<ShownGrants>()
            .goes_back(),
        Endpoint::new(Method::PUT, grants, "Say what collaborators may do in a segment", grant)
            .takes::<ShownGrants>()
            .shows::<ShownGrants>()
            .refuses(409, "Somebody new has no account"),
        Endpoint::new(
            Method::GET,
            of_person,
            "List the segments in which a collaborator may do something",
            of_collaborator,
        )
        .lists::<PermittedSegment>()
        .goes_back(),
    ]
}

/// A segment of Device Management.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Segment)]
struct ShownSegment {
    #[schema(schema_with = words::id)]
    id: String,
    /// Unique among those of its parent, in any case.
    name: String,
    /// The id of the segment it stands under; null at the top.
    parent: Option<String>,
}

impl From<Named> for ShownSegment {
    fn from((id, segment): Named) -> Self {
        let Segment { name, parent, .. } = segment;
        Self { id: id.to_string(), name, parent: parent.map(|id| id.to_string()) }
    }
}

/// A segment to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSegment {
    /// Unique among those of its parent, in any case.
    name: String,
    /// The id of the segment it stands under; at the top, unless said.
    parent: Option<Uuid>,
}

/// What changes of a segment; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeSegment {
    /// Unique among those of its parent, in any case.
    name: Option<String>,
    /// The id of the segment it stands under, with all below it; null puts it at the top.
    #[serde(default, deserialize_with = "set")]
    #[schema(value_type = Option<Uuid>)]
    parent: Set<Uuid>,
}

/// What collaborators may do in a segment and in all below it. It replaces the whole setting. No
/// role and no group gives any of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Grants)]
struct ShownGrants {
    grants: Vec<ShownGrant>,
}

/// What a collaborator may do.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Grant)]
struct ShownGrant {
    /// The id of a collaborator, or the SCIM id of one of their entries.
    #[schema(schema_with = words::id)]
    collaborator: Uuid,
    #[schema(schema_with = words::permissions)]
    actions: BTreeSet<Permission>,
}

impl From<Grants> for ShownGrants {
    fn from(grants: Grants) -> Self {
        let grant = |(user, actions): (domain::ids::UserId, _)| ShownGrant {
            collaborator: user.0,
            actions,
        };
        Self { grants: grants.into_iter().map(grant).collect() }
    }
}

/// A segment in which a collaborator may do something.
#[derive(Debug, Serialize, ToSchema)]
struct PermittedSegment {
    #[schema(schema_with = words::id)]
    id: String,
    name: String,
    /// The id of the segment it stands under; null at the top.
    parent: Option<String>,
    /// What they may do, by grants on it and on those above it.
    #[schema(schema_with = words::permissions)]
    actions: BTreeSet<Permission>,
    /// What of it was granted on this segment itself.
    #[schema(schema_with = words::permissions)]
    granted: BTreeSet<Permission>,
}

impl From<(SegmentId, Permitted)> for PermittedSegment {
    fn from((id, permitted): (SegmentId, Permitted)) -> Self {
        let Permitted { segment, permissions, granted } = permitted;
        let ShownSegment { id, name, parent } = (id, segment).into();
        Self { id, name, parent, actions: permissions, granted }
    }
}

async fn list(inside: Inside, params: Params) -> Part<ShownSegment> {
    let listed = inside.app.list_segments(&inside.workspace, &params.listing()?).await?;
    Ok(page(listed, ShownSegment::from))
}

async fn add(inside: Inside, body: Body<NewSegment>) -> Result<Created<ShownSegment>, Refused> {
    let Inside { app, person, workspace } = inside;
    let Body(NewSegment { name, parent }) = body;
    let parent = parent.map(SegmentId);
    Ok(Created(app.add_segment(&person, &workspace, &name, parent).await?.into()))
}

async fn get(inside: Inside, id: Id<SegmentId>) -> Answer<ShownSegment> {
    Ok(Json((id.0, inside.app.segment(&inside.workspace, id.0).await?).into()))
}

async fn change(
    inside: Inside,
    id: Id<SegmentId>,
    body: Body<ChangeSegment>,
) -> Answer<ShownSegment> {
    let Inside { app, person, workspace } = inside;
    let Body(ChangeSegment { name, parent }) = body;
    let parent = parent.map(SegmentId);
    let segment = app.change_segment(&person, &workspace, id.0, name.as_deref(), parent).await?;
    Ok(Json((id.0, segment).into()))
}

async fn remove(inside: Inside, id: Id<SegmentId>) -> Result<Done, Refused> {
    inside.app.remove_segment(&inside.person, &inside.workspace, id.0).await?;
    Ok(Done)
}

async fn granted(inside: Inside, id: Id<SegmentId>) -> Answer<ShownGrants> {
    Ok(Json(inside.app.segment(&inside.workspace, id.0).await?.grants.into()))
}

async fn grant(inside: Inside, id: Id<SegmentId>, body: Body<ShownGrants>) -> Answer<ShownGrants> {
    let Inside { app, person, workspace } = inside;
    let asked = body.0.grants.into_iter().map(|grant| (grant.collaborator, grant.actions));
    let segment = app.set_grants(&person, &workspace, id.0, asked.collect()).await?;
    Ok(Json(segment.grants.into()))
}

async fn of_collaborator(inside: Inside, id: Id<Uuid>, params: Params) -> Part<PermittedSegment> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.segments_of_collaborator(&workspace, id.0, &params.listing()?).await?;
    Ok(page(listed, PermittedSegment::from))
}
