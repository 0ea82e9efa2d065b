//! What a request leaves in the log: one line, and nothing of anybody.

use std::{cell::RefCell, io::Write, sync::Once};

use actix_web::http::Method;
use domain::workspace::Idp;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::support::Server;

thread_local! {
    /// A test and its server are one thread.
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Listens to everything that our crates say.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ours = "ingress=trace,app=trace,projections=trace,event_log=trace";
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(ours))
            .with_writer(|| Writer)
            .with_ansi(false)
            .init();
    });
}

/// What was written since the last time.
fn written() -> String {
    WRITTEN.with(|written| String::from_utf8(written.take()).unwrap())
}

struct Writer;

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        WRITTEN.with(|written| written.borrow_mut().extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn a_request_leaves_one_line_and_nothing_of_anybody() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let token = generic.token.clone().unwrap();
    let secrets = ["hedwig", "Password1", token.splitn(3, '_').nth(2).unwrap(), "filter="];
    let id = generic.user("hedwig").await;
    let user = format!("/Users/{id}");
    written();

    let body = json!({"userName": "hedwig", "password": "Password1"}).to_string();
    for (method, path, body, route, status) in [
        (Method::GET, "/Users?filter=userName%20eq%20%22hedwig%22", None, "/Users", 200),
        (Method::POST, "/Users", Some(body.clone()), "/Users", 409),
        (Method::PUT, &user, Some(body.clone()), "/Users/{id}", 200),
        (Method::PUT, &user, Some(body[..30].to_owned()), "/Users/{id}", 400),
        (Method::GET, "/Users/hedwig", None, "/Users/{id}", 404),
    ] {
        let reply = generic.send(method.clone(), path, body.map(String::into_bytes)).await;
        assert_eq!(reply.status, status, "{path}");
        let written = written();
        let answered: Vec<_> =
            written.lines().filter(|line| line.contains("a SCIM request was answered")).collect();
        assert_eq!(answered.len(), 1, "{written}");
        for part in [
            format!("http.method=\"{method}\""),
            format!("http.route=\"/scim/v2/{{workspace}}/{{connector}}{route}\""),
            format!("http.status={status}"),
            "workspace.id=\"acme\"".to_owned(),
            "connector.name=\"store\"".to_owned(),
            format!("request.correlation=\"{}\"", reply.header("x-request-id").unwrap()),
        ] {
            assert!(answered[0].contains(&part), "{part} is not in {}", answered[0]);
        }
        for secret in secrets {
            assert!(!written.contains(secret), "{secret} is in {written}");
        }
    }
}
