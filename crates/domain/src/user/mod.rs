//! A user: one person in one portal (rule 8).
//!
//! They have one *entry* for each connector that knows them (what SCIM calls a User: id, resource,
//! `active`) and at most one *account* (what the portal grants). Entries follow the `IdP` to the
//! letter; what an entry's coming and going does to the account is decided here, in the same append,
//! by the connector's rule that is in force at that moment.
//!
//! - [`event`]: what may become a fact
//! - [`command`]: what may be asked, and why it may be refused
//! - [`metadata`]: what mapped attributes say of the person
//! - [`entries`]: entries: diffing what SCIM sends against what is known
//! - [`account`]: what follows for the account, and offboardings
//! - [`erasure`]: what is left of somebody who is erased
//! - [`in_force`]: the same for those who are there already, on request

pub mod account;
pub mod command;
pub mod entries;
pub mod erasure;
pub mod event;
mod hold;
pub mod in_force;
pub mod metadata;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use account::{Account, AccountState, Source, Standing};
pub use command::{UserCommand, UserRefusal, Via};
pub use entries::Entry;
pub use erasure::{Again, Erase, Namesake, RecordedAgain, Remains};
pub use event::UserEvent;
pub use in_force::Outcome;

use crate::{
    Claim, Decider, Stamp,
    ids::{ConnectorName, EntryId, ErasureId},
    offboarding::Offboarding,
    portal::Portal,
};

/// The state of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The portal; set by the first event.
    pub portal: Portal,
    /// What each connector knows of the person.
    pub entries: BTreeMap<ConnectorName, Entry>,
    /// What the portal grants.
    pub account: Account,
    /// What mapped attributes say, connector by connector; none that says nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<ConnectorName, BTreeMap<String, String>>,
    /// The offboarding that their last deactivation opened.
    pub offboarding: Option<Offboarding>,
    /// A person has decided whether the account stands, after what connectors said last (`in_force`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    decided_by_hand: bool,
    /// The erasure after which nothing but the remains is known of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erased: Option<ErasureId>,
    /// The SCIM id of the entry that began this stream: the user's own id, which needs no alias.
    first: Option<EntryId>,
    /// The SCIM ids of entries that are gone, the last one at the end, but for the user's own. Whoever
    /// reads the identity provider's log knows the person by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<EntryId>,
}

/// How many SCIM ids of entries that are gone lead to a person; the oldest make room. Each connector brings
/// somebody a few times at most.
const FORMER_MAX: usize = 1_000;

impl User {
    /// The entry of a connector, if its SCIM id is `entry`.
    pub fn entry(&self, connector: &ConnectorName, entry: EntryId) -> Option<&Entry> {
        self.entries.get(connector).filter(|known| known.id == entry)
    }

    /// The offboarding that has not ended.
    pub fn open_offboarding(&self) -> Option<&Offboarding> {
        self.offboarding.as_ref().filter(|offboarding| !offboarding.completed)
    }

    /// Every SCIM id by which the person is or was known, but for their own: those of entries that are
    /// gone come first.
    pub fn aliases(&self) -> impl Iterator<Item = EntryId> {
        let current = self.entries.values().map(|entry| entry.id);
        let current = current.filter(|id| Some(*id) != self.first);
        self.former.iter().copied().chain(current)
    }

    /// An entry is gone; its id still leads to the person.
    fn remember(&mut self, gone: EntryId) {
        if Some(gone) != self.first {
            self.former.push(gone);
            let over = self.former.len().saturating_sub(FORMER_MAX);
            self.former.drain(..over);
        }
    }

    /// The userNames that are the person's in their portal now: nobody else there has one of them.
    pub fn user_names(&self) -> impl Iterator<Item = &str> {
        let entries = self.entries.values().map(Entry::user_name);
        // An account that is erased has no name.
        let has_account = self.account.stands() && self.erased.is_none();
        entries.chain(has_account.then_some(self.account.user_name.as_str()))
    }

    /// Whether any connector says that the person is active.
    pub fn is_active(&self) -> bool {
        self.entries.values().any(Entry::active)
    }
}

impl Decider for User {
    const KIND: &'static str = "user";
    type Command = UserCommand;
    type Event = UserEvent;
    type Refusal = UserRefusal;

    fn decide(&self, command: &UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        match command {
            UserCommand::Provision { portal, via, entry, resource } => {
                self.provision(*portal, via, *entry, resource)
            }
            UserCommand::Replace { via, entry, resource } => self.replace(via, *entry, resource),
            UserCommand::Patch { via, entry, request, options } => {
                self.patch(via, *entry, request, *options)
            }
            UserCommand::RemoveEntry { via, entry } => self.remove_entry(via, *entry),
            UserCommand::Remap { connector, mapping, gone } => {
                Ok(self.remap(connector, mapping, gone))
            }
            UserCommand::ApplyRule { via } => Ok(self.apply_rule(via)),
            UserCommand::Invite { portal, user_name, email, role } => {
                self.invite(*portal, user_name, email.as_deref(), *role)
            }
            UserCommand::SetRole { role } => self.set_role(*role),
            UserCommand::MapRole { mapped, mapping, at } => {
                Ok(self.map_role(*mapped, mapping, *at))
            }
            UserCommand::RemoveAccount => self.remove_account(),
            UserCommand::PlanOffboarding { offboarding, actions } => {
                self.plan_offboarding(*offboarding, actions)
            }
            UserCommand::CompleteOffboarding { offboarding } => {
                Ok(self.complete_offboarding(*offboarding))
            }
            UserCommand::HoldOffboarding { offboarding, hold, limit } => {
                Ok(self.hold_offboarding(*offboarding, *hold, *limit))
            }
            UserCommand::ApproveOffboarding { offboarding } => {
                self.approve_offboarding(*offboarding)
            }
            UserCommand::UndoOffboarding { offboarding } => self.undo_offboarding(*offboarding),
            UserCommand::Erase(erase) => self.erase(erase),
        }
    }

    fn evolve(&mut self, event: &UserEvent, stamp: &Stamp) {
        if let UserEvent::Erased { erasure, remains, .. } = event {
            return self.begin_anew(*erasure, remains);
        }
        self.evolve_decision(event);
        self.evolve_entries(event, stamp);
        self.evolve_account(event, stamp);
        self.evolve_metadata(event);
    }

    fn claims(&self) -> Vec<Claim> {
        let mut held = BTreeSet::new();
        for (connector, entry) in &self.entries {
            held.insert(Claim::entry(connector, entry.user_name()));
        }
        held.extend(self.user_names().map(|name| Claim::person(self.portal, name)));
        held.extend(self.aliases().map(Claim::alias));
        held.into_iter().collect()
    }

    fn weight(&self) -> usize {
        let entries = self.entries.values().map(Entry::weight).sum::<usize>();
        512 + entries + self.metadata_weight() + self.former.len() * 16
    }
}
