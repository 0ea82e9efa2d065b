//! Requests as bytes, for what no HTTP client would send.

use anyhow::Context;
use testkit::setup::Connector;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends bytes on a connection of their own; what came back until the server closed it.
pub(crate) async fn exchange(address: &str, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let write = async {
        // The server may stop reading once it knows enough.
        drop(writer.write_all(request).await);
        std::future::pending::<()>().await;
    };
    let read = async {
        // It may also reset what it does not read; what came before that counts.
        drop(reader.read_to_end(&mut answer).await);
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
    Ok(answer)
}

/// A request of a connector whose head has been read, and whose body is still to come.
pub(crate) struct Begun(TcpStream);

impl Begun {
    /// Sends the head of a POST, and waits until the server asks for the body.
    pub(crate) async fn post(
        connector: &Connector,
        path: &str,
        length: usize,
    ) -> anyhow::Result<Self> {
        let rest = connector.base_url.strip_prefix("http://").context("no http URL")?;
        let (authority, base) = rest.split_once('/').context("no path")?;
        let head = format!(
            "POST /{base}{path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/scim+json\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n",
            connector.token
        );
        let mut stream = TcpStream::connect(authority).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await?);
        }
        anyhow::ensure!(answer.starts_with(b"HTTP/1.1 100"), "it was answered before its body");
        Ok(Self(stream))
    }

    /// Sends the body; what is answered.
    pub(crate) async fn end(&mut self, body: &[u8]) -> anyhow::Result<String> {
        self.0.write_all(body).await?;
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
