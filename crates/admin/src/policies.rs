//! `/workspaces/{ws}/mdm/policies` (rule 23).

use actix_web::{http::Method, web::Json};
use domain::ids::PolicyId;
use projections::mdm::PolicyRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
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
    let (all, one) = ("/workspaces/{ws}/mdm/policies", "/workspaces/{ws}/mdm/policies/{id}");
    vec![
        Endpoint::new(Method::GET, all, "List the device policies", list)
            .lists::<Policy>()
            .goes_back(),
        Endpoint::new(Method::POST, all, "Add a device policy", add)
            .takes::<NewPolicy>()
            .makes::<Policy>()
            .refuses(409, "The name is taken"),
        Endpoint::new(Method::GET, one, "Get a device policy", get).shows::<Policy>().goes_back(),
        Endpoint::new(Method::DELETE, one, "Remove a device policy that nothing uses", remove)
            .refuses(409, "A rule or a device uses it; the detail says which"),
    ]
}

/// A device policy.
#[derive(Debug, Serialize, ToSchema)]
struct Policy {
    #[schema(schema_with = words::id)]
    id: String,
    /// Unique in the workspace.
    name: String,
}

impl From<PolicyRow> for Policy {
    fn from(row: PolicyRow) -> Self {
        Self { id: row.id.to_string(), name: row.name }
    }
}

/// A device policy to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPolicy {
    /// Unique in the workspace.
    name: String,
}

async fn list(inside: Inside, params: Params) -> Part<Policy> {
    let listed = inside.app.list_policies(&inside.workspace, &params.listing()?).await?;
    Ok(page(listed, Policy::from))
}

async fn add(inside: Inside, body: Body<NewPolicy>) -> Result<Created<Policy>, Refused> {
    let Inside { app, person, workspace } = inside;
    Ok(Created(app.add_policy(&person, &workspace, &body.0.name).await?.into()))
}

async fn get(inside: Inside, id: Id<PolicyId>) -> Answer<Policy> {
    Ok(Json(inside.app.policy(&inside.workspace, id.0).await?.into()))
}

async fn remove(inside: Inside, id: Id<PolicyId>) -> Result<Done, Refused> {
    inside.app.remove_policy(&inside.person, &inside.workspace, id.0).await?;
    Ok(Done)
}
