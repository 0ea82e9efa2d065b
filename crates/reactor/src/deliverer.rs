//! The deliverer: works off what is owed to devices, oldest first, one action at a time per device.
//!
//! Each step is a fact of the device before the next one is taken: sent, acknowledged, confirmed.
//! After a crash an action that was sent is sent again under the same idempotency key, since nobody
//! can know whether the service has it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use app::{App, Order, Refusal};
use domain::{
    Micros,
    device::{Action, ActionState, Device, DeviceCommand},
    ids::{ActionId, DeviceId},
    offboarding::ActionKind,
};
use event_log::{Meta, WorkspaceId};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use projections::effects::{ActionRow, NAME as EFFECTS};
use smol_str::SmolStr;

use crate::service::{DeviceOrder, MdmError, Services, Standing};

/// How many devices are worked on at a time.
const AT_ONCE: usize = 16;
/// How many due actions are looked at in one turn.
const TURN: usize = 256;
/// After how many failed tries an action waits for a person.
const ATTEMPTS_MAX: u32 = 12;
/// The first wait after a failure, in seconds; it doubles with each further one.
const BACK_OFF_SECONDS: i64 = 5;
/// The longest wait after a failure, in seconds.
const BACK_OFF_SECONDS_MAX: i64 = 3_600;
/// How long a service is left alone with an order it has accepted, in seconds.
const POLL_SECONDS: i64 = 30;
/// How long a failure of our own is waited out, in seconds.
const PAUSE_SECONDS: i64 = 5;

const SECOND: Micros = 1_000_000;

/// Works off what is owed until the log closes.
pub async fn run(app: Arc<App>, services: Arc<dyn Services>) {
    let deliverer = Deliverer { app, services, later: Mutex::default() };
    let mut ticks = deliverer.app.log().watch();
    let mut seen = HashMap::new();
    loop {
        ticks.mark_unchanged();
        let worked = match deliverer.turn(&mut seen).await {
            Ok(worked) => worked,
            Err(error) => {
                tracing::error!(%error, "what is owed to devices could not be read");
                false
            }
        };
        if !worked && !deliverer.wait(&mut ticks).await {
            return;
        }
    }
}

struct Deliverer {
    app: Arc<App>,
    services: Arc<dyn Services>,
    /// Not to be looked at before this time: accepted by the service, or held up by a failure of
    /// our own. Forgotten in a crash, which costs one call too many.
    later: Mutex<HashMap<ActionId, Micros>>,
}

impl Deliverer {
    /// Does what is due now. `false` when nothing was.
    async fn turn(&self, seen: &mut HashMap<WorkspaceId, u64>) -> Result<bool, Refusal> {
        for (workspace, head) in self.app.log().heads() {
            if seen.insert(workspace.clone(), head) != Some(head)
                && let Err(error) = self.app.read_models().caught_up(EFFECTS, &workspace).await
            {
                // One workspace whose read model has stopped holds up no other.
                tracing::error!(workspace.id = %workspace, %error, "what is owed is not known");
            }
        }
        let now = self.app.now();
        let due = self.app.read_models().effects().due(now, TURN)?;
        let due = self.not_later(due, now);
        let worked = !due.is_empty();
        stream::iter(due).for_each_concurrent(AT_ONCE, |row| self.deliver(row)).await;
        Ok(worked)
    }

    fn not_later(&self, due: Vec<ActionRow>, now: Micros) -> Vec<ActionRow> {
        let mut later = self.later.lock();
        later.retain(|_, at| *at > now);
        let mut devices = HashSet::new();
        due.into_iter()
            .filter(|row| !later.contains_key(&row.id) && devices.insert(row.device))
            .collect()
    }

    fn put_off(&self, action: ActionId, seconds: i64) {
        self.later.lock().insert(action, self.app.now() + seconds * SECOND);
    }

    /// Waits for the log to change or for something to fall due; `false` when the log has closed.
    async fn wait(&self, ticks: &mut tokio::sync::watch::Receiver<u64>) -> bool {
        let next = self.app.read_models().effects().next_due_at().ok().flatten();
        let next = self.later.lock().values().copied().chain(next).min();
        let Some(next) = next else { return ticks.changed().await.is_ok() };
        let micros = u64::try_from(next - self.app.now()).unwrap_or_default();
        #[expect(clippy::disallowed_methods, reason = "a back-off is nothing but time to pass")]
        let due = tokio::time::sleep(Duration::from_micros(micros.max(1_000)));
        tokio::select! {
            changed = ticks.changed() => changed.is_ok(),
            () = due => true,
        }
    }

    async fn deliver(&self, row: ActionRow) {
        let id = row.id;
        if let Err(error) = self.steps(row).await {
            tracing::error!(action.id = %id, %error, "an action could not be carried on");
            self.put_off(id, PAUSE_SECONDS);
        }
    }

    /// Takes an action as far as it goes. The device itself says how far it has come; the row of
    /// the read model only says where to look.
    async fn steps(&self, row: ActionRow) -> Result<(), Refusal> {
        let at = Owed { deliverer: self, row };
        let mut device = at.load().await?;
        let adapter = self.services.of(&at.row.workspace, &device.platform).await?;
        if matches!(at.state(&device), Some(ActionState::Requested | ActionState::Failed)) {
            let next = at.next(&device).await?;
            device = at.note(next).await?;
        }
        if at.state(&device) == Some(ActionState::Sent) {
            device = match adapter.send(&at.order(&device).await?).await {
                Ok(()) => at.note(DeviceCommand::Acknowledge { action: at.row.id }).await?,
                Err(error) => return at.failed(&device, error).await,
            };
        }
        if at.state(&device) != Some(ActionState::Acknowledged) {
            return Ok(());
        }
        match adapter.standing(&at.order(&device).await?).await {
            Ok(Standing::Done) => {
                at.note(DeviceCommand::Confirm { action: at.row.id }).await?;
            }
            Ok(Standing::Accepted)
            | Err(MdmError::Down { .. } | MdmError::Unanswered { .. } | MdmError::Retry { .. }) => {
                self.put_off(at.row.id, POLL_SECONDS);
            }
            Err(MdmError::Refused(reason)) => {
                at.note(DeviceCommand::Park { action: at.row.id, reason }).await?;
            }
        }
        Ok(())
    }
}

/// One action that is being worked on.
struct Owed<'a> {
    deliverer: &'a Deliverer,
    row: ActionRow,
}

impl Owed<'_> {
    async fn load(&self) -> Result<Device, Refusal> {
        let devices = self.deliverer.app.devices();
        Ok(devices.load(&self.row.workspace, self.row.device.0).await?.state.clone())
    }

    /// What is to become of an action that has not been sent. Asked at the last moment: the person
    /// may be active again, and the policy that cancels what was requested may not have come to it
    /// yet; or the device policy that it gives may be gone.
    async fn next(&self, device: &Device) -> Result<DeviceCommand, Refusal> {
        let (app, action) = (&self.deliverer.app, self.row.id);
        let user = app.users().load(&self.row.workspace, self.row.user.0).await?;
        let recorded = user.state.offboarding.as_ref();
        if recorded.is_none_or(|it| it.id != self.row.offboarding) {
            return Ok(DeviceCommand::Cancel { action });
        }
        if let Some(ActionKind::ChangePolicy { policy }) = self.known(device).map(|it| it.kind)
            && !app.workspace(&self.row.workspace).await?.state.policies.contains_key(&policy)
        {
            let reason = "the policy that the rule gives has been deleted".to_owned();
            return Ok(DeviceCommand::Park { action, reason });
        }
        Ok(DeviceCommand::Send { action })
    }

    /// Notes a step as a fact of the device; returns the device after it.
    async fn note(&self, command: DeviceCommand) -> Result<Device, Refusal> {
        let meta = Meta {
            actor: SmolStr::new_static("reactor"),
            request: None,
            correlation: self.row.correlation.clone(),
            causation: Some(self.row.position),
            rule: None,
        };
        let (workspace, id) = (self.row.workspace.clone(), self.row.device.0);
        let order = Order { workspace, id, command, meta };
        Ok(self.deliverer.app.devices().dispatch(order).await?.es.state.clone())
    }

    async fn failed(&self, device: &Device, error: MdmError) -> Result<(), Refusal> {
        let action = self.row.id;
        let attempts = self.known(device).map_or(0, |known| known.attempts);
        let command = match error {
            MdmError::Down { reason, .. }
            | MdmError::Unanswered { reason }
            | MdmError::Retry { reason, .. }
                if attempts < ATTEMPTS_MAX =>
            {
                let retry_at = self.deliverer.app.now() + back_off(action, attempts);
                DeviceCommand::Fail { action, reason, retry_at }
            }
            MdmError::Down { reason, .. }
            | MdmError::Unanswered { reason }
            | MdmError::Retry { reason, .. }
            | MdmError::Refused(reason) => DeviceCommand::Park { action, reason },
        };
        self.note(command).await.map(drop)
    }

    fn known<'d>(&self, device: &'d Device) -> Option<&'d Action> {
        device.actions.get(&self.row.id)
    }

    fn state(&self, device: &Device) -> Option<ActionState> {
        self.known(device).map(|known| known.state)
    }

    async fn order(&self, device: &Device) -> Result<DeviceOrder, Refusal> {
        let known = self.known(device).ok_or_else(|| Refusal::NotFound("action".into()))?;
        let policy_name = match known.kind {
            ActionKind::ChangePolicy { policy } => {
                let workspace = self.deliverer.app.workspace(&self.row.workspace).await?;
                workspace.state.policies.get(&policy).map(ToString::to_string)
            }
            ActionKind::Unassign | ActionKind::Remove => None,
        };
        Ok(DeviceOrder {
            workspace: self.row.workspace.clone(),
            action: self.row.id,
            device: DeviceId(self.row.device.0),
            serial: device.serial.clone(),
            external_id: device.external_id.clone(),
            platform: device.platform.clone(),
            kind: known.kind,
            policy_name,
        })
    }
}

/// How long to wait after the so-manieth try: doubling, and spread by up to a half, so that what
/// failed together does not come back together.
fn back_off(action: ActionId, attempts: u32) -> Micros {
    let doubled = BACK_OFF_SECONDS << attempts.saturating_sub(1).min(16);
    let base = doubled.min(BACK_OFF_SECONDS_MAX) * SECOND;
    let spread = i64::from(action.0.as_bytes()[15]) * base / 512;
    base + spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_an_hour_and_a_half() {
        let action = ActionId::default();
        assert_eq!(back_off(action, 1), 5 * SECOND);
        assert_eq!(back_off(action, 2), 10 * SECOND);
        assert_eq!(back_off(action, 40), 3_600 * SECOND);
        let other = ActionId(domain_uuid(255));
        assert!(back_off(other, 1) > 7 * SECOND && back_off(other, 1) < 8 * SECOND);
    }

    fn domain_uuid(last: u8) -> uuid::Uuid {
        uuid::Uuid::from_u128(u128::from(last))
    }
}
