//! Traces: what a collector gets to see of a deactivation, from the request to the call that it ends in.

use serde_json::json;
use testkit::{
    Server, all_ended,
    fake::{Collected, Collector, Fake, WebhookReceiver},
    scim, setup,
};

use crate::WORKSPACE;

/// A trace id as a client would choose it for its request.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn one_trace_leads_from_a_deactivation_to_the_call_of_the_mdm_service() {
    let collector = Fake::start(Collector::default()).await.unwrap();
    let receiver = Fake::start(WebhookReceiver::new(&[b'k'; 32])).await.unwrap();
    receiver.with(|it| it.at_once = true);
    let binary = env!("CARGO_BIN_EXE_muster");
    let url = collector.url();
    let mut server = Server::start_with(binary, &[("MUSTER_OTLP_ENDPOINT", &url)]).await.unwrap();
    let mut api = server.api().unwrap();
    setup::workspace(&mut api, WORKSPACE).await.unwrap();
    let rule = setup::create_and("remove_user_and_devices");
    let connector = setup::connector(&mut api, WORKSPACE, "mdm", "okta", rule).await.unwrap();
    let secret = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
    let hook = json!({ "kind": "webhook", "url": receiver.url(), "secret": secret });
    let path = format!("/workspaces/{WORKSPACE}/mdm/services/default");
    api.put(&path, hook).await.unwrap().expect(200).unwrap();
    let mut client = connector.at(&server).client().unwrap();
    let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap();
    let ada = ada.made().unwrap();
    setup::device(&mut api, WORKSPACE, "S-1", Some(&ada)).await.unwrap();
    let client = connector.at(&server).client().unwrap();
    let mut client = client.with_header("x-request-id", TRACE).unwrap();
    let off = client.patch(&format!("/Users/{ada}"), scim::active(false)).await.unwrap();
    off.expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    // What has not been sent yet is sent at the end.
    assert_eq!(server.stop().await.unwrap(), Some(0));

    let spans = collector.with(|it| it.spans.clone());
    let of_trace: Vec<&Collected> = spans.iter().filter(|span| span.trace == TRACE).collect();
    let named = |name: &str| {
        let mut found = of_trace.iter().filter(|span| span.name == name);
        let span = found.next().unwrap_or_else(|| panic!("{name} in {spans:#?}"));
        (*span, found.count())
    };
    let (request, more) = named("SCIM patch User");
    assert_eq!(more, 0);
    assert_eq!(request.detail("muster.outcome"), Some("changed"));
    assert_eq!(request.detail("http.response.status_code"), Some("200"));
    let (policy, _) = named("policy offboarding");
    let (call, more) = named("webhook remove");
    assert_eq!(more, 0);
    assert_eq!(call.detail("muster.outcome"), Some("taken"));
    assert!(request.between.0 <= request.between.1 && request.between.0 <= policy.between.0);
    assert!(policy.between.0 <= call.between.0 && call.between.0 <= call.between.1);
    // What came before belongs to other traces, and nobody is named in any.
    assert!(spans.len() > of_trace.len());
    assert!(!format!("{spans:?}").contains("ada@acme.example"));
}
