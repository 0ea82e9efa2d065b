//! Devices and the policies they are under (rule 23).

use domain::{
    device::{Changes, Device, DeviceCommand, DeviceRefusal, DeviceState},
    ids::{DeviceId, PolicyId, UserId},
    offboarding::ActionKind,
    portal::Portal,
    user::AccountState,
    workspace::{WorkspaceCommand, WorkspaceRefusal},
};
use event_log::WorkspaceId;
use projections::{
    Cursor, ReadModels,
    mdm::{DeviceRow, NAME, PolicyRow},
};
use uuid::Uuid;

use super::{
    page::{Listed, Listing},
    typed,
};
use crate::{App, Done, Order, Person, Refusal};

/// The length of a policy's or a device's name, a serial number or a platform, in characters.
const NAME_CHARACTERS_MAX: usize = 200;

/// A device that comes under management.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// Unique among the devices of the workspace that are managed.
    pub serial: String,
    /// For example `ios`.
    pub platform: String,
    /// What people call it.
    pub name: Option<String>,
    /// What its MDM service calls it, where that is not the serial number.
    pub external_id: Option<String>,
    /// Who uses it: an MDM user's id, or the SCIM id of one of their entries.
    pub user: Option<Uuid>,
    /// Under which policy.
    pub policy: Option<PolicyId>,
}

/// What becomes of something that may be there or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Set<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is this from now on; `None` takes it away.
    To(Option<T>),
}

impl<T> Set<T> {
    /// The same of something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Set<U> {
        match self {
            Self::Keep => Set::Keep,
            Self::To(value) => Set::To(value.map(f)),
        }
    }
}

/// What changes of a device.
#[derive(Clone, Debug)]
pub struct DeviceChange {
    /// Who uses it: an MDM user's id, or the SCIM id of one of their entries.
    pub user: Set<Uuid>,
    /// Under which policy.
    pub policy: Set<PolicyId>,
    /// What people call it.
    pub name: Set<String>,
    /// What its MDM service calls it.
    pub external_id: Set<String>,
}

impl App {
    /// Adds a device policy.
    ///
    /// # Errors
    /// [`Refusal::State`] when the name is taken.
    pub async fn add_policy(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &str,
    ) -> Result<PolicyRow, Refusal> {
        let name = typed("name", name, NAME_CHARACTERS_MAX)?;
        let id = PolicyId(self.fresh_id());
        let command = WorkspaceCommand::AddPolicy { policy: id, name: name.clone() };
        self.on_workspace(workspace, command, person.meta()).await?;
        Ok(PolicyRow { id, name })
    }

    /// The device policies, oldest first.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is no such workspace.
    pub async fn list_policies(
        &self,
        workspace: &WorkspaceId,
        listing: &Listing,
    ) -> Result<Listed<PolicyRow>, Refusal> {
        let known = self.workspace(workspace).await?;
        let all = known.state.policies.iter().map(|(id, name)| (*id, name));
        let listed = listing.of(all, |_, name| listing.wants(&[name]))?;
        Ok(listed.map(|(id, name)| PolicyRow { id, name: name.to_string() }))
    }

    /// A device policy.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn policy(
        &self,
        workspace: &WorkspaceId,
        id: PolicyId,
    ) -> Result<PolicyRow, Refusal> {
        let known = self.workspace(workspace).await?;
        let name = known.state.policies.get(&id).map(ToString::to_string);
        let name = name.ok_or_else(|| Refusal::NotFound("device policy".to_owned()))?;
        Ok(PolicyRow { id, name })
    }

    /// Removes a device policy that neither a rule nor a device uses.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::State`] with what uses it.
    pub async fn remove_policy(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: PolicyId,
    ) -> Result<(), Refusal> {
        self.policy(workspace, id).await?;
        // Who enrols a device under it at this very moment is not seen. Such a device keeps an id
        // that names nothing, which harms nobody; a claim on every device would.
        self.settle(workspace).await?;
        self.read_models.caught_up(NAME, workspace).await?;
        let devices = self.read_models.devices().under_policy(workspace, id)?;
        if devices > 0 {
            let detail = format!("devices are under that policy ({devices}): change theirs first");
            return Err(Refusal::State(detail));
        }
        let command = WorkspaceCommand::RemovePolicy { policy: id };
        self.on_workspace(workspace, command, person.meta()).await?;
        Ok(())
    }

    /// The devices of a workspace, removed ones too, by serial number.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when a read model has stopped.
    pub async fn list_devices(
        &self,
        workspace: &WorkspaceId,
        listing: &Listing,
    ) -> Result<Listed<DeviceRow>, Refusal> {
        self.current(NAME, workspace).await?;
        let after = listing.after::<Cursor>()?;
        let (of, q, limit) = (workspace.clone(), listing.q.clone(), listing.limit);
        let look = move |models: &ReadModels| {
            Ok(models.devices().list(&of, q.as_deref(), limit, after.as_ref())?)
        };
        let (items, next) = self.look_through(look).await?;
        Ok(Listed { items, next: next.map(|next| next.to_string()) })
    }

    /// A device; a removed one too.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn device(
        &self,
        workspace: &WorkspaceId,
        id: DeviceId,
    ) -> Result<DeviceRow, Refusal> {
        self.followed(workspace).await;
        let es = self.devices.load(workspace, id.0).await?;
        if es.state.state == DeviceState::Unknown {
            return Err(DeviceRefusal::NoDevice.into());
        }
        Ok(row(id, &es.state))
    }

    /// Takes a device under management.
    ///
    /// # Errors
    /// [`Refusal::Taken`] for a serial number that a managed device has; otherwise as for
    /// [`App::change_device`].
    pub async fn enrol_device(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        enrolment: Enrolment,
    ) -> Result<DeviceRow, Refusal> {
        let text = |field, value: &str| typed(field, value, NAME_CHARACTERS_MAX);
        let command = DeviceCommand::Enrol {
            serial: text("serial", &enrolment.serial)?,
            platform: text("platform", &enrolment.platform)?,
            name: enrolment.name.as_deref().map(|name| text("name", name)).transpose()?,
            external_id: enrolment.external_id.as_deref().map(external_id).transpose()?,
            user: self.user_for_device(workspace, enrolment.user).await?,
            policy: self.policy_for_device(workspace, enrolment.policy).await?,
        };
        let id = DeviceId(self.fresh_id());
        let done = self.on_device(person, workspace, id, command).await?;
        Ok(row(id, &done.es.state))
    }

    /// Gives a device another user, policy, name or external id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Malformed`] for an unknown user or policy, or a name or
    /// external id that is none; [`Refusal::State`] for a user without account (rule 25) and for a device that
    /// was removed.
    pub async fn change_device(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: DeviceId,
        change: DeviceChange,
    ) -> Result<DeviceRow, Refusal> {
        let user = match change.user {
            Set::To(user) => Some(self.user_for_device(workspace, user).await?),
            Set::Keep => None,
        };
        let policy = match change.policy {
            Set::To(policy) => Some(self.policy_for_device(workspace, policy).await?),
            Set::Keep => None,
        };
        let external_id = match change.external_id {
            Set::To(id) => Some(id.map(|id| external_id(&id)).transpose()?),
            Set::Keep => None,
        };
        let name = match change.name {
            Set::To(name) => {
                Some(name.map(|name| typed("name", &name, NAME_CHARACTERS_MAX)).transpose()?)
            }
            Set::Keep => None,
        };
        let command = DeviceCommand::Change(Changes { user, policy, name, external_id });
        let done = self.on_device(person, workspace, id, command).await?;
        Ok(row(id, &done.es.state))
    }

    /// Removes a device. It stays readable.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::State`] when it was removed before, and when somebody's
    /// offboarding has it removed by its service, or will: that would be lost.
    pub async fn remove_device(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: DeviceId,
    ) -> Result<(), Refusal> {
        self.no_offboarding_will_remove(workspace, id).await?;
        self.on_device(person, workspace, id, DeviceCommand::Remove).await?;
        Ok(())
    }

    /// What has been requested the device itself knows of. Of an offboarding that is held, or that is
    /// being planned, it does not know yet.
    async fn no_offboarding_will_remove(
        &self,
        workspace: &WorkspaceId,
        id: DeviceId,
    ) -> Result<(), Refusal> {
        let device = self.devices.load(workspace, id.0).await?;
        let Some(user) = device.state.user else { return Ok(()) };
        let user = self.users.load(workspace, user.0).await?;
        let Some(open) = user.state.open_offboarding() else { return Ok(()) };
        let known = device.state.actions.values().any(|it| it.offboarding == open.id);
        if known || open.action() != Some(ActionKind::Remove) {
            return Ok(());
        }
        Err(Refusal::State(format!(
            "the offboarding {} of the person who has that device will have it removed by its MDM \
             service, and that would be lost: wait for it, undo it, or take the device from them first",
            open.id
        )))
    }

    /// Somebody who may use a device: an MDM user whose account stands.
    async fn user_for_device(
        &self,
        workspace: &WorkspaceId,
        id: Option<Uuid>,
    ) -> Result<Option<UserId>, Refusal> {
        let Some(id) = id else { return Ok(None) };
        let known = self.person_of(workspace, id).await?;
        let Some((user, es)) = known.filter(|(_, es)| es.state.portal == Portal::Mdm) else {
            return Err(Refusal::Malformed(format!("user: no MDM user has the id {id}")));
        };
        let refused = |why: &str| Err(Refusal::State(format!("user: {why}")));
        match es.state.account.state {
            AccountState::Active | AccountState::Suspended => Ok(Some(user)),
            AccountState::Removed => refused(
                "that person's account has been removed: reactivate them in the IdP, or make an \
                 account by hand, before assigning a device",
            ),
            AccountState::None => refused(
                "that person has no account in the mdm portal: make one by hand before assigning \
                 a device",
            ),
        }
    }

    async fn policy_for_device(
        &self,
        workspace: &WorkspaceId,
        id: Option<PolicyId>,
    ) -> Result<Option<PolicyId>, Refusal> {
        if let Some(id) = id
            && !self.workspace(workspace).await?.state.policies.contains_key(&id)
        {
            return Err(WorkspaceRefusal::NoPolicy(id).into());
        }
        Ok(id)
    }

    pub(super) async fn on_device(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: DeviceId,
        command: DeviceCommand,
    ) -> Result<Done<Device>, Refusal> {
        let (workspace, meta) = (workspace.clone(), person.meta());
        Ok(self.devices.dispatch(Order { workspace, id: id.0, command, meta }).await?)
    }
}

fn external_id(text: &str) -> Result<String, Refusal> {
    typed("external_id", text, NAME_CHARACTERS_MAX)
}

fn row(id: DeviceId, device: &Device) -> DeviceRow {
    DeviceRow {
        id,
        serial: device.serial.clone(),
        platform: device.platform.clone(),
        name: device.name.clone(),
        external_id: device.external_id.clone(),
        state: device.state,
        user: device.user,
        policy: device.policy,
    }
}
