//! Erasing a person (rule 32): what a decision for ever leaves of them.
//!
//! The key of everything that was said of them is destroyed afterwards, so that events before
//! `user.erased` cannot be read any more. That event therefore carries what has to outlive them, the
//! [`Remains`], from which the state begins anew: ids and states, nothing that names anybody. What is owed
//! to devices goes on; whatever follows is sealed with another key.
//!
//! An erased person never comes back. Somebody of the same name is somebody else.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Not,
};

use serde::{Deserialize, Serialize};

use super::{Account, AccountState, Source, User, UserEvent, UserRefusal, Via};
use crate::{
    Micros,
    ids::{ConnectorName, DeviceId, EntryId, ErasureId, UserId},
    offboarding::Offboarding,
    portal::{Portal, Role},
    rule::OnDeactivate,
};

/// What is left of a person who is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    /// The portal.
    pub portal: Portal,
    /// The SCIM ids that they had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entries: BTreeMap<ConnectorName, EntryId>,
    /// Every SCIM id by which they were ever known and that is not their own id, so that it still leads to
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<EntryId>,
    /// Whether there was an account.
    pub account: AccountState,
    /// Who made it.
    pub source: Source,
    /// Dashboard: their role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Their last offboarding, with the actions that it called for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offboarding: Option<Offboarding>,
}

/// A person of the same userName, in another portal or, before or after, in the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namesake {
    /// The portal.
    pub portal: Portal,
    /// The person.
    pub user: UserId,
    /// Whether both had the same last userName, and at the same time, and no identity provider says that they are
    /// two: then they are one human being. Whoever had it at another time may be somebody else.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub same_time: bool,
    /// Whether they are erased too. Whoever carries out the erasure sees to it.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub goes_too: bool,
}

impl Namesake {
    /// Somebody who is erased together with the others of the name.
    pub fn going(portal: Portal, user: UserId) -> Self {
        Self { portal, user, same_time: false, goes_too: true }
    }
}

/// That an erasure was recorded before, in a log that was lost. The remains are what could be found then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAgain {
    /// When it was recorded first.
    pub erased: Micros,
    /// Whether the portal is known.
    pub portal_is_known: bool,
}

/// What was found of somebody whose erasure is recorded again.
#[derive(Clone, Debug)]
pub struct Again {
    /// What is left, as far as it can be known.
    pub remains: Remains,
    /// When the erasure was recorded first.
    pub erased: Micros,
    /// Whether the portal is known.
    pub portal_is_known: bool,
}

/// What is asked for when a person is to be erased.
#[derive(Clone, Debug)]
pub struct Erase {
    /// The id of the erasure.
    pub erasure: ErasureId,
    /// The connector whose rule applies, and its rule; `None` for somebody whom no connector knows.
    pub via: Option<Via>,
    /// On whose wish, in a person's words. It must hold no personal data: it is kept for ever.
    pub reason: Option<String>,
    /// The devices that the person has now.
    pub devices: Vec<DeviceId>,
    /// The persons of the same userName, in all portals, and whether they go too.
    pub others: Vec<Namesake>,
    /// What was found, where a restored log lacks the erasure and nothing else can be read.
    pub again: Option<Again>,
}

impl User {
    /// Whether the person was erased, and by which erasure.
    pub fn erased(&self) -> Option<ErasureId> {
        self.erased
    }

    /// The connector whose rule applies when the person is erased: the one whose name comes last among
    /// those that call them active, else among all that know them.
    pub fn erased_via(&self, gone: &BTreeSet<ConnectorName>) -> Option<&ConnectorName> {
        let active = self.entries.iter().filter(|(_, entry)| entry.active());
        let mut active = active.map(|(name, _)| name).filter(|name| !gone.contains(*name));
        active.next_back().or_else(|| self.entries.keys().next_back())
    }

    /// Asked twice, it is one erasure.
    pub(super) fn erase(&self, erase: &Erase) -> Result<Vec<UserEvent>, UserRefusal> {
        if self.erased.is_some() {
            return Ok(Vec::new());
        }
        // What is carried over has to say where it stands, which a draft does not know yet.
        if self.offboarding.as_ref().is_some_and(|it| !it.is_stored()) {
            return Err(UserRefusal::NotStored);
        }
        let Erase { erasure, via, reason, devices, others, again } = erase;
        let remains = again.as_ref().map_or_else(|| self.remains(), |it| it.remains.clone());
        let entries = remains.entries.clone();
        let mut events = vec![UserEvent::Erased {
            erasure: *erasure,
            remains: Box::new(remains),
            reason: reason.clone(),
            devices: devices.clone(),
            others: others.clone(),
            all_portals: false,
            again: again
                .as_ref()
                .map(|it| RecordedAgain { erased: it.erased, portal_is_known: it.portal_is_known }),
        }];
        // Said once more, readable: whoever hears of entries that go hears of these.
        let gone = entries.into_iter();
        events.extend(gone.map(|(connector, entry)| UserEvent::EntryRemoved { connector, entry }));
        let after = self.after(&events);
        after.end_account(via.as_ref(), &mut events);
        Ok(events)
    }

    fn remains(&self) -> Remains {
        let entries = self.entries.iter().map(|(name, entry)| (name.clone(), entry.id)).collect();
        let Account { state, source, role, .. } = self.account;
        let (portal, offboarding) = (self.portal, self.offboarding.clone());
        let aliases = self.aliases().collect();
        Remains { portal, entries, aliases, account: state, source, role, offboarding }
    }

    /// The account of an erased person never stays: an offboarding that removes it in the end suspends
    /// it, and else it goes at once. An Owner is not held: a person asks for this (rule 10).
    fn end_account(&self, via: Option<&Via>, events: &mut Vec<UserEvent>) {
        if !self.account.stands() {
            return;
        }
        let opens = match (self.open_offboarding(), via) {
            (None, Some(via)) => {
                Some(via).filter(|via| via.rule.provisioning.on_deactivate != OnDeactivate::Nothing)
            }
            _ => None,
        };
        let rule = match (self.open_offboarding(), opens) {
            (Some(open), _) => open.rule,
            (None, Some(via)) => via.rule.provisioning.on_deactivate,
            (None, None) => OnDeactivate::Nothing,
        };
        events.extend(opens.map(|via| UserEvent::OffboardingStarted {
            offboarding: via.offboarding,
            connector: via.connector.clone(),
            rule,
            policy: via.rule.provisioning.policy,
        }));
        if !rule.removes_account() {
            events.push(UserEvent::AccountRemoved {});
        } else if self.account.state == AccountState::Active {
            events.push(UserEvent::AccountSuspended {});
        }
    }

    /// Nothing of what was known stays but the remains.
    pub(super) fn begin_anew(&mut self, erasure: ErasureId, remains: &Remains) {
        let Remains { portal, aliases, account, source, role, offboarding, .. } = remains;
        *self = Self {
            portal: *portal,
            account: Account {
                state: *account,
                source: *source,
                role: *role,
                ..Account::default()
            },
            offboarding: offboarding.clone(),
            erased: Some(erasure),
            former: aliases.clone(),
            ..Self::default()
        };
    }
}
