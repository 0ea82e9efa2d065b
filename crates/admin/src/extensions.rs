//! `/workspaces/{ws}/connectors/{connector}/extensions`: the extension schemas that are declared.

use ::scim::{Kind, schema::Schema};
use actix_web::{http::Method, web::Json};
use app::Refusal;
use domain::workspace;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    answer::Answer,
    ask::{Inside, OfConnector},
    body::Body,
    endpoint::Endpoint,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/connectors/{connector}/extensions";
    vec![
        Endpoint::new(Method::GET, path, "Get the extension schemas that are declared", get)
            .shows::<Extensions>(),
        Endpoint::new(Method::PUT, path, "Declare extension schemas", put)
            .takes::<Extensions>()
            .shows::<Extensions>(),
    ]
}

/// Extension schemas. Any extension is accepted without being declared; those that are declared
/// stand in `/Schemas` and `/ResourceTypes`, and their characteristics are enforced from then on.
/// A PUT replaces all of them.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Extensions {
    items: Vec<Extension>,
}

/// An extension of a kind of resource.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Extension {
    /// `User` or `Group`.
    #[schema(value_type = String)]
    resource_type: Kind,
    /// The schema as RFC 7643 §7 writes it: `id`, `name`, `attributes`.
    #[schema(value_type = Object)]
    schema: Value,
}

impl Extensions {
    fn show(declared: &[workspace::Extension]) -> Self {
        let show = |it: &workspace::Extension| Extension {
            resource_type: it.resource_type,
            // A schema is texts, lists and flags: it can be written.
            schema: serde_json::to_value(&it.schema).unwrap_or_default(),
        };
        Self { items: declared.iter().map(show).collect() }
    }

    fn read(self) -> Result<Vec<workspace::Extension>, Refusal> {
        let read = |(index, Extension { resource_type, schema })| {
            let schema = Schema::parse_extension(schema).map_err(|error| {
                Refusal::Malformed(format!("items[{index}].schema: {}", error.detail))
            })?;
            Ok(workspace::Extension { resource_type, schema })
        };
        self.items.into_iter().enumerate().map(read).collect()
    }
}

async fn get(inside: Inside, of: OfConnector) -> Answer<Extensions> {
    let Inside { app, workspace, .. } = inside;
    let connector = app.connector(&workspace, &of.0).await?;
    Ok(Json(Extensions::show(connector.extensions.declared())))
}

async fn put(inside: Inside, of: OfConnector, body: Body<Extensions>) -> Answer<Extensions> {
    let Inside { app, person, workspace } = inside;
    let extensions = body.0.read()?;
    let declared = app.declare_extensions(&person, &workspace, &of.0, extensions).await?;
    Ok(Json(Extensions::show(declared.declared())))
}
