//! Google's Android Management API.
//!
//! | action | what the service gets | done when |
//! |---|---|---|
//! | remove | `issueCommand` WIPE, valid for [`Settings::wipe_days`] | its operation ended without an error |
//! | change policy | `patch` of `policyName`, which is the policy's name here | `appliedPolicyName` is it |
//! | unassign | nothing: it names a device's user at enrolment and for ever | at once |
//!
//! The service takes no idempotency key, so that this looks before it acts: a WIPE that is under way or
//! has succeeded is not issued again, whoever issued it, and a policy that the device has is not set
//! again. A device that is enrolled anew after a wipe is another one to the service. What it shows of a
//! command that it took a moment ago, its documentation does not promise: a repeat that comes before
//! the operation is listed would issue a second WIPE, which finds the device wiped.
//!
//! A device has the last part of its name as `external_id`, or the whole
//! `enterprises/…/devices/…`.
//!
//! # Source
//! <https://developers.google.com/android/management/reference/rest/v1/enterprises.devices> with its
//! methods `get`, `patch` and `issueCommand`, and `enterprises.devices.operations` `list`, as of 2026-08.

mod token;

use std::sync::Arc;

use domain::offboarding::ActionKind;
use event_log::Clock;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reactor::service::{BoxFuture, DeviceOrder, Mdm, MdmError, Received, Standing};
use serde::Deserialize;
use serde_json::{Value, json};

pub use token::ServiceAccount;

use crate::{
    Adapter,
    http::{Address, Answer, CORRELATION, Http, Secret, down, request, unanswered, words},
};
use token::Tokens;

/// Where the service is, unless something else is said.
pub const ENDPOINT: &str = "https://androidmanagement.googleapis.com";
/// How many pages of operations are looked at, at most.
const PAGES_MAX: usize = 20;

/// What is set, besides the service account.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the service is: [`ENDPOINT`].
    pub endpoint: Address,
    /// The enterprise, `enterprises/…`.
    pub enterprise: String,
    /// How long a device may take to execute a WIPE, in days; afterwards the command expires and the
    /// action waits for a person. Without it the service would forget the command after ten minutes.
    pub wipe_days: u16,
}

/// Whether a text can be the last part of a name. Nothing else goes into a path.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
}

/// Whether a text names an enterprise.
pub fn is_enterprise(text: &str) -> bool {
    text.strip_prefix("enterprises/").is_some_and(is_id)
}

/// See the module.
pub struct AndroidManagement {
    http: Http,
    settings: Settings,
    tokens: Tokens,
}

/// The device of an order.
struct Target<'o> {
    /// Its name, `enterprises/…/devices/…`.
    name: String,
    /// For the sake of which request the service is called.
    correlation: Option<&'o str>,
}

/// What of a device is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    #[serde(default)]
    policy_name: String,
    #[serde(default)]
    applied_policy_name: String,
}

/// A page of operations.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    operations: Vec<Operation>,
    #[serde(default)]
    next_page_token: String,
}

/// A command that was issued to a device.
#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    done: bool,
    error: Option<OperationError>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct OperationError {
    #[serde(default)]
    message: String,
}

/// How the wipe of a device stands.
enum Wipe {
    Never,
    UnderWay,
    Done,
    /// The last one failed; why.
    Failed(String),
}

impl AndroidManagement {
    /// An adapter for one enterprise.
    pub fn new(
        http: Http,
        settings: Settings,
        account: ServiceAccount,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { http, settings, tokens: Tokens::new(account, clock) }
    }

    /// Calls the service. A token that it does not accept is replaced once: nothing was done then. Nor was
    /// it where there is no token, whatever became of asking for one.
    async fn call(
        &self,
        correlation: Option<&str>,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Answer, MdmError> {
        let token = self.tokens.get(&self.http, None).await.map_err(not_sent)?;
        let answer = self.call_with(&token, correlation, method, path, body).await?;
        if answer.status.as_u16() != 401 {
            return answer.success(said);
        }
        let token = self.tokens.get(&self.http, Some(&token)).await.map_err(not_sent)?;
        self.call_with(&token, correlation, method, path, body).await?.success(said)
    }

    async fn call_with(
        &self,
        token: &Secret,
        correlation: Option<&str>,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Answer, MdmError> {
        let uri = self.settings.endpoint.below(&format!("/v1/{path}"));
        let bearer = Secret::new(format!("Bearer {}", token.reveal()));
        let mut headers =
            vec![("authorization", bearer.reveal()), ("content-type", "application/json")];
        headers.extend(correlation.map(|id| (CORRELATION, id)));
        self.http.ask(request(method, &uri, &headers, body.to_owned())?).await
    }

    /// The order's device.
    fn device<'o>(&self, order: &'o DeviceOrder) -> Result<Target<'o>, MdmError> {
        let enterprise = &self.settings.enterprise;
        let known = order.external_id.as_deref().ok_or_else(|| {
            refused("the device has no external_id: its name at Android Management")
        })?;
        let own = known.strip_prefix(enterprise).and_then(|it| it.strip_prefix("/devices/"));
        let id = own.unwrap_or(known);
        if is_id(id) {
            let name = format!("{enterprise}/devices/{id}");
            Ok(Target { name, correlation: Some(&order.correlation) })
        } else {
            Err(refused("the device's external_id names no device of the enterprise"))
        }
    }

    /// The name of the policy that the order gives.
    fn policy(&self, order: &DeviceOrder) -> Result<String, MdmError> {
        let enterprise = &self.settings.enterprise;
        let known = order.policy_name.as_deref().unwrap_or_default();
        let own = known.strip_prefix(enterprise).and_then(|it| it.strip_prefix("/policies/"));
        let id = own.unwrap_or(known);
        if is_id(id) {
            Ok(format!("{enterprise}/policies/{id}"))
        } else {
            Err(refused("the policy's name is not the id of a policy at Android Management"))
        }
    }

    async fn get_device(&self, device: &Target<'_>) -> Result<Device, MdmError> {
        read(&self.call(device.correlation, "GET", &device.name, "").await?)
    }

    async fn set_policy(&self, device: &Target<'_>, policy: &str) -> Result<(), MdmError> {
        if self.get_device(device).await.map_err(only_looked)?.policy_name == policy {
            return Ok(());
        }
        let body = json!({ "policyName": policy }).to_string();
        let path = format!("{}?updateMask=policyName", device.name);
        let answer = self.call(device.correlation, "PATCH", &path, &body).await?;
        let device: Device = read(&answer)?;
        if device.policy_name == policy {
            Ok(())
        } else {
            Err(unanswered("it shows another policy than it was given".to_owned()))
        }
    }

    async fn wipe(&self, device: &Target<'_>) -> Result<(), MdmError> {
        let before = self.wiped(device).await.map_err(only_looked)?;
        if matches!(before, Wipe::UnderWay | Wipe::Done) {
            return Ok(());
        }
        let seconds = u32::from(self.settings.wipe_days) * 86_400;
        let body = json!({ "type": "WIPE", "duration": format!("{seconds}s") }).to_string();
        let path = format!("{}:issueCommand", device.name);
        let answer = self.call(device.correlation, "POST", &path, &body).await?;
        read::<Operation>(&answer).map(drop)
    }

    /// How the wipe of a device stands, from all commands that the service lists.
    async fn wiped(&self, device: &Target<'_>) -> Result<Wipe, MdmError> {
        let mut wipes = Vec::new();
        let mut page_token = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("{}/operations?pageToken={page_token}", device.name);
            let page: Page = read(&self.call(device.correlation, "GET", &path, "").await?)?;
            wipes.extend(page.operations.into_iter().filter(|it| it.metadata["type"] == "WIPE"));
            if page.next_page_token.is_empty() {
                return Ok(last(wipes));
            }
            page_token = utf8_percent_encode(&page.next_page_token, NON_ALPHANUMERIC).to_string();
        }
        Err(refused("the service lists more commands of the device than are looked at"))
    }

    async fn wipe_standing(&self, device: &Target<'_>) -> Result<Standing, MdmError> {
        match self.wiped(device).await? {
            Wipe::UnderWay => Ok(Standing::Accepted),
            Wipe::Done => Ok(Standing::Done),
            Wipe::Failed(why) => Err(MdmError::Refused(format!("the wipe failed: {why}"))),
            Wipe::Never => Err(refused("the service knows of no wipe of the device (any more)")),
        }
    }

    /// What is not in the list may still come into it, so that only a person can take a wipe back whose
    /// answer was lost.
    async fn wipe_received(&self, device: &Target<'_>) -> Result<Received, MdmError> {
        Ok(match self.wiped(device).await? {
            Wipe::UnderWay | Wipe::Done => Received::Yes,
            Wipe::Failed(_) | Wipe::Never => Received::Unsure,
        })
    }

    async fn policy_received(
        &self,
        device: &Target<'_>,
        policy: &str,
    ) -> Result<Received, MdmError> {
        let has = self.get_device(device).await?.policy_name == policy;
        Ok(if has { Received::Yes } else { Received::No })
    }

    async fn policy_standing(
        &self,
        device: &Target<'_>,
        policy: &str,
    ) -> Result<Standing, MdmError> {
        let device = self.get_device(device).await?;
        if device.policy_name != policy {
            return Err(refused("somebody has given the device another policy since"));
        }
        let applied = device.applied_policy_name == policy;
        Ok(if applied { Standing::Done } else { Standing::Accepted })
    }
}

/// One that succeeded counts before one that is under way, and that before the last that failed.
fn last(wipes: Vec<Operation>) -> Wipe {
    if wipes.iter().any(|it| it.done && it.error.is_none()) {
        return Wipe::Done;
    }
    if wipes.iter().any(|it| !it.done) {
        return Wipe::UnderWay;
    }
    let created =
        |it: &Operation| it.metadata["createTime"].as_str().unwrap_or_default().to_owned();
    let Some(failed) = wipes.into_iter().max_by_key(created) else { return Wipe::Never };
    let code = failed.metadata["errorCode"].as_str().map(words).unwrap_or_default();
    let message = failed.error.map(|it| words(&it.message)).unwrap_or_default();
    Wipe::Failed([code, message].join(" ").trim().to_owned())
}

impl Mdm for AndroidManagement {
    fn name(&self) -> &'static str {
        "android_management"
    }

    fn place(&self) -> Option<&str> {
        Some(&self.settings.enterprise)
    }

    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        Box::pin(async {
            match order.kind {
                ActionKind::Remove => self.wipe(&self.device(order)?).await,
                ActionKind::ChangePolicy { .. } => {
                    self.set_policy(&self.device(order)?, &self.policy(order)?).await
                }
                ActionKind::Unassign => Ok(()),
            }
        })
    }

    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        Box::pin(async {
            match order.kind {
                ActionKind::Remove => self.wipe_standing(&self.device(order)?).await,
                ActionKind::ChangePolicy { .. } => {
                    self.policy_standing(&self.device(order)?, &self.policy(order)?).await
                }
                ActionKind::Unassign => Ok(Standing::Done),
            }
        })
    }

    fn received<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Received, MdmError>> {
        Box::pin(async {
            match order.kind {
                ActionKind::Remove => self.wipe_received(&self.device(order)?).await,
                ActionKind::ChangePolicy { .. } => {
                    self.policy_received(&self.device(order)?, &self.policy(order)?).await
                }
                ActionKind::Unassign => Ok(Received::No),
            }
        })
    }
}

impl Adapter for AndroidManagement {
    fn test(&self) -> BoxFuture<'_, Result<(), MdmError>> {
        Box::pin(async { self.call(None, "GET", &self.settings.enterprise, "").await.map(drop) })
    }
}

fn refused(why: &str) -> MdmError {
    MdmError::Refused(why.to_owned())
}

/// What went wrong before the service was called: it says nothing of the order, and everything waits.
fn not_sent(error: MdmError) -> MdmError {
    match error {
        MdmError::Unanswered { reason } | MdmError::Refused(reason) => down(reason, None),
        MdmError::Down { reason, after } | MdmError::Retry { reason, after } => down(reason, after),
    }
}

/// What went wrong while it was looked before acting: an answer that is lost then is not one to the order.
fn only_looked(error: MdmError) -> MdmError {
    match error {
        MdmError::Unanswered { reason } => down(reason, None),
        error => error,
    }
}

fn read<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, MdmError> {
    serde_json::from_slice(&answer.body)
        .map_err(|_| unanswered("its answer makes no sense".to_owned()))
}

/// The reason in an error of a Google API.
fn said(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = &body["error"];
    Some(format!("{} {}", error["status"].as_str()?, error["message"].as_str()?))
}
