//! `muster demo`: a server with a workspace to play with.
//!
//! The workspace `acme` has SAML and SCIM on all three portals, rules that show what they do, device
//! policies and a few devices. Started again on the same directory it goes on where it was, with
//! fresh tokens, since the old ones cannot be shown again.

use std::process::ExitCode;

use anyhow::Context;
use app::{
    App, Person, Refusal, RequestIds, SystemIds,
    admin::{connectors::EnableScim, devices::Enrolment},
};
use domain::{
    ids::ConnectorName,
    portal::{Portal, Role},
    rule::{OnCreate, OnDeactivate, Provisioning},
    workspace::{Idp, Login, Plan, Saml},
};
use event_log::WorkspaceId;

use crate::{options::ServerOptions, output::say, serve::Server};

/// The workspace's slug.
const SLUG: &str = "acme";

/// The signing certificate of an identity provider that does not exist.
const CERTIFICATE: &str = "MIIBjTCCATOgAwIBAgIUX3aZmdXiS6caM8TQ8iK5vTUOSG4wCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQZGVtby5pZHAuZXhhbXBsZTAgFw0yNjExMjUxOTM4NDhaGA8yMTI2MTEwMTE5Mzg0OFowGzEZMBcGA1UEAwwQZGVtby5pZHAuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIcDIkQlFvRbQl+lVoDCHeEx5tjEgYs8EoPYwmYJw1gST6y1BYpPBzUcmu2DzmQAZW+7fk3QdbPSeESfYagLgqGjUzBRMB0GA1UdDgQWBBRabdrNuSd3bfy9Vjn/PyEZnBkh2DAfBgNVHSMEGDAWgBRabdrNuSd3bfy9Vjn/PyEZnBkh2DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIAlWiBmIDVL+Spz8me4YFdXm/p0egEg4kX9bF/nlr7HkAiEA36AEd/l0XLYg3Bnrbpr5Yt4a/9Yn90ozT7cniwEgh/s=";

/// Serial, platform and name of each device.
const DEVICES: [(&str, &str, &str); 4] = [
    ("DMPX-0001", "ios", "iPhone 17"),
    ("DMPX-0002", "macos", "MacBook Air"),
    ("DMPX-0003", "android", "Pixel 11"),
    ("DMPX-0004", "windows", "Surface Laptop"),
];

/// A portal's connector, as it is printed.
struct Line {
    portal: Portal,
    idp: Idp,
    base_url: String,
    token: String,
}

pub(crate) async fn run(options: ServerOptions) -> anyhow::Result<ExitCode> {
    let mut settings = options.settle()?;
    let admin_token = match settings.admin_token.clone() {
        Some(token) => token,
        None => app::make_admin_token(&SystemIds).context("making a token")?,
    };
    settings.admin_token = Some(admin_token.clone());
    let server = Server::open(settings)?;
    let demo = Demo { app: &server.node.app, person: person() };
    let lines = demo.prepare().await.context("preparing the demo workspace")?;
    print(&server.url, &admin_token, &lines);
    server.run().await
}

fn person() -> Person {
    let ids = RequestIds { request: "demo".into(), correlation: "demo".into() };
    Person { id: "demo".into(), ids }
}

struct Demo<'a> {
    app: &'a App,
    person: Person,
}

impl Demo<'_> {
    async fn prepare(&self) -> Result<Vec<Line>, Refusal> {
        let id = WorkspaceId::parse(SLUG).map_err(|e| Refusal::Malformed(e.to_string()))?;
        let mut lines = Vec::new();
        if self.app.workspace(&id).await.is_ok() {
            for portal in Portal::ALL {
                lines.push(self.renew(&id, portal).await?);
            }
            return Ok(lines);
        }
        self.app.create_workspace(&self.person, SLUG, "Acme Inc.", Plan::Enterprise).await?;
        for portal in Portal::ALL {
            lines.push(self.connect(&id, portal).await?);
        }
        for name in ["Standard", "Locked down"] {
            self.app.add_policy(&self.person, &id, name).await?;
        }
        for (serial, platform, name) in DEVICES {
            let enrolment = Enrolment {
                serial: serial.into(),
                platform: platform.into(),
                name: Some(name.into()),
                user: None,
                policy: None,
            };
            self.app.enrol_device(&self.person, &id, enrolment).await?;
        }
        Ok(lines)
    }

    /// SAML and SCIM for a portal, with rules that show what they do.
    async fn connect(&self, id: &WorkspaceId, portal: Portal) -> Result<Line, Refusal> {
        let saml = Saml {
            entity_id: format!("https://demo.idp.example/{portal}"),
            sso_url: format!("https://demo.idp.example/{portal}/sso"),
            certificate: CERTIFICATE.into(),
        };
        let login = Login { saml, jit: false };
        self.app.configure_saml(&self.person, id, portal, login).await?;
        let (idp, default_role) = match portal {
            Portal::Dashboard => (Idp::Entra, Some(Role::Viewer)),
            Portal::Store => (Idp::Okta, None),
            Portal::Mdm => (Idp::Generic, None),
        };
        let asked = EnableScim { idp, ..EnableScim::default() };
        let enabled = self.app.enable_scim(&self.person, id, portal, asked).await?;
        let provisioning = Provisioning {
            on_create: OnCreate::Create,
            default_role,
            on_deactivate: OnDeactivate::RemoveUser,
            ..Provisioning::default()
        };
        self.app.set_provisioning(&self.person, id, &enabled.name, provisioning).await?;
        Ok(Line { portal, idp, base_url: enabled.base_url, token: enabled.token.token })
    }

    /// A fresh token for a connector that is there already; the oldest goes, should two be live.
    async fn renew(&self, id: &WorkspaceId, portal: Portal) -> Result<Line, Refusal> {
        let name = ConnectorName::parse(portal.as_str())
            .map_err(|error| Refusal::Malformed(error.to_string()))?;
        let connector = self.app.connector(id, &name).await?;
        let now = self.app.now();
        let mut live: Vec<_> =
            connector.tokens.iter().filter(|(_, token)| token.live(now)).collect();
        live.sort_by_key(|(_, token)| token.created);
        if let [(oldest, _), _, ..] = live[..] {
            self.app.revoke_token(&self.person, id, &name, *oldest).await?;
        }
        let fresh = self.app.issue_token(&self.person, id, &name, None).await?;
        let base_url = self.app.base_url(id, &name);
        Ok(Line { portal, idp: connector.idp, base_url, token: fresh.token })
    }
}

fn print(url: &str, admin_token: &str, lines: &[Line]) {
    say("\nMuster, with the demo workspace \"acme\". Tokens are shown this once.\n");
    for line in lines {
        say(&format!("{} ({})", line.portal, line.idp));
        say(&format!("  Base URL      {}", line.base_url));
        say(&format!("  Bearer token  {}\n", line.token));
    }
    say("API of the administrator");
    say(&format!("  URL           {url}/api/v1   (described in {url}/api/v1/openapi.json)"));
    say(&format!("  Bearer token  {admin_token}\n"));
    if let Some(mdm) = lines.iter().find(|line| line.portal == Portal::Mdm) {
        say("Try it in another terminal:");
        say(&format!("  export SCIM={} SCIM_TOKEN={}", mdm.base_url, mdm.token));
        say(&format!("  export API={url}/api/v1/workspaces/{SLUG} MUSTER_TOKEN={admin_token}"));
        say("  curl -s $SCIM/Users -H \"Authorization: Bearer $SCIM_TOKEN\" \\");
        say(
            "    -H 'Content-Type: application/scim+json' -d '{\"userName\":\"ada@acme.example\"}'",
        );
        say("  curl -s $API/mdm/users -H \"Authorization: Bearer $MUSTER_TOKEN\"\n");
    }
}
