//! `/workspaces/{ws}/portals/{portal}/saml`: how a portal's people sign in (rules 1 and 4).

use actix_web::{http::Method, web::Json};
use app::{Refusal, admin::saml::from_metadata};
use domain::workspace::{self, Login};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Done},
    ask::{Inside, OfPortal},
    body::Body,
    endpoint::Endpoint,
    problem::Refused,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/portals/{portal}/saml";
    vec![
        Endpoint::new(Method::GET, path, "Get how a portal's people sign in", get).shows::<Saml>(),
        Endpoint::new(Method::PUT, path, "Say how a portal's people sign in", put)
            .takes::<NewSaml>()
            .shows::<Saml>()
            .refuses(
                409,
                "Just-in-time creation cannot be switched on while SCIM manages the portal",
            ),
        Endpoint::new(Method::DELETE, path, "Take a portal's sign-in away", delete)
            .refuses(409, "SCIM manages the portal: delete its connectors first"),
    ]
}

/// How a portal's people sign in.
#[derive(Debug, Serialize, ToSchema)]
struct Saml {
    /// The `IdP`'s entity id.
    entity_id: String,
    /// Where people are sent to sign in.
    sso_url: String,
    /// The `IdP`'s signing certificate: base64 of DER, on one line.
    certificate: String,
    /// Whether signing in creates people.
    jit: bool,
}

impl From<Login> for Saml {
    fn from(login: Login) -> Self {
        let workspace::Saml { entity_id, sso_url, certificate } = login.saml;
        Self { entity_id, sso_url, certificate, jit: login.jit }
    }
}

/// How a portal's people shall sign in: the `IdP`'s metadata, or the three values in it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSaml {
    /// The `IdP`'s metadata, instead of the other three.
    metadata_xml: Option<String>,
    /// The `IdP`'s entity id.
    entity_id: Option<String>,
    /// Where people are sent to sign in.
    sso_url: Option<String>,
    /// The `IdP`'s signing certificate, PEM or base64 of DER.
    certificate: Option<String>,
    /// Whether signing in creates people; not unless said.
    #[serde(default)]
    jit: bool,
}

impl NewSaml {
    fn login(self) -> Result<Login, Refusal> {
        let refused = |detail: &str| Err(Refusal::Malformed(detail.to_owned()));
        let saml = match (self.metadata_xml, self.entity_id, self.sso_url, self.certificate) {
            (Some(xml), None, None, None) => from_metadata(&xml)?,
            (Some(_), ..) => {
                return refused(
                    "metadata_xml: send it alone, or entity_id, sso_url and certificate without it",
                );
            }
            (None, Some(entity_id), Some(sso_url), Some(certificate)) => {
                workspace::Saml { entity_id, sso_url, certificate }
            }
            (None, None, ..) => return refused("entity_id: missing (or send metadata_xml)"),
            (None, _, None, _) => return refused("sso_url: missing (or send metadata_xml)"),
            (None, _, _, None) => return refused("certificate: missing (or send metadata_xml)"),
        };
        Ok(Login { saml, jit: self.jit })
    }
}

async fn get(inside: Inside, portal: OfPortal) -> Answer<Saml> {
    Ok(Json(inside.app.login(&inside.workspace, portal.0).await?.into()))
}

async fn put(inside: Inside, portal: OfPortal, body: Body<NewSaml>) -> Answer<Saml> {
    let Inside { app, person, workspace } = inside;
    let login = app.configure_saml(&person, &workspace, portal.0, body.0.login()?).await?;
    Ok(Json(login.into()))
}

async fn delete(inside: Inside, portal: OfPortal) -> Result<Done, Refused> {
    inside.app.remove_saml(&inside.person, &inside.workspace, portal.0).await?;
    Ok(Done)
}
