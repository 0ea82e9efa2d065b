//! Whole cycles of the simulated providers over a real connection.

use std::sync::Arc;

use actix_web::{App, HttpServer, dev::ServerHandle, rt};
use domain::{portal::Portal, workspace::Idp};
use simulate::{Cycle, Plan, Progress};

use crate::support::{Client, Server};

/// Serves on a port of the machine; returns where.
fn listen(server: &Server) -> (String, ServerHandle) {
    let app = Arc::clone(&server.app);
    let mounted = move || App::new().configure(ingress::configure(Arc::clone(&app)));
    let http = HttpServer::new(mounted).workers(1).disable_signals();
    let http = http.bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", http.addrs()[0]);
    let running = http.run();
    let handle = running.handle();
    rt::spawn(running);
    (address, handle)
}

async fn cycle(address: &str, client: &Client<'_>, idp: simulate::Idp, cycle: Cycle) {
    let token = client.token.clone().unwrap();
    let mut plan = Plan::new(format!("{address}{}", client.base), token, idp, cycle);
    (plan.users, plan.groups, plan.round) = (12, 3, u32::from(cycle != Cycle::Initial));
    let head = client.server.head();
    let summary = simulate::run(plan, &Progress::Silent).await.unwrap();
    assert_eq!(summary.findings_total, 0, "{idp:?} {cycle:?}: {:#?}", summary.findings);
    assert!(summary.requests > 0);
    if cycle == Cycle::Repeat {
        assert_eq!(client.server.head(), head, "{idp:?}: a repeated cycle has recorded something");
    }
}

async fn all(idp: simulate::Idp, dialect: Idp) {
    let server = Server::start().await;
    let client = server.connect(Portal::Dashboard, "idp", dialect).await;
    let (address, handle) = listen(&server);
    for kind in [Cycle::Probe, Cycle::Initial, Cycle::Incremental, Cycle::Repeat] {
        cycle(&address, &client, idp, kind).await;
    }
    handle.stop(false).await;
}

#[actix_web::test]
async fn entra_runs_its_cycles() {
    all(simulate::Idp::Entra, Idp::Entra).await;
}

#[actix_web::test]
async fn entra_with_its_flag_runs_its_cycles() {
    all(simulate::Idp::EntraFlag, Idp::Entra).await;
}

#[actix_web::test]
async fn okta_runs_the_cycles_of_its_own_application() {
    all(simulate::Idp::OktaNative, Idp::Okta).await;
}

#[actix_web::test]
async fn okta_runs_the_cycles_of_an_application_of_its_catalogue() {
    all(simulate::Idp::OktaTemplate, Idp::Okta).await;
}

#[actix_web::test]
async fn a_generic_connector_understands_everybody() {
    for idp in [simulate::Idp::Entra, simulate::Idp::OktaTemplate] {
        all(idp, Idp::Generic).await;
    }
}
