//! `/workspaces/{ws}/connectors`.

use actix_web::{http::Method, web::Json};
use app::App;
use domain::{
    ids::ConnectorName,
    portal::Portal,
    workspace::{self, ConnectorState, Idp, Paused, People},
};
use event_log::WorkspaceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Done, Part, page},
    ask::{Inside, OfConnector},
    body::Body,
    endpoint::Endpoint,
    moment,
    params::{Params, choice},
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let one = "/workspaces/{ws}/connectors/{connector}";
    vec![
        Endpoint::new(Method::GET, "/workspaces/{ws}/connectors", "List the connectors", list)
            .lists::<Connector>().goes_back(),
        Endpoint::new(Method::GET, one, "Get a connector", get).shows::<Connector>().goes_back(),
        Endpoint::new(
            Method::PATCH,
            one,
            "Pause or resume a connector, or say whose dialect it speaks",
            change,
        )
        .takes::<ChangeConnector>()
        .shows::<Connector>()
        .refuses(409, "The workspace's plan does not have SCIM"),
        Endpoint::new(Method::DELETE, one, "Remove a connector for ever", remove).param(
            "people",
            "What becomes of its people, and it has to be said. `keep`: entries, groups and accounts \
             stay as they are, out of reach of SCIM. `deactivate`: every entry and group is removed \
             in the background as if the connector had deleted it, by its rule",
        ),
    ]
}

/// A link from an `IdP` to a portal.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the contract names them")]
struct Connector {
    /// The slug.
    id: String,
    /// The slug.
    connector: String,
    #[schema(schema_with = words::portal)]
    portal: Portal,
    #[schema(schema_with = words::idp)]
    idp: Idp,
    /// While it is paused, requests get 503 and nothing is lost.
    #[schema(schema_with = words::connector_state)]
    state: ConnectorState,
    /// Why it is paused: by `hand`, or since the `plan` does not have SCIM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    paused: Option<Paused>,
    /// The `IdP` calls it Tenant URL or Base URL.
    base_url: String,
    #[schema(schema_with = words::time)]
    created_at: String,
    /// What will need somebody soon, such as a token that expires.
    warnings: Vec<String>,
}

impl Connector {
    fn show(
        app: &App,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        it: &workspace::Connector,
    ) -> Self {
        let ending = app.ending_tokens(it).into_iter();
        let warning = |token| {
            let at = it.tokens.get(&token).map(|token| moment::show(token.expires));
            format!("the token {token} expires at {}: make a new one", at.unwrap_or_default())
        };
        let mut warnings: Vec<_> = ending.map(warning).collect();
        if !it.tokens.values().any(|token| token.live(app.now())) {
            let says = "no token is live, so every request of the identity provider is refused";
            warnings.push(format!("{says}: make a new one"));
        }
        Self {
            id: name.to_string(),
            connector: name.to_string(),
            portal: it.portal,
            idp: it.idp,
            state: it.state(),
            paused: it.paused,
            base_url: app.base_url(workspace, name),
            created_at: moment::show(it.created),
            warnings,
        }
    }
}

/// What changes of a connector; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeConnector {
    #[schema(schema_with = words::maybe_connector_state)]
    state: Option<ConnectorState>,
    #[schema(schema_with = words::maybe_idp)]
    idp: Option<Idp>,
}

async fn list(inside: Inside, params: Params) -> Part<Connector> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.list_connectors(&workspace, &params.listing()?).await?;
    Ok(page(listed, |(name, it)| Connector::show(&app, &workspace, &name, &it)))
}

async fn get(inside: Inside, of: OfConnector) -> Answer<Connector> {
    let Inside { app, workspace, .. } = inside;
    let connector = app.connector(&workspace, &of.0).await?;
    Ok(Json(Connector::show(&app, &workspace, &of.0, &connector)))
}

async fn change(inside: Inside, of: OfConnector, body: Body<ChangeConnector>) -> Answer<Connector> {
    let Inside { app, person, workspace } = inside;
    let Body(ChangeConnector { state, idp }) = body;
    let connector = app.change_connector(&person, &workspace, &of.0, state, idp).await?;
    Ok(Json(Connector::show(&app, &workspace, &of.0, &connector)))
}

async fn remove(inside: Inside, of: OfConnector, params: Params) -> Result<Done, Refused> {
    let Inside { app, person, workspace } = inside;
    let Some(people) = choice(&params, "people", &People::ALL, People::as_str)? else {
        let what = "say what becomes of the connector's people: keep leaves entries, groups and \
                    accounts as they are, out of reach of SCIM; deactivate removes every entry and \
                    group in the background as if the connector had deleted it, by its rule";
        return Err(Refused::parameter("people", what));
    };
    app.remove_connector(&person, &workspace, &of.0, people).await?;
    Ok(Done)
}
