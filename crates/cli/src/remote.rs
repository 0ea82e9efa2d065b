//! A running server's `/api/v1`, as commands use it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;
use simulate::client::{Connection, Response, Streaming, Target};

use crate::{output::complain, progress::Reading};

/// The header by which a server says that views of a workspace are not whole.
const STALE: &str = "muster-stale";
/// Where the API lies below a server's URL.
const API: &str = "/api/v1";
/// How long an answer may take: some come when the work is done, such as building the read models of a million
/// people anew. Whoever sits before it can interrupt.
const ANSWER_MAX: Duration = Duration::from_hours(24);

/// Which server, and as whom.
#[derive(Args, Clone)]
pub(crate) struct Remote {
    /// The server's URL.
    #[arg(long, env = "MUSTER_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A token for /api/v1.
    #[arg(long, env = "MUSTER_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// A connection to a server.
pub(crate) struct Client {
    connection: Connection,
    headers: HeaderMap,
    url: String,
}

impl Remote {
    /// Prepares to ask; connects with the first question.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let token = self.token.as_deref();
        let token = token.context("say who you are: set MUSTER_TOKEN, or send --token")?;
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        headers.insert(AUTHORIZATION, bearer.context("the token holds characters it cannot")?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let target = Target::parse(&self.url)?;
        // A server may be reached below a path, behind a proxy.
        let below = target.path().trim_end_matches(API).to_owned();
        let target = Arc::new(target.with_path(&format!("{below}{API}")));
        let connection = Connection::new(target).waiting(ANSWER_MAX);
        Ok(Client { connection, headers, url: self.url.clone() })
    }
}

impl Client {
    /// Reads something.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.ask(&Method::GET, path, None).await
    }

    /// Reads something of the past, and waits while the server builds it. Asked so, the server says once a
    /// second how far it is.
    pub(crate) async fn get_built(
        &mut self,
        path: &str,
        reading: &mut Reading,
    ) -> anyhow::Result<Value> {
        loop {
            self.headers.insert("prefer", HeaderValue::from_static("wait=1"));
            let answer = self.answer(&Method::GET, path, Vec::new()).await?;
            let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
            match (body["done"].as_u64(), body["of"].as_u64()) {
                (Some(done), Some(of)) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                    reading.built(done, of);
                }
                _ => return self.read(&accept(answer)?),
            }
        }
    }

    /// Asks for something to be done.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(&Method::POST, path, Some(body)).await
    }

    /// Asks, and gives back what is answered.
    pub(crate) async fn ask(
        &mut self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let answer = self.send(method, path, body).await?;
        self.read(&answer)
    }

    /// What an answer says; one without a body says nothing. Whoever answers with anything else is another
    /// server, which has not done what was asked.
    fn read(&self, answer: &[u8]) -> anyhow::Result<Value> {
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(answer).with_context(|| {
            format!("what answers at {} is no Muster: say where it is with --url", self.url)
        })
    }

    /// Reads something that is no JSON object.
    pub(crate) async fn text(&mut self, path: &str) -> anyhow::Result<String> {
        let answer = self.send(&Method::GET, path, Vec::new()).await?;
        String::from_utf8(answer).context("the server did not answer with a text")
    }

    /// Reads something that goes on and on, as it comes.
    pub(crate) async fn open(self, path: &str) -> anyhow::Result<Streaming> {
        let mut answer = self.connection.open(path, &self.headers).await;
        let asking = || format!("asking the server at {}", self.url);
        if let Ok(answer) = &mut answer
            && !answer.status.is_success()
        {
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.with_context(asking)? {
                body.extend_from_slice(&chunk);
            }
            bail!("the server answers {}: {}", answer.status, detail(&body));
        }
        answer.with_context(asking)
    }

    async fn send(
        &mut self,
        method: &Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Vec<u8>> {
        let answer = self.answer(method, path, body).await?;
        accept(answer)
    }

    async fn answer(
        &mut self,
        method: &Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Response> {
        let answer = self.connection.send(method, path, &self.headers, body.into()).await;
        answer.with_context(|| format!("asking the server at {}", self.url))
    }
}

/// The body of an answer, if it is no refusal.
fn accept(answer: Response) -> anyhow::Result<Vec<u8>> {
    if !answer.status.is_success() {
        bail!("the server answers {}: {}", answer.status, detail(&answer.body));
    }
    if let Some(stale) = answer.headers.get(STALE).and_then(|it| it.to_str().ok()) {
        complain(&format!(
            "muster: not all that happened is shown: {stale} (see `muster projections holds`)"
        ));
    }
    Ok(answer.body.into())
}

/// The items of an answer that is a list, or has one.
///
/// # Errors
/// Where there is none: an empty list would say that there is nothing.
pub(crate) fn items(list: &Value) -> anyhow::Result<&[Value]> {
    let items = list.as_array().context("the server did not answer with a list")?;
    Ok(items)
}

/// What the body of a problem says.
fn detail(body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    problem.get("detail").and_then(Value::as_str).unwrap_or("no detail").to_owned()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn remote(url: String) -> Remote {
        Remote { url, token: Some("token".to_owned()) }
    }

    /// Reads the head of a request from a connection, and answers it.
    async fn answer(listener: &TcpListener, meanwhile: impl AsyncFnOnce()) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        meanwhile().await;
        let body = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(body.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_waited_for_as_long_as_the_work_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote = remote(format!("http://{}", listener.local_addr().unwrap()));
        let asked = tokio::spawn(async move { remote.client()?.get("/projections").await });
        answer(&listener, async || {
            tokio::time::pause();
            tokio::time::advance(Duration::from_hours(1)).await;
            tokio::time::resume();
        })
        .await;
        asked.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_server_may_be_reached_below_a_path() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (path, asked) in [
            ("", "/api/v1/x"),
            ("/", "/api/v1/x"),
            ("/idm/", "/idm/api/v1/x"),
            ("/api/v1", "/api/v1/x"),
        ] {
            let remote = remote(format!("http://{address}{path}"));
            let asking = async { remote.client().unwrap().get("/x").await.unwrap() };
            let (_, head) = tokio::join!(asking, answer(&listener, async || ()));
            assert!(head.starts_with(&format!("GET {asked} ")), "{path}: {head}");
        }
    }
}
