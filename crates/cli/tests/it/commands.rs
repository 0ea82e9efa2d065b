//! The administrator's commands against a real server, from an empty one to a role by group.

use std::process::Output;

use serde_json::{Value, json};
use testkit::{ADMIN_TOKEN, Server};
use tokio::process::Command;

/// What an identity provider gives out about itself. The certificate is as far as anybody looks.
const METADATA: &str = r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="https://idp.example/1">
  <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data>
      <ds:X509Certificate>MIIBAAAA</ds:X509Certificate>
    </ds:X509Data></ds:KeyInfo></KeyDescriptor>
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
      Location="https://idp.example/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>"#;

/// A shell at which an administrator sits.
struct Shell {
    url: String,
}

impl Shell {
    async fn run(&self, line: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(line.split_whitespace())
            .env("MUSTER_URL", &self.url)
            .env("MUSTER_TOKEN", ADMIN_TOKEN)
            .env("MUSTER_WORKSPACE", "acme")
            .output()
            .await
            .unwrap()
    }

    /// What a command prints.
    async fn prints(&self, line: &str) -> String {
        let output = self.run(line).await;
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.prints(&format!("{line} --json")).await).unwrap()
    }

    /// The exit code and the complaint of a command.
    async fn fails(&self, line: &str) -> (i32, String) {
        let output = self.run(line).await;
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_needs_no_browser() {
    let server = Server::start(env!("CARGO_BIN_EXE_muster")).await.unwrap();
    let shell = Shell { url: server.url().to_owned() };
    let made = shell.json("workspace create acme --name Acme").await;
    assert_eq!((made["slug"].as_str(), made["plan"].as_str()), (Some("acme"), Some("enterprise")));
    let (code, complaint) = shell.fails("connector enable dashboard").await;
    assert!(code == 1 && complaint.contains("SAML is not configured"), "{complaint}");
    let dir = tempfile::tempdir().unwrap();
    let metadata = dir.path().join("saml.xml");
    std::fs::write(&metadata, METADATA).unwrap();
    shell.prints(&format!("workspace saml dashboard --metadata {}", metadata.display())).await;
    let enabled = shell.json("connector enable dashboard --idp entra").await;
    assert_eq!(enabled["connector"], "dashboard");
    let listed = shell.prints("connector list").await;
    assert!(listed.starts_with("CONNECTOR  PORTAL"), "{listed}");
    assert!(listed.contains("dashboard  dashboard  entra  active"), "{listed}");

    shell.prints("connector provisioning dashboard --on-create create --default-role viewer").await;
    let rule = shell.json("connector provisioning dashboard").await;
    assert_eq!((&rule["on_create"], &rule["default_role"]), (&json!("create"), &json!("viewer")));
    shell.prints("connector provisioning dashboard --on-deactivate remove_user").await;
    let changed = shell.json("connector provisioning dashboard --default-role admin").await;
    let shown = |name: &str| changed[name].as_str().unwrap().to_owned();
    let shown = ["on_create", "default_role", "on_deactivate"].map(shown);
    assert_eq!(shown, ["create", "admin", "remove_user"], "what was not said has changed");
    let mapping = dir.path().join("roles.json");
    let rules = json!({"rules": [{"group": "Admins", "role": "admin"}]});
    std::fs::write(&mapping, rules.to_string()).unwrap();
    shell.prints(&format!("roles set {}", mapping.display())).await;
    assert_eq!(shell.json("roles show").await["rules"][0]["group"], "Admins");

    let attributes = dir.path().join("attributes.json");
    let wanted = json!([{"name": "cost code", "attributes": [{"key": "costCode"}]}]);
    std::fs::write(&attributes, wanted.to_string()).unwrap();
    let set = format!("attributes mapping dashboard --set {}", attributes.display());
    assert_eq!(shell.json(&set).await, wanted);
    assert_eq!(shell.json("attributes mapping dashboard").await, wanted);
    assert_eq!(shell.json("attributes history dashboard").await["items"], json!([]));
    let applied = shell.json("attributes apply dashboard").await;
    assert_eq!((&applied["state"], &applied["total"]), (&json!("completed"), &json!(0)));

    let invited = shell.json("people invite dashboard eve@acme.example --role developer").await;
    let id = invited["id"].as_str().unwrap();
    assert_eq!(shell.json(&format!("people role {id} admin")).await["role"], "admin");
    let people = shell.json("people list dashboard --q EVE").await;
    assert_eq!(people["items"][0]["id"], invited["id"]);
    let (code, complaint) = shell.fails(&format!("people remove dashboard {id}")).await;
    assert!(code == 2 && complaint.contains("--yes"), "{complaint}");
    shell.prints(&format!("people remove dashboard {id} --yes")).await;
    assert_eq!(shell.json("people list dashboard").await["items"], json!([]));

    let token = shell.json("token create dashboard").await;
    let token = token["token_id"].as_str().unwrap();
    let (code, complaint) = shell.fails("token create dashboard").await;
    assert!(code == 1 && complaint.contains("two tokens"), "{complaint}");
    shell.prints(&format!("token revoke dashboard {token}")).await;
    assert_eq!(shell.json("token list dashboard").await["items"].as_array().unwrap().len(), 2);
    assert_eq!(shell.json("connector pause dashboard").await["state"], "paused");
    assert_eq!(shell.json("connector resume dashboard").await["state"], "active");
    for list in ["effects list", "offboarding list", "workspace list"] {
        assert!(shell.json(list).await["items"].is_array(), "{list}");
    }

    let (code, complaint) = shell.fails("connector remove dashboard --yes").await;
    assert!(code == 2 && complaint.contains("--people"), "{complaint}");
    let (code, complaint) = shell.fails("connector remove dashboard --people keep").await;
    assert!(code == 2 && complaint.contains("for ever: say --yes"), "{complaint}");
    shell.prints("connector remove dashboard --people keep --yes").await;
    assert_eq!(shell.json("connector list").await["items"], json!([]));
}
