//! `/workspaces/{ws}/portals/{portal}/scim`: enabling SCIM (rules 1 to 5).

use actix_web::http::Method;
use app::admin::connectors::{EnableScim, Enabled};
use domain::{
    portal::Portal,
    workspace::{ConnectorState, Idp},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::Created,
    ask::{Inside, OfPortal},
    body::Body,
    endpoint::Endpoint,
    moment,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/portals/{portal}/scim";
    vec![
        Endpoint::new(Method::POST, path, "Let an IdP provision a portal", enable)
            .may_take::<NewScim>()
            .makes::<ScimEnabled>()
            .refuses(409, "Something has to be done first; the detail says what"),
    ]
}

/// A connector to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct NewScim {
    /// Whose dialect it speaks; `generic` unless said.
    #[schema(schema_with = words::maybe_idp)]
    idp: Option<Idp>,
    /// The connector's slug. The first one of a portal is named after it unless said; a further one
    /// needs a name.
    name: Option<String>,
    /// Switch just-in-time creation off, should it be on.
    disable_jit: Option<bool>,
}

/// What goes into the `IdP`.
#[derive(Debug, Serialize, ToSchema)]
struct ScimEnabled {
    /// The connector's slug.
    id: String,
    /// The connector's slug.
    connector: String,
    #[schema(schema_with = words::portal)]
    portal: Portal,
    #[schema(schema_with = words::idp)]
    idp: Idp,
    #[schema(schema_with = words::connector_state)]
    state: ConnectorState,
    /// The `IdP` calls it Tenant URL or Base URL.
    base_url: String,
    /// The bearer token; shown this once.
    token: String,
    #[schema(schema_with = words::id)]
    token_id: String,
    /// From when on the token is refused.
    #[schema(schema_with = words::time)]
    expires_at: String,
}

impl From<Enabled> for ScimEnabled {
    fn from(enabled: Enabled) -> Self {
        let Enabled { name, connector, base_url, token } = enabled;
        Self {
            id: name.to_string(),
            connector: name.to_string(),
            portal: connector.portal,
            idp: connector.idp,
            state: connector.state(),
            base_url,
            token: token.token,
            token_id: token.id.to_string(),
            expires_at: moment::show(token.expires),
        }
    }
}

async fn enable(
    inside: Inside,
    portal: OfPortal,
    body: Body<NewScim>,
) -> Result<Created<ScimEnabled>, Refused> {
    let Inside { app, person, workspace } = inside;
    let Body(NewScim { idp, name, disable_jit }) = body;
    let asked = EnableScim {
        name,
        idp: idp.unwrap_or_default(),
        disable_jit: disable_jit.unwrap_or_default(),
    };
    Ok(Created(app.enable_scim(&person, &workspace, portal.0, asked).await?.into()))
}
