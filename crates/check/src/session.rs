//! Requests to the server under test, and what it was made to keep.
//!
//! A session sends what a case wants to send, unless that uses what the server does not offer, or
//! would write where nothing may be written; then the case is skipped. Whatever a request made is
//! noted, so that it can be removed again, also when the case that made it has failed.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Method,
    header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use serde_json::{Value, json};
use simulate::client::{Connection, Failure, Response, Target};

use crate::{
    answer::Answer,
    case::Stop,
    finding::{Asked, shown},
    offer::{Feature, Offer},
    request::{Bearer, Request, SCIM_JSON, escaped},
};

/// The URN of the core User, RFC 7643 §4.1.
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of the core Group, RFC 7643 §4.2.
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The URN of the enterprise extension, RFC 7643 §4.3.
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The URN of a PATCH, RFC 7644 §3.5.2.
pub(crate) const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// How often one request is sent while the server asks for patience.
const ATTEMPTS_MAX: u32 = 5;

/// The longest wait that a server is granted, in seconds.
const PATIENCE_SECONDS_MAX: u64 = 30;

/// A resource that a case has made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Its id.
    pub(crate) id: String,
    /// Its path after the base URL.
    pub(crate) path: String,
    /// What it was called: its userName or displayName.
    pub(crate) name: String,
    /// How the server answered.
    pub(crate) answer: Answer,
}

/// A connection to the server under test.
pub(crate) struct Session {
    target: Arc<Target>,
    base_url: String,
    token: String,
    /// Whether nothing may be written.
    read_only: bool,
    /// What the names of all that is made begin with.
    prefix: String,
    names: AtomicU32,
    pub(crate) offer: Offer,
    idle: Mutex<Vec<Connection>>,
    /// The paths of what was made and not yet removed.
    made: Mutex<Vec<String>>,
    /// The last request of this case that writes.
    wrote: Mutex<Option<Asked>>,
    requests: AtomicU64,
}

impl Session {
    /// Prepares to ask; connects with the first request.
    ///
    /// # Errors
    /// When the base URL cannot be used.
    pub(crate) fn new(
        base_url: &str,
        token: &str,
        prefix: String,
        read_only: bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            target: Arc::new(Target::parse(base_url)?),
            base_url: base_url
                .split('?')
                .next()
                .unwrap_or_default()
                .trim_end_matches('/')
                .to_owned(),
            token: token.to_owned(),
            read_only,
            prefix,
            names: AtomicU32::new(0),
            offer: Offer::default(),
            idle: Mutex::default(),
            made: Mutex::default(),
            wrote: Mutex::default(),
            requests: AtomicU64::new(0),
        })
    }

    /// Tells whether requests carry a token.
    pub(crate) fn has_token(&self) -> bool {
        !self.token.is_empty()
    }

    /// Tells whether the server takes the token, or does without.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(crate) async fn is_let_in(&self) -> Result<bool, Failure> {
        let answer = self.patiently(&Request::new(Method::GET, "/Users?count=1")).await?;
        Ok(answer.status != 401)
    }

    /// Reads the discovery documents. Those that cannot be read are missing in the offer.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(crate) async fn learn(&mut self) -> Result<(), Failure> {
        let read = async |path: &str| {
            let response = self.patiently(&Request::new(Method::GET, path)).await?;
            let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            Ok(Some(body).filter(|body| response.status == 200 && body.is_object()))
        };
        let list = |document: Option<Value>| document?["Resources"].as_array().cloned();
        self.offer = Offer {
            config: read("/ServiceProviderConfig").await?,
            types: list(read("/ResourceTypes").await?),
            schemas: list(read("/Schemas").await?),
        };
        Ok(())
    }

    /// Begins a case: what was written before is not part of it.
    pub(crate) fn begin(&self) {
        *lock(&self.wrote) = None;
    }

    /// How many requests were sent.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The first part of every name that this run gives.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Skips the case unless the server offers something.
    pub(crate) fn needs(&self, feature: Feature) -> Result<(), Stop> {
        if self.offer.has(feature) { Ok(()) } else { Err(not_offered(feature)) }
    }

    /// Skips the case unless users have these attributes.
    pub(crate) fn needs_attributes(&self, attributes: &[&str]) -> Result<(), Stop> {
        self.needs_of(USER, attributes)
    }

    /// Skips the case unless the schema with that URN has these attributes.
    pub(crate) fn needs_of(&self, urn: &str, attributes: &[&str]) -> Result<(), Stop> {
        match attributes.iter().find(|name| !self.offer.has_attribute(urn, name)) {
            Some(missing) => Err(Stop::Skipped(format!("/Schemas has no {missing} in {urn}"))),
            None => Ok(()),
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`Stop::Skipped`] when the request is not to be sent here or the server answers that it has
    /// no such thing, [`Stop::Failed`] when no answer comes.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Stop> {
        if self.read_only && request.writes() {
            return Err(Stop::Skipped("it writes".to_owned()));
        }
        let feature = request.feature();
        if let Some(feature) = feature {
            self.needs(feature)?;
        }
        if request.path.starts_with("/Groups") && !self.offer.has_type("Group") {
            return Err(Stop::Skipped("/ResourceTypes has no Group".to_owned()));
        }
        let asked = self.shown(&request);
        let after = if request.writes() {
            lock(&self.wrote).replace(asked.clone())
        } else {
            lock(&self.wrote).clone()
        };
        let answer = match self.patiently(&request).await {
            Ok(response) => Answer::read(asked, after, &response, &self.token),
            Err(failure) => {
                let answer = Answer::none(asked, after);
                return Err(answer.fail("an answer", &explained(&failure)));
            }
        };
        self.note_made(&request, &answer);
        if answer.status == 501 && feature.is_none() {
            return Err(Stop::Skipped("not offered: the server answers 501".to_owned()));
        }
        Ok(answer)
    }

    /// Sends again for as long as the server asks for patience, within bounds.
    async fn patiently(&self, request: &Request) -> Result<Response, Failure> {
        let mut attempts = 1;
        loop {
            let response = self.exchange(request).await?;
            match patience(&response) {
                Some(wait) if attempts < ATTEMPTS_MAX => pause(wait).await,
                _ => return Ok(response),
            }
            attempts += 1;
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Response, Failure> {
        let mut headers = request.headers.clone();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static(SCIM_JSON));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("muster-check/", env!("CARGO_PKG_VERSION"))),
        );
        let token = match request.bearer {
            Bearer::Own => Some(self.token.as_str()).filter(|token| !token.is_empty()),
            Bearer::None => None,
            Bearer::Wrong => Some("nobody-has-this-token"),
        };
        if let Some(token) = token {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
            headers.insert(
                AUTHORIZATION,
                bearer.map_err(|error| Failure::Request {
                    method: request.method.clone(),
                    path: "with the token as a header".to_owned(),
                    source: error.into(),
                })?,
            );
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let idle = lock(&self.idle).pop();
        let mut connection = idle.unwrap_or_else(|| Connection::new(Arc::clone(&self.target)));
        let body = Bytes::from(request.body.clone());
        let response = connection.send(&request.method, &request.path, &headers, body).await;
        if response.is_ok() {
            lock(&self.idle).push(connection);
        }
        response
    }

    fn shown(&self, request: &Request) -> Asked {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Asked {
            method: request.method.to_string(),
            url: format!("{}{}", self.base_url, request.path),
            headers: request.headers.iter().map(header).collect(),
            body: shown(&request.body),
        }
    }

    /// Notes what an answer says was made.
    fn note_made(&self, request: &Request, answer: &Answer) {
        if !(200..300).contains(&answer.status) {
            return;
        }
        let endpoint = request.path.split(['?', '/']).nth(1).unwrap_or_default();
        let mut made = lock(&self.made);
        match (request.method.as_str(), endpoint) {
            ("POST", "Users" | "Groups") if request.writes() => {
                // In a location it is escaped already.
                let location = answer.header("location").rsplit('/').next().unwrap_or_default();
                let id = answer.body["id"].as_str().map(escaped);
                let id = id.unwrap_or_else(|| location.to_owned());
                if !id.is_empty() {
                    made.push(format!("/{endpoint}/{id}"));
                }
            }
            ("POST", "Bulk") => {
                let operations = answer.body["Operations"].as_array();
                let created =
                    operations.map(Vec::as_slice).unwrap_or_default().iter().filter(|done| {
                        done["method"] == "POST"
                            && done["status"].as_str().is_some_and(|status| status.starts_with('2'))
                    });
                made.extend(created.filter_map(|done| path_of(done["location"].as_str()?)));
            }
            // A server that makes something on PUT is wrong, and what it made is ours all the same.
            ("PUT", "Users" | "Groups") if answer.status == 201 => {
                made.extend(request.path.split('?').next().map(str::to_owned));
            }
            _ => {}
        }
    }

    /// Takes the paths of what was made, members after the groups they are in.
    pub(crate) fn take_made(&self) -> Vec<String> {
        let mut made = std::mem::take(&mut *lock(&self.made));
        made.reverse();
        made.sort_by_key(|path| !path.starts_with("/Groups"));
        made.dedup();
        made
    }

    /// Makes a name that nothing else has.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.prefix, self.names.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn get(&self, path: impl Into<String>) -> Result<Answer, Stop> {
        self.send(Request::new(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: impl Into<String>, body: &Value) -> Result<Answer, Stop> {
        self.send(Request::new(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: impl Into<String>, body: &Value) -> Result<Answer, Stop> {
        self.send(Request::new(Method::PUT, path).json(body)).await
    }

    /// Sends a PATCH of these operations.
    pub(crate) async fn patch(
        &self,
        path: impl Into<String>,
        operations: Value,
    ) -> Result<Answer, Stop> {
        let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
        self.send(Request::new(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: impl Into<String>) -> Result<Answer, Stop> {
        self.send(Request::new(Method::DELETE, path)).await
    }

    /// Sends a query for what a filter matches.
    pub(crate) async fn find(&self, endpoint: &str, filter: &str) -> Result<Answer, Stop> {
        self.get(format!("{endpoint}?filter={}", escaped(filter))).await
    }

    /// A user with a new name, active, and these attributes besides.
    pub(crate) fn new_user(&self, attributes: Value) -> Value {
        let user = json!({
            "schemas": [USER], "userName": format!("{}@example.com", self.name()), "active": true,
        });
        merged(user, attributes)
    }

    /// A group with a new name and these attributes besides.
    pub(crate) fn new_group(&self, attributes: Value) -> Value {
        merged(json!({ "schemas": [GROUP], "displayName": self.name() }), attributes)
    }

    /// Makes such a user.
    pub(crate) async fn user(&self, attributes: Value) -> Result<Made, Stop> {
        let answer = self.post("/Users", &self.new_user(attributes)).await?;
        made(answer, "/Users", "userName")
    }

    /// Makes such a group.
    pub(crate) async fn group(&self, attributes: Value) -> Result<Made, Stop> {
        let answer = self.post("/Groups", &self.new_group(attributes)).await?;
        made(answer, "/Groups", "displayName")
    }

    /// Makes a group with these members.
    pub(crate) async fn group_of(&self, members: &[&Made]) -> Result<Made, Stop> {
        let members: Vec<_> = members.iter().map(|made| json!({ "value": made.id })).collect();
        self.group(json!({ "members": members })).await
    }

    /// Reads a resource that must be there.
    pub(crate) async fn read(&self, made: &Made) -> Result<Answer, Stop> {
        let answer = self.get(made.path.clone()).await?;
        answer.status(&[200])?;
        Ok(answer)
    }

    /// Sends a PATCH that must succeed; returns the resource as it is read afterwards.
    pub(crate) async fn patched(&self, made: &Made, operations: Value) -> Result<Answer, Stop> {
        self.patch(made.path.clone(), operations).await?.changed()?;
        self.read(made).await
    }
}

fn made(answer: Answer, endpoint: &str, name: &str) -> Result<Made, Stop> {
    answer.status(&[201])?;
    let Some(id) = answer.body["id"].as_str().filter(|id| !id.is_empty()) else {
        return Err(answer.fail("the new resource with its id", "none"));
    };
    let path = format!("{endpoint}/{}", escaped(id));
    let name = answer.body[name].as_str().unwrap_or_default().to_owned();
    Ok(Made { id: id.to_owned(), path, name, answer })
}

/// Puts the attributes of one object into another.
fn merged(mut object: Value, attributes: Value) -> Value {
    if let (Some(object), Value::Object(attributes)) = (object.as_object_mut(), attributes) {
        object.extend(attributes);
    }
    object
}

/// Returns the path after the base URL of a resource's location.
fn path_of(location: &str) -> Option<String> {
    let mut parts = location.rsplit('/');
    let (id, endpoint) = (parts.next()?, parts.next()?);
    let known = ["Users", "Groups"].contains(&endpoint) && !id.is_empty();
    known.then(|| format!("/{endpoint}/{id}"))
}

fn not_offered(feature: Feature) -> Stop {
    Stop::Skipped(format!("not offered: /ServiceProviderConfig declares no {feature}"))
}

/// An error with its causes.
fn explained(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn patience(response: &Response) -> Option<Duration> {
    if ![429, 503].contains(&response.status.as_u16()) {
        return None;
    }
    let seconds: u64 = response.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(PATIENCE_SECONDS_MAX)))
}

#[expect(clippy::disallowed_methods, reason = "the server named the time to wait in Retry-After")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_leads_to_a_path_of_a_resource_only() {
        assert_eq!(path_of("https://x/v2/Users/7").unwrap(), "/Users/7");
        assert!(path_of("https://x/v2/Users/").is_none());
        assert!(path_of("https://x/v2/Schemas/7").is_none());
    }
}
