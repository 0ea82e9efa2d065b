//! A server in memory, and clients that speak to it with a connector's token.

use std::{collections::BTreeMap, future::Future, pin::Pin, rc::Rc, sync::Arc};

use actix_web::{
    dev::{Service, ServiceResponse},
    http::{Method, header::HeaderMap},
    test,
};
use app::{
    App, CountedIds, Parts, Person, RequestIds,
    admin::{connectors::EnableScim, page::Listing},
};
use domain::{
    ids::ConnectorName,
    portal::Portal,
    workspace::{Idp, Login, Plan, Saml},
};
use event_log::{EventLog, ManualClock, SqliteLog, SqliteOptions, WorkspaceId};
use futures_util::FutureExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use projections::ReadModels;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::log;

pub(crate) const EU: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const PUBLIC_URL: &str = "https://muster.example";
/// 2026-01-01.
const NOW_MICROS: i64 = 1_767_225_600_000_000;

type Answer = Pin<Box<dyn Future<Output = Result<ServiceResponse, actix_web::Error>>>>;

/// A server with one workspace.
pub(crate) struct Server {
    pub(crate) app: Arc<App>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) clock: Arc<ManualClock>,
    send: Box<dyn Fn(test::TestRequest) -> Answer>,
    dir: TempDir,
}

/// Somebody who has a Base URL and perhaps a token for it.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    pub(crate) server: &'a Server,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// An answer, which has been checked for what every answer has to have.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

pub(crate) fn person() -> Person {
    Person::owner("tester", RequestIds::default())
}

impl Server {
    pub(crate) async fn start() -> Self {
        log::listen();
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW_MICROS));
        let log = SqliteLog::open(SqliteOptions::new(dir.path()), clock.clone()).unwrap();
        let log: Arc<dyn EventLog> = log;
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
        let (workspace, _) =
            app.create_workspace(&person(), "acme", "Acme", Plan::Enterprise).await.unwrap();
        let mounted = actix_web::App::new().configure(ingress::configure(Arc::clone(&app)));
        let service = Rc::new(test::init_service(mounted).await);
        let send = Box::new(move |request: test::TestRequest| -> Answer {
            let service = Rc::clone(&service);
            Box::pin(async move { service.call(request.to_request()).await })
        });
        Self { app, workspace, clock, send, dir }
    }

    /// A client with a connector of its own in a portal.
    pub(crate) async fn connect(&self, portal: Portal, name: &str, idp: Idp) -> Client<'_> {
        self.connect_in(&self.workspace, portal, name, idp).await
    }

    /// The same in another workspace.
    pub(crate) async fn connect_in(
        &self,
        workspace: &WorkspaceId,
        portal: Portal,
        name: &str,
        idp: Idp,
    ) -> Client<'_> {
        let saml = Saml {
            entity_id: "https://idp.example".to_owned(),
            sso_url: "https://idp.example/sso".to_owned(),
            certificate: include_str!("../../../testkit/idp/certificate.b64").to_owned(),
        };
        let login = Login { saml, jit: false };
        self.app.configure_saml(&person(), workspace, portal, login).await.unwrap();
        let asked = EnableScim { name: Some(name.to_owned()), idp, disable_jit: false };
        let enabled = self.app.enable_scim(&person(), workspace, portal, asked).await.unwrap();
        let base = enabled.base_url.strip_prefix(PUBLIC_URL).unwrap().to_owned();
        Client { server: self, base, token: Some(enabled.token.token), headers: Vec::new() }
    }

    /// The one connector of most tests.
    pub(crate) async fn client(&self, idp: Idp) -> Client<'_> {
        self.connect(Portal::Store, "store", idp).await
    }

    /// A connector of that name in the Store.
    pub(crate) async fn client_of(&self, name: &str, idp: Idp) -> Client<'_> {
        self.connect(Portal::Store, name, idp).await
    }

    /// Whether any file of the log's directory has this text in it.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.dir.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.is_file()).any(|path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    }

    /// Says which attributes the connector `store` turns into metadata.
    pub(crate) async fn map_attributes(&self, mapping: Value) {
        let store = ConnectorName::parse("store").unwrap();
        let mapping = serde_json::from_value(mapping).unwrap();
        self.app.set_attribute_mapping(&person(), &self.workspace, &store, mapping).await.unwrap();
    }

    /// The metadata of an employee.
    pub(crate) async fn metadata(&self, id: &str) -> Value {
        let models = self.app.read_models();
        models.caught_up("store", &self.workspace).await.unwrap();
        let found = models.accounts().get(&self.workspace, Portal::Store, id.parse().unwrap());
        json!(found.unwrap().unwrap().metadata)
    }

    /// How many events there are, but for first sights of attributes: those come with requests that
    /// change nothing and with such as are refused, too.
    pub(crate) fn head(&self) -> usize {
        let log = self.app.log();
        // A read is ready at once.
        let events = log.read(&self.workspace, 0, 100_000).now_or_never().unwrap().unwrap();
        events.iter().filter(|event| event.name != "workspace.attributes_seen").count()
    }

    /// How often each attribute of the connector `store` was seen.
    pub(crate) async fn seen(&self) -> BTreeMap<String, u64> {
        let store = ConnectorName::parse("store").unwrap();
        let listing = Listing { q: None, limit: 1_000, cursor: None };
        let listed = self.app.attribute_history(&self.workspace, &store, &listing).await.unwrap();
        let short = |urn: &str| {
            let urn = urn.replace("urn:ietf:params:scim:schemas:", "");
            urn.replace(":2.0:", ":").replace("extension:", "")
        };
        let named = listed.items.into_iter();
        named.map(|it| (format!("{} {}", short(&it.namespace), it.key), it.count)).collect()
    }
}

impl Client<'_> {
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body.to_string().into())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(body.to_string().into())).await
    }

    /// A PATCH with these operations.
    pub(crate) async fn patch(&self, path: &str, operations: Value) -> Reply {
        let body = json!({"schemas": [PATCH_OP], "Operations": operations});
        self.send(Method::PATCH, path, Some(body.to_string().into())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    /// A list with a filter.
    pub(crate) async fn find(&self, path: &str, filter: &str) -> Reply {
        self.get(&format!("{path}?filter={}", escape(filter))).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Reply {
        Reply::read(self.answer(method, path, body).await).await
    }

    /// An answer whose body has not been read.
    pub(crate) async fn begin(&self, method: Method, path: &str) -> actix_web::HttpResponse {
        self.answer(method, path, None).await
    }

    /// The same to a request with a body.
    pub(crate) async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> actix_web::HttpResponse {
        let mut request =
            test::TestRequest::default().method(method).uri(&format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.insert_header(("authorization", format!("Bearer {token}")));
        }
        if let Some(body) = body {
            request = request.insert_header(("content-type", "application/scim+json"));
            request = request.set_payload(body);
        }
        for (name, value) in &self.headers {
            request = request.insert_header((*name, value.as_str()));
        }
        match (self.server.send)(request).await {
            Ok(response) => response.map_into_boxed_body().into_parts().1,
            Err(error) => error.error_response(),
        }
    }

    /// The same client with another header, or another value of it.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name, value.to_owned()));
        other
    }

    /// A user of that name; returns the id.
    pub(crate) async fn user(&self, user_name: &str) -> String {
        let reply = self.post("/Users", json!({"userName": user_name, "active": true})).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.id()
    }

    /// A group of that name with these members; returns the id.
    pub(crate) async fn group(&self, display_name: &str, members: &[&str]) -> String {
        let members: Vec<_> = members.iter().map(|value| json!({"value": value})).collect();
        let body = json!({"displayName": display_name, "members": members});
        let reply = self.post("/Groups", body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.id()
    }

    /// The ids of a group's members, sorted.
    pub(crate) async fn members(&self, group: &str) -> Vec<String> {
        let reply = self.get(&format!("/Groups/{group}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let members = reply.body["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<_> =
            members.iter().map(|it| it["value"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }
}

impl Reply {
    /// Reads the body of an answer.
    pub(crate) async fn read(response: actix_web::HttpResponse) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        assert!(headers.contains_key("x-request-id"), "{status} has no request id");
        let body = if body.is_empty() {
            assert!(!headers.contains_key("content-type"), "{status} has a type and no body");
            Value::Null
        } else {
            assert_eq!(
                headers.get("content-type").unwrap(),
                "application/scim+json; charset=utf-8"
            );
            serde_json::from_slice(&body).unwrap()
        };
        if body != Value::Null {
            assert_no_null(&body);
        }
        Self { status, headers, body }
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The status and the keyword of an error, which has to be a proper one.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, Option<&str>) {
        assert_eq!(self.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
        assert_eq!(self.body["status"], json!(self.status.to_string()), "{self:?}");
        assert!(self.body["detail"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        (self.status, self.body["scimType"].as_str())
    }

    /// The ids of a list.
    #[track_caller]
    pub(crate) fn ids(&self) -> Vec<&str> {
        assert_eq!(self.status, 200, "{self:?}");
        let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]);
        assert_eq!(self.body["schemas"], schemas);
        let resources = self.body["Resources"].as_array().unwrap();
        assert_eq!(self.body["itemsPerPage"], json!(resources.len()));
        assert!(self.body["totalResults"].is_u64() && self.body["startIndex"].is_u64());
        resources.iter().map(|resource| resource["id"].as_str().unwrap()).collect()
    }
}

/// Text as it may stand in a query string.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn assert_no_null(value: &Value) {
    match value {
        Value::Null => panic!("a null in an answer"),
        Value::Array(items) => items.iter().for_each(assert_no_null),
        Value::Object(object) => object.values().for_each(assert_no_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
