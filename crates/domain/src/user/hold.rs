//! Holding an offboarding, and what a person decides about it (rule 27).
//!
//! Each of these may be asked twice, by a policy or by a person whose request was cut off: the second
//! time adds no fact.

use super::{AccountState, User, UserEvent};
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

    pub(super) fn approve_offboarding(&self, offboarding: OffboardingId) -> Vec<UserEvent> {
        let open = self.open(offboarding).filter(|open| open.held);
        open.map(|_| UserEvent::OffboardingApproved { offboarding }).into_iter().collect()
    }

    pub(super) fn undo_offboarding(&self, offboarding: OffboardingId) -> Vec<UserEvent> {
        if self.open(offboarding).is_none() {
            return vec![];
        }
        let because = CancelledBecause::Undone;
        let cancelled = UserEvent::OffboardingCancelled { offboarding, because };
        let is_suspended = self.account.state == AccountState::Suspended;
        let restored = is_suspended.then_some(UserEvent::AccountRestored {});
        [cancelled].into_iter().chain(restored).collect()
    }

    fn open(&self, offboarding: OffboardingId) -> Option<&Offboarding> {
        self.open_offboarding().filter(|open| open.id == offboarding)
    }
}
