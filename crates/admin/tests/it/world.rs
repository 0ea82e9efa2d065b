//! An app with its API, without a socket.

use std::{cell::OnceCell, sync::Arc, time::Duration};

use actix_web::{
    http::{Method, StatusCode, header::HeaderMap},
    rt::task::JoinHandle,
    test::{self, TestRequest},
};
use app::{
    App, Caller, CountedIds, Parts, RequestIds, UserView,
    policies::{self, Policy},
};
use domain::ids::EntryId;
use event_log::{
    Clock, Commit, EventLog, ManualClock, NewEvent, Seal, SqliteLog, StreamAppend, StreamId,
    WorkspaceId,
};
use projections::ReadModels;
use reactor::service::{BoxFuture, DeviceOrder, Mdm, MdmError, Only, Standing};
use scim::{
    patch,
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::document::Document;

/// The owner's token.
pub(crate) const TOKEN: &str = "the-token-of-the-owner";
/// Where the API lies.
const API: &str = "/api/v1";
/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000_000;
/// A signing certificate of nobody.
pub(crate) const CERTIFICATE: &str = include_str!("../../../testkit/idp/certificate.b64");

pub(crate) struct World {
    pub(crate) app: Arc<App>,
    pub(crate) log: Arc<SqliteLog>,
    pub(crate) clock: Arc<ManualClock>,
    document: OnceCell<Document>,
    policies: Option<JoinHandle<()>>,
    read_models_dir: tempfile::TempDir,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The answer, if it has that status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// The detail of a problem of that status.
    #[track_caller]
    pub(crate) fn refused(self, status: u16) -> String {
        let media_type = self.headers.get("content-type").unwrap().to_str().unwrap().to_owned();
        assert_eq!(media_type, "application/problem+json", "{}", self.text);
        let body = self.is(status);
        assert_eq!(body["status"], json!(status));
        assert_eq!(body["type"], json!("about:blank"));
        assert!(body["title"].is_string());
        body["detail"].as_str().unwrap().to_owned()
    }

    /// The value of one field of an object that was made or shown.
    #[track_caller]
    pub(crate) fn field(self, status: u16, field: &str) -> String {
        self.is(status)[field].as_str().unwrap().to_owned()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::asleep().awake()
    }

    /// Lets the policies run.
    pub(crate) fn awake(self) -> Self {
        self.awake_with(policies::standard())
    }

    /// Lets some policies run.
    pub(crate) fn awake_with(mut self, policies: Vec<Box<dyn Policy>>) -> Self {
        let run = policies::run(Arc::clone(&self.app), policies);
        self.policies = Some(actix_web::rt::spawn(run));
        self
    }

    /// How many pasts are kept.
    pub(crate) fn pasts(&self) -> usize {
        let dir = self.read_models_dir.path().join("past");
        dir.read_dir().map_or(0, Iterator::count)
    }

    /// The files of pasts that were built.
    pub(crate) fn files_of_pasts(&self) -> Vec<String> {
        let pasts = self.read_models_dir.path().join("past").read_dir().unwrap();
        let files = pasts.flat_map(|past| past.unwrap().path().read_dir().unwrap());
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".g1.db")).collect()
    }

    /// Lets no policies run from now on.
    pub(crate) fn dozing(mut self) -> Self {
        if let Some(policies) = self.policies.take() {
            policies.abort();
        }
        self
    }

    /// The same world after a restart: nothing of it is left but its log.
    pub(crate) fn again(mut self) -> Self {
        if let Some(policies) = self.policies.take() {
            policies.abort();
        }
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::clone(&self.log) as Arc<dyn EventLog>;
        let app = app(&self.log, &self.clock, ReadModels::open(dir.path(), log).unwrap());
        Self { app, read_models_dir: dir, ..self }.awake()
    }

    /// Lets the API make backups, in a directory that goes with what is returned.
    pub(crate) fn back_up(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let source = backup::Source {
            data_dir: self.log.data_dir().to_owned(),
            notary: Arc::new(app::Notary::temporary().unwrap()),
            signing_keys: self.log.data_dir().join("signing.keys"),
            ledger: self.log.data_dir().join("erasures.ledger"),
            master_key: None,
        };
        let place = backup::Place { dir: dir.path().join("backup"), keys: None };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.app.back_up_with(backup::Backups::new(source, place, clock));
        dir
    }

    /// A world whose policies do not run.
    pub(crate) fn asleep() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let log = SqliteLog::temporary(Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let read_models =
            ReadModels::open(dir.path(), Arc::clone(&log) as Arc<dyn EventLog>).unwrap();
        let app = app(&log, &clock, read_models);
        let document = OnceCell::new();
        Self { app, log, clock, document, policies: None, read_models_dir: dir }
    }

    /// A world with the workspace `acme`, and SCIM for one of its portals under a rule. Returns the
    /// token too.
    pub(crate) async fn with_scim(portal: &str, rule: Value) -> (Self, String) {
        Self::new().and_scim(portal, rule).await
    }

    /// The same for MDM, where offboardings get what they call for, and nobody delivers it.
    pub(crate) async fn with_planner(rule: Value) -> (Self, String) {
        let mut policies = policies::standard();
        policies.push(Box::new(reactor::Planner::default()));
        Self::asleep().awake_with(policies).and_scim("mdm", rule).await
    }

    /// The same, where an offboarding waits for a decision: that of the entry that is told.
    pub(crate) async fn with_somebody_held() -> (Self, Caller, EntryId) {
        let rule = json!({
            "on_create": "create", "on_deactivate": "remove_user",
            "brake": { "count": 0, "share": 1.0, "share_from": 20, "window_minutes": 60 },
        });
        let (world, token) = Self::with_planner(rule).await;
        let caller = world.caller("mdm", &token).await;
        let ada = world.provision(&caller, "ada@acme.example").await.id;
        world.set_active(&caller, ada, false).await;
        (world, caller, ada)
    }

    async fn and_scim(self, portal: &str, rule: Value) -> (Self, String) {
        let world = self;
        world.post("/workspaces", json!({ "slug": "acme", "name": "Acme" })).await.is(201);
        world.put(&format!("/workspaces/acme/portals/{portal}/saml"), saml(false)).await.is(200);
        let scim = format!("/workspaces/acme/portals/{portal}/scim");
        let token = world.post(&scim, json!({})).await.field(201, "token");
        world
            .put(&format!("/workspaces/acme/connectors/{portal}/provisioning"), rule)
            .await
            .is(200);
        (world, token)
    }

    /// Sends a request as it is. The answer is held against the document.
    pub(crate) async fn send(&self, request: TestRequest) -> Answer {
        let (method, path, answer) = self.answer(request).await;
        if let Some(path) = path.strip_prefix(API) {
            let media = answer.headers.get("content-type").map(|it| it.to_str().unwrap());
            let (status, text) = (answer.status, &answer.text);
            self.document().await.check(&method, path, status, media, text);
        }
        answer
    }

    /// What the API says of itself.
    pub(crate) async fn document(&self) -> &Document {
        if self.document.get().is_none() {
            let get = TestRequest::get().uri(&format!("{API}/openapi.json"));
            let (_, _, document) = self.answer(get).await;
            let document = document.is(200);
            let _ = self.document.set(Document::new(document));
        }
        self.document.get().unwrap()
    }

    /// What is asked, and what is answered.
    async fn answer(&self, request: TestRequest) -> (Method, String, Answer) {
        let request = request.to_request();
        let (method, path) = (request.method().clone(), request.path().to_owned());
        let log = Arc::clone(&self.log);
        let services = Arc::new(Only(Arc::new(Nobody)));
        let probes = admin::Probes::new(Arc::clone(&self.app))
            .with_log(move || log.stats())
            .with_services(services);
        let server = actix_web::App::new()
            .configure(admin::configure(Arc::clone(&self.app)))
            .configure(admin::configure_probes(&probes));
        let server = test::init_service(server).await;
        let response = match test::try_call_service(&server, request).await {
            Ok(response) => response.map_into_boxed_body(),
            Err(error) => panic!("the server must answer: {error}"),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let text = String::from_utf8(test::read_body(response).await.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        assert!(status != StatusCode::NO_CONTENT || text.is_empty());
        (method, path, Answer { status: status.as_u16(), headers, body, text })
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_as(TOKEN, method, path, body).await
    }

    /// What somebody else than the owner is answered.
    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = TestRequest::default()
            .method(method.clone())
            .uri(&format!("{API}{path}"))
            .insert_header(("authorization", format!("Bearer {token}")));
        let request = match &body {
            Some(body) => request.set_json(body),
            None => request,
        };
        let answer = self.send(request).await;
        if (200..300).contains(&answer.status) {
            self.document().await.check_request(&method, path, body.as_ref());
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// The items of a list.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await.is(200)["items"].as_array().unwrap().clone()
    }

    /// What is measured, in full; nothing is under way any more.
    pub(crate) async fn metrics(&self) -> String {
        self.items("/workspaces/acme/effects").await;
        self.send(TestRequest::get().uri("/metrics")).await.text
    }

    /// The connector that a token of `acme` opens.
    pub(crate) async fn caller(&self, connector: &str, token: &str) -> Caller {
        let ids = RequestIds { request: "r-1".to_owned(), correlation: "c-1".to_owned() };
        let bearer = format!("Bearer {token}");
        self.app.authenticate("acme", connector, Some(&bearer), ids).await.unwrap()
    }

    /// What SCIM's POST /Users does.
    pub(crate) async fn provision(&self, caller: &Caller, user_name: &str) -> UserView {
        let body = json!({ "userName": user_name, "emails": [{ "value": user_name }] });
        self.create(caller, body).await
    }

    /// The same with a body.
    pub(crate) async fn create(&self, caller: &Caller, body: Value) -> UserView {
        let parsed = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap();
        self.app.create_user(caller, EntryId(self.app.fresh_id()), parsed).await.unwrap()
    }

    /// What SCIM's PATCH of `active` does.
    pub(crate) async fn set_active(&self, caller: &Caller, id: EntryId, active: bool) {
        self.set(caller, id, "active", active.into()).await;
    }

    /// What SCIM's PATCH of one attribute does.
    pub(crate) async fn set(&self, caller: &Caller, id: EntryId, path: &str, value: Value) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": path, "value": value }],
        });
        let request = patch::Request::parse(body, Kind::User, Catalogue::standard()).unwrap();
        self.app.patch_user(caller, id, request, patch::Options::default(), None).await.unwrap();
    }

    /// Records an event of a user of `acme` that this version cannot read, after so many others.
    pub(crate) async fn damage(&self, user: Uuid, version: u64) {
        self.record(StreamId::new("user", user), version, "user.unheard_of", &json!({})).await;
    }

    /// Records an event of a stream of `acme` after so many others, as an older version might have.
    pub(crate) async fn record(&self, stream: StreamId, version: u64, name: &str, data: &Value) {
        self.record_all(stream, version, name, std::slice::from_ref(data)).await;
    }

    /// The same for several events of one name, at once.
    pub(crate) async fn record_all(
        &self,
        stream: StreamId,
        version: u64,
        name: &str,
        data: &[Value],
    ) {
        self.record_in("acme", stream, version, name, data).await;
    }

    /// The same in a workspace.
    pub(crate) async fn record_in(
        &self,
        workspace: &str,
        stream: StreamId,
        version: u64,
        name: &str,
        data: &[Value],
    ) {
        let event = |data: &Value| {
            let payload = serde_json::to_vec(data).unwrap();
            NewEvent { name: name.into(), schema_version: 1, payload, seal: Seal::Stream }
        };
        let (meta, claims, checkpoint) = Default::default();
        let events = data.iter().map(event).collect();
        let commit = Commit { meta, events, claims, checkpoint };
        let outcomes = self.log.append(StreamAppend {
            workspace: WorkspaceId::parse(workspace).unwrap(),
            stream,
            expected_version: version,
            commits: vec![commit],
        });
        assert!(outcomes.await.unwrap()[0].receipt().is_some());
    }

    /// Changes the rows of a projection behind its back. What is not committed goes with the connections.
    pub(crate) fn spoil(&self, projection: &str, sql: &str) -> Vec<rusqlite::Connection> {
        let mut files = Vec::new();
        for file in std::fs::read_dir(self.read_models_dir.path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_file = std::path::Path::new(name).extension().is_some_and(|it| it == "db");
            if name.starts_with(projection) && is_file {
                let file = rusqlite::Connection::open(&path).unwrap();
                file.execute_batch(sql).unwrap();
                files.push(file);
            }
        }
        files
    }

    /// Overwrites the file of a projection, and its log, with noise.
    pub(crate) fn overwrite(&self, projection: &str) {
        for file in std::fs::read_dir(self.read_models_dir.path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            if name.starts_with(projection) && !name.ends_with("-shm") {
                let noise = vec![0xA5; usize::try_from(file.metadata().unwrap().len()).unwrap()];
                let file = std::fs::File::options().write(true).open(file.path()).unwrap();
                std::io::Write::write_all(&mut &file, &noise).unwrap();
            }
        }
    }

    pub(crate) fn days_pass(&self, days: u64) {
        self.clock.advance(Duration::from_secs(days * 24 * 3_600));
    }
}

/// An app over a log.
pub(crate) fn app(
    log: &Arc<SqliteLog>,
    clock: &Arc<ManualClock>,
    read_models: Arc<ReadModels>,
) -> Arc<App> {
    App::new(Parts {
        log: Arc::clone(log) as _,
        read_models,
        clock: Arc::clone(clock) as _,
        ids: Arc::new(CountedIds::default()),
        public_url: "https://muster.example".to_owned(),
        admin_digest: app::admin_digest(TOKEN),
        notary: Arc::new(app::Notary::temporary().unwrap()),
    })
}

/// An MDM service that is there to be named.
struct Nobody;

impl Mdm for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        unreachable!("no deliverer runs: {order:?}")
    }

    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        unreachable!("no deliverer runs: {order:?}")
    }
}

/// A SAML configuration.
pub(crate) fn saml(jit: bool) -> Value {
    json!({
        "entity_id": "https://idp.example/1",
        "sso_url": "https://idp.example/sso",
        "certificate": CERTIFICATE,
        "jit": jit,
    })
}
