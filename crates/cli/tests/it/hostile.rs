//! Hostile requests, as tables: whatever comes, the answer is a proper refusal and the record stays.
//!
//! The tables are `hostile/generic.txt` and `hostile/strict.txt`, for connectors of these kinds. A
//! line is one request, in columns:
//!
//! ```text
//! METHOD path | status keyword | body | header: value; header: value
//! ```
//!
//! - The path follows the Base URL; after `!`, the server's address. What a URL may not have is
//!   escaped, `%` is not.
//! - `keyword` is the `scimType` of the error, where RFC 7644 has one. `bare` stands for an answer
//!   without a body: requests that are not even HTTP are refused before anything knows of SCIM.
//! - `{user}`, `{group}` are ids of the connector, `{stranger}` that of a user of another connector,
//!   `{unknown}` nobody's. `«3×ab»` is `ababab`, `{#3}` an object of three members, `\xff` a byte.
//! - Lines that begin with `#` are comments.
//!
//! A request comes with the connector's token, a media type and a length, unless its headers say
//! otherwise. The word `hunter2` stands for a secret: it may come back in no answer and in no log line.

use std::collections::HashSet;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use testkit::{
    ADMIN_TOKEN, Client, Server, record, scim,
    setup::{self, Connector},
};

use crate::{WORKSPACE, raw, start_with_workspace};

/// How many requests the tables have at least.
const ROWS_MIN: usize = 200;
/// What may never come back.
const SECRET: &str = "hunter2";
/// An id that nobody has.
const UNKNOWN: &str = "0190f5e0-0000-7000-8000-00000000abcd";

/// A line of a table.
struct Row<'a> {
    line: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    /// The keyword, or [`Row::BARE`].
    keyword: Option<&'a str>,
    body: &'a str,
    headers: Vec<&'a str>,
}

impl<'a> Row<'a> {
    const BARE: &'static str = "bare";

    fn read(line: &'a str) -> anyhow::Result<Self> {
        let mut columns = line.split(" |").map(|column| column.strip_prefix(' ').unwrap_or(column));
        let mut column = || columns.next().with_context(|| format!("a column is missing: {line}"));
        let (request, expected, body) = (column()?, column()?, column()?);
        let headers = columns.next().unwrap_or_default();
        ensure!(columns.next().is_none(), "a column too many: {line}");
        let (method, path) = request.split_once(' ').context("no path")?;
        let (status, keyword) = expected.split_once(' ').unwrap_or((expected, ""));
        Ok(Self {
            line,
            method,
            path,
            status: status.parse()?,
            keyword: Some(keyword).filter(|keyword| !keyword.is_empty()),
            body,
            headers: headers.split("; ").filter(|header| !header.is_empty()).collect(),
        })
    }

    fn all(table: &'a str) -> impl Iterator<Item = Self> {
        let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| Self::read(line).unwrap())
    }

    fn is_bare(&self) -> bool {
        self.keyword == Some(Self::BARE)
    }

    /// The request as bytes.
    fn request(&self, scene: &Scene) -> anyhow::Result<Vec<u8>> {
        let path = match self.path.strip_prefix('!') {
            Some(path) => path.to_owned(),
            None => format!("{}{}", scene.base_path, self.path),
        };
        let body = bytes(&scene.filled(self.body)?);
        let mut request = format!("{} ", self.method).into_bytes();
        request.extend(escaped(&bytes(&scene.filled(&path)?)));
        request.extend(b" HTTP/1.1\r\n");
        let has = |name: &str| {
            self.headers.iter().any(|it| it.to_ascii_lowercase().starts_with(&format!("{name}:")))
        };
        let has_length = has("content-length") || has("transfer-encoding");
        for (name, value, missing) in [
            ("Host", "muster.example".to_owned(), !has("host")),
            ("Authorization", format!("Bearer {}", scene.connector.token), !has("authorization")),
            ("Content-Type", "application/scim+json".to_owned(), !has("content-type")),
            ("Content-Length", body.len().to_string(), !has_length),
            ("Connection", "close".to_owned(), true),
        ] {
            if missing {
                request.extend(format!("{name}: {value}\r\n").as_bytes());
            }
        }
        for header in &self.headers {
            request.extend(bytes(&scene.filled(header)?));
            request.extend(b"\r\n");
        }
        request.extend(b"\r\n");
        request.extend(body);
        Ok(request)
    }
}

/// Bytes from a text in which `\xff` stands for one.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend(before.as_bytes());
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.extend(byte);
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes.extend(rest.as_bytes());
    bytes
}

/// A path without what no URL may have.
fn escaped(path: &[u8]) -> Vec<u8> {
    let must = |byte: u8| !byte.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&byte);
    let escape = |byte: &u8| {
        if must(*byte) { format!("%{byte:02X}").into_bytes() } else { vec![*byte] }
    };
    path.iter().flat_map(escape).collect()
}

/// `«3×ab»` written out, and `{#3}`.
fn repeated(text: &str) -> anyhow::Result<String> {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('«') {
        let (repetition, after) = after.split_once('»').context("no »")?;
        let (times, part) = repetition.split_once('×').context("no ×")?;
        written.push_str(before);
        written.push_str(&part.repeat(times.parse()?));
        rest = after;
    }
    written.push_str(rest);
    if let Some((before, after)) = written.split_once("{#") {
        let (members, after) = after.split_once('}').context("no }")?;
        let members: Vec<_> = (0..members.parse()?).map(|n: u32| format!("\"{n:x}\":0")).collect();
        return Ok(format!("{before}{{{}}}{after}", members.join(",")));
    }
    Ok(written)
}

/// A connector with a user and a group, and another one of the same workspace.
struct Scene {
    server: Server,
    api: Client,
    connector: Connector,
    /// The path of its Base URL.
    base_path: String,
    user: String,
    group: String,
    stranger: String,
}

impl Scene {
    async fn set(idp: &str) -> Self {
        let (server, mut api) = start_with_workspace().await;
        let rule = || setup::create_and("remove_user");
        let connector = setup::connector(&mut api, WORKSPACE, "store", idp, rule()).await.unwrap();
        let other = setup::connector(&mut api, WORKSPACE, "dashboard", "generic", rule()).await;
        let mut client = connector.client().unwrap();
        let mut ids = Vec::new();
        for name in ["taken@acme.example", "ada@acme.example"] {
            ids.push(client.post("/Users", scim::user(name)).await.unwrap().made().unwrap());
        }
        for name in ["Taken", "Everybody"] {
            let group = scim::group(name, &ids[1..2]);
            ids.push(client.post("/Groups", group).await.unwrap().made().unwrap());
        }
        let mut stranger = other.unwrap().client().unwrap();
        let stranger = stranger.post("/Users", scim::user("eve@acme.example")).await.unwrap();
        let base_path = connector.base_url.splitn(4, '/').nth(3).unwrap();
        Self {
            base_path: format!("/{base_path}"),
            server,
            api,
            connector,
            user: ids[1].clone(),
            group: ids[3].clone(),
            stranger: stranger.made().unwrap(),
        }
    }

    /// A text of a table with ids in it, and repetitions written out.
    fn filled(&self, text: &str) -> anyhow::Result<String> {
        let text = text.replace("{user}", &self.user).replace("{group}", &self.group);
        let text = text.replace("{stranger}", &self.stranger).replace("{unknown}", UNKNOWN);
        repeated(&text)
    }

    /// Sends a request; the head and the body of the answer.
    async fn answer(&self, row: &Row<'_>) -> anyhow::Result<(String, String)> {
        let address = self.server.url().strip_prefix("http://").context("no http URL")?;
        let answer = raw::exchange(address, &row.request(self)?).await?;
        let answer = String::from_utf8(answer).context("the answer is no text")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("there is no answer")?;
        Ok((head.to_ascii_lowercase(), body.to_owned()))
    }

    /// Sends a request and looks at everything that has to be so.
    async fn check(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        let before = record::changes(&mut self.api, WORKSPACE).await?;
        let (head, body) = self.answer(row).await?;
        let status: u16 = head.get(9..12).context("no status")?.parse()?;
        ensure!(status == row.status, "answered {status}: {body}");
        for secret in [SECRET, &self.connector.token, ADMIN_TOKEN] {
            ensure!(!body.contains(secret), "the answer repeats a secret: {body}");
            ensure!(!head.contains(&secret.to_ascii_lowercase()), "the head repeats a secret");
        }
        ensure!(!head.contains("\nx-injected"), "a header was injected: {head}");
        ensure!(body.len() < 10_000 || status < 300, "an error of {} bytes", body.len());
        if row.is_bare() {
            ensure!(body.is_empty(), "a body that was not expected: {body}");
        } else {
            check_body(row, &head, &body)?;
        }
        let after = record::changes(&mut self.api, WORKSPACE).await?;
        ensure!(after == before, "something was recorded");
        Ok(())
    }
}

/// An answer has to be SCIM JSON; an error has to say what is wrong.
fn check_body(row: &Row<'_>, head: &str, body: &str) -> anyhow::Result<()> {
    let has = |header: &str| head.lines().any(|line| line.starts_with(header));
    ensure!(has("content-type: application/scim+json"), "the media type is another: {head}");
    ensure!(has("x-request-id: "), "there is no request id: {head}");
    let body: Value = serde_json::from_str(body).context("the body is no JSON")?;
    if row.status < 300 {
        let operations = body["Operations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_refused = |it: &Value| it["status"].as_str().is_some_and(|it| it.starts_with('4'));
        let is_bulk = row.path.starts_with("/Bulk");
        ensure!(is_bulk != operations.is_empty(), "operations without an answer: {body}");
        ensure!(operations.iter().all(is_refused), "not every operation is refused: {body}");
        return Ok(());
    }
    ensure!(body["schemas"] == json!([scim::ERROR]), "no error's schema: {body}");
    let in_body = body["status"].as_str().and_then(|text| text.parse().ok());
    ensure!(in_body == Some(row.status), "the body's status is another: {body}");
    let keyword = body.get("scimType").and_then(Value::as_str);
    ensure!(keyword == row.keyword, "expected {:?}: {body}", row.keyword);
    let detail = body["detail"].as_str().unwrap_or_default();
    // The phrase of the status alone would say nothing that the status does not.
    let phrases = ["Bad Request", "Not Found", "Method Not Allowed", "Payload Too Large"];
    ensure!(detail.len() > 10 && !phrases.contains(&detail), "the detail says nothing: {body}");
    if row.status == 405 {
        ensure!(has("allow: "), "405 does not say what is allowed: {head}");
    }
    if row.status == 401 {
        ensure!(has("www-authenticate: bearer"), "401 does not say how: {head}");
    }
    Ok(())
}

async fn refuses(idp: &str, table: &str) {
    let mut scene = Scene::set(idp).await;
    let mut findings = Vec::new();
    for row in Row::all(table) {
        if let Err(error) = scene.check(&row).await {
            let line: String = row.line.chars().take(200).collect();
            findings.push(format!("{line}\n    {error:#}"));
        }
    }
    assert!(findings.is_empty(), "{} of them:\n{}", findings.len(), findings.join("\n"));
    let log = scene.server.log_lines().unwrap();
    assert!(!log.contains(SECRET), "a secret is in the log");
    assert!(!log.contains("panicked"), "something has panicked: {log}");
    let mut client = scene.connector.client().unwrap();
    client.get("/Users").await.unwrap().expect(200).unwrap();
}

const GENERIC: &str = include_str!("hostile/generic.txt");
const STRICT: &str = include_str!("hostile/strict.txt");

#[tokio::test]
async fn a_generic_connector_refuses_them_all() {
    refuses("generic", GENERIC).await;
}

#[tokio::test]
async fn a_strict_connector_refuses_them_all() {
    refuses("strict", STRICT).await;
}

#[test]
fn there_are_enough_of_them_and_no_two_are_the_same() {
    let mut seen = HashSet::new();
    for (idp, table) in [("generic", GENERIC), ("strict", STRICT)] {
        for row in Row::all(table) {
            assert!(seen.insert((idp, row.line)), "twice: {}", row.line);
        }
    }
    assert!(seen.len() >= ROWS_MIN, "only {}", seen.len());
}

#[test]
fn tables_are_written_out_as_they_say() {
    assert_eq!(repeated("a«3×bc»d{#2}").unwrap(), "abcbcbcd{\"0\":0,\"1\":0}");
    assert_eq!(bytes("a\\xff\\x0a\\q"), b"a\xff\n\\q");
    assert_eq!(escaped(b"/a b?\"%41"), b"/a%20b?%22%41");
    let row = Row::read("POST /Users | 400 invalidSyntax | {\"a\": 1} | A: b; C: d").unwrap();
    assert_eq!((row.status, row.keyword), (400, Some("invalidSyntax")));
    assert_eq!((row.body, row.headers), ("{\"a\": 1}", vec!["A: b", "C: d"]));
    assert!(Row::read("GET /Users | 200").is_err());
}
