//! `/workspaces/{ws}/publications` and `/workspaces/{ws}/employees/{id}/publications` (rule 17).

use actix_web::{http::Method, web::Json};
use domain::{group_filter::GroupFilter, ids::PublicationId};
use projections::store::PublicationRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::Account,
    answer::{Answer, Created, Done, Part, page},
    ask::{Id, Inside},
    body::Body,
    endpoint::Endpoint,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let (all, one) = ("/workspaces/{ws}/publications", "/workspaces/{ws}/publications/{id}");
    let audience = "/workspaces/{ws}/publications/{id}/audience";
    let seen = "/workspaces/{ws}/employees/{id}/publications";
    vec![
        Endpoint::new(Method::GET, all, "List the publications", list)
            .lists::<Publication>()
            .goes_back(),
        Endpoint::new(Method::POST, all, "Publish something in the Store", publish)
            .takes::<NewPublication>()
            .makes::<Publication>(),
        Endpoint::new(Method::GET, one, "Get a publication", get)
            .shows::<Publication>()
            .goes_back(),
        Endpoint::new(Method::PATCH, one, "Rename a publication or show it to others", change)
            .takes::<ChangePublication>()
            .shows::<Publication>(),
        Endpoint::new(Method::DELETE, one, "Take a publication out of the Store", withdraw),
        Endpoint::new(Method::GET, audience, "List the employees who see a publication", who)
            .parts::<Account>()
            .goes_back(),
        Endpoint::new(Method::GET, seen, "List the publications that an employee sees", what)
            .lists::<Publication>()
            .goes_back(),
    ]
}

/// An app in the Store.
#[derive(Debug, Serialize, ToSchema)]
struct Publication {
    #[schema(schema_with = words::id)]
    id: String,
    /// What people call it; several may have one name.
    name: String,
    /// Lines of displayNames of groups of the Store's connectors: who is in all groups of one line
    /// sees it. No line: everybody.
    groups: Vec<Vec<String>>,
}

impl From<PublicationRow> for Publication {
    fn from(row: PublicationRow) -> Self {
        Self { id: row.id.to_string(), name: row.name, groups: row.groups.lines }
    }
}

/// Something to be published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPublication {
    /// What people call it.
    name: String,
    /// Lines of displayNames, in any case; unless said, everybody sees it.
    #[serde(default)]
    groups: Vec<Vec<String>>,
}

/// What changes of a publication; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePublication {
    /// What people call it.
    name: Option<String>,
    /// Lines of displayNames, in any case; none: everybody.
    groups: Option<Vec<Vec<String>>>,
}

async fn list(inside: Inside, params: Params) -> Part<Publication> {
    let listed = inside.app.list_publications(&inside.workspace, &params.listing()?).await?;
    Ok(page(listed, Publication::from))
}

async fn publish(
    inside: Inside,
    body: Body<NewPublication>,
) -> Result<Created<Publication>, Refused> {
    let Inside { app, person, workspace } = inside;
    let Body(NewPublication { name, groups }) = body;
    let groups = GroupFilter { lines: groups };
    Ok(Created(app.publish(&person, &workspace, &name, groups).await?.into()))
}

async fn get(inside: Inside, id: Id<PublicationId>) -> Answer<Publication> {
    Ok(Json(inside.app.publication(&inside.workspace, id.0).await?.into()))
}

async fn change(
    inside: Inside,
    id: Id<PublicationId>,
    body: Body<ChangePublication>,
) -> Answer<Publication> {
    let Inside { app, person, workspace } = inside;
    let Body(ChangePublication { name, groups }) = body;
    let groups = groups.map(|lines| GroupFilter { lines });
    let row = app.change_publication(&person, &workspace, id.0, name.as_deref(), groups).await?;
    Ok(Json(row.into()))
}

async fn withdraw(inside: Inside, id: Id<PublicationId>) -> Result<Done, Refused> {
    inside.app.withdraw(&inside.person, &inside.workspace, id.0).await?;
    Ok(Done)
}

async fn who(inside: Inside, id: Id<PublicationId>, params: Params) -> Part<Account> {
    let listed = inside.app.audience(&inside.workspace, id.0, &params.listing()?).await?;
    Ok(page(listed, Account::from))
}

async fn what(inside: Inside, id: Id<Uuid>, params: Params) -> Part<Publication> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.publications_of_employee(&workspace, id.0, &params.listing()?).await?;
    Ok(page(listed, Publication::from))
}
