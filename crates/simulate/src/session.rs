//! Requests of one provider to one connector: sent, timed, checked and counted.
//!
//! A few connections are shared by whoever has something to send. A server that asks for patience
//! (429 or 503 with `Retry-After`) gets it, as a provider would give it; an answer that never came
//! is a finding, and only a server that cannot be reached ends the run.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{
    Failure, Plan, Progress,
    client::{Connection, Response, Target},
    expect::{Answer, Case, Expect, problems},
    summary::{Answered, Asked, Finding, Tally, shown},
};

/// How often one request is sent while the server asks for patience.
const ATTEMPTS_MAX: u32 = 5;

/// The longest wait that a server is granted, in seconds.
const PATIENCE_SECONDS_MAX: u64 = 30;

/// What a provider sends with every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// The `User-Agent`, where it is known.
    pub(crate) user_agent: Option<&'static str>,
    /// A parameter added to the query of every request.
    pub(crate) parameter: Option<&'static str>,
}

/// One request, and the answer it wants.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// What it is for; the summary counts by it.
    pub(crate) kind: &'static str,
    /// The method.
    pub(crate) method: Method,
    /// The path after the base URL, with its query, escaped.
    pub(crate) path: String,
    /// The body, `Null` for none.
    pub(crate) body: Value,
    /// The media type of the body.
    pub(crate) media: &'static str,
    /// Another token than the session's.
    pub(crate) bearer: Option<&'static str>,
    /// The case that the answer is checked against.
    pub(crate) case: Case,
    /// The shape of the answer.
    pub(crate) expect: Expect,
}

impl Request {
    fn new(method: Method, kind: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self {
            kind,
            method,
            path: path.into(),
            body,
            media: "application/scim+json",
            bearer: None,
            case: Case::GetGroup,
            expect: Expect::Whole,
        }
    }

    pub(crate) fn get(kind: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::GET, kind, path, Value::Null)
    }

    pub(crate) fn post(kind: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, kind, path, body)
    }

    pub(crate) fn put(kind: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::PUT, kind, path, body)
    }

    pub(crate) fn patch(kind: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::PATCH, kind, path, body)
    }

    pub(crate) fn delete(kind: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, kind, path, Value::Null)
    }

    /// Says which answer is wanted.
    pub(crate) fn wants(self, case: Case, expect: Expect) -> Self {
        Self { case, expect, ..self }
    }
}

/// A request and what came back.
pub(crate) struct Exchange {
    request: Request,
    /// The answer, with status 0 when none came.
    pub(crate) answer: Answer,
    /// Whether the answer was as it should be so far.
    pub(crate) good: bool,
}

/// A provider's connection to one connector.
pub(crate) struct Session {
    target: Arc<Target>,
    manners: Manners,
    headers: HeaderMap,
    idle: Mutex<Vec<Connection>>,
    pace: Option<tokio::sync::Mutex<Interval>>,
    tally: Mutex<Tally>,
    progress: Progress,
}

impl Session {
    pub(crate) fn new(plan: &Plan, manners: Manners, progress: Progress) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {}", plan.token)).map_err(|error| {
            let (method, path) = (Method::GET, "with the token as a header".to_owned());
            Failure::Request { method, path, source: error.into() }
        })?;
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/scim+json"));
        if let Some(user_agent) = manners.user_agent {
            headers.insert(USER_AGENT, HeaderValue::from_static(user_agent));
        }
        Ok(Self {
            target: Arc::new(Target::parse(&plan.base_url)?),
            manners,
            headers,
            idle: Mutex::default(),
            pace: plan.rate_per_second_max.map(|rate| tokio::sync::Mutex::new(pace(rate.get()))),
            tally: Mutex::new(Tally::begin()),
            progress,
        })
    }

    /// Sends a request, checks the shape of its answer, and notes both.
    pub(crate) async fn send(&self, mut request: Request) -> Result<Exchange, Failure> {
        if let Some(parameter) = self.manners.parameter {
            request.path.push(if request.path.contains('?') { '&' } else { '?' });
            request.path.push_str(parameter);
        }
        let mut attempts = 1;
        let answer = loop {
            let answer = match self.attempt(&request).await {
                Ok(response) => read(response),
                Err(failure @ (Failure::Broken { .. } | Failure::Timeout { .. })) => {
                    let answer = Answer::default();
                    self.note(&request, &answer, request.case, vec![failure.to_string()]);
                    return Ok(Exchange { request, answer, good: false });
                }
                Err(failure) => return Err(failure),
            };
            match patience(&answer) {
                Some(wait) if attempts < ATTEMPTS_MAX => pause(wait).await,
                _ => break answer,
            }
            attempts += 1;
        };
        let found = problems(request.expect, &request.path, &answer);
        let good = found.is_empty();
        if !good {
            self.note(&request, &answer, request.case, found);
        }
        Ok(Exchange { request, answer, good })
    }

    /// Notes a finding unless the condition holds. Of a bad answer only the first problem counts.
    pub(crate) fn require(
        &self,
        exchange: &mut Exchange,
        case: Case,
        holds: bool,
        problem: impl FnOnce() -> String,
    ) {
        if exchange.good && !holds {
            exchange.good = false;
            self.note(&exchange.request, &exchange.answer, case, vec![problem()]);
        }
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Ends the notes and returns them.
    pub(crate) fn take_tally(&self) -> Tally {
        std::mem::replace(&mut *lock(&self.tally), Tally::begin())
    }

    async fn attempt(&self, request: &Request) -> Result<Response, Failure> {
        if let Some(pace) = &self.pace {
            pace.lock().await.tick().await;
        }
        let idle = lock(&self.idle).pop();
        let mut connection = idle.unwrap_or_else(|| Connection::new(Arc::clone(&self.target)));
        let mut headers = self.headers.clone();
        let body = if request.body.is_null() {
            Bytes::new()
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.media));
            Bytes::from(request.body.to_string())
        };
        if let Some(bearer) = request.bearer {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(bearer));
        }
        let began = Instant::now();
        let response = connection.send(&request.method, &request.path, &headers, body).await;
        let status = response.as_ref().map_or(0, |response| response.status.as_u16());
        let took = began.elapsed();
        lock(&self.tally).count(request.method.as_str(), request.kind, status, took);
        lock(&self.idle).push(connection);
        response
    }

    fn note(&self, request: &Request, answer: &Answer, case: Case, problems: Vec<String>) {
        let total = lock(&self.tally).find(|| finding(request, answer, case, problems));
        self.progress.finding(total);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pace(rate_per_second_max: u32) -> Interval {
    let mut pace = interval(Duration::from_secs(1) / rate_per_second_max);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// Returns how long the server wants to be left alone.
fn patience(answer: &Answer) -> Option<Duration> {
    let seconds: u64 = match answer.status {
        429 | 503 => answer.header(RETRY_AFTER).parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds.min(PATIENCE_SECONDS_MAX)))
}

#[expect(clippy::disallowed_methods, reason = "the server named the time to wait in Retry-After")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

fn read(response: Response) -> Answer {
    Answer {
        status: response.status.as_u16(),
        headers: response.headers,
        body: serde_json::from_slice(&response.body).unwrap_or_default(),
        text: String::from_utf8_lossy(&response.body).into_owned(),
    }
}

fn finding(request: &Request, answer: &Answer, case: Case, problems: Vec<String>) -> Finding {
    let body = if request.body.is_null() { String::new() } else { request.body.to_string() };
    let headers = answer.headers.iter().map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Finding {
        case: case.number(),
        expectation: case.title(),
        problems,
        request: Asked {
            method: request.method.to_string(),
            path: request.path.clone(),
            body: shown(&body),
        },
        response: Answered {
            status: answer.status,
            headers: headers.collect(),
            body: shown(&answer.text),
        },
    }
}

/// Everything but the characters that RFC 3986 §2.3 leaves as they are: `+` and `@` too.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns a text as the value of a parameter of a query.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Returns the value of the parameter `filter` for `attribute eq "text"`.
pub(crate) fn equals(attribute: &str, text: &str) -> String {
    escaped(&format!("{attribute} eq {}", Value::from(text)))
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    #[test]
    fn a_filter_is_escaped_as_json_and_then_as_a_query() {
        assert_eq!(
            equals("userName", r#"o'ma"lley+1@x.é"#),
            "userName%20eq%20%22o%27ma%5C%22lley%2B1%40x.%C3%A9%22"
        );
    }

    #[test]
    fn a_server_gets_the_patience_it_asks_for_within_bounds() {
        let wait = |status: u16, seconds: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(seconds).unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            patience(&read(Response { status, headers, body: Bytes::new() }))
        };
        assert_eq!(wait(429, "2"), Some(Duration::from_secs(2)));
        assert_eq!(wait(503, "86400"), Some(Duration::from_secs(PATIENCE_SECONDS_MAX)));
        assert_eq!(wait(503, "tomorrow"), None);
        assert_eq!(wait(200, "2"), None);
    }
}
