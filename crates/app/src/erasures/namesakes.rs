//! The persons of one userName: in other portals, and those who had it before in the same one.
//!
//! Whoever is removed and brought again is somebody else, with another id, and the one before stays where
//! they were: in the record, and in lists that ask for them. Who asks for the erasure of one of them has to
//! learn of all. The log knows who has a name now, the read models who had it last.

use domain::{
    ids::{ErasureId, UserId},
    portal::Portal,
    user::{AccountState, Entry, Namesake, User},
};
use event_log::WorkspaceId;

use crate::{App, Refusal, write::decide::to_log};

/// A person of the same userName.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    /// Who, and where.
    pub person: Namesake,
    /// Whether there is an account.
    pub account: AccountState,
    /// By which erasure they went, if they did.
    pub erasure: Option<ErasureId>,
}

impl App {
    /// The persons of all portals who have one of somebody's userNames, or had it when they were removed,
    /// in any case; but for those who were erased.
    pub(super) async fn namesakes(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        state: &User,
    ) -> Result<Vec<Namesake>, Refusal> {
        let entries = state.entries.values().map(Entry::user_name);
        let names = entries.chain([state.account.user_name.as_str()]);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        let mut found = Vec::new();
        for portal in Portal::ALL {
            self.read_models.caught_up(portal.as_str(), workspace).await?;
            for name in &names {
                let claim = to_log(&domain::Claim::person(portal, name));
                let holder = self.log.claim_holder(workspace, &claim).await?;
                let holder = holder.map(|holder| UserId(holder.id));
                let named = self.read_models.accounts().named(workspace, portal, name)?;
                let people = holder.into_iter().chain(named).filter(|it| *it != user);
                for other in people.map(|user| Namesake { portal, user }) {
                    if !found.contains(&other) {
                        found.push(other);
                    }
                }
            }
        }
        Ok(found)
    }

    /// What is to be said of them.
    pub(super) async fn others(
        &self,
        workspace: &WorkspaceId,
        people: Vec<Namesake>,
    ) -> Result<Vec<Other>, Refusal> {
        let mut others = Vec::with_capacity(people.len());
        for person in people {
            let known = self.users.load(workspace, person.user.0).await?;
            let (account, erasure) = (known.state.account.state, known.state.erased());
            others.push(Other { person, account, erasure });
        }
        Ok(others)
    }
}
