//! A connection that is written to byte by byte: what no HTTP library would do.

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::load::{Connector, Job};

/// How much the system keeps of what is not read, in bytes; it makes at least twice as much of it.
const UNREAD_BYTES: u32 = 4_096;

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Connects to a server. Whoever `reads_slowly` leaves what is sent with the server.
pub(super) async fn connect(
    connector: &Connector,
    reads_slowly: bool,
) -> anyhow::Result<TcpStream> {
    let (host, port) = connector.address();
    let address = format!("{host}:{port}").parse().context("reading the server's address")?;
    let socket = TcpSocket::new_v4()?;
    if reads_slowly {
        socket.set_recv_buffer_size(UNREAD_BYTES)?;
    }
    let stream = socket.connect(address).await.context("connecting")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a whole request, and reads its answer, which is checked.
pub(super) async fn exchange(
    stream: &mut TcpStream,
    connector: &Connector,
    job: &Job,
) -> anyhow::Result<()> {
    stream.write_all(&connector.written(job)).await?;
    answer(stream, job.accepted).await
}

/// Reads a whole answer, which is checked.
pub(super) async fn answer(stream: &mut TcpStream, accepted: &[u16]) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    let (status, mut left) = loop {
        ensure!(stream.read_buf(&mut bytes).await? > 0, "a connection ended within an answer");
        if let Some((head, body)) = split(&bytes) {
            let (status, length) = parse(head).context("an answer that is no HTTP")?;
            break (status, length.saturating_sub(body.len()));
        }
        ensure!(bytes.len() < HEAD_BYTES_MAX, "the head of an answer has no end");
    };
    while left > 0 {
        bytes.clear();
        let read = stream.read_buf(&mut bytes).await?;
        ensure!(read > 0, "a connection ended within an answer");
        left = left.saturating_sub(read);
    }
    ensure!(accepted.contains(&status), "a request was answered {status}");
    Ok(())
}

/// The head of a message, and what has come of its body.
pub(super) fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = message.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    Some(message.split_at(end))
}

/// The status of an answer, and the length of its body.
fn parse(head: &[u8]) -> Option<(u16, usize)> {
    let head = str::from_utf8(head).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Some((status, length.next().map_or(Some(0), |(_, length)| length.trim().parse().ok())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_status_and_length() {
        let message = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        let (head, body) = split(message).unwrap();
        assert_eq!((parse(head), body), (Some((200, 3)), &b"abc"[..]));
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((204, 0)));
        assert_eq!(split(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(parse(b"nonsense"), None);
    }
}
