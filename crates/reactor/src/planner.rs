//! The planner: from an offboarding to what is owed to each device, and to its end.

use app::{
    App, Refusal,
    policies::{Consequence, Policy},
};
use domain::{
    Event,
    device::{Device, DeviceCommand, DeviceEvent, DeviceState},
    ids::{ActionId, DeviceId, OffboardingId, UserId},
    offboarding::{Offboarding, Planned},
    portal::Portal,
    user::{User, UserCommand, UserEvent},
};
use event_log::{BoxFuture, WorkspaceId};
use projections::Recorded;

/// See the module.
pub struct Planner;

impl Policy for Planner {
    fn name(&self) -> &'static str {
        "offboarding"
    }

    fn hears(&self, name: &str) -> bool {
        matches!(
            name,
            "user.offboarding_started"
                | "user.offboarding_planned"
                | "user.offboarding_cancelled"
                | "device.enrolled"
                | "device.assigned"
                | "device.removed"
                | "device.action_confirmed"
                | "device.action_cancelled"
        )
    }

    fn react<'a>(
        &'a self,
        app: &'a App,
        event: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>> {
        Box::pin(async move {
            let at = At { app, workspace: &event.workspace };
            let device = DeviceId(event.stream);
            match &event.event {
                Event::User(UserEvent::OffboardingStarted { offboarding, .. }) => {
                    at.plan(UserId(event.stream), *offboarding).await
                }
                Event::User(UserEvent::OffboardingPlanned { .. }) => {
                    at.maybe_complete(UserId(event.stream)).await
                }
                Event::User(UserEvent::OffboardingCancelled { offboarding, .. }) => {
                    at.cancel(*offboarding).await
                }
                Event::Device(
                    DeviceEvent::Assigned { user } | DeviceEvent::Enrolled { user: Some(user), .. },
                ) => at.assigned(*user, device).await,
                Event::Device(
                    DeviceEvent::ActionConfirmed { .. }
                    | DeviceEvent::ActionCancelled { .. }
                    | DeviceEvent::Removed {},
                ) => at.ended(device).await,
                Event::User(_) | Event::Device(_) | Event::Group(_) | Event::Workspace(_) => {
                    Ok(Vec::new())
                }
            }
        })
    }
}

/// Where a decision is being made.
struct At<'a> {
    app: &'a App,
    workspace: &'a WorkspaceId,
}

impl At<'_> {
    /// An offboarding was opened: what it calls for on which devices.
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
        let devices = self.devices_of(&user.state, id).await?;
        if devices.is_empty() {
            return Ok(vec![complete(id, offboarding)]);
        }
        let planned = devices.iter().map(|&device| planned(open, device)).collect();
        // The plan goes first: the offboarding cannot be taken for complete while a crash has let
        // only some of its actions be requested.
        let plan = UserCommand::PlanOffboarding { offboarding, actions: planned };
        let requests = devices.into_iter().filter_map(|device| request(open, id, device));
        Ok([Consequence::User(id, plan)].into_iter().chain(requests).collect())
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

    /// Somebody got a device. If they are being offboarded, or have been and are not active again,
    /// it gets the recorded rule as well (rule 25).
    async fn assigned(&self, id: UserId, device: DeviceId) -> Result<Vec<Consequence>, Refusal> {
        let user = self.app.users().load(self.workspace, id.0).await?;
        let Some(recorded) = user.state.offboarding.as_ref().filter(|it| !it.held) else {
            return Ok(Vec::new());
        };
        let plan = UserCommand::PlanOffboarding {
            offboarding: recorded.id,
            actions: vec![planned(recorded, device)],
        };
        let request = request(recorded, id, device);
        Ok([Consequence::User(id, plan)].into_iter().chain(request).collect())
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
    /// device may have been removed by then.
    async fn maybe_complete(&self, id: UserId) -> Result<Vec<Consequence>, Refusal> {
        let user = self.app.users().load(self.workspace, id.0).await?;
        let Some(open) = user.state.open_offboarding() else { return Ok(Vec::new()) };
        let ended = self.all_ended(open).await?;
        Ok(if ended { vec![complete(id, open.id)] } else { Vec::new() })
    }

    /// Whether nothing more will happen to any device of an offboarding. Asked of the devices
    /// themselves, since a read model may be behind.
    async fn all_ended(&self, offboarding: &Offboarding) -> Result<bool, Refusal> {
        for it in &offboarding.planned {
            let device = self.app.devices().load(self.workspace, it.device.0).await?;
            if !ended(&device.state, it.action) {
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

fn ended(device: &Device, action: ActionId) -> bool {
    device.state == DeviceState::Removed
        || device.actions.get(&action).is_some_and(|action| action.state.ended())
}

fn planned(offboarding: &Offboarding, device: DeviceId) -> Planned {
    Planned { action: ActionId::derive(offboarding.id, device), device }
}

fn request(offboarding: &Offboarding, user: UserId, device: DeviceId) -> Option<Consequence> {
    let kind = offboarding.action()?;
    let action = ActionId::derive(offboarding.id, device);
    let request = DeviceCommand::Request { action, offboarding: offboarding.id, user, kind };
    Some(Consequence::Device(device, request))
}

fn complete(user: UserId, offboarding: OffboardingId) -> Consequence {
    Consequence::User(user, UserCommand::CompleteOffboarding { offboarding })
}
