//! Access tokens of a Google service account: a signed assertion is exchanged for one, which is kept
//! until shortly before it ends.
//!
//! # Source
//! RFC 7523 §2.1 (the assertion as a grant), and
//! <https://developers.google.com/identity/protocols/oauth2/service-account>, as of 2026-08.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use data_encoding::BASE64URL_NOPAD;
use event_log::{Clock, Micros};
use reactor::service::MdmError;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use tokio_rustls::rustls::{
    SignatureScheme,
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject},
    sign::{Signer, SigningKey},
};

use crate::http::{Address, Http, Secret, down, request, words};

/// What the token may be used for.
const SCOPE: &str = "https://www.googleapis.com/auth/androidmanagement";
/// How long an assertion is valid, in seconds: the longest that Google takes.
const ASSERTION_SECONDS: i64 = 3_600;
/// How long before its end a token is not used any more, in seconds.
const MARGIN_SECONDS: i64 = 60;
const SECOND: Micros = 1_000_000;

/// A service account, as the key file from Google's console describes it.
pub struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    token_uri: Address,
    key: Arc<dyn SigningKey>,
}

/// What of a key file is read; the rest of it is not needed.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: String,
}

impl ServiceAccount {
    /// Reads a key file: the JSON that Google's console gives out once.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence. Nothing of the file is repeated.
    pub fn parse(key_file: &Secret) -> Result<Self, &'static str> {
        let file: KeyFile = serde_json::from_str(key_file.reveal())
            .map_err(|_| "must be the JSON key file of a service account")?;
        let private_key = Secret::new(file.private_key);
        let key = PrivateKeyDer::from_pem_slice(private_key.reveal().as_bytes())
            .map_err(|_| "must hold its private key in PEM")?;
        let key = any_supported_type(&key).map_err(|_| "must hold a private key of RSA")?;
        let account = Self {
            email: file.client_email,
            key_id: file.private_key_id,
            token_uri: Address::parse(&file.token_uri)
                .map_err(|_| "must name an https token_uri")?,
            key,
        };
        account.signer().map(|_| ()).map_err(|_| "must hold a private key of RSA")?;
        Ok(account)
    }

    /// The name of the account, which is no secret.
    pub fn email(&self) -> &str {
        &self.email
    }

    fn signer(&self) -> Result<Box<dyn Signer>, MdmError> {
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        signer.ok_or_else(|| MdmError::Refused("the service account has no RSA key".to_owned()))
    }

    /// The assertion that is exchanged for a token: a JWT, RS256.
    fn assertion(&self, now: Micros) -> Result<Secret, MdmError> {
        let issued = now / SECOND;
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri.uri().to_string(),
            "iat": issued,
            "exp": issued + ASSERTION_SECONDS,
        });
        let part = |json: serde_json::Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.signer()?.sign(signed.as_bytes());
        let signature = signature.map_err(|_| {
            MdmError::Refused("the key of the service account does not sign".into())
        })?;
        Ok(Secret::new(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))))
    }
}

/// A source of tokens.
pub(super) struct Tokens {
    account: ServiceAccount,
    clock: Arc<dyn Clock>,
    /// Held while a token is asked for: whoever waits for it then finds it, or why there is none.
    current: Mutex<Result<Token, MdmError>>,
    /// How often one was asked for.
    asked: AtomicU64,
}

struct Token {
    text: Secret,
    use_until: Micros,
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// In seconds.
    expires_in: i64,
}

impl Tokens {
    pub(super) fn new(account: ServiceAccount, clock: Arc<dyn Clock>) -> Self {
        let none = Err(down("no token was asked for yet".to_owned(), None));
        Self { account, clock, current: Mutex::new(none), asked: AtomicU64::new(0) }
    }

    /// A token; a new one when there is none, or only `stale`, which the service did not accept. Where that
    /// fails, it fails for all who have waited: one after the other they would wait for minutes.
    pub(super) async fn get(
        &self,
        http: &Http,
        stale: Option<&Secret>,
    ) -> Result<Secret, MdmError> {
        let asked = self.asked.load(Ordering::Relaxed);
        let mut current = self.current.lock().await;
        let now = self.clock.now();
        match &*current {
            Ok(token) if token.use_until > now && stale != Some(&token.text) => {
                return Ok(token.text.clone());
            }
            Err(failed) if self.asked.load(Ordering::Relaxed) != asked => {
                return Err(failed.clone());
            }
            _ => {}
        }
        let granted = self.ask(http, now).await;
        self.asked.fetch_add(1, Ordering::Relaxed);
        *current = granted.map(|granted| {
            let seconds = granted.expires_in.saturating_sub(MARGIN_SECONDS).max(0);
            let use_until = now.saturating_add(seconds.saturating_mul(SECOND));
            Token { text: Secret::new(granted.access_token), use_until }
        });
        current.as_ref().map(|token| token.text.clone()).map_err(MdmError::clone)
    }

    async fn ask(&self, http: &Http, now: Micros) -> Result<Granted, MdmError> {
        let assertion = self.account.assertion(now)?;
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let body = format!("grant_type={grant}&assertion={}", assertion.reveal());
        let uri = self.account.token_uri.uri().to_string();
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = http.ask(request("POST", &uri, &form, body)?).await?;
        if matches!(answer.status.as_u16(), 400 | 401) {
            let why = said(&answer.body).unwrap_or_default();
            return Err(down(format!("it gives the service account no token {why}"), None));
        }
        serde_json::from_slice(&answer.success(said)?.body)
            .map_err(|_| down("the token endpoint's answer makes no sense".to_owned(), None))
    }
}

/// The reason in an error of OAuth (RFC 6749 §5.2).
fn said(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(format!("({})", words(body["error"].as_str()?)))
}
