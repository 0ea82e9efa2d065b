//! One person, group or device as it stood, folded from its own stream.

use domain::{
    Decider, Es, Micros,
    device::Device,
    group::Group,
    ids::{DeviceId, GroupId, UserId},
    user::User,
};
use event_log::WorkspaceId;
use uuid::Uuid;

use crate::{App, Refusal, admin::accounts::AccountView, admin::events::Moment, write::Lanes};

/// A state of the past.
#[derive(Clone, Debug)]
pub struct StateAsOf<S> {
    /// The position it is of: the last event by the moment that was asked for.
    pub at: u64,
    /// When that was recorded; `None` before there was any.
    pub time: Option<Micros>,
    /// What stood then.
    pub state: S,
}

impl App {
    /// A person of any portal as they stood, with their account; by their id, or by the SCIM id of an
    /// entry that they have or had. Of somebody who was erased later, that they were there.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when nobody had heard of them then.
    pub async fn user_as_of(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
        moment: Option<Moment>,
    ) -> Result<StateAsOf<(User, AccountView)>, Refusal> {
        let known = self.person_of(workspace, id).await?;
        let erased = known.as_ref().and_then(|(_, es)| es.state.erased());
        let user = known.map_or(UserId(id), |(user, _)| user);
        let found = self.state_as_of(&self.users, workspace, user.0, moment).await?;
        let StateAsOf { at, time, state } = found;
        // Whoever is erased is so at every moment of the past.
        let account = match erased {
            Some(erasure) if state.erased().is_none() => {
                self.view_of_gone(workspace, user, erasure, at).await?
            }
            _ => AccountView::of(user, &state),
        };
        Ok(StateAsOf { at, time, state: (state, account) })
    }

    /// A group as it stood.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it was not there then.
    pub async fn group_as_of(
        &self,
        workspace: &WorkspaceId,
        id: GroupId,
        moment: Option<Moment>,
    ) -> Result<StateAsOf<Group>, Refusal> {
        let found = self.state_as_of(&self.groups, workspace, id.0, moment).await?;
        let there = found.state.0.is_some();
        if there { Ok(found) } else { Err(not_then(Group::KIND, found.at)) }
    }

    /// A device as it stood.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it was not enrolled by then.
    pub async fn device_as_of(
        &self,
        workspace: &WorkspaceId,
        id: DeviceId,
        moment: Option<Moment>,
    ) -> Result<StateAsOf<Device>, Refusal> {
        self.state_as_of(&self.devices, workspace, id.0, moment).await
    }

    async fn state_as_of<D: Decider>(
        &self,
        lanes: &Lanes<D>,
        workspace: &WorkspaceId,
        id: Uuid,
        moment: Option<Moment>,
    ) -> Result<StateAsOf<D>, Refusal>
    where
        D::Refusal: Into<Refusal>,
    {
        // Like every read of the API, it shows what followed from what was answered.
        self.followed(workspace).await;
        let at = self.position_at(workspace, moment.unwrap_or(Moment::Position(u64::MAX))).await?;
        let Es { state, version, .. } = lanes.as_of(workspace, id, at).await?;
        if version == 0 {
            return Err(not_then(D::KIND, at));
        }
        let last = self.log.read(workspace, at.saturating_sub(1), 1).await?;
        Ok(StateAsOf { at, time: last.first().map(|event| event.time), state })
    }
}

pub(super) fn not_then(what: &str, at: u64) -> Refusal {
    Refusal::NotFound(format!("{what}, as of position {at},"))
}
