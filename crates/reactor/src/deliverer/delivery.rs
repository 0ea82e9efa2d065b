//! The steps of one action: each is a fact of the device before the next one is taken.
//!
//! An action is recorded as sent before the service is called. Whoever comes after a crash cannot know
//! whether the call was made, and makes it again under the same idempotency key; so it is when an
//! answer was lost. But nothing is sent, for the first time or again, that is not wanted any more: the
//! person is active again, or somebody else has the device. What the service may have is asked after
//! then, and a person decides where it cannot tell.

use std::{sync::Arc, time::Duration};

use app::{App, Order, Refusal, Span, SpanKind};
use domain::{
    Es, Micros,
    device::{Action, ActionState, Device, DeviceCommand, FailedBecause},
    offboarding::ActionKind,
};
use event_log::Meta;
use projections::effects::ActionRow;
use smol_str::SmolStr;

use super::{
    ASK_SECONDS, SECOND,
    back_off::back_off,
    lane::{Lane, asked},
};
use crate::service::{DeviceOrder, Mdm, MdmError, Received, Standing};

/// How often a service may answer that it does not take an order before a person has to look.
const ANSWERS_MAX: u32 = 12;

/// Why an order waits for a person.
const POLICY_GONE: &str = "the policy that the rule gives has been deleted";
const NOBODY_KNOWS: &str = "this is not wanted any more, and nobody can tell whether the service has \
                            it: an answer was lost";

/// One action that is being worked on.
pub(super) struct Delivery<'a> {
    pub(super) app: &'a App,
    pub(super) lane: &'a Lane,
    pub(super) service: &'a dyn Mdm,
    pub(super) row: ActionRow,
}

impl Delivery<'_> {
    /// Takes the action as far as it goes. The device itself says how far it has come; the row of the
    /// read model only says where to look.
    pub(super) async fn carry_on(&self) -> Result<(), Refusal> {
        let devices = self.app.devices();
        let device = devices.load(&self.row.workspace, self.row.device.0).await?;
        match self.state(&device.state) {
            Some(ActionState::Requested | ActionState::Failed | ActionState::Sent) => {
                self.hand_over(&device.state).await
            }
            Some(ActionState::Acknowledged) => self.ask(&device.state).await,
            Some(
                ActionState::Confirmed
                | ActionState::Parked
                | ActionState::Cancelled
                | ActionState::GivenUp,
            )
            | None => Ok(()),
        }
    }

    async fn hand_over(&self, device: &Device) -> Result<(), Refusal> {
        let action = self.row.id;
        if !device.wants(action) || !self.still_called_for().await? {
            return self.take_back(device).await;
        }
        // Looked up once: it may be deleted while the rest is done.
        let policy = self.policy_name(device).await?;
        let changes_policy = |it: &Action| matches!(it.kind, ActionKind::ChangePolicy { .. });
        if policy.is_none() && self.known(device).is_some_and(changes_policy) {
            let reason = POLICY_GONE.to_owned();
            return self.note(DeviceCommand::Park { action, reason }).await.map(drop);
        }
        // Found as sent: whoever was here before has not heard what became of it.
        let unheard = self.state(device) == Some(ActionState::Sent);
        let device = self.note(DeviceCommand::Send { action }).await?;
        // Somebody else may have ended it just now.
        if self.state(&device.state) != Some(ActionState::Sent) {
            return Ok(());
        }
        let order = self.order(&device.state, policy)?;
        let begun = self.app.now();
        self.lane.calls(begun);
        let sent = self.service.send(&order).await;
        self.tell(&order, begun, sent.as_ref().err());
        match sent {
            Ok(()) => {
                self.lane.works();
                let device = self.note(DeviceCommand::Acknowledge { action }).await?;
                self.ask(&device.state).await
            }
            Err(error) => self.failed(&device.state, error, unheard).await,
        }
    }

    /// Counts and tells how a call of the service went.
    fn tell(&self, order: &DeviceOrder, begun: Micros, error: Option<&MdmError>) {
        let (adapter, ended) = (self.service.name(), self.app.now());
        let outcome = error.map_or("taken", MdmError::word);
        let took = u64::try_from(ended.saturating_sub(begun)).unwrap_or_default();
        self.app.meters().call(adapter, outcome, Duration::from_micros(took));
        self.app.tell_span(|| Span {
            correlation: self.row.correlation.clone(),
            name: format!("{adapter} {}", order.kind.as_str()),
            kind: SpanKind::Client,
            begun,
            ended,
            details: vec![
                ("muster.workspace", order.workspace.to_string()),
                ("muster.effect", order.action.to_string()),
                ("muster.device", order.device.to_string()),
                ("muster.offboarding", self.row.offboarding.to_string()),
                ("muster.position", self.row.position.to_string()),
                ("muster.outcome", outcome.to_owned()),
            ],
            failed: error.map(|error| error.word().to_owned()),
        });
    }

    /// Asks how an order stands that the service has taken.
    async fn ask(&self, device: &Device) -> Result<(), Refusal> {
        let action = self.row.id;
        if self.state(device) != Some(ActionState::Acknowledged) {
            return Ok(());
        }
        let order = self.order(device, self.policy_name(device).await?)?;
        self.lane.calls(self.app.now());
        let standing = self.service.standing(&order).await;
        self.hear(standing.as_ref().err());
        let step = match standing {
            Ok(Standing::Done) => DeviceCommand::Confirm { action },
            Err(MdmError::Refused(reason)) => DeviceCommand::Park { action, reason },
            Ok(Standing::Accepted)
            | Err(MdmError::Down { .. } | MdmError::Unanswered { .. } | MdmError::Retry { .. }) => {
                return Ok(());
            }
        };
        self.note(step).await.map(drop)
    }

    /// An order that is not wanted any more: taken back, if the service cannot have it.
    async fn take_back(&self, device: &Device) -> Result<(), Refusal> {
        let action = self.row.id;
        if self.known(device).is_some_and(Action::unsent) {
            return self.note(DeviceCommand::Cancel { action }).await.map(drop);
        }
        let order = self.order(device, self.policy_name(device).await?)?;
        self.lane.calls(self.app.now());
        let received = self.service.received(&order).await;
        self.hear(received.as_ref().err());
        let step = match received {
            Ok(Received::No) => DeviceCommand::NeverCame { action },
            Ok(Received::Yes) => DeviceCommand::Acknowledge { action },
            Ok(Received::Unsure) => return self.leave_to_a_person(NOBODY_KNOWS.to_owned()).await,
            Err(MdmError::Refused(reason)) => return self.leave_to_a_person(reason).await,
            Err(MdmError::Down { .. } | MdmError::Unanswered { .. } | MdmError::Retry { .. }) => {
                self.lane.put_off(action, self.app.now() + ASK_SECONDS * SECOND);
                return Ok(());
            }
        };
        self.note(step).await.map(drop)
    }

    /// An order of which nobody can tell whether the service has it. Where a crash has lost the answer, that
    /// is said first: else it would look like one that the service has refused, and that can be cancelled.
    async fn leave_to_a_person(&self, reason: String) -> Result<(), Refusal> {
        let (action, retry_at, because) = (self.row.id, self.app.now(), FailedBecause::Unanswered);
        let lost = DeviceCommand::Fail { action, reason: reason.clone(), because, retry_at };
        self.note(lost).await?;
        self.note(DeviceCommand::Park { action, reason }).await.map(drop)
    }

    /// What an answer says of the service itself.
    fn hear(&self, error: Option<&MdmError>) {
        match error {
            Some(MdmError::Down { after, .. }) => self.lane.fails(self.app.now(), *after),
            Some(MdmError::Unanswered { .. }) => self.lane.fails(self.app.now(), None),
            Some(MdmError::Retry { .. } | MdmError::Refused(_)) | None => self.lane.works(),
        }
    }

    /// The service did not take an order. Only what it has said of this order counts as a try: an
    /// outage, however long, uses none up.
    ///
    /// What it says, it says of this call. If there may have been one before of which nothing was heard,
    /// the order may have come by that one, and is not taken back as one that never did.
    async fn failed(&self, device: &Device, error: MdmError, unheard: bool) -> Result<(), Refusal> {
        self.hear(Some(&error));
        let (action, now) = (self.row.id, self.app.now());
        let (attempts, answers) =
            self.known(device).map_or((0, 0), |known| (known.attempts, known.answers));
        let wait = |failures, after: Option<Duration>| {
            now + back_off(action, failures).max(after.map_or(0, asked))
        };
        let lost = |reason: &str| DeviceCommand::Fail {
            action,
            reason: reason.to_owned(),
            because: FailedBecause::Unanswered,
            retry_at: wait(attempts, None),
        };
        let (reason, because, retry_at) = match error {
            MdmError::Refused(reason) => {
                if unheard {
                    self.note(lost(&reason)).await?;
                }
                return self.note(DeviceCommand::Park { action, reason }).await.map(drop);
            }
            MdmError::Retry { reason, .. } | MdmError::Down { reason, .. } if unheard => {
                return self.note(lost(&reason)).await.map(drop);
            }
            MdmError::Retry { reason, .. } if answers + 1 >= ANSWERS_MAX => {
                let reason = format!("not taken {ANSWERS_MAX} times, at last: {reason}");
                return self.note(DeviceCommand::Park { action, reason }).await.map(drop);
            }
            MdmError::Retry { reason, after } => {
                (reason, FailedBecause::Answer, wait(answers + 1, after))
            }
            // When the service is called again is its lane's to say.
            MdmError::Down { reason, .. } => (reason, FailedBecause::Down, wait(1, None)),
            MdmError::Unanswered { reason } => {
                (reason, FailedBecause::Unanswered, wait(attempts, None))
            }
        };
        self.note(DeviceCommand::Fail { action, reason, because, retry_at }).await.map(drop)
    }

    /// Whether the offboarding is still the person's. Asked at the last moment: they may be active
    /// again, and the policy that cancels what was requested may not have come to it yet.
    async fn still_called_for(&self) -> Result<bool, Refusal> {
        let user = self.app.users().load(&self.row.workspace, self.row.user.0).await?;
        let erased = user.state.erased().is_some();
        if !erased && self.app.ledger_names(&self.row.workspace, self.row.user) {
            // A restored log: what is owed is known once the erasure is recorded again.
            return Err(Refusal::Unreadable);
        }
        let recorded = user.state.offboarding.as_ref();
        Ok(recorded.is_some_and(|it| it.id == self.row.offboarding))
    }

    /// What the policy is called that the device gets, as long as there is one.
    async fn policy_name(&self, device: &Device) -> Result<Option<String>, Refusal> {
        match self.known(device).map(|known| known.kind) {
            Some(ActionKind::ChangePolicy { policy }) => {
                let workspace = self.app.workspace(&self.row.workspace).await?;
                Ok(workspace.state.policies.get(&policy).map(ToString::to_string))
            }
            Some(ActionKind::Unassign | ActionKind::Remove) | None => Ok(None),
        }
    }

    /// Notes a step as a fact of the device; returns the device after it.
    async fn note(&self, command: DeviceCommand) -> Result<Arc<Es<Device>>, Refusal> {
        let meta = Meta {
            actor: SmolStr::new_static("reactor"),
            request: None,
            correlation: self.row.correlation.clone(),
            causation: Some(self.row.position),
            rule: None,
        };
        let (workspace, id) = (self.row.workspace.clone(), self.row.device.0);
        let order = Order { workspace, id, command, meta };
        Ok(self.app.devices().dispatch(order).await?.es)
    }

    fn known<'d>(&self, device: &'d Device) -> Option<&'d Action> {
        device.actions.get(&self.row.id)
    }

    fn state(&self, device: &Device) -> Option<ActionState> {
        self.known(device).map(|known| known.state)
    }

    fn order(&self, device: &Device, policy_name: Option<String>) -> Result<DeviceOrder, Refusal> {
        let known = self.known(device).ok_or_else(|| Refusal::NotFound("action".into()))?;
        Ok(DeviceOrder {
            workspace: self.row.workspace.clone(),
            action: self.row.id,
            device: self.row.device,
            serial: device.serial.clone(),
            external_id: device.external_id.clone(),
            platform: device.platform.clone(),
            kind: known.kind,
            policy_name,
            correlation: self.row.correlation.clone(),
        })
    }
}
