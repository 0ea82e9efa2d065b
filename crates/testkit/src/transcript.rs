//! Transcripts: dialogues between a client and a server as text that a person can read and review.
//!
//! A transcript holds requests and, under each, the answer. [`play`] sends the requests and writes
//! the same text with the answers that came; a test compares the two. `tests/transcripts/README.md`
//! describes the format. What a server is, and how it is reached, is the caller's business.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// The headers of an answer that a transcript shows, besides `Content-Type`.
const SHOWN: [&str; 5] = ["Location", "ETag", "Allow", "WWW-Authenticate", "Retry-After"];
/// How wide a list or an object may be, with its indent, that stands on one line.
const WIDTH_MAX: usize = 100;

/// A request of a transcript, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// What follows the base URL, escaped as far as a URL needs it.
    pub path: String,
    /// Headers, in order. One without a value is not to be sent at all, whatever the default is.
    pub headers: Vec<(String, String)>,
    /// The body, empty when there is none.
    pub body: String,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, empty when there is none.
    pub body: String,
    /// Whether the server's record has grown.
    pub recorded: bool,
}

/// Sends the requests of a transcript, in order, and returns its text with the answers that came.
///
/// # Errors
/// When the text does not read, a request cannot be sent, an answer is no JSON, or a name has no
/// value. The message names the line.
pub async fn play(
    text: &str,
    mut send: impl AsyncFnMut(Request) -> anyhow::Result<Reply>,
) -> anyhow::Result<String> {
    let mut player = Player::default();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((row, line)) = lines.next() {
        if line.starts_with('<') {
            // An answer of before; the one that came is written in its place.
            while lines.next_if(|(_, line)| !line.trim().is_empty()).is_some() {}
            continue;
        }
        player.write(line);
        let Some(head) = line.strip_prefix("> ") else {
            ensure!(is_prose(line), "line {}: neither a comment nor a request: {line}", row + 1);
            continue;
        };
        let mut rest = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| is_of_request(line)) {
            player.write(line);
            rest.push(line);
        }
        let at = || format!("line {}: {line}", row + 1);
        let (request, name) = player.request(head, &rest).with_context(at)?;
        let reads = ["GET", "HEAD"].contains(&request.method.as_str());
        let is_safe = reads || request.path.ends_with("/.search");
        let reply = send(request).await.with_context(at)?;
        player.answer(&reply, is_safe, name).with_context(at)?;
    }
    Ok(player.text)
}

fn is_prose(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

fn is_of_request(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with(['<', '#'])
}

/// The text so far, and what its names stand for.
#[derive(Default)]
struct Player {
    text: String,
    names: BTreeMap<String, String>,
    content_type: Option<String>,
}

impl Player {
    fn write(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Reads a request: `METHOD path as name`, lines of headers, and the body.
    fn request<'a>(
        &self,
        head: &'a str,
        rest: &[&str],
    ) -> anyhow::Result<(Request, Option<&'a str>)> {
        let (method, path) = head.split_once(' ').context("a method and a path are needed")?;
        let (path, name) = match path.rsplit_once(" as ") {
            Some((path, name)) if name.chars().all(char::is_alphanumeric) => (path, Some(name)),
            _ => (path, None),
        };
        let headers: Vec<_> = rest.iter().map_while(|line| line.strip_prefix("> ")).collect();
        let body = rest[headers.len()..].join("\n");
        let header = |line: &&str| {
            let (name, value) = line.split_once(':').context("a header needs a colon")?;
            Ok((name.to_owned(), self.filled(value.trim())?))
        };
        let request = Request {
            method: method.to_owned(),
            path: escaped(&self.filled(path.trim())?),
            headers: headers.iter().map(header).collect::<anyhow::Result<_>>()?,
            body: self.filled(&body)?,
        };
        Ok((request, name))
    }

    /// A text with the values of the names in it. `{` with anything but a name after it stays.
    fn filled(&self, text: &str) -> anyhow::Result<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
            let Some(name) = name else {
                filled.push('{');
                rest = after;
                continue;
            };
            let value = self.names.get(name);
            filled.push_str(value.with_context(|| format!("nothing is called '{name}' yet"))?);
            rest = &after[name.len() + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Writes an answer down, and remembers what it made.
    fn answer(&mut self, reply: &Reply, is_safe: bool, name: Option<&str>) -> anyhow::Result<()> {
        self.write(&format!("< {}", reply.status));
        let header = |name: &str| reply.headers.get(&name.to_ascii_lowercase());
        let content_type = header("Content-Type");
        if content_type.is_some() && content_type != self.content_type.as_ref() {
            self.content_type = content_type.cloned();
            self.write(&format!("< Content-Type: {}", content_type.map_or("", String::as_str)));
        }
        for shown in SHOWN {
            if let Some(value) = header(shown) {
                self.write(&format!("< {shown}: {value}"));
            }
        }
        if !is_safe && reply.status < 300 && !reply.recorded {
            self.write("< (nothing new, nothing recorded)");
        }
        let mut body = Value::Null;
        if !reply.body.is_empty() {
            body = serde_json::from_str(&reply.body).context("the answer is no JSON")?;
            self.write(&pretty(&body, 0));
        }
        let Some(name) = name else { return Ok(()) };
        let named = body["id"].as_str().or_else(|| body["nextCursor"].as_str());
        let Some(named) = named else { bail!("there is nothing to call '{name}'") };
        self.names.insert(name.to_owned(), named.to_owned());
        if let Some(etag) = header("ETag") {
            self.names.insert(format!("{name}.etag"), etag.clone());
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

/// Escapes what no URL may have. `%` and `+` stay, so that a transcript can hold what is sent.
fn escaped(path: &str) -> String {
    let must = |byte: u8| !byte.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&byte);
    let escape = |byte: u8| {
        if must(byte) { format!("%{byte:02X}") } else { char::from(byte).to_string() }
    };
    path.bytes().map(escape).collect()
}

/// JSON with short lists and objects on one line.
fn pretty(value: &Value, indent: usize) -> String {
    let line = one_line(value);
    if indent + line.chars().count() <= WIDTH_MAX && indent > 0 {
        return line;
    }
    let inner = " ".repeat(indent + 2);
    let parts: Vec<_> = match value {
        Value::Object(object) if !object.is_empty() => object
            .iter()
            .map(|(key, value)| {
                let key = format!("{inner}{}: ", Value::from(key.as_str()));
                let width = key.chars().count();
                let fits = width + one_line(value).chars().count() <= WIDTH_MAX;
                key + &if fits { one_line(value) } else { pretty(value, indent + 2) }
            })
            .collect(),
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| format!("{inner}{}", pretty(item, indent + 2))).collect()
        }
        _ => return line,
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    format!("{open}\n{}\n{}{close}", parts.join(",\n"), " ".repeat(indent))
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let pair = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), one_line(value))
            };
            format!("{{{}}}", object.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every request with what it was, as a resource of id 7.
    async fn echo(request: Request) -> anyhow::Result<Reply> {
        let Request { method, path, headers, body } = request;
        let said = format!("{method} {path} {headers:?} {body}");
        let body = serde_json::json!({"id": "7", "said": said}).to_string();
        let headers = [("etag", "W/\"1\""), ("content-type", "application/json")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Ok(Reply { status: 200, headers, body, recorded: false })
    }

    async fn played(text: &str) -> anyhow::Result<String> {
        play(text, echo).await
    }

    #[tokio::test]
    async fn answers_are_written_under_requests_and_names_are_filled_in() {
        let text = "# A comment.\n\n> POST /Users as ada\n{\"a\": 1}\n\n# Another.\n\
                    > GET /Users/{ada}?filter=id eq \"{ada}\"&x=%2B+\n> If-Match: {ada.etag}\n\
                    < 500\nold\n\n# The end.\n";
        let expected = "# A comment.\n\n> POST /Users as ada\n{\"a\": 1}\n< 200\n\
                        < Content-Type: application/json\n< ETag: W/\"1\"\n\
                        < (nothing new, nothing recorded)\n\
                        {\n  \"id\": \"7\",\n  \"said\": \"POST /Users [] {\\\"a\\\": 1}\"\n}\n\n\
                        # Another.\n> GET /Users/{ada}?filter=id eq \"{ada}\"&x=%2B+\n\
                        > If-Match: {ada.etag}\n< 200\n< ETag: W/\"1\"\n{\n  \"id\": \"7\",\n  \
                        \"said\": \"GET /Users/7?filter=id%20eq%20%227%22&x=%2B+ \
                        [(\\\"If-Match\\\", \\\"W/\\\\\\\"1\\\\\\\"\\\")] \"\n}\n\n# The end.\n";
        let once = played(text).await.unwrap();
        assert_eq!(once, expected);
        assert_eq!(played(&once).await.unwrap(), once, "what was written reads as the same");
    }

    #[tokio::test]
    async fn what_does_not_read_is_refused_with_its_line() {
        for (text, said) in [
            ("# fine\nGET /Users\n", "line 2: neither a comment nor a request: GET /Users"),
            ("> GET /Users/{bob}\n", "nothing is called 'bob' yet"),
            ("> GET\n", "a method and a path are needed"),
            ("> GET /\n> Accept\n", "a header needs a colon"),
        ] {
            let error = format!("{:#}", played(text).await.unwrap_err());
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn short_values_stand_on_one_line() {
        let short = serde_json::json!({"emails": [{"value": "a@x", "type": "work"}], "none": []});
        let expected =
            "{\n  \"emails\": [{\"type\": \"work\", \"value\": \"a@x\"}],\n  \"none\": []\n}";
        assert_eq!(pretty(&short, 0), expected);
        let long = serde_json::json!({"list": ["x".repeat(60), "y".repeat(60)]});
        assert_eq!(pretty(&long, 0).lines().count(), 6);
    }
}
