//! The administrator's commands against a real server, from an empty one to a role by group.

use std::process::Output;

use serde_json::{Value, json};
use testkit::{ADMIN_TOKEN, Server, all_ended, scim};
use tokio::process::Command;

use crate::{WORKSPACE, mdm};

/// What an identity provider gives out about itself.
const METADATA: &str = r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="https://idp.example/1">
  <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data>
      <ds:X509Certificate>CERTIFICATE</ds:X509Certificate>
    </ds:X509Data></ds:KeyInfo></KeyDescriptor>
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
      Location="https://idp.example/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>"#;

/// A shell at which an administrator sits.
pub(crate) struct Shell {
    pub(crate) url: String,
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
    pub(crate) async fn prints(&self, line: &str) -> String {
        let output = self.run(line).await;
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.prints(&format!("{line} --json")).await).unwrap()
    }

    /// The exit code and the complaint of a command.
    pub(crate) async fn fails(&self, line: &str) -> (i32, String) {
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
    let certificate = include_str!("../../../testkit/idp/certificate.b64");
    std::fs::write(&metadata, METADATA.replace("CERTIFICATE", certificate)).unwrap();
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
    rule_in_force(&shell).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_groups_open_is_set_without_a_browser() {
    let server = Server::start(env!("CARGO_BIN_EXE_muster")).await.unwrap();
    let shell = Shell { url: server.url().to_owned() };
    shell.prints("workspace create acme").await;
    let mut api = server.api().unwrap();
    let rule = testkit::setup::create_and("remove_user");
    let store = testkit::setup::connector(&mut api, "acme", "store", "generic", rule).await;
    let mut client = store.unwrap().client().unwrap();
    let ada = scim::user("ada@acme.example");
    let ada = client.post("/Users", ada).await.unwrap().made().unwrap();
    let group = scim::group("Sales", std::slice::from_ref(&ada));
    let sales = client.post("/Groups", group).await.unwrap().made().unwrap();

    let access = shell.json("workspace access store --line Sales,EMEA --line Board").await;
    assert_eq!(access["groups"], json!([["Sales", "EMEA"], ["Board"]]));
    assert_eq!(shell.json("workspace access store").await, access);
    assert_eq!(shell.json("workspace access store --none").await["groups"], json!([]));

    let groups = shell.json("group list --portal store").await;
    assert_eq!(groups["items"][0]["id"], json!(sales));
    assert_eq!(
        shell.json(&format!("group list --person {ada}")).await["items"][0]["id"],
        json!(sales)
    );
    assert_eq!(shell.json(&format!("group show {sales}")).await["members"], 1);
    assert_eq!(shell.json(&format!("group members {sales}")).await["items"][0]["id"], json!(ada));
    assert_eq!(shell.json(&format!("group pending {sales}")).await["items"], json!([]));

    let app = shell.json("publication create Mail --line Sales").await;
    let app = app["id"].as_str().unwrap();
    let audience = shell.json(&format!("publication audience {app}")).await;
    assert_eq!(audience["items"][0]["user_name"], "ada@acme.example");
    let seen = format!("publication list --employee {ada}");
    assert_eq!(shell.json(&seen).await["items"][0]["id"], json!(app));
    shell.prints(&format!("publication change {app} --line Board")).await;
    assert_eq!(shell.json(&seen).await["items"], json!([]));
    let changed = shell.json(&format!("publication change {app} --everybody --name Post")).await;
    assert_eq!((&changed["groups"], &changed["name"]), (&json!([]), &json!("Post")));
    assert_eq!(shell.json(&format!("publication show {app}")).await, changed);
    shell.prints(&format!("publication withdraw {app} --yes")).await;
    assert_eq!(shell.json("publication list").await["items"], json!([]));

    let eve = shell.json("people invite dashboard eve@acme.example").await;
    let eve = eve["id"].as_str().unwrap();
    let all = shell.json("segment add All").await["id"].as_str().unwrap().to_owned();
    let part = shell.json(&format!("segment add Part --parent {all}")).await;
    let part = part["id"].as_str().unwrap();
    shell
        .prints(&format!("segment grants {all} --collaborator {eve} --may view --may assign"))
        .await;
    let grants = shell.json(&format!("segment grants {all}")).await;
    assert_eq!(grants["grants"][0]["actions"], json!(["view", "assign"]));
    let permitted = shell.json(&format!("segment list --collaborator {eve}")).await;
    assert_eq!(permitted["items"].as_array().unwrap().len(), 2, "what is below is covered");
    shell.prints(&format!("segment grants {all} --collaborator {eve}")).await;
    assert_eq!(shell.json(&format!("segment grants {all}")).await["grants"], json!([]));
    shell.prints(&format!("segment change {part} --top --name Top")).await;
    shell.prints(&format!("segment remove {all} --yes")).await;
    let left = shell.json("segment list").await;
    assert_eq!(
        (&left["items"][0]["name"], &left["items"][0]["parent"]),
        (&json!("Top"), &json!(null))
    );
}

/// Nobody is there yet: what is looked at is the way to the server and back.
async fn rule_in_force(shell: &Shell) {
    let preview = shell.json("connector rule preview dashboard").await;
    assert_eq!((&preview["state"], &preview["devices"]), (&json!("completed"), &json!(0)));
    let listed = shell.json("connector rule preview dashboard --list").await;
    assert_eq!(listed["items"], json!([]));
    let (code, complaint) = shell.fails("connector rule apply dashboard").await;
    assert!(code == 2 && complaint.contains("--yes"), "{complaint}");
    let rule = preview["rule"].as_u64().unwrap();
    let other = format!("connector rule apply dashboard --yes --rule {}", rule + 1);
    let (code, complaint) = shell.fails(&other).await;
    assert!(code == 1 && complaint.contains("the rule was changed"), "{complaint}");
    let applied = shell.json(&format!("connector rule apply dashboard --yes --rule {rule}")).await;
    assert_eq!((&applied["state"], &applied["rule"]), (&json!("completed"), &json!(rule)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_steers_devices_and_effects_from_a_shell() {
    let (server, mut api, connector) = mdm("remove_user_and_devices").await;
    let shell = Shell { url: server.url().to_owned() };
    let mut client = connector.client().unwrap();
    let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();

    let enrol = format!("device enrol C02-1 ios --name phone --external-id UDID-1 --user {ada}");
    let device = shell.json(&enrol).await;
    let (id, shown) = (device["id"].as_str().unwrap(), &device["external_id"]);
    assert_eq!((shown, &device["user"]), (&json!("UDID-1"), &json!(ada)));
    let changed = shell.json(&format!("device change {id} --external-id none")).await;
    assert_eq!((&changed["external_id"], &changed["user"]), (&json!(null), &json!(ada)));
    assert_eq!(shell.json(&format!("device show {id}")).await, changed);
    let other = shell.json("device enrol C02-2 ios").await["id"].as_str().unwrap().to_owned();
    let (code, complaint) = shell.fails(&format!("device remove {other}")).await;
    assert!(code == 2 && complaint.contains("--yes"), "{complaint}");
    shell.prints(&format!("device remove {other} --yes")).await;
    assert_eq!(shell.json("device list --q C02").await["items"].as_array().unwrap().len(), 2);

    client.patch(&format!("/Users/{ada}"), scim::active(false)).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    let effects = shell.json("effects list --state confirmed").await;
    let effect = effects["items"][0]["id"].as_str().unwrap();
    let table = shell.prints("effects list").await;
    assert!(table.contains("REQUESTED_AT") && table.contains("confirmed"), "{table}");
    for (line, said) in [
        (format!("effects retry {effect} --reason again"), "that effect is done"),
        (format!("effects cancel {effect}"), "that effect is done"),
        (format!("effects give-up {effect} --reason lost --yes"), "that effect is done"),
        (format!("effects retry {ada}"), "effect not found"),
    ] {
        let (code, complaint) = shell.fails(&line).await;
        assert!(code == 1 && complaint.contains(said), "{line}: {complaint}");
    }
    for line in [format!("effects give-up {effect} --reason lost"), "effects give-up x".to_owned()]
    {
        assert_eq!(shell.fails(&line).await.0, 2, "{line}");
    }
    let listed = shell.json(&format!("offboarding list --state completed --user {ada}")).await;
    let offboarding = listed["items"][0]["id"].as_str().unwrap();
    let shown = shell.prints(&format!("offboarding show {offboarding}")).await;
    let last = shown.lines().last().unwrap();
    assert!(last.starts_with(effect) && last.contains("confirmed"), "{shown}");
}
