//! A receiver of signed webhooks, as the specification wants one to be.
//!
//! # Source
//! Standard Webhooks, <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>,
//! as of 2026-08: it verifies the signature over id, timestamp and body, and takes the id for an
//! idempotency key. The tolerance for the timestamp is not checked here, since tests hold the clock.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Received, Reply, Service};

/// See the module.
#[derive(Debug)]
pub struct WebhookReceiver {
    key: Vec<u8>,
    /// Ids of messages that it has dealt with.
    seen: BTreeSet<String>,
    /// Whether it acts before it answers, and says so.
    pub at_once: bool,
    /// Actions that were ordered, and whether they are done.
    actions: BTreeMap<String, bool>,
}

impl WebhookReceiver {
    /// A receiver that shares `key` with the sender.
    pub fn new(key: &[u8]) -> Self {
        Self { key: key.to_vec(), seen: BTreeSet::new(), at_once: false, actions: BTreeMap::new() }
    }

    fn is_signed(&self, request: &Received) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return false };
        let (id, time) = (request.header("webhook-id"), request.header("webhook-timestamp"));
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&request.body);
        let signatures = request.header("webhook-signature").split(' ');
        signatures.filter_map(|it| it.strip_prefix("v1,")).any(|signature| {
            let signature = BASE64.decode(signature.as_bytes()).unwrap_or_default();
            mac.clone().verify_slice(&signature).is_ok()
        })
    }
}

impl Service for WebhookReceiver {
    fn answer(&mut self, request: &Received) -> Reply {
        if request.method != "POST" {
            return Reply::empty(405);
        }
        if !self.is_signed(request) {
            return Reply::empty(401);
        }
        let message = request.json();
        let action = message["data"]["action"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str() {
            Some("device_action.requested") => {
                if self.seen.insert(request.header("webhook-id").to_owned()) {
                    self.actions.insert(action, self.at_once);
                }
                Reply::empty(if self.at_once { 204 } else { 202 })
            }
            Some("device_action.status_requested") => match self.actions.get(&action) {
                None => Reply::empty(404),
                Some(false) => Reply::empty(202),
                Some(true) => Reply::empty(204),
            },
            Some("muster.test") => Reply::empty(204),
            _ => Reply::empty(400),
        }
    }

    fn is_order(&self, request: &Received) -> bool {
        request.json()["type"] == "device_action.requested"
    }

    fn settle(&mut self) {
        self.actions.values_mut().for_each(|done| *done = true);
    }

    fn done(&self) -> usize {
        self.actions.values().filter(|done| **done).count()
    }
}
