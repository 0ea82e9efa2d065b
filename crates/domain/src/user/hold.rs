//! Holding an offboarding, and what a person decides about it (rule 27).
//!
//! Each of these may be asked twice, by a policy or by a person whose request was cut off: the second
//! time adds no fact.

use super::{AccountState, User, UserEvent, UserRefusal};
use crate::{
    ids::{HoldId, OffboardingId},
    offboarding::{CancelledBecause, HeldBecause, Limit, Offboarding},
};

impl User {
    pub(super) fn hold_offboarding(
        &self,
        offboarding: OffboardingId,
        hold: HoldId,
        limit: Limit,
    ) -> Vec<UserEvent> {
        let open = self.open(offboarding).filter(|open| open.can_be_held());
        let because = HeldBecause::Brake(limit);
        open.map(|_| UserEvent::OffboardingHeld { offboarding, because, hold: Some(hold) })
            .into_iter()
            .collect()
    }

    /// Refused when it was undone meanwhile, or the person is active again: nothing would go on.
    pub(super) fn approve_offboarding(
        &self,
        offboarding: OffboardingId,
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        match self.offboarding.as_ref().filter(|known| known.id == offboarding) {
            Some(known) if known.held => Ok(vec![UserEvent::OffboardingApproved { offboarding }]),
            Some(known) if known.approved => Ok(vec![]),
            _ => Err(UserRefusal::NotHeld),
        }
    }

    /// Refused when it is complete, or the person was erased: there is nothing to go back to.
    pub(super) fn undo_offboarding(
        &self,
        offboarding: OffboardingId,
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        if self.erased.is_some() {
            return Err(UserRefusal::Erased);
        }
        if self.open(offboarding).is_none() {
            let is_over = self.offboarding.as_ref().is_some_and(|known| known.id == offboarding);
            return if is_over { Err(UserRefusal::NotHeld) } else { Ok(vec![]) };
        }
        let because = CancelledBecause::Undone;
        let cancelled = UserEvent::OffboardingCancelled { offboarding, because };
        let is_suspended = self.account.state == AccountState::Suspended;
        let restored = is_suspended.then_some(UserEvent::AccountRestored {});
        Ok([cancelled].into_iter().chain(restored).collect())
    }

    fn open(&self, offboarding: OffboardingId) -> Option<&Offboarding> {
        self.open_offboarding().filter(|open| open.id == offboarding)
    }
}
