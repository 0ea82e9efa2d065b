//! A workspace, as an administrator sets it up through `/api/v1`.

use anyhow::Context;
use serde_json::{Value, json};

use crate::{Client, Server};

/// A connector that has just been made.
#[derive(Clone, Debug)]
pub struct Connector {
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
        Self { base_url: format!("{}/{path}", server.url()), token: self.token.clone() }
    }
}

/// A signing certificate of nobody, for SAML.
const CERTIFICATE: &str = "MIIBjTCCATOgAwIBAgIUX3aZmdXiS6caM8TQ8iK5vTUOSG4wCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQZGVtby5pZHAuZXhhbXBsZTAgFw0yNjExMjUxOTM4NDhaGA8yMTI2MTEwMTE5Mzg0OFowGzEZMBcGA1UEAwwQZGVtby5pZHAuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIcDIkQlFvRbQl+lVoDCHeEx5tjEgYs8EoPYwmYJw1gST6y1BYpPBzUcmu2DzmQAZW+7fk3QdbPSeESfYagLgqGjUzBRMB0GA1UdDgQWBBRabdrNuSd3bfy9Vjn/PyEZnBkh2DAfBgNVHSMEGDAWgBRabdrNuSd3bfy9Vjn/PyEZnBkh2DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIAlWiBmIDVL+Spz8me4YFdXm/p0egEg4kX9bF/nlr7HkAiEA36AEd/l0XLYg3Bnrbpr5Yt4a/9Yn90ozT7cniwEgh/s=";

/// Makes the workspace `slug`.
///
/// # Errors
/// When the server refuses.
pub async fn workspace(api: &mut Client, slug: &str) -> anyhow::Result<()> {
    let body = json!({ "slug": slug, "name": slug });
    api.post("/workspaces", body).await?.expect(201).map(drop)
}

/// Configures SAML and enables SCIM for a portal, with a provisioning rule.
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
    let portal_path = format!("/workspaces/{slug}/portals/{portal}");
    api.put(&format!("{portal_path}/saml"), saml).await?.expect(200)?;
    let enabled = api.post(&format!("{portal_path}/scim"), json!({ "idp": idp })).await?;
    let enabled = enabled.expect(201)?;
    let text = |name: &str| enabled[name].as_str().map(str::to_owned).context("no such field");
    let name = text("connector")?;
    let path = format!("/workspaces/{slug}/connectors/{name}/provisioning");
    api.put(&path, provisioning).await?.expect(200)?;
    Ok(Connector { base_url: text("base_url")?, token: text("token")? })
}
