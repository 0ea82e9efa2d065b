//! The part of NanoMDM that an offboarding needs, with the devices behind it.
//!
//! # Source
//! `docs/operations-guide.md`, `docs/openapi.yaml`, `api/types.go`, `storage/mysql/queue.go` and
//! `service/webhook/event.json` of <https://github.com/micromdm/nanomdm>, as of 2026-08: commands are
//! property lists that carry their own id; `MySQL` refuses an id that it has, and an enrolment that it
//! does not know; what a device answers is reported once, signed, and not repeated when nobody
//! listens.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use roxmltree::{Document, ParsingOptions};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Received, Reply, Service};

/// Takes a report: its signature, and its body.
type Listener = Box<dyn FnMut(&str, &[u8]) + Send>;

/// See the module.
pub struct NanoMdm {
    api_key: String,
    webhook_key: String,
    listener: Listener,
    enrolments: Vec<String>,
    /// Commands by their ids.
    commands: BTreeMap<String, Command>,
    /// What devices answer to their next commands.
    pub answers: &'static str,
    /// Whether Apple's push service takes nothing.
    pub no_push: bool,
    /// How often a device was told to fetch its commands.
    pub pushes: usize,
}

/// A command that was given.
#[derive(Clone, Debug)]
pub struct Command {
    /// `RequestType`.
    pub kind: String,
    /// All of it.
    pub plist: String,
    enrolment: String,
    answered: Option<&'static str>,
}

impl NanoMdm {
    /// A server with one device, enrolled as `E-1`. Whoever hears its reports is `listener`.
    pub fn new(api_key: &str, webhook_key: &str, listener: Listener) -> Self {
        Self {
            api_key: api_key.to_owned(),
            webhook_key: webhook_key.to_owned(),
            listener,
            enrolments: vec!["E-1".to_owned()],
            commands: BTreeMap::new(),
            answers: "Acknowledged",
            no_push: false,
            pushes: 0,
        }
    }

    /// The commands that it was given, by their ids.
    pub fn commands(&self) -> BTreeMap<String, Command> {
        self.commands.clone()
    }

    /// Reports as it would, about a command that somebody else gave.
    pub fn report(&mut self, command: &str, status: &str) {
        let event = json!({
            "topic": "mdm.Connect",
            "created_at": "2026-08-20T10:00:00Z",
            "acknowledge_event": {
                "command_uuid": command,
                "status": status,
                "ids": { "id": "E-1", "type": "Device" },
                "raw_payload": "",
            },
        });
        let body = event.to_string();
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.webhook_key.as_bytes()) else {
            return;
        };
        mac.update(body.as_bytes());
        (self.listener)(&BASE64.encode(&mac.finalize().into_bytes()), body.as_bytes());
    }

    fn enqueue(&mut self, enrolment: &str, plist: &str) -> Reply {
        let Some((id, kind)) = read(plist) else {
            return Reply::json(500, &json!({ "command_error": "decoding command: EOF" }));
        };
        let error = if self.commands.contains_key(&id) {
            let key = "'commands.PRIMARY'";
            Some(format!("Error 1062 (23000): Duplicate entry '{id}' for key {key}"))
        } else if !self.enrolments.iter().any(|known| known == enrolment) {
            let what = "Cannot add or update a child row: a foreign key constraint fails";
            Some(format!("Error 1452 (23000): {what}"))
        } else {
            None
        };
        if let Some(error) = error {
            let refused =
                json!({ "command_error": error, "command_uuid": id, "request_type": kind });
            return Reply::json(500, &refused);
        }
        let (plist, enrolment_id) = (plist.to_owned(), enrolment.to_owned());
        let command =
            Command { kind: kind.clone(), plist, enrolment: enrolment_id, answered: None };
        self.commands.insert(id.clone(), command);
        let (status, mut result) = self.push(enrolment);
        result["command_uuid"] = json!(id);
        result["request_type"] = json!(kind);
        Reply::json(status, &result)
    }

    fn push(&mut self, enrolment: &str) -> (u16, Value) {
        if enrolment.is_empty() {
            return (500, json!({ "push_error": "getting enrollment ids: empty path" }));
        }
        if self.no_push {
            return (500, json!({ "status": { enrolment: { "push_error": "BadDeviceToken" } } }));
        }
        self.pushes += 1;
        (200, json!({ "status": { enrolment: { "push_result": "16C80450" } } }))
    }
}

impl Service for NanoMdm {
    fn answer(&mut self, request: &Received) -> Reply {
        let expected = format!("nanomdm:{}", self.api_key);
        let expected = format!("Basic {}", BASE64.encode(expected.as_bytes()));
        if request.header("authorization") != expected {
            return Reply::empty(401);
        }
        if let Some(enrolment) = request.path.strip_prefix("/v1/enqueue/") {
            return self.enqueue(enrolment, &String::from_utf8_lossy(&request.body));
        }
        match request.path.strip_prefix("/v1/push/") {
            Some(enrolment) => {
                let (status, result) = self.push(enrolment);
                Reply::json(status, &result)
            }
            None => Reply::empty(404),
        }
    }

    fn is_order(&self, request: &Received) -> bool {
        request.path.starts_with("/v1/enqueue/")
    }

    /// Devices are told, fetch what waits for them and answer it. What they answered with `NotNow`
    /// waits again.
    fn settle(&mut self) {
        let waits = |command: &Command| matches!(command.answered, None | Some("NotNow"));
        let ids = self.commands.iter().filter(|(_, command)| waits(command));
        for id in ids.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            let status = self.answers;
            if let Some(command) = self.commands.get_mut(&id) {
                command.answered = Some(status);
            }
            self.report(&id, status);
        }
    }

    fn done(&self) -> usize {
        let done = |command: &&Command| command.answered == Some("Acknowledged");
        let here = |command: &&Command| self.enrolments.contains(&command.enrolment);
        self.commands.values().filter(done).filter(here).count()
    }
}

/// The id and the type of a command.
fn read(plist: &str) -> Option<(String, String)> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(plist, options).ok()?;
    let value = |key: &str| {
        let found =
            document.descendants().find(|it| it.has_tag_name("key") && it.text() == Some(key))?;
        found.next_sibling_element()?.text().map(str::to_owned)
    };
    Some((value("CommandUUID")?, value("RequestType")?))
}
