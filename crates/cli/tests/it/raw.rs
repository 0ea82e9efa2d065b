//! Requests as bytes, for what no HTTP client would send.

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
