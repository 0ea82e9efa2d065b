//! A workspace, as an administrator sets it up through `/api/v1`.

use anyhow::Context;
use serde_json::{Value, json};

use crate::{Client, Server};

/// A connector that has just been made.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Its name.
    pub name: String,
    /// Its base URL.
    pub base_url: String,
    /// Its bearer token.
    pub token: String,
}

impl Connector {
    /// A client of it.
    ///
    /// # Errors
    /// When the URL does not read.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.base_url, &self.token)
    }

    /// The same connector at a server that was started again on another port.
    #[must_use]
    pub fn at(&self, server: &Server) -> Self {
        let path = self.base_url.splitn(4, '/').nth(3).unwrap_or_default();
        Self { base_url: format!("{}/{path}", server.url()), ..self.clone() }
    }
}

/// A signing certificate of nobody, for SAML.
const CERTIFICATE: &str = include_str!("../idp/certificate.b64");

/// What an identity provider gives out about itself for SAML, as the file that an administrator uploads.
pub fn saml_metadata(entity_id: &str) -> String {
    format!(
        r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{entity_id}">
  <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data>
      <ds:X509Certificate>{CERTIFICATE}</ds:X509Certificate>
    </ds:X509Data></ds:KeyInfo></KeyDescriptor>
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
      Location="{entity_id}/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>"#
    )
}

/// A rule that grants an account on creation, with no brake.
pub fn create_and(on_deactivate: &str) -> Value {
    json!({ "on_create": "create", "on_deactivate": on_deactivate, "brake": "off" })
}

/// Makes the workspace `slug`.
///
/// # Errors
/// When the server refuses.
pub async fn workspace(api: &mut Client, slug: &str) -> anyhow::Result<()> {
    let body = json!({ "slug": slug, "name": slug });
    api.post("/workspaces", body).await?.expect(201).map(drop)
}

/// Configures SAML and enables SCIM for a portal, with a provisioning rule. The connector is named
/// after the portal.
///
/// # Errors
/// When the server refuses.
pub async fn connector(
    api: &mut Client,
    slug: &str,
    portal: &str,
    idp: &str,
    provisioning: Value,
) -> anyhow::Result<Connector> {
    let saml = json!({
        "entity_id": "https://idp.example", "sso_url": "https://idp.example/sso",
        "certificate": CERTIFICATE,
    });
    let path = format!("/workspaces/{slug}/portals/{portal}/saml");
    api.put(&path, saml).await?.expect(200)?;
    let enabled = enable(api, slug, portal, json!({ "idp": idp })).await?;
    rule(api, slug, &enabled.name, provisioning).await?;
    Ok(enabled)
}

/// Adds a connector of that name to a portal that has one already.
///
/// # Errors
/// When the server refuses.
pub async fn another_connector(
    api: &mut Client,
    slug: &str,
    portal: &str,
    name: &str,
    provisioning: Value,
) -> anyhow::Result<Connector> {
    let enabled = enable(api, slug, portal, json!({ "name": name })).await?;
    rule(api, slug, name, provisioning).await?;
    Ok(enabled)
}

async fn enable(
    api: &mut Client,
    slug: &str,
    portal: &str,
    body: Value,
) -> anyhow::Result<Connector> {
    let path = format!("/workspaces/{slug}/portals/{portal}/scim");
    let enabled = api.post(&path, body).await?.expect(201)?;
    let text = |name: &str| enabled[name].as_str().map(str::to_owned).context("no such field");
    Ok(Connector { name: text("connector")?, base_url: text("base_url")?, token: text("token")? })
}

/// Says what creation and deactivation do.
///
/// # Errors
/// When the server refuses.
pub async fn rule(
    api: &mut Client,
    slug: &str,
    connector: &str,
    provisioning: Value,
) -> anyhow::Result<()> {
    let path = format!("/workspaces/{slug}/connectors/{connector}/provisioning");
    api.put(&path, provisioning).await?.expect(200).map(drop)
}

/// Makes a device policy; its id.
///
/// # Errors
/// When the server refuses.
pub async fn policy(api: &mut Client, slug: &str, name: &str) -> anyhow::Result<String> {
    let path = format!("/workspaces/{slug}/mdm/policies");
    api.post(&path, json!({ "name": name })).await?.made()
}

/// Enrols a device, for somebody or for nobody; its id.
///
/// # Errors
/// When the server refuses.
pub async fn device(
    api: &mut Client,
    slug: &str,
    serial: &str,
    user: Option<&str>,
) -> anyhow::Result<String> {
    let mut body = json!({ "serial": serial, "platform": "ios", "name": serial });
    if let Some(user) = user {
        body["user"] = json!(user);
    }
    api.post(&format!("/workspaces/{slug}/mdm/devices"), body).await?.made()
}
