//! The rule in force, applied to somebody who is there already (rule 11).
//!
//! A rule that is changed changes nobody. When an administrator wants it to, each person is decided on
//! as if what their connector says of them had just come: whoever it calls active and who has no account
//! is given one where creation gives one, and somebody whom no connector calls active is offboarded where
//! deactivation does anything. Whoever is asked about first and acted on afterwards is decided on here
//! both times.
//!
//! A sweep goes over many people whom nobody looks at one by one, so it leaves alone whatever a person has
//! decided for one of them: an account made by hand until SCIM adopts it, one removed by hand while the
//! entry stays active, and somebody who was kept though no connector calls them active. A connector
//! that speaks of them anew ends that.

#[cfg(test)]
mod tests;

use super::{Source, User, UserEvent, Via};
use crate::{
    ids::OffboardingId,
    offboarding::CancelledBecause,
    portal::Role,
    rule::{OnDeactivate, Provisioning},
};

/// What applying the rule in force does to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are given an account.
    Granted {
        /// Dashboard: the role they begin with.
        role: Option<Role>,
    },
    /// An offboarding is opened.
    Offboarded {
        /// What it carries out.
        rule: OnDeactivate,
        /// Whether it waits for a person to decide.
        held: bool,
    },
}

impl Outcome {
    /// What was done to a person as they are after it; `None` of whom nothing can have been done to.
    pub fn shown_by(after: &User) -> Option<Self> {
        match after.open_offboarding() {
            Some(open) => Some(Self::Offboarded { rule: open.rule, held: open.held }),
            None if after.account.stands() => Some(Self::Granted { role: after.account.role }),
            None => None,
        }
    }
}

impl User {
    /// What applying a rule would do.
    pub fn would(&self, via: &Via) -> Option<Outcome> {
        let events = self.apply_rule(via);
        if events.is_empty() { None } else { Outcome::shown_by(&self.after(&events)) }
    }

    /// What follows for somebody whom the connector has brought already.
    pub(super) fn apply_rule(&self, via: &Via) -> Vec<UserEvent> {
        let mut events = Vec::new();
        let Some(entry) = self.entries.get(&via.connector) else { return events };
        if self.decided_by_hand {
            return events;
        }
        if entry.active() {
            if !self.account.stands() {
                self.activation(via, &mut events);
            }
        } else if self.account.source == Source::Scim && !self.has_had(&via.rule.provisioning) {
            // Asked twice, it is one offboarding; of an entry that came back in between, another one.
            let offboarding = OffboardingId::derive(entry.id, entry.version, via.rule.position);
            self.deactivation(&Via { offboarding, ..via.clone() }, &mut events);
        }
        events
    }

    /// Whether what the rule does to somebody who has gone has been done to them already: an account
    /// outlives an offboarding that is about devices only.
    fn has_had(&self, rule: &Provisioning) -> bool {
        let last = self.offboarding.as_ref();
        last.is_some_and(|it| it.rule == rule.on_deactivate && it.policy == rule.policy)
    }

    pub(super) fn evolve_decision(&mut self, event: &UserEvent) {
        match event {
            UserEvent::OffboardingCancelled { because, .. } => {
                self.decided_by_hand = *because != CancelledBecause::Reactivated;
            }
            // An offboarding that removes the account is completed after it.
            UserEvent::AccountRemoved {} => {
                self.decided_by_hand = self.open_offboarding().is_none();
            }
            UserEvent::AccountInvited { .. }
            | UserEvent::AccountGranted { .. }
            | UserEvent::EntryReactivated { .. } => self.decided_by_hand = false,
            UserEvent::EntryAdded { resource, .. } => {
                self.decided_by_hand &= !resource.active().unwrap_or(true);
            }
            // Whoever was kept goes again; whose account is removed is no more gone than before.
            UserEvent::EntryDeactivated { .. } | UserEvent::EntryRemoved { .. } => {
                self.decided_by_hand &= !self.account.stands();
            }
            _ => {}
        }
    }
}
