//! `/workspaces/{ws}/connectors/{connector}/attribute-history`: which attributes requests have carried
//! (rule 19).

use actix_web::http::Method;
use app::admin::attributes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{Part, page},
    ask::{Inside, OfConnector},
    endpoint::Endpoint,
    moment,
    params::Params,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/connectors/{connector}/attribute-history";
    let says = "List the attributes that requests of a connector have carried";
    vec![Endpoint::new(Method::GET, path, says, list).lists::<AttributeSeen>()]
}

/// An attribute that requests have carried, mapped or not; also those that were refused.
#[derive(Debug, Serialize, ToSchema)]
struct AttributeSeen {
    /// The URN of its schema.
    namespace: String,
    /// `attribute` or `attribute.subAttribute`, as `attribute-mapping` takes it.
    key: String,
    /// When a request carried it first.
    #[schema(schema_with = words::time)]
    first_seen: String,
    /// When the last one did.
    #[schema(schema_with = words::time)]
    last_seen: String,
    /// How many have. A server that was killed may have lost the last second of them.
    count: u64,
}

impl From<attributes::AttributeSeen> for AttributeSeen {
    fn from(seen: attributes::AttributeSeen) -> Self {
        Self {
            namespace: seen.namespace,
            key: seen.key,
            first_seen: moment::show(seen.first_seen),
            last_seen: moment::show(seen.last_seen),
            count: seen.count,
        }
    }
}

async fn list(inside: Inside, of: OfConnector, params: Params) -> Part<AttributeSeen> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.attribute_history(&workspace, &of.0, &params.listing()?).await?;
    Ok(page(listed, AttributeSeen::from))
}
