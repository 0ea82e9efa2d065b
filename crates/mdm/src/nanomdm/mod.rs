//! NanoMDM, for Apple devices.
//!
//! | action | what the device gets | done when |
//! |---|---|---|
//! | remove | `EraseDevice` | it has acknowledged the command, which it does before it erases itself |
//! | change policy | `InstallProfile` of the profile that is set for the policy's name | it has acknowledged it |
//! | unassign | nothing: NanoMDM knows enrolments, not people | at once |
//!
//! A command's `CommandUUID` is the action's id, so that a repeat is the same command. NanoMDM keeps a
//! command once where it stores in `MySQL` or PostgreSQL, and says that it has it already; its other
//! stores put it into the queue again, which a device that has not fetched it does not notice. A device
//! that has reported is never told again. After a command that failed, a person's retry gives a new
//! one: its id is derived from the action's and its number.
//!
//! NanoMDM has no query for results. It reports them by its webhook ([`report`]), once, and they are
//! kept in [`event_log::Commands`].
//!
//! A device has its enrolment id as `external_id`.
//!
//! # Source
//! NanoMDM's `docs/operations-guide.md` and `docs/openapi.yaml`; for repeats `storage/*/queue.go`,
//! <https://github.com/micromdm/nanomdm>, as of 2026-08.

mod command;
pub mod report;

use std::{collections::BTreeMap, sync::Arc};

use data_encoding::BASE64;
use domain::{ids::ActionId, offboarding::ActionKind};
use event_log::{EventLog, Failure};
use hyper::StatusCode;
use reactor::service::{BoxFuture, DeviceOrder, Mdm, MdmError, Received, Standing};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    Adapter,
    http::{
        Address, Answer, CORRELATION, Http, Secret, down, request, says_nothing, unanswered, words,
    },
};
use command::Command;

/// The user name of NanoMDM's API, which is always the same.
const USER: &str = "nanomdm";
/// What a device says that has done what it was told.
const ACKNOWLEDGED: &str = "Acknowledged";

/// What NanoMDM has to be told, and to tell, that nobody else may know.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The key of its API (`-api`).
    pub api_key: Secret,
    /// The six digits with which a Mac without Find My is opened after it was erased.
    pub erase_pin: Option<Secret>,
    /// The profile that a policy stands for, by the policy's name, in base64. A profile may hold
    /// passwords.
    pub profiles: BTreeMap<String, Secret>,
}

/// See the module.
pub struct NanoMdm {
    http: Http,
    /// Its address, without a slash at the end.
    place: String,
    credentials: Credentials,
    log: Arc<dyn EventLog>,
}

/// What the API answers about a command or a push.
#[derive(Deserialize)]
struct ApiResult {
    #[serde(default)]
    status: BTreeMap<String, Trouble>,
    #[serde(flatten)]
    all: Trouble,
    command_uuid: Option<String>,
}

/// What went wrong, for one enrolment or for all.
#[derive(Default, Deserialize)]
struct Trouble {
    command_error: Option<String>,
    push_error: Option<String>,
}

impl ApiResult {
    fn read(answer: &Answer) -> Option<Self> {
        serde_json::from_slice(&answer.body).ok()
    }

    /// What went wrong with the one enrolment that was asked for.
    fn trouble(self) -> Trouble {
        let one = self.status.into_values().next().unwrap_or_default();
        Trouble {
            command_error: self.all.command_error.or(one.command_error),
            push_error: self.all.push_error.or(one.push_error),
        }
    }
}

impl NanoMdm {
    /// An adapter for one server.
    pub fn new(
        http: Http,
        address: &Address,
        credentials: Credentials,
        log: Arc<dyn EventLog>,
    ) -> Self {
        Self { http, place: address.below(""), credentials, log }
    }

    /// Calls the API, for the sake of the request with that correlation id.
    async fn call(
        &self,
        method: &str,
        path: &str,
        body: String,
        correlation: Option<&str>,
    ) -> Result<Answer, MdmError> {
        let pair = Secret::new(format!("{USER}:{}", self.credentials.api_key.reveal()));
        let basic = BASE64.encode(pair.reveal().as_bytes());
        let basic = Secret::new(format!("Basic {basic}"));
        let mut headers = vec![("authorization", basic.reveal())];
        headers.extend(correlation.map(|id| (CORRELATION, id)));
        let uri = format!("{}{path}", self.place);
        self.http.ask(request(method, &uri, &headers, body)?).await
    }

    /// What an order means to the device.
    fn command(&self, order: &DeviceOrder) -> Result<Command<'_>, MdmError> {
        if order.kind == ActionKind::Remove {
            let pin = self.credentials.erase_pin.as_ref().map(Secret::reveal);
            return Ok(Command::EraseDevice { pin });
        }
        let policy = order.policy_name.as_deref().unwrap_or_default();
        let profile = self.credentials.profiles.get(policy);
        let payload = profile.ok_or_else(|| refused("no profile is set for the policy"))?.reveal();
        Ok(Command::InstallProfile { payload })
    }

    async fn enqueue(&self, order: &DeviceOrder) -> Result<(), MdmError> {
        let (enrolment, command) = (enrolment(order)?, self.command(order)?);
        let (id, number) = match self.last(order)? {
            Some(last) if last.report.as_deref().is_some_and(|it| !failed(it)) => return Ok(()),
            Some(last) if last.report.is_none() => (last.id, last.number),
            Some(last) => (command_id(order.action, last.number + 1), last.number + 1),
            None => (command_id(order.action, 1), 1),
        };
        let begun = self.log.commands().begin(&order.workspace, order.action.0, id, number);
        begun.map_err(|it| ours(&it))?;
        let path = format!("/v1/enqueue/{enrolment}");
        let correlation = Some(order.correlation.as_str());
        let answer = self.call("PUT", &path, command.plist(id), correlation).await?;
        match ApiResult::read(&answer) {
            Some(result) if answer.status == StatusCode::OK => {
                let ours = result.command_uuid.as_deref() == Some(&*id.to_string());
                if ours { Ok(()) } else { Err(no_sense()) }
            }
            // Older servers answer 207 where the command is there and the device was not told, or where it
            // was told of one that is there already.
            Some(result)
                if answer.status == StatusCode::MULTI_STATUS || answer.status.is_server_error() =>
            {
                self.not_enqueued(order, result.trouble(), answer).await
            }
            _ => answer.success(says_nothing).and_then(|_| Err(no_sense())),
        }
    }

    /// What an error means: that the command is there already, or that it is not.
    async fn not_enqueued(
        &self,
        order: &DeviceOrder,
        trouble: Trouble,
        answer: Answer,
    ) -> Result<(), MdmError> {
        match (trouble.command_error, trouble.push_error) {
            // What MySQL and PostgreSQL say of a key that is taken. The first call may have ended
            // before the device was told to fetch the command.
            (Some(error), _) if error.to_lowercase().contains("duplicate") => {
                self.push(order).await
            }
            (Some(error), _) if error.to_lowercase().contains("foreign key") => {
                Err(refused("it knows no such enrolment"))
            }
            (Some(error), _) => {
                Err(MdmError::Retry { reason: format!("it says: {}", words(&error)), after: None })
            }
            (None, Some(error)) => Err(not_pushed(&error)),
            (None, None) => answer.success(says_nothing).map(drop),
        }
    }

    /// Has the device told to fetch its commands.
    async fn push(&self, order: &DeviceOrder) -> Result<(), MdmError> {
        let (path, correlation) = (format!("/v1/push/{}", enrolment(order)?), &order.correlation);
        let answer = self.call("GET", &path, String::new(), Some(correlation)).await?;
        let trouble = ApiResult::read(&answer).map(ApiResult::trouble).unwrap_or_default();
        match trouble.push_error {
            Some(error) => Err(not_pushed(&error)),
            None => answer.success(says_nothing).map(drop),
        }
    }

    /// The last command that was given for an order.
    fn last(&self, order: &DeviceOrder) -> Result<Option<event_log::commands::Command>, MdmError> {
        self.log.commands().last(&order.workspace, order.action.0).map_err(|it| ours(&it))
    }

    fn reported(&self, order: &DeviceOrder) -> Result<Standing, MdmError> {
        let last = self.last(order)?.ok_or_else(|| refused("its command is not known here"))?;
        match last.report {
            Some(report) if report == ACKNOWLEDGED => Ok(Standing::Done),
            Some(report) if failed(&report) => {
                Err(MdmError::Refused(format!("the device answers {report}")))
            }
            Some(_) | None => Ok(Standing::Accepted),
        }
    }
}

impl Mdm for NanoMdm {
    fn name(&self) -> &'static str {
        "nanomdm"
    }

    fn place(&self) -> Option<&str> {
        Some(&self.place)
    }

    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        Box::pin(async {
            match order.kind {
                ActionKind::Unassign => Ok(()),
                ActionKind::Remove | ActionKind::ChangePolicy { .. } => self.enqueue(order).await,
            }
        })
    }

    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        Box::pin(async {
            match order.kind {
                ActionKind::Unassign => Ok(Standing::Done),
                ActionKind::Remove | ActionKind::ChangePolicy { .. } => self.reported(order),
            }
        })
    }

    fn received<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Received, MdmError>> {
        Box::pin(async {
            let Some(last) = self.last(order)? else { return Ok(Received::No) };
            Ok(match last.report {
                Some(report) if failed(&report) => Received::No,
                Some(_) => Received::Yes,
                // It may wait in the queue, and a queue cannot be asked.
                None => Received::Unsure,
            })
        })
    }
}

impl Adapter for NanoMdm {
    /// A request without the id that it needs: NanoMDM looks at the credentials first, and does
    /// nothing for nobody.
    fn test(&self) -> BoxFuture<'_, Result<(), MdmError>> {
        Box::pin(async {
            let answer = self.call("GET", "/v1/push/", String::new(), None).await?;
            let complains =
                ApiResult::read(&answer).is_some_and(|it| it.trouble().push_error.is_some());
            if complains && answer.status == StatusCode::INTERNAL_SERVER_ERROR {
                return Ok(());
            }
            answer.success(says_nothing).and_then(|_| Err(refused("it is no NanoMDM")))
        })
    }
}

/// The enrolment that an order is for. One of a device only: no user's, and not several.
fn enrolment(order: &DeviceOrder) -> Result<&str, MdmError> {
    let id = order.external_id.as_deref().unwrap_or_default();
    if !id.is_empty() && id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
        Ok(id)
    } else {
        Err(refused("the device has no enrolment id of NanoMDM as external_id"))
    }
}

/// The id of an action's so-manieth command.
fn command_id(action: ActionId, number: u32) -> Uuid {
    match number {
        1 => action.0,
        _ => Uuid::new_v5(&action.0, format!("command {number}").as_bytes()),
    }
}

/// Whether a device has reported that it does not do what it was told.
fn failed(report: &str) -> bool {
    report != ACKNOWLEDGED && report::ends(report)
}

fn refused(why: &str) -> MdmError {
    MdmError::Refused(why.to_owned())
}

fn no_sense() -> MdmError {
    unanswered("its answer makes no sense".to_owned())
}

/// The command waits in the queue, and the device does not know.
fn not_pushed(error: &str) -> MdmError {
    unanswered(format!("the device could not be told to fetch its command: {}", words(error)))
}

/// A failure of our own: nothing was sent.
fn ours(failure: &Failure) -> MdmError {
    down(format!("its commands cannot be remembered here: {failure}"), None)
}
