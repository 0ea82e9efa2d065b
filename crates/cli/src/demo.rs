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
use clap::Args;
use domain::{
    ids::ConnectorName,
    portal::{Portal, Role},
    rule::{OnCreate, OnDeactivate, Provisioning},
    workspace::{Connector, Idp, Login, Plan, Saml},
};
use event_log::WorkspaceId;
use serde::Serialize;
use serde_json::json;

use crate::{options::ServerOptions, output::say, serve::Server};

/// The workspace's slug.
const SLUG: &str = "acme";
/// What the workspace is called.
const NAME: &str = "Acme Inc.";
/// What it is called until all of it is made.
const UNFINISHED: &str = "Acme Inc. (not ready yet)";

/// The signing certificate of an identity provider that does not exist.
const CERTIFICATE: &str = "MIIBjTCCATOgAwIBAgIUX3aZmdXiS6caM8TQ8iK5vTUOSG4wCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQZGVtby5pZHAuZXhhbXBsZTAgFw0yNjExMjUxOTM4NDhaGA8yMTI2MTEwMTE5Mzg0OFowGzEZMBcGA1UEAwwQZGVtby5pZHAuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIcDIkQlFvRbQl+lVoDCHeEx5tjEgYs8EoPYwmYJw1gST6y1BYpPBzUcmu2DzmQAZW+7fk3QdbPSeESfYagLgqGjUzBRMB0GA1UdDgQWBBRabdrNuSd3bfy9Vjn/PyEZnBkh2DAfBgNVHSMEGDAWgBRabdrNuSd3bfy9Vjn/PyEZnBkh2DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIAlWiBmIDVL+Spz8me4YFdXm/p0egEg4kX9bF/nlr7HkAiEA36AEd/l0XLYg3Bnrbpr5Yt4a/9Yn90ozT7cniwEgh/s=";

/// Serial, platform and name of each device.
const DEVICES: [(&str, &str, &str); 4] = [
    ("DMPX-0001", "ios", "iPhone 17"),
    ("DMPX-0002", "macos", "MacBook Air"),
    ("DMPX-0003", "android", "Pixel 11"),
    ("DMPX-0004", "windows", "Surface Laptop"),
];

/// The names of the policies.
const POLICIES: [&str; 2] = ["Standard", "Locked down"];

/// The server's settings, and how to print what was made.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: ServerOptions,
    /// Print addresses and tokens as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// A portal's connector, as it is printed.
#[derive(Serialize)]
struct Line {
    #[serde(skip)]
    connector: ConnectorName,
    portal: Portal,
    idp: Idp,
    base_url: String,
    token: String,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let mut settings = options.server.settle()?;
    let admin_token = match settings.admin_token.clone() {
        Some(token) => token,
        None => app::make_admin_token(&SystemIds).context("making a token")?,
    };
    settings.admin_token = Some(admin_token.clone());
    let server = Server::open(settings)?;
    let demo = Demo { app: &server.node.app, person: person() };
    let lines = demo.prepare().await.context("preparing the demo workspace")?;
    if options.json {
        let api = format!("{}/api/v1", server.url);
        let made = json!({
            "workspace": SLUG, "connectors": lines, "api": api, "admin_token": admin_token,
        });
        say(&made.to_string());
    } else {
        print(&server.url, &admin_token, &lines);
    }
    server.run().await
}

fn person() -> Person {
    let ids = RequestIds { request: "demo".into(), correlation: "demo".into() };
    Person::owner("demo", ids)
}

/// Rules that show what they do.
fn rule(portal: Portal) -> Provisioning {
    Provisioning {
        on_create: OnCreate::Create,
        default_role: (portal == Portal::Dashboard).then_some(Role::Viewer),
        on_deactivate: OnDeactivate::RemoveUser,
        ..Provisioning::default()
    }
}

/// What was made before is as good as what is made now.
fn unless_there<T>(made: Result<T, Refusal>) -> Result<(), Refusal> {
    match made {
        Ok(_) | Err(Refusal::Taken(_) | Refusal::State(_)) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

struct Demo<'a> {
    app: &'a App,
    person: Person,
}

impl Demo<'_> {
    /// Makes what is not there, until all of it was there once: what was changed or removed since
    /// stays so. Killed before, the next start does the rest.
    async fn prepare(&self) -> Result<Vec<Line>, Refusal> {
        let id = WorkspaceId::parse(SLUG).map_err(|e| Refusal::Malformed(e.to_string()))?;
        if self.app.workspace(&id).await.is_err() {
            let plan = Plan::Enterprise;
            self.app.create_workspace(&self.person, SLUG, UNFINISHED, plan).await?;
        }
        let known = self.app.workspace(&id).await?;
        let unfinished = known.state.name == UNFINISHED;
        let mut lines = Vec::new();
        for portal in Portal::ALL {
            let mut all = known.state.connectors.iter();
            let line = match all.find(|(_, connector)| connector.portal == portal) {
                Some((name, connector)) => self.renew(&id, name, connector).await?,
                None if unfinished => self.connect(&id, portal).await?,
                None => continue,
            };
            if unfinished {
                self.app.set_provisioning(&self.person, &id, &line.connector, rule(portal)).await?;
            }
            lines.push(line);
        }
        if unfinished {
            self.furnish(&id).await?;
            self.app.change_workspace(&self.person, &id, Some(NAME), None).await?;
        }
        Ok(lines)
    }

    /// Devices and policies.
    async fn furnish(&self, id: &WorkspaceId) -> Result<(), Refusal> {
        for (serial, platform, name) in DEVICES {
            let enrolment = Enrolment {
                serial: serial.into(),
                platform: platform.into(),
                name: Some(name.into()),
                external_id: None,
                user: None,
                policy: None,
            };
            unless_there(self.app.enrol_device(&self.person, id, enrolment).await)?;
        }
        for name in POLICIES {
            unless_there(self.app.add_policy(&self.person, id, name).await)?;
        }
        Ok(())
    }

    /// SAML and SCIM for a portal.
    async fn connect(&self, id: &WorkspaceId, portal: Portal) -> Result<Line, Refusal> {
        let saml = Saml {
            entity_id: format!("https://demo.idp.example/{portal}"),
            sso_url: format!("https://demo.idp.example/{portal}/sso"),
            certificate: CERTIFICATE.into(),
        };
        let login = Login { saml, jit: false };
        self.app.configure_saml(&self.person, id, portal, login).await?;
        let idp = match portal {
            Portal::Dashboard => Idp::Entra,
            Portal::Store => Idp::Okta,
            Portal::Mdm => Idp::Generic,
        };
        let asked = EnableScim { idp, ..EnableScim::default() };
        let enabled = self.app.enable_scim(&self.person, id, portal, asked).await?;
        let (connector, base_url) = (enabled.name, enabled.base_url);
        Ok(Line { connector, portal, idp, base_url, token: enabled.token.token })
    }

    /// A fresh token for a connector that is there already; the oldest goes, should two be live.
    async fn renew(
        &self,
        id: &WorkspaceId,
        name: &ConnectorName,
        connector: &Connector,
    ) -> Result<Line, Refusal> {
        let now = self.app.now();
        let mut live: Vec<_> =
            connector.tokens.iter().filter(|(_, token)| token.live(now)).collect();
        live.sort_by_key(|(_, token)| token.created);
        if let [(oldest, _), _, ..] = live[..] {
            self.app.revoke_token(&self.person, id, name, *oldest).await?;
        }
        let fresh = self.app.issue_token(&self.person, id, name, None).await?;
        let base_url = self.app.base_url(id, name);
        let (connector, portal, idp) = (name.clone(), connector.portal, connector.idp);
        Ok(Line { connector, portal, idp, base_url, token: fresh.token })
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
        say(&format!("  export API={url}/api/v1/workspaces/{SLUG}"));
        say(&format!("  export MUSTER_URL={url} MUSTER_TOKEN={admin_token}"));
        say("  curl -s $SCIM/Users -H \"Authorization: Bearer $SCIM_TOKEN\" \\");
        say(
            "    -H 'Content-Type: application/scim+json' -d '{\"userName\":\"ada@acme.example\"}'",
        );
        say("  curl -s $API/mdm/users -H \"Authorization: Bearer $MUSTER_TOKEN\"\n");
    }
}
