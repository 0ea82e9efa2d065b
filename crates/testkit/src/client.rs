//! A client that asks and looks at what it gets.

use std::sync::Arc;

use anyhow::{Context, ensure};
use hyper::{
    HeaderMap, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::Value;
use simulate::client::{Connection, Target};

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; null when there is none.
    pub body: Value,
}

impl Answer {
    /// The body, if the status is the one that was expected.
    ///
    /// # Errors
    /// With the whole answer, when it is not.
    pub fn expect(self, status: u16) -> anyhow::Result<Value> {
        ensure!(self.status == status, "expected {status}, got {}: {}", self.status, self.body);
        Ok(self.body)
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The `id` in the body of an answer that says that something was made.
    ///
    /// # Errors
    /// When it does not say so.
    pub fn made(self) -> anyhow::Result<String> {
        ensure!(self.status == 201, "expected 201, got {}: {}", self.status, self.body);
        self.id()
    }

    /// The `id` in the body.
    ///
    /// # Errors
    /// When there is none.
    pub fn id(&self) -> anyhow::Result<String> {
        let id = self.body["id"].as_str();
        Ok(id.with_context(|| format!("no id in {} {}", self.status, self.body))?.to_owned())
    }
}

/// A connection with a base URL and a token.
pub struct Client {
    connection: Connection,
    headers: HeaderMap,
}

impl Client {
    /// A client that is not connected yet.
    ///
    /// # Errors
    /// When the URL or the token does not read.
    pub fn new(base_url: &str, token: &str) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { connection: Connection::new(Arc::new(Target::parse(base_url)?)), headers })
    }

    /// The same with another header on every request.
    ///
    /// # Errors
    /// When name or value does not read.
    pub fn with_header(mut self, name: &str, value: &str) -> anyhow::Result<Self> {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        self.headers.insert(name, HeaderValue::from_str(value)?);
        Ok(self)
    }

    /// The same without a header that every request would have.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// GET. The path follows the base URL and holds the query, escaped.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send("GET", path, Vec::new()).await
    }

    /// POST.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&mut self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send("POST", path, body.to_string().into_bytes()).await
    }

    /// PUT.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn put(&mut self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send("PUT", path, body.to_string().into_bytes()).await
    }

    /// PATCH.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn patch(&mut self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send("PATCH", path, body.to_string().into_bytes()).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn delete(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send("DELETE", path, Vec::new()).await
    }

    /// Any method, any bytes.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let method = Method::from_bytes(method.as_bytes())?;
        let response = self.connection.send(&method, path, &self.headers, body.into()).await?;
        let body = serde_json::from_slice(&response.body).unwrap_or_default();
        Ok(Answer { status: response.status.as_u16(), headers: response.headers, body })
    }
}
