//! Offboardings with their n of m (rules 24 to 26).

use domain::ids::OffboardingId;
use event_log::WorkspaceId;
use projections::effects::{ActionRow, NAME, OffboardingRow, OffboardingState};
use uuid::Uuid;

use super::page::{Listed, Listing};
use crate::{App, Refusal};

/// An offboarding with what it called for.
#[derive(Clone, Debug)]
pub struct OffboardingView {
    /// The offboarding.
    pub row: OffboardingRow,
    /// One action for each device.
    pub actions: Vec<ActionRow>,
}

impl App {
    /// The offboardings of a workspace, the last one first: of one state or all, and of one person
    /// if an id is given.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when a read model has stopped.
    pub async fn list_offboardings(
        &self,
        workspace: &WorkspaceId,
        state: Option<OffboardingState>,
        user: Option<Uuid>,
        listing: &Listing,
    ) -> Result<Listed<OffboardingView>, Refusal> {
        self.current(NAME, workspace).await?;
        let before = listing.after::<u64>()?;
        let effects = self.read_models.effects();
        let rows = match user {
            None => effects.offboardings(workspace, state, before, listing.limit + 1)?,
            Some(user) => match self.person_of(workspace, user).await? {
                None => Vec::new(),
                Some((user, _)) => {
                    let mut rows = effects.offboardings_of(workspace, user)?;
                    rows.retain(|row| {
                        state.is_none_or(|state| row.state == state)
                            && before.is_none_or(|before| row.position < before)
                    });
                    rows
                }
            },
        };
        let Listed { items, next } = listing.cut(rows, |row| row.position.to_string());
        let items = items.into_iter().map(|row| self.with_actions(workspace, row));
        Ok(Listed { items: items.collect::<Result<_, _>>()?, next })
    }

    /// An offboarding.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn offboarding(
        &self,
        workspace: &WorkspaceId,
        id: OffboardingId,
    ) -> Result<OffboardingView, Refusal> {
        self.current(NAME, workspace).await?;
        let row = self.read_models.effects().offboarding(workspace, id)?;
        let row = row.ok_or_else(|| Refusal::NotFound("offboarding".to_owned()))?;
        self.with_actions(workspace, row)
    }

    fn with_actions(
        &self,
        workspace: &WorkspaceId,
        row: OffboardingRow,
    ) -> Result<OffboardingView, Refusal> {
        let actions = self.read_models.effects().actions_of(workspace, row.id)?;
        Ok(OffboardingView { row, actions })
    }
}
