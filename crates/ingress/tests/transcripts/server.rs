//! A server in memory that says the same at every run: ids are counted, and each request comes one
//! second after the one before.

use std::{collections::BTreeMap, future::Future, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    dev::{Service, ServiceResponse},
    http::Method,
    test,
};
use anyhow::Context;
use app::{App, CountedIds, Parts, Person, RequestIds, admin::connectors::EnableScim};
use domain::{
    portal::Portal,
    workspace::{Idp, Login, Plan, Saml},
};
use event_log::{EventLog, ManualClock, SqliteLog, SqliteOptions, WorkspaceId};
use projections::ReadModels;
use tempfile::TempDir;
use testkit::transcript::{Reply, Request};

/// Where it says that it is.
const PUBLIC_URL: &str = "https://muster.example";
/// 2026-01-01, in microseconds.
const BEGINNING: i64 = 1_767_225_600_000_000;

type Answer = Pin<Box<dyn Future<Output = Result<ServiceResponse, actix_web::Error>>>>;

/// A server with the workspace `acme` and one connector, `store`.
pub(crate) struct Server {
    app: Arc<App>,
    clock: Arc<ManualClock>,
    workspace: WorkspaceId,
    base: String,
    token: String,
    send: Box<dyn Fn(test::TestRequest) -> Answer>,
    _dir: TempDir,
}

impl Server {
    /// Starts one whose connector is of this kind.
    pub(crate) async fn start(idp: Idp) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(BEGINNING));
        let log: Arc<dyn EventLog> =
            SqliteLog::open(SqliteOptions::new(dir.path()), clock.clone()).unwrap();
        let read_models = ReadModels::open(&app::read_models_dir(dir.path()), log.clone()).unwrap();
        let app = App::new(Parts {
            log,
            read_models,
            clock: clock.clone(),
            ids: Arc::new(CountedIds::default()),
            public_url: PUBLIC_URL.to_owned(),
            admin_digest: app::admin_digest("owner"),
            notary: Arc::new(app::Notary::temporary().unwrap()),
        });
        let (workspace, base, token) = connect(&app, idp).await;
        let mounted = actix_web::App::new().configure(ingress::configure(Arc::clone(&app)));
        let service = Rc::new(test::init_service(mounted).await);
        let send = Box::new(move |request: test::TestRequest| -> Answer {
            let service = Rc::clone(&service);
            Box::pin(async move { service.call(request.to_request()).await })
        });
        Self { app, clock, workspace, base, token, send, _dir: dir }
    }

    /// Answers a request of a transcript.
    pub(crate) async fn answer(&self, request: Request) -> anyhow::Result<Reply> {
        self.clock.advance(Duration::from_secs(1));
        let before = self.app.log().head(&self.workspace);
        let response = match (self.send)(self.sent(request)?).await {
            Ok(response) => response.map_into_boxed_body().into_parts().1,
            Err(error) => error.error_response(),
        };
        let text = |value: &actix_web::http::header::HeaderValue| value.to_str().map(str::to_owned);
        let mut headers = BTreeMap::new();
        for (name, value) in response.headers() {
            headers.insert(name.as_str().to_owned(), text(value)?);
        }
        let status = response.status().as_u16();
        let body = actix_web::body::to_bytes(response.into_body()).await;
        let body = body.map_err(|error| anyhow::anyhow!("no body: {error}"))?;
        let recorded = self.app.log().head(&self.workspace) != before;
        Ok(Reply { status, headers, body: String::from_utf8(body.to_vec())?, recorded })
    }

    /// The request with what every request has, unless it says otherwise itself.
    fn sent(&self, request: Request) -> anyhow::Result<test::TestRequest> {
        let Request { method, path, headers, body } = request;
        let mut sent = test::TestRequest::default()
            .method(Method::from_bytes(method.as_bytes()).context("no method")?)
            .uri(&format!("{}{path}", self.base));
        let says = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !says("authorization") {
            sent = sent.insert_header(("authorization", format!("Bearer {}", self.token)));
        }
        if !body.is_empty() && !says("content-type") {
            sent = sent.insert_header(("content-type", "application/scim+json"));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            sent = sent.append_header((name.as_str(), value.as_str()));
        }
        Ok(if body.is_empty() { sent } else { sent.set_payload(body) })
    }
}

/// Makes the workspace and the connector; the path of its base URL and its token.
async fn connect(app: &App, idp: Idp) -> (WorkspaceId, String, String) {
    let person = Person::owner("administrator", RequestIds::default());
    let (workspace, _) =
        app.create_workspace(&person, "acme", "Acme", Plan::Enterprise).await.unwrap();
    let saml = Saml {
        entity_id: "https://idp.example".to_owned(),
        sso_url: "https://idp.example/sso".to_owned(),
        certificate: include_str!("../../../testkit/idp/certificate.b64").to_owned(),
    };
    let login = Login { saml, jit: false };
    app.configure_saml(&person, &workspace, Portal::Store, login).await.unwrap();
    let asked = EnableScim { name: None, idp, disable_jit: false };
    let enabled = app.enable_scim(&person, &workspace, Portal::Store, asked).await.unwrap();
    let base = enabled.base_url.strip_prefix(PUBLIC_URL).unwrap().to_owned();
    (workspace, base, enabled.token.token)
}
