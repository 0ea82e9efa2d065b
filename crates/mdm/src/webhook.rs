//! A signed webhook, for a service that has no adapter: whoever receives it acts on the device.
//!
//! An order is one message `device_action.requested`; its id is the action's id, so that a repeat is
//! the same message, which a receiver acts on once. How the order stands is asked for with a message
//! `device_action.status_requested` about the same action.
//!
//! | answer | to an order | to the question how it stands |
//! |---|---|---|
//! | 202 | taken | taken, not done yet |
//! | any other 2xx | taken | done |
//! | 404 | refused | it has no such order |
//! | 401, 429, 503, not to be reached | later, together with everything for this receiver | the same |
//! | 408, 425 | later | later |
//! | any other 5xx, none | the same message again, since it may have come | later |
//! | 3xx, any other 4xx | refused: a person has to look | the same |
//!
//! # Source
//! The form and the signature of a message: Standard Webhooks,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>,
//! as of 2026-08.

use std::sync::Arc;

use data_encoding::BASE64;
use domain::offboarding::ActionKind;
use event_log::{Clock, Micros};
use hmac::{Hmac, KeyInit, Mac};
use hyper::StatusCode;
use reactor::service::{BoxFuture, DeviceOrder, Mdm, MdmError, Received, Standing};
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    Adapter,
    http::{Address, Answer, CORRELATION, Http, Secret, request, says_nothing},
};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// The least and the most bytes that a secret may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// See the module.
pub struct Webhook {
    http: Http,
    /// The address.
    place: String,
    key: Key,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// A webhook to `address`.
    pub fn new(http: Http, address: &Address, key: Key, clock: Arc<dyn Clock>) -> Self {
        let place = address.uri().to_string();
        Self { http, place, key, clock }
    }

    /// Posts a message, for the sake of the request with that correlation id.
    async fn post(
        &self,
        id: &str,
        kind: &str,
        data: Value,
        correlation: Option<&str>,
    ) -> Result<Answer, MdmError> {
        let now = self.clock.now();
        let body = json!({ "type": kind, "timestamp": rfc3339(now), "data": data }).to_string();
        let timestamp = (now / 1_000_000).to_string();
        let signature = self.key.sign(id, &timestamp, &body);
        let mut headers = vec![
            ("content-type", "application/json"),
            ("user-agent", "muster"),
            ("webhook-id", id),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", &signature),
        ];
        headers.extend(correlation.map(|id| (CORRELATION, id)));
        self.http.ask(request("POST", &self.place, &headers, body)?).await
    }

    /// Asks how an order stands. Each question is a message of its own: a receiver that drops repeats
    /// must not take the second for the first.
    async fn ask_after(&self, order: &DeviceOrder) -> Result<Answer, MdmError> {
        let id = format!("{}_{}", order.action, self.clock.now());
        let correlation = Some(order.correlation.as_str());
        self.post(&id, "device_action.status_requested", data(order), correlation).await
    }
}

impl Mdm for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn place(&self) -> Option<&str> {
        Some(&self.place)
    }

    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        Box::pin(async {
            let id = order.action.to_string();
            let correlation = Some(order.correlation.as_str());
            let answer =
                self.post(&id, "device_action.requested", data(order), correlation).await?;
            answer.success(says_nothing).map(drop)
        })
    }

    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        Box::pin(async {
            match self.ask_after(order).await?.success(says_nothing)?.status {
                StatusCode::ACCEPTED => Ok(Standing::Accepted),
                _ => Ok(Standing::Done),
            }
        })
    }

    fn received<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Received, MdmError>> {
        Box::pin(async {
            let answer = self.ask_after(order).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(Received::No);
            }
            answer.success(says_nothing).map(|_| Received::Yes)
        })
    }
}

impl Adapter for Webhook {
    fn test(&self) -> BoxFuture<'_, Result<(), MdmError>> {
        Box::pin(async {
            let id = format!("test_{}", self.clock.now());
            let answer = self.post(&id, "muster.test", json!({}), None).await?;
            answer.success(says_nothing).map(drop)
        })
    }
}

/// What a message says about an order. Names are those of the API.
fn data(order: &DeviceOrder) -> Value {
    let policy = match order.kind {
        ActionKind::ChangePolicy { policy } => {
            json!({ "id": policy.to_string(), "name": order.policy_name })
        }
        ActionKind::Unassign | ActionKind::Remove => Value::Null,
    };
    json!({
        "workspace": order.workspace.as_str(),
        "action": order.action.to_string(),
        "kind": order.kind.as_str(),
        "policy": policy,
        "correlation": order.correlation,
        "device": {
            "id": order.device.to_string(),
            "serial": order.serial,
            "external_id": order.external_id,
            "platform": order.platform,
        },
    })
}

fn rfc3339(time: Micros) -> String {
    jiff::Timestamp::from_microsecond(time).unwrap_or_default().to_string()
}

/// What messages are signed with.
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// Reads a secret: `whsec_`, then 24 to 64 bytes in base64.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(secret: &Secret) -> Result<Self, &'static str> {
        let encoded = secret.reveal().strip_prefix(PREFIX).ok_or("must begin with whsec_")?;
        let bytes = BASE64.decode(encoded.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| "must be base64 after whsec_")?;
        if SECRET_BYTES.contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err("must be 24 to 64 bytes long")
        }
    }

    /// The value of `webhook-signature`. Neither id nor timestamp may hold a full stop.
    fn sign(&self, id: &str, timestamp: &str, body: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        for part in [id, ".", timestamp, ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_official_library() {
        // Made with `standardwebhooks` 1.1.0 from PyPI: Webhook(secret).sign(id, time, body).
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let key = Key::parse(&secret).unwrap();
        let signature =
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_refused() {
        let parse = |text: &str| Key::parse(&Secret::new(text.into())).err();
        assert_eq!(parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Some("must begin with whsec_"));
        assert_eq!(parse("whsec_???"), Some("must be base64 after whsec_"));
        assert_eq!(parse("whsec_c2hvcnQ="), Some("must be 24 to 64 bytes long"));
    }
}
