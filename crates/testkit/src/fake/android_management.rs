//! The part of the Android Management API that an offboarding needs, with its token endpoint.
//!
//! # Source
//! <https://developers.google.com/android/management/reference/rest/v1/enterprises.devices> (`get`,
//! `patch`, `issueCommand`), `enterprises.devices.operations` (`list`), and
//! <https://developers.google.com/identity/protocols/oauth2/service-account>, as of 2026-08: a command
//! becomes an operation whose metadata is the command; the operation is done when the device has
//! executed it or it has expired; each `issueCommand` is a new command; a list comes in pages. The
//! pages are of one operation here.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use tokio_rustls::rustls::{crypto::ring, pki_types::alg_id::RSA_PKCS1_SHA256};

use super::{Received, Reply, Service};

/// The enterprise that it knows.
pub const ENTERPRISE: &str = "enterprises/LC01";
/// The account that it knows.
const ACCOUNT: &str = "muster@project.iam.gserviceaccount.com";
/// The account's key, made for these tests and used nowhere else.
const PRIVATE_KEY: &str = include_str!("keys/service_account.pem");
const PUBLIC_KEY: &str = include_str!("keys/service_account_public.txt");

/// See the module.
#[derive(Debug, Default)]
pub struct AndroidManagement {
    devices: BTreeMap<String, Device>,
    /// Tokens that are accepted.
    tokens: BTreeSet<String>,
    issued: usize,
    policies_set: usize,
    /// Whether devices are out of reach until their commands expire.
    pub unreachable: bool,
}

#[derive(Debug, Default)]
struct Device {
    policy: String,
    applied_policy: String,
    commands: Vec<Command>,
}

#[derive(Debug)]
struct Command {
    kind: String,
    duration: String,
    done: bool,
    error: bool,
}

impl AndroidManagement {
    /// A service with one device, `D1`, that has the policy `default`.
    pub fn new() -> Self {
        let policy = format!("{ENTERPRISE}/policies/default");
        let device = Device { applied_policy: policy.clone(), policy, commands: Vec::new() };
        let devices = BTreeMap::from([(format!("{ENTERPRISE}/devices/D1"), device)]);
        Self { devices, ..Self::default() }
    }

    /// The key file of the account that it knows, for a service at `url`.
    pub fn key_file(url: &str) -> String {
        json!({
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key_id": "k1",
            "private_key": PRIVATE_KEY,
            "token_uri": format!("{url}/token"),
        })
        .to_string()
    }

    /// Ends all tokens.
    pub fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// How many tokens it has given out.
    pub fn tokens_issued(&self) -> usize {
        self.issued
    }

    /// The durations of the commands that it was given, in order.
    pub fn durations(&self) -> Vec<String> {
        let commands = self.devices.values().flat_map(|device| &device.commands);
        commands.map(|command| command.duration.clone()).collect()
    }

    fn grant(&mut self, request: &Received) -> Reply {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let prefix = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
        let audience = format!("http://{}/token", request.header("host"));
        let assertion = body.strip_prefix(prefix).unwrap_or_default();
        if !claims(assertion).is_some_and(|claims| is_ours(&claims, &audience)) {
            return Reply::json(400, &json!({ "error": "invalid_grant" }));
        }
        self.issued += 1;
        let token = format!("ya29.token-{}", self.issued);
        self.tokens.insert(token.clone());
        let granted = json!({ "access_token": token, "expires_in": 3_599, "token_type": "Bearer" });
        Reply::json(200, &granted)
    }

    fn call(&mut self, request: &Received, path: &str, query: &str) -> Reply {
        if path == ENTERPRISE {
            return Reply::json(200, &json!({ "name": ENTERPRISE }));
        }
        let (name, rest) = match (path.split_once(':'), path.strip_suffix("/operations")) {
            (Some((name, _)), _) => (name, "issueCommand"),
            (None, Some(name)) => (name, "operations"),
            (None, None) => (path, ""),
        };
        let Some(device) = self.devices.get_mut(name) else {
            return error(404, "NOT_FOUND", "Requested entity was not found.");
        };
        match (request.method.as_str(), rest) {
            ("GET", "") => Reply::json(200, &device.show(name)),
            ("GET", "operations") => device.operations(name, query),
            ("PATCH", "") if query == "updateMask=policyName" => {
                request.json()["policyName"]
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut device.policy);
                self.policies_set += 1;
                Reply::json(200, &device.show(name))
            }
            ("POST", "issueCommand") => {
                let text =
                    |field: &str| request.json()[field].as_str().unwrap_or_default().to_owned();
                let (kind, duration) = (text("type"), text("duration"));
                device.commands.push(Command { kind, duration, done: false, error: false });
                Reply::json(200, &device.operation(name, device.commands.len() - 1))
            }
            _ => error(400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
        }
    }
}

impl Device {
    fn show(&self, name: &str) -> Value {
        let (policy, applied) = (&self.policy, &self.applied_policy);
        json!({ "name": name, "policyName": policy, "appliedPolicyName": applied })
    }

    fn operations(&self, name: &str, query: &str) -> Reply {
        let at: usize =
            query.strip_prefix("pageToken=").and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut page = json!({});
        if at < self.commands.len() {
            page["operations"] = json!([self.operation(name, at)]);
        }
        if at + 1 < self.commands.len() {
            page["nextPageToken"] = json!((at + 1).to_string());
        }
        Reply::json(200, &page)
    }

    fn operation(&self, name: &str, index: usize) -> Value {
        let command = &self.commands[index];
        let mut shown = json!({
            "name": format!("{name}/operations/{index}"),
            "metadata": {
                "@type": "type.googleapis.com/google.android.devicemanagement.v1.Command",
                "type": command.kind,
                "createTime": format!("2026-08-01T00:00:{index:02}Z"),
                "duration": command.duration,
            },
        });
        if command.done {
            shown["done"] = json!(true);
            let (field, value) = if command.error {
                ("error", json!({ "code": 4, "message": "The command expired." }))
            } else {
                ("response", json!({}))
            };
            shown[field] = value;
        }
        shown
    }
}

impl Service for AndroidManagement {
    fn answer(&mut self, request: &Received) -> Reply {
        if request.path == "/token" {
            return self.grant(request);
        }
        let token = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        if !self.tokens.contains(token) {
            return error(
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials.",
            );
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        match path.strip_prefix("/v1/") {
            Some(path) => self.call(request, path, query),
            None => Reply::empty(404),
        }
    }

    fn is_order(&self, request: &Received) -> bool {
        request.method == "PATCH" || request.path.ends_with(":issueCommand")
    }

    fn settle(&mut self) {
        for device in self.devices.values_mut() {
            device.applied_policy.clone_from(&device.policy);
            for command in device.commands.iter_mut().filter(|command| !command.done) {
                (command.done, command.error) = (true, self.unreachable);
            }
        }
    }

    fn done(&self) -> usize {
        let commands = self.devices.values().flat_map(|device| &device.commands);
        self.policies_set + commands.filter(|command| command.done && !command.error).count()
    }
}

fn error(code: u16, status: &str, message: &str) -> Reply {
    Reply::json(code, &json!({ "error": { "code": code, "status": status, "message": message } }))
}

/// The claims of an assertion that the account has signed.
fn claims(assertion: &str) -> Option<Value> {
    let (signed, signature) = assertion.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let json = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
    };
    let public_key: String = PUBLIC_KEY.split_whitespace().collect();
    let public_key = BASE64.decode(public_key.as_bytes()).ok()?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    let provider = ring::default_provider();
    let algorithms = provider.signature_verification_algorithms.all;
    let rs256 = algorithms.iter().find(|it| it.signature_alg_id() == RSA_PKCS1_SHA256)?;
    rs256.verify_signature(&public_key, signed.as_bytes(), &signature).ok()?;
    (json(header)? == json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" })).then(|| json(claims))?
}

fn is_ours(claims: &Value, audience: &str) -> bool {
    let lives = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
    claims["iss"] == ACCOUNT
        && claims["aud"] == audience
        && claims["scope"] == "https://www.googleapis.com/auth/androidmanagement"
        && lives.is_some_and(|seconds| (1..=3_600).contains(&seconds))
}
