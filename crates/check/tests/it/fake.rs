//! A small SCIM server on a loopback port: users only, no PATCH, and one fault if a test wants it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};

pub(crate) const TOKEN: &str = "the-secret-of-this-test";

/// A user that no run has made.
pub(crate) const FOREIGN: &str = "somebody-else";

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// What a server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// 200 instead of 201 for a new user.
    CreatesWith200,
    /// Errors without their schema, with the token that came.
    PlainErrors,
    /// A new user is answered with 500, and is there all the same. A page has one user.
    LosesAnswers,
    /// The same, and no filter is answered either.
    LosesAllAnswers,
    /// Ids hold what a path has to escape.
    OddIds,
    /// Nobody is ever deleted.
    RefusesDeletion,
    /// A filter finds everybody.
    IgnoresFilters,
    /// Every request is answered with 429 when it comes for the first time.
    AsksForPatience,
    /// Nothing is answered under the discovery endpoints.
    NoDocuments,
}

#[derive(Default)]
struct State {
    users: BTreeMap<String, Value>,
    made: usize,
    asked: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Fake {
    address: SocketAddr,
    fault: Fault,
    state: Arc<Mutex<State>>,
    created: Arc<Notify>,
}

impl Fake {
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Self { address, fault, state: Arc::default(), created: Arc::default() };
        let foreign = json!({"schemas": [USER], "id": FOREIGN, "userName": "ada@example.com"});
        fake.state.lock().unwrap().users.insert(FOREIGN.to_owned(), foreign);
        let server = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(server.clone(), stream));
            }
        });
        fake
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/scim", self.address)
    }

    /// The ids of the users that are there.
    pub(crate) fn users(&self) -> Vec<String> {
        self.state.lock().unwrap().users.keys().cloned().collect()
    }

    /// Method and path of every request, in their order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Waits for the first user that is made.
    pub(crate) async fn created(&self) {
        self.created.notified().await;
    }
}

async fn serve(fake: Fake, stream: TcpStream) {
    let service = service_fn(|request: Request<Incoming>| {
        let fake = fake.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let bearer = head.headers.get("authorization").map(|value| value.to_str().unwrap());
            let path = head.uri.path_and_query().unwrap().as_str();
            let path = path.strip_prefix("/scim").unwrap();
            let answer = fake.answer(head.method.as_str(), path, bearer, &body);
            Ok::<_, hyper::Error>(written(answer))
        }
    });
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

struct Answer(u16, Value);

fn written(Answer(status, body): Answer) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    if status == 401 {
        response = response.header("www-authenticate", "Bearer");
    }
    if status == 429 {
        response = response.header("retry-after", "0");
    }
    if let Some(location) = body["meta"]["location"].as_str() {
        response = response.header("location", location);
    }
    if body.is_null() {
        return response.body(Full::default()).unwrap();
    }
    let response = response.header("content-type", "application/scim+json");
    response.body(Full::from(body.to_string())).unwrap()
}

impl Fake {
    fn answer(&self, method: &str, path: &str, bearer: Option<&str>, body: &[u8]) -> Answer {
        let mut state = self.state.lock().unwrap();
        let asked = format!("{method} {path}");
        let is_new = !state.asked.contains(&asked);
        state.asked.push(asked);
        if self.fault == Fault::AsksForPatience && is_new {
            return self.error(429, "tooMany", bearer);
        }
        let (endpoint, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<_> = endpoint.trim_start_matches('/').split('/').collect();
        let plain: Vec<_> = parts.iter().map(|part| unescaped(part)).collect();
        let parts: Vec<_> = plain.iter().map(String::as_str).collect();
        if bearer != Some(&format!("Bearer {TOKEN}")) && parts[0] != "ServiceProviderConfig" {
            return self.error(401, "", bearer);
        }
        match (method, &*parts) {
            (_, ["ServiceProviderConfig" | "ResourceTypes" | "Schemas"])
                if self.fault == Fault::NoDocuments =>
            {
                self.error(404, "", bearer)
            }
            ("GET", ["ServiceProviderConfig"]) => Answer(200, config()),
            ("GET", ["ResourceTypes"]) => {
                Answer(200, list(&[json!({"name": "User", "endpoint": "/Users", "schema": USER})]))
            }
            ("GET", ["Schemas"]) => Answer(200, list(&[schema()])),
            ("GET", ["Users"])
                if self.fault == Fault::LosesAllAnswers && query.contains("filter") =>
            {
                self.error(500, "", bearer)
            }
            ("GET", ["Users"]) => Answer(200, self.page(&self.found(&state, query), query)),
            ("POST", ["Users", ".search"]) => self.error(501, "", bearer),
            ("POST", ["Users"]) => self.create(&mut state, body, bearer),
            ("GET", ["Users", id]) => match state.users.get(*id) {
                Some(user) => Answer(200, user.clone()),
                None => self.error(404, "", bearer),
            },
            ("DELETE", ["Users", _]) if self.fault == Fault::RefusesDeletion => {
                self.error(403, "", bearer)
            }
            ("DELETE", ["Users", id]) => match state.users.remove(*id) {
                Some(_) => Answer(204, Value::Null),
                None => self.error(404, "", bearer),
            },
            (_, ["Users"]) => self.error(405, "", bearer),
            _ => self.error(404, "", bearer),
        }
    }

    fn create(&self, state: &mut State, body: &[u8], bearer: Option<&str>) -> Answer {
        let Ok(mut user) = serde_json::from_slice::<Value>(body) else {
            return self.error(400, "invalidSyntax", bearer);
        };
        let name = user["userName"].as_str().filter(|name| !name.is_empty());
        let Some(name) = name.map(str::to_lowercase) else {
            return self.error(400, "invalidValue", bearer);
        };
        if state
            .users
            .values()
            .any(|known| known["userName"].as_str().unwrap().to_lowercase() == name)
        {
            return self.error(409, "uniqueness", bearer);
        }
        state.made += 1;
        let id = match self.fault {
            Fault::OddIds => format!("user/{} é?", state.made),
            _ => format!("user-{}", state.made),
        };
        user["id"] = json!(id);
        user["meta"] = json!({
            "resourceType": "User", "created": "2026-11-25T22:00:00Z",
            "lastModified": "2026-11-25T22:00:00Z", "location": format!("{}/Users/{id}", self.base_url()),
        });
        state.users.insert(id, user.clone());
        self.created.notify_one();
        match self.fault {
            Fault::CreatesWith200 => Answer(200, user),
            Fault::LosesAnswers | Fault::LosesAllAnswers => self.error(500, "", bearer),
            _ => Answer(201, user),
        }
    }

    /// What of it is on one page.
    fn page(&self, found: &[Value], query: &str) -> Value {
        if self.fault != Fault::LosesAnswers {
            return list(found);
        }
        let start = query.split('&').find_map(|part| part.strip_prefix("startIndex="));
        let start: usize = start.map_or(1, |start| start.parse().unwrap());
        let page: Vec<_> = found.iter().skip(start - 1).take(1).cloned().collect();
        let mut page = list(&page);
        page["totalResults"] = json!(found.len());
        page["startIndex"] = json!(start);
        page
    }

    /// Whom a filter of one comparison finds.
    fn found(&self, state: &State, query: &str) -> Vec<Value> {
        let filter = query.split('&').find_map(|part| part.strip_prefix("filter="));
        let filter =
            filter.unwrap_or_default().replace("%20", " ").replace("%22", "\"").replace("%40", "@");
        let words: Vec<_> = filter.splitn(3, ' ').collect();
        let all = state.users.values();
        let [name, operator, value] = *words else { return all.cloned().collect() };
        let value = value.trim_matches('"').to_lowercase();
        let matches = |user: &&Value| {
            let found = user[name].as_str().unwrap_or_default().to_lowercase();
            self.fault == Fault::IgnoresFilters
                || if operator == "sw" { found.starts_with(&value) } else { found == value }
        };
        all.filter(matches).cloned().collect()
    }

    fn error(&self, status: u16, scim_type: &str, bearer: Option<&str>) -> Answer {
        if self.fault == Fault::PlainErrors {
            return Answer(status, json!({"error": "no", "you sent": bearer}));
        }
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(), "detail": "no",
        });
        if !scim_type.is_empty() {
            body["scimType"] = json!(scim_type);
        }
        Answer(status, body)
    }
}

/// A part of a path as it is meant.
fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn config() -> Value {
    let (yes, no) = (json!({"supported": true}), json!({"supported": false}));
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": no, "sort": no, "etag": no, "changePassword": no, "authenticationSchemes": [],
        "filter": {"supported": yes["supported"], "maxResults": 100},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
    })
}

fn schema() -> Value {
    json!({"id": USER, "attributes": [{"name": "userName"}, {"name": "active"}]})
}

fn list(resources: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(), "startIndex": 1, "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}
