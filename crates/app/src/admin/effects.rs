//! What is owed to devices, and what a person makes of it (rule 24).

use std::collections::BTreeMap;

use domain::{
    device::{ActionState, DeviceCommand, Steering},
    ids::ActionId,
};
use event_log::WorkspaceId;
use projections::effects::{ActionRow, NAME};

use super::{
    page::{Listed, Listing},
    typed,
};
use crate::{App, Person, Refusal};

/// The length of the reason that a person gives, in characters.
const REASON_CHARACTERS_MAX: usize = 500;

impl App {
    /// How many device actions there are in each state, in all workspaces that are open: in one that was closed
    /// nothing becomes of them any more.
    ///
    /// # Errors
    /// When the read model or the log cannot be read.
    pub async fn effects_by_state(&self) -> Result<BTreeMap<&'static str, u64>, Refusal> {
        let mut known = BTreeMap::<WorkspaceId, bool>::new();
        let mut states = BTreeMap::<_, u64>::new();
        for (workspace, state, count) in self.read_models.effects().counts()? {
            let is_open = match known.get(&workspace) {
                Some(is_open) => *is_open,
                None => self.may_be_open(&workspace).await?,
            };
            known.insert(workspace, is_open);
            if is_open {
                *states.entry(state.as_str()).or_default() += count;
            }
        }
        Ok(states)
    }

    /// The device actions of a workspace in the order in which they were requested, of one state or
    /// all.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when a read model has stopped.
    pub async fn list_effects(
        &self,
        workspace: &WorkspaceId,
        state: Option<ActionState>,
        listing: &Listing,
    ) -> Result<Listed<ActionRow>, Refusal> {
        self.current(NAME, workspace).await?;
        let after = listing.after::<u64>()?.unwrap_or_default();
        let effects = self.read_models.effects();
        let rows = effects.actions(workspace, state, after, listing.limit + 1)?;
        Ok(listing.cut(rows, |row| row.position.to_string()))
    }

    /// A device action.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn effect(
        &self,
        workspace: &WorkspaceId,
        id: ActionId,
    ) -> Result<ActionRow, Refusal> {
        self.current(NAME, workspace).await?;
        let row = self.read_models.effects().action(workspace, id)?;
        row.ok_or_else(|| Refusal::NotFound("effect".to_owned()))
    }

    /// Has an action tried again that failed or waits for a person, and counts its tries anew. Asked
    /// twice, it is retried once.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Malformed`] for a reason that is none; [`Refusal::State`] when
    /// the service has it, or it has ended.
    pub async fn retry_effect(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: ActionId,
        reason: Option<&str>,
    ) -> Result<ActionRow, Refusal> {
        let reason = reason.map(said).transpose()?;
        self.steer(person, workspace, id, Steering::Retry { reason }).await
    }

    /// Takes an action back that the service cannot have. Asked twice, it is cancelled once. Where the
    /// account is to be removed, the device belongs to nobody from then on.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Malformed`] for a reason that is none; [`Refusal::State`] when
    /// the service may have it, or it has ended.
    pub async fn cancel_effect(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: ActionId,
        reason: Option<&str>,
    ) -> Result<ActionRow, Refusal> {
        let reason = reason.map(said).transpose()?;
        let row = self.effect(workspace, id).await?;
        // The person says whether the offboarding is still theirs: a read model may be behind.
        let user = self.users.load(workspace, row.user.0).await?;
        let offboarding = user.state.offboarding.as_ref().filter(|it| it.id == row.offboarding);
        let leaves = offboarding.is_some_and(|it| it.rule.removes_account());
        self.steer(person, workspace, id, Steering::Cancel { reason, leaves }).await
    }

    /// Ends an action that does not end by itself: nobody waits for it any more, whatever the service
    /// does. Asked twice, it is given up once.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Malformed`] without a reason; [`Refusal::State`] when it was
    /// not sent, or has ended.
    pub async fn give_up_effect(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: ActionId,
        reason: &str,
    ) -> Result<ActionRow, Refusal> {
        let reason = said(reason)?;
        self.steer(person, workspace, id, Steering::GiveUp { reason }).await
    }

    async fn steer(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: ActionId,
        to: Steering,
    ) -> Result<ActionRow, Refusal> {
        let row = self.effect(workspace, id).await?;
        let command = DeviceCommand::Steer { action: id, to };
        self.on_device(person, workspace, row.device, command).await?;
        self.effect(workspace, id).await
    }
}

fn said(reason: &str) -> Result<String, Refusal> {
    typed("reason", reason, REASON_CHARACTERS_MAX)
}
