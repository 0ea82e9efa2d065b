//! The planner: from an offboarding to what is owed to each device, and to its end.

use app::{
    App, Refusal,
    policies::{Consequence, Policy},
};
use domain::{
    Event,
    device::{DeviceCommand, DeviceEvent},
    ids::{ActionId, DeviceId, OffboardingId, UserId},
    offboarding::{Offboarding, Planned},
    portal::Portal,
    user::{User, UserCommand, UserEvent},
};
use event_log::{BoxFuture, WorkspaceId};
use projections::Recorded;

use crate::brake::{Brake, Held};

/// See the module.
#[derive(Default)]
pub struct Planner {
    brake: Brake,
}

impl Policy for Planner {
    fn name(&self) -> &'static str {
        "offboarding"
    }

    fn hears(&self, name: &str) -> bool {
        matches!(
            name,
            "user.offboarding_started"
                | "user.offboarding_approved"
                | "user.offboarding_planned"
                | "user.offboarding_cancelled"
                | "device.enrolled"
                | "device.assigned"
                | "device.removed"
                | "device.action_confirmed"
                | "device.action_cancelled"
                | "device.action_given_up"
        )
    }

    fn react<'a>(
        &'a self,
        app: &'a App,
        event: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>> {
        Box::pin(async move {
            let at = At { app, workspace: &event.workspace, brake: &self.brake };
            let device = DeviceId(event.stream);
            match &event.event {
                Event::User(
                    UserEvent::OffboardingStarted { offboarding, .. }
                    | UserEvent::OffboardingApproved { offboarding },
                ) => at.plan(UserId(event.stream), *offboarding).await,
                Event::User(UserEvent::OffboardingPlanned { .. }) => {
                    at.maybe_complete(UserId(event.stream)).await
                }
                Event::User(UserEvent::OffboardingCancelled { offboarding, .. }) => {
                    at.cancel(*offboarding).await
                }
                Event::Device(
                    DeviceEvent::Assigned { user } | DeviceEvent::Enrolled { user: Some(user), .. },
                ) => at.assigned(*user, device, event.position).await,
                Event::Device(
                    DeviceEvent::ActionConfirmed { .. }
                    | DeviceEvent::ActionCancelled { .. }
                    | DeviceEvent::ActionGivenUp { .. }
                    | DeviceEvent::Removed {},
                ) => at.ended(device).await,
                Event::User(_)
                | Event::Device(_)
                | Event::Group(_)
                | Event::Workspace(_)
                | Event::Publication(_)
                | Event::Segments(_) => Ok(Vec::new()),
            }
        })
    }
}

/// Where a decision is being made.
struct At<'a> {
    app: &'a App,
    workspace: &'a WorkspaceId,
    brake: &'a Brake,
}

impl At<'_> {
    /// An offboarding was opened, or approved: what it calls for on which devices, unless the brake
    /// holds it. Asked again after a crash, it has everything requested that was planned before.
    async fn plan(
        &self,
        id: UserId,
        offboarding: OffboardingId,
    ) -> Result<Vec<Consequence>, Refusal> {
        let user = self.app.users().load(self.workspace, id.0).await?;
        let Some(open) = user.state.open_offboarding().filter(|open| open.id == offboarding) else {
            return Ok(Vec::new());
        };
        if open.held {
            return Ok(Vec::new());
        }
        if let Some(held) = self.brake.judge(self.app, self.workspace, open).await? {
            return Ok(vec![hold(id, offboarding, held)]);
        }
        let mut actions = open.planned.clone();
        actions.extend(self.unplanned(&user.state, open, id).await?);
        if actions.is_empty() {
            return Ok(vec![complete(id, offboarding)]);
        }
        Ok(carry_out(open, id, actions))
    }

    /// An offboarding ended early: what has not been sent is not wanted any more.
    async fn cancel(&self, offboarding: OffboardingId) -> Result<Vec<Consequence>, Refusal> {
        let effects = projections::effects::NAME;
        self.app.read_models().caught_up(effects, self.workspace).await?;
        let open = self.app.read_models().effects().open_actions(self.workspace, offboarding)?;
        let cancel = |row: projections::effects::ActionRow| {
            Consequence::Device(row.device, DeviceCommand::Cancel { action: row.id })
        };
        Ok(open.into_iter().map(cancel).collect())
    }

    /// Somebody got a device at `position`. If they were being offboarded then, or had been and are
    /// not active again, it gets the recorded rule as well (rule 25). What they had before is part of
    /// the plan, which knows better why.
    async fn assigned(
        &self,
        id: UserId,
        device: DeviceId,
        position: u64,
    ) -> Result<Vec<Consequence>, Refusal> {
        let user = self.app.users().load(self.workspace, id.0).await?;
        let recorded = user.state.offboarding.as_ref();
        let Some(recorded) = recorded.filter(|it| !it.held && it.started < position) else {
            return Ok(Vec::new());
        };
        // The device may be heard of before the offboarding itself.
        if !recorded.completed
            && let Some(held) = self.brake.judge(self.app, self.workspace, recorded).await?
        {
            return Ok(vec![hold(id, recorded.id, held)]);
        }
        let mut planned = planned(recorded, device);
        let known = self.app.devices().load(self.workspace, device.0).await?;
        if known.state.user != Some(id) {
            return Ok(Vec::new());
        }
        // They had it before, and were given it back.
        if known.state.actions.get(&planned.action).is_some_and(|action| action.state.ended()) {
            planned.action = planned.action.again(position);
        }
        Ok(carry_out(recorded, id, vec![planned]))
    }

    /// An action on a device ended, or the device did: offboardings may be complete now.
    async fn ended(&self, device: DeviceId) -> Result<Vec<Consequence>, Refusal> {
        let device = self.app.devices().load(self.workspace, device.0).await?;
        let mut users: Vec<_> = device.state.actions.values().map(|action| action.user).collect();
        users.sort_unstable();
        users.dedup();
        let mut follows = Vec::new();
        for id in users {
            follows.extend(self.maybe_complete(id).await?);
        }
        Ok(follows)
    }

    /// Completes an offboarding after the last of its actions. Asked after planning too: every
    /// device may have been removed by then. A device that the person still has and that is not
    /// planned for comes first: after a crash, an assignment may have been heard, carried out and
    /// confirmed before the plan is made.
    async fn maybe_complete(&self, id: UserId) -> Result<Vec<Consequence>, Refusal> {
        let user = self.app.users().load(self.workspace, id.0).await?;
        let Some(open) = user.state.open_offboarding().filter(|open| !open.held) else {
            return Ok(Vec::new());
        };
        if !self.all_ended(id, open).await? {
            return Ok(Vec::new());
        }
        let unplanned = self.unplanned(&user.state, open, id).await?;
        if unplanned.is_empty() {
            return Ok(vec![complete(id, open.id)]);
        }
        Ok(carry_out(open, id, unplanned))
    }

    /// What an offboarding calls for on devices that are not in its plan yet.
    async fn unplanned(
        &self,
        user: &User,
        open: &Offboarding,
        id: UserId,
    ) -> Result<Vec<Planned>, Refusal> {
        let devices = self.devices_of(user, id).await?.into_iter();
        let planned = devices.map(|device| planned(open, device));
        Ok(planned.filter(|it| !open.planned.contains(it)).collect())
    }

    /// Whether nothing more will happen to any device of an offboarding. Asked of the devices
    /// themselves, since a read model may be behind.
    async fn all_ended(&self, user: UserId, offboarding: &Offboarding) -> Result<bool, Refusal> {
        for it in &offboarding.planned {
            let device = self.app.devices().load(self.workspace, it.device.0).await?;
            if device.state.owes(it.action, user) {
                return Ok(false);
            }
        }
        Ok(!offboarding.planned.is_empty())
    }

    /// The devices of a person that are managed.
    async fn devices_of(&self, user: &User, id: UserId) -> Result<Vec<DeviceId>, Refusal> {
        if user.portal != Portal::Mdm {
            return Ok(Vec::new());
        }
        self.app.read_models().caught_up(projections::mdm::NAME, self.workspace).await?;
        let devices = self.app.read_models().devices().of_user(self.workspace, id)?;
        Ok(devices.into_iter().map(|row| row.id).collect())
    }
}

fn planned(offboarding: &Offboarding, device: DeviceId) -> Planned {
    Planned { action: ActionId::derive(offboarding.id, device), device }
}

/// The plan, and what it asks of each device. The plan goes first: the offboarding cannot be taken
/// for complete while a crash has let only some of its actions be requested.
fn carry_out(offboarding: &Offboarding, user: UserId, actions: Vec<Planned>) -> Vec<Consequence> {
    let Some(kind) = offboarding.action() else { return Vec::new() };
    let request = |it: &Planned| {
        let offboarding = offboarding.id;
        let request = DeviceCommand::Request { action: it.action, offboarding, user, kind };
        Consequence::Device(it.device, request)
    };
    let requests: Vec<_> = actions.iter().map(request).collect();
    let plan = UserCommand::PlanOffboarding { offboarding: offboarding.id, actions };
    [Consequence::User(user, plan)].into_iter().chain(requests).collect()
}

fn hold(user: UserId, offboarding: OffboardingId, held: Held) -> Consequence {
    let Held { hold, limit } = held;
    Consequence::User(user, UserCommand::HoldOffboarding { offboarding, hold, limit })
}

fn complete(user: UserId, offboarding: OffboardingId) -> Consequence {
    Consequence::User(user, UserCommand::CompleteOffboarding { offboarding })
}
