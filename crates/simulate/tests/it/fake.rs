//! A server on a loopback port, in the process of the test.
//!
//! It hands every request to [`Scim`] and keeps it for the test to look at. A test may spoil the
//! answers, to see what the provider finds.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::fake_scim::{Answer, Scim};

pub(crate) const TOKEN: &str = "secret";

const BASE: &str = "/scim/v2/acme/store";

/// One request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

type Spoil = Box<dyn Fn(&Recorded, &mut Answer) + Send>;

#[derive(Default)]
struct State {
    /// The data of each connector, by the path of its base URL.
    connectors: BTreeMap<String, Scim>,
    recorded: Vec<Recorded>,
    connections: usize,
    spoil: Option<Spoil>,
}

#[derive(Clone)]
pub(crate) struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let server = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                server.state.lock().unwrap().connections += 1;
                tokio::spawn(serve(server.clone(), stream));
            }
        });
        fake
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}{BASE}", self.address)
    }

    pub(crate) fn spoil(&self, spoil: impl Fn(&Recorded, &mut Answer) + Send + 'static) {
        self.state.lock().unwrap().spoil = Some(Box::new(spoil));
    }

    /// Returns the requests since the last call.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.state.lock().unwrap().recorded)
    }

    pub(crate) fn scim<T>(&self, look: impl FnOnce(&Scim) -> T) -> T {
        look(self.state.lock().unwrap().connectors.entry(BASE.to_owned()).or_default())
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Agrees to everything; a new connector gets its base URL.
    fn administer(&self, request: &Recorded) -> Answer {
        match request.path.split('/').collect::<Vec<_>>()[3..] {
            ["workspaces", workspace, "portals", portal, "scim"] => {
                let base_url = format!("http://{}/scim/v2/{workspace}/{portal}", self.address);
                let body = json!({ "connector": portal, "base_url": base_url, "token": TOKEN });
                Answer::new(201, &body)
            }
            _ => Answer::new(200, &json!({})),
        }
    }

    fn answer(&self, request: Recorded) -> Answer {
        let mut state = self.state.lock().unwrap();
        if request.path.starts_with("/api/v1/") {
            return self.administer(&request);
        }
        let end = request.path.match_indices('/').nth(4).map_or(request.path.len(), |(at, _)| at);
        let (base, path) = request.path.split_at(end);
        let token = format!("Bearer {TOKEN}");
        let known = request.headers.get("authorization").is_some_and(|header| *header == *token);
        let mut answer = if known {
            state.connectors.entry(base.to_owned()).or_default().answer(
                &request.method,
                path,
                &request.body,
            )
        } else {
            Answer::error(401, None).with("www-authenticate", "Bearer")
        };
        if let Some(spoil) = &state.spoil {
            spoil(&request, &mut answer);
        }
        state.recorded.push(request);
        answer
    }
}

async fn serve(fake: Fake, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let fake = fake.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let answer = fake.answer(Recorded {
                method: head.method,
                path: head.uri.to_string(),
                headers: head.headers,
                body: serde_json::from_slice(&body).unwrap_or_default(),
            });
            let mut response = Response::new(Full::new(Bytes::from(answer.text)));
            *response.status_mut() = answer.status.try_into().unwrap();
            *response.headers_mut() = answer.headers;
            Ok::<_, hyper::Error>(response)
        }
    });
    // The client goes away when its test is over.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}
