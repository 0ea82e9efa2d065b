//! `/workspaces/{ws}/portals/{portal}/access` and `/workspaces/{ws}/people/{id}/groups`: which groups
//! a portal requires, and which somebody is in (rule 16).

use actix_web::{http::Method, web::Json};
use app::admin::access::{MayEnter, PersonGroups};
use domain::{group_filter::GroupFilter, portal::Portal};
use projections::directory::EffectiveGroup;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::Answer,
    ask::{Id, Inside, OfPortal},
    body::Body,
    endpoint::Endpoint,
    params::Params,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let access = "/workspaces/{ws}/portals/{portal}/access";
    vec![
        Endpoint::new(Method::GET, access, "Get which groups a portal requires", get)
            .shows::<Access>(),
        Endpoint::new(Method::PUT, access, "Say which groups a portal requires", put)
            .takes::<Access>()
            .shows::<Access>(),
        Endpoint::new(
            Method::GET,
            "/workspaces/{ws}/people/{id}/groups",
            "List the groups that a person of any portal is in, and whether they may enter it",
            groups,
        )
        .param("q", "Only groups whose name holds this text, in any case")
        .param("limit", "How many at most: 100 unless said, 1,000 at most")
        .param("cursor", "The `next_cursor` of the part before")
        .shows::<GroupsOfPerson>()
        .goes_back(),
    ]
}

/// Which groups a portal requires to enter. It replaces the whole setting.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Access {
    /// Lines of displayNames, in any case, of groups of the portal's connectors: who is in all
    /// groups of one line may enter. No line: no group is required.
    groups: Vec<Vec<String>>,
}

impl From<&GroupFilter> for Access {
    fn from(filter: &GroupFilter) -> Self {
        Self { groups: filter.lines.clone() }
    }
}

/// A group that somebody is in.
#[derive(Debug, Serialize, ToSchema)]
struct GroupOfPerson {
    /// Its SCIM id.
    #[schema(schema_with = words::id)]
    id: String,
    display_name: String,
    /// The slug of the connector that made it.
    connector: String,
    /// Whether it names them itself; otherwise a group in it does.
    direct: bool,
}

impl From<EffectiveGroup> for GroupOfPerson {
    fn from(group: EffectiveGroup) -> Self {
        Self {
            id: group.id.to_string(),
            display_name: group.display,
            connector: group.connector.to_string(),
            direct: group.direct,
        }
    }
}

/// The groups that somebody is in, over all their active entries, and what those open.
#[derive(Debug, Serialize, ToSchema)]
struct GroupsOfPerson {
    /// A part of the groups, by id. Of somebody who was erased since there is none: that is not known.
    items: Vec<GroupOfPerson>,
    /// The `cursor` of the next part; null after the last one.
    next_cursor: Option<String>,
    /// The portal whose person it is.
    #[schema(schema_with = words::portal)]
    portal: Portal,
    /// Whether they may enter that portal; null in the past of somebody who was erased since, where that is
    /// not known any more.
    may_enter: Option<bool>,
    /// Why, or why not.
    because: String,
}

impl From<PersonGroups> for GroupsOfPerson {
    fn from(person: PersonGroups) -> Self {
        let PersonGroups { portal, groups, entry, .. } = person;
        let (may_enter, because) = match entry {
            MayEnter::NoneRequired => (Some(true), "the portal requires no group".to_owned()),
            MayEnter::Line(line) => (Some(true), format!("they are in {}", line.join(" and "))),
            MayEnter::NoAccount(state) => {
                (Some(false), format!("their account is not active but {}", state.as_str()))
            }
            MayEnter::NoLine => {
                (Some(false), "they are in all groups of none of the portal's lines".to_owned())
            }
            MayEnter::NotKnown => {
                (None, "which groups they were in is not known: they were erased".to_owned())
            }
        };
        Self {
            items: groups.items.into_iter().map(GroupOfPerson::from).collect(),
            next_cursor: groups.next,
            portal,
            may_enter,
            because,
        }
    }
}

async fn get(inside: Inside, portal: OfPortal) -> Answer<Access> {
    Ok(Json((&*inside.app.access(&inside.workspace, portal.0).await?).into()))
}

async fn put(inside: Inside, portal: OfPortal, body: Body<Access>) -> Answer<Access> {
    let Inside { app, person, workspace } = inside;
    let groups = GroupFilter { lines: body.0.groups };
    Ok(Json((&*app.set_access(&person, &workspace, portal.0, groups).await?).into()))
}

async fn groups(inside: Inside, id: Id<Uuid>, params: Params) -> Answer<GroupsOfPerson> {
    let listing = params.listing()?;
    Ok(Json(inside.app.groups_of_person(&inside.workspace, id.0, &listing).await?.into()))
}
