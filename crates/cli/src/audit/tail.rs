//! `muster audit tail`: events as they are recorded.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use clap::Args;
use event_log::WorkspaceId;
use serde_json::Value;

use super::filters::{Filters, joined};
use crate::{
    output::{complain, is_unread},
    remote::Remote,
};

/// How long the server may say nothing. It says something every 15 seconds, that nothing is new if nothing is: a
/// connection that is gone without a word shows by that alone.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// From where on.
#[derive(Args)]
pub(crate) struct TailOptions {
    #[command(flatten)]
    remote: Remote,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    #[command(flatten)]
    filters: Filters,
    /// Also what stands after this position already. [default: only what is to come]
    #[arg(long)]
    after: Option<u64>,
    /// End after the event at this position.
    #[arg(long)]
    to: Option<u64>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn tail(options: TailOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    let given = [("after", options.after), ("to", options.to)];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())));
    let params = [given.collect(), options.filters.params()].concat();
    let query = joined(&params);
    let path = format!("/workspaces/{workspace}/events/stream?{}", query.trim_start_matches('&'));
    let mut stream = options.remote.client()?.open(&path).await?;
    let (mut lines, mut last) = (Lines::default(), None);
    while !is_unread() {
        let chunk = tokio::time::timeout(SILENCE_MAX, stream.chunk()).await;
        let chunk = match chunk.map_err(|_| anyhow!("the server says nothing any more")) {
            Ok(chunk) => chunk.context("the stream has broken off"),
            Err(silence) => Err(silence),
        };
        let Some(chunk) = chunk.with_context(|| format!("following the record{}", rest(last)))?
        else {
            break;
        };
        for line in lines.take(&chunk) {
            if let Some(id) = line.strip_prefix("id: ") {
                last = id.parse::<u64>().ok();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).context("the server's event")?;
                super::log::show(&event, options.json)?;
            }
        }
    }
    if options.to.is_none() {
        complain(&format!("the server has ended the stream{}", rest(last)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where to go on.
fn rest(last: Option<u64>) -> String {
    last.map(|last| format!("; go on with --after {last}")).unwrap_or_default()
}

/// Bytes on their way to lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// The lines that are whole.
    fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(chunk);
        let Some(end) = self.0.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.0.drain(..=end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: TailOptions,
    }

    /// Follows a server that says this and then nothing; its connection stays, or does not.
    async fn followed(said: &str) -> (TcpStream, impl Future<Output = String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let line = ["tail", "--url", &url, "--token", "t", "--workspace", "acme"];
        let Command { options } = Command::parse_from(line);
        let following = tokio::spawn(tail(options));
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{said}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        (stream, async { format!("{:#}", following.await.unwrap().unwrap_err()) })
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_says_where_to_go_on() {
        let (stream, complaint) = followed(": nothing new\nid: 7\n\n").await;
        drop(stream);
        let complaint = complaint.await;
        assert!(complaint.contains("broken off") && complaint.contains("--after 7"), "{complaint}");
    }

    #[tokio::test]
    async fn a_stream_that_is_gone_without_a_word_is_given_up() {
        let (_stream, complaint) = followed(": nothing new\nid: 7\n\n").await;
        // Time goes by once nobody has anything to do.
        tokio::time::pause();
        let complaint = complaint.await;
        assert!(
            complaint.contains("nothing any more") && complaint.contains("--after 7"),
            "{complaint}"
        );
    }

    #[test]
    fn a_line_is_told_when_it_is_whole() {
        let mut lines = Lines::default();
        assert!(lines.take(b"id: 1\r"[..5].as_ref()).is_empty());
        assert_eq!(lines.take(b"\ndata: {\"a\""), ["id: 1"]);
        assert_eq!(lines.take(b":1}\n\n: x"), ["data: {\"a\":1}", ""]);
        assert_eq!(lines.take(b"\n"), [": x"]);
    }
}
