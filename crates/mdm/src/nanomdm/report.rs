//! What NanoMDM reports by its webhook: how devices answered commands.
//!
//! # Source
//! NanoMDM's `docs/operations-guide.md` (`-webhook-url`, `-webhook-hmac-key`) and
//! `service/webhook/event.json`, <https://github.com/micromdm/nanomdm>, as of 2026-08; the statuses:
//! Apple's "Sending MDM commands to a device".

use data_encoding::BASE64;
use domain::ids::ActionId;
use event_log::{EventLog, Failure, WorkspaceId};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use uuid::Uuid;

use crate::http::{Secret, words};

/// The header with the signature of a report.
pub const SIGNATURE: &str = "X-Hmac-Signature";

/// The parts of an event that are read.
#[derive(Deserialize)]
struct Event {
    acknowledge_event: Option<Acknowledge>,
}

#[derive(Deserialize)]
struct Acknowledge {
    /// Missing when the device only said that it is there.
    command_uuid: Option<String>,
    status: String,
}

/// Whether a body was signed with a key: the header holds HMAC-SHA256 over it, in base64. The
/// comparison takes the same time whatever the difference.
pub fn is_signed(key: &Secret, signature: &str, body: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(body);
    let signature = BASE64.decode(signature.as_bytes()).unwrap_or_default();
    mac.verify_slice(&signature).is_ok()
}

/// Keeps what a signed body reports. Events about anything but a command of ours are ignored: NanoMDM
/// reports everything that devices say, to whoever else gives them commands too.
///
/// Returns the action whose command it is about, if it is one of ours.
///
/// # Errors
/// When the report cannot be kept. It is lost then: NanoMDM does not report again.
pub fn keep(
    log: &dyn EventLog,
    workspace: &WorkspaceId,
    body: &[u8],
) -> Result<Option<ActionId>, Failure> {
    let event: Option<Event> = serde_json::from_slice(body).ok();
    let Some(acknowledge) = event.and_then(|event| event.acknowledge_event) else {
        return Ok(None);
    };
    let id = acknowledge.command_uuid.as_deref().and_then(|id| Uuid::try_parse(id).ok());
    let Some(id) = id else { return Ok(None) };
    let status = words(&acknowledge.status);
    let reported = log.commands().report(workspace, id, &status, ends(&status))?;
    Ok(reported.map(ActionId))
}

/// Whether a device says nothing more about a command: `NotNow` means that it will be asked again.
pub(super) fn ends(status: &str) -> bool {
    !matches!(status, "NotNow" | "Idle")
}
