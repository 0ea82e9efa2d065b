//! Discovery, RFC 7644 §4: what the service provider can do, its resource types and its schemas.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use app::App;
use domain::ids::ConnectorName;
use event_log::WorkspaceId;
use scim::{
    Kind, bulk,
    discovery::{self, Bulk, Cursor, Features},
    list::ListResponse,
    query::{COUNT_DEFAULT, COUNT_MAX},
};
use serde_json::Value;

use crate::{
    caller::Caller,
    endpoint::Endpoint,
    error::Refused,
    query::Query,
    respond::{Answer, ok},
};

/// What can be read without a token: clients look at the authentication schemes before they have
/// one (RFC 7643 §5).
pub(crate) fn public_endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/ServiceProviderConfig").get(service_provider_config)]
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/ResourceTypes").get(resource_types),
        Endpoint::at("/ResourceTypes/{name}").get(resource_type),
        Endpoint::at("/Schemas").get(schemas),
        Endpoint::at("/Schemas/{urn}").get(schema),
    ]
}

/// What this server has of SCIM. It says only what is served.
fn features() -> Features {
    Features {
        patch: true,
        bulk: Some(Bulk {
            operations_max: bulk::OPERATIONS_MAX as u64,
            payload_bytes_max: bulk::PAYLOAD_BYTES_MAX as u64,
        }),
        filter_results_max: Some(COUNT_MAX),
        change_password: false,
        sort: true,
        etag: true,
        cursor: Some(Cursor {
            page_size_default: COUNT_DEFAULT,
            page_size_max: COUNT_MAX,
            timeout_seconds: Some(app::CURSOR_SECONDS_MAX),
        }),
        documentation_uri: None,
    }
}

async fn service_provider_config(request: HttpRequest, app: Data<App>, query: Query) -> Answer {
    refuse_filter(&query)?;
    let named = |name| request.match_info().query(name);
    let workspace = WorkspaceId::parse(named("workspace")).map_err(|_| unknown("Base URL"))?;
    let connector = ConnectorName::parse(named("connector")).map_err(|_| unknown("Base URL"))?;
    let base_url = app.base_url(&workspace, &connector);
    Ok(ok(&discovery::service_provider_config(&features(), &base_url)))
}

async fn resource_types(caller: Caller, app: Data<App>, query: Query) -> Answer {
    refuse_filter(&query)?;
    Ok(all(discovery::resource_types(&base_url(&app, &caller), &caller.catalogue)))
}

async fn resource_type(
    caller: Caller,
    app: Data<App>,
    query: Query,
    request: HttpRequest,
) -> Answer {
    refuse_filter(&query)?;
    let name = request.match_info().query("name");
    let kind = Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
    let kind = kind.ok_or_else(|| unknown("resource type"))?;
    Ok(ok(&discovery::resource_type(&base_url(&app, &caller), &caller.catalogue, kind)))
}

async fn schemas(caller: Caller, app: Data<App>, query: Query) -> Answer {
    refuse_filter(&query)?;
    Ok(all(discovery::schemas(&base_url(&app, &caller), &caller.catalogue)))
}

async fn schema(caller: Caller, app: Data<App>, query: Query, request: HttpRequest) -> Answer {
    refuse_filter(&query)?;
    let urn = request.match_info().query("urn");
    let schema = discovery::schema(&base_url(&app, &caller), &caller.catalogue, urn);
    Ok(ok(&schema.ok_or_else(|| unknown("schema"))?))
}

/// A client that filters would believe that what comes matches.
///
/// # Source
/// RFC 7644 §4: "If a "filter" is provided, the service provider SHOULD respond with HTTP status
/// code 403".
fn refuse_filter(query: &Query) -> Result<(), scim::Error> {
    if query.has_filter() {
        return Err(scim::Error::forbidden("discovery cannot be filtered"));
    }
    Ok(())
}

fn base_url(app: &App, caller: &Caller) -> String {
    app.base_url(&caller.workspace, &caller.connector)
}

fn all(documents: Vec<Value>) -> HttpResponse {
    ok(&ListResponse::all(documents).into_json())
}

fn unknown(what: &str) -> Refused {
    scim::Error::not_found(format!("there is no such {what}")).into()
}
