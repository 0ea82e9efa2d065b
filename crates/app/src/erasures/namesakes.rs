//! The persons of one userName: in other portals, and those who had it before in the same one.
//!
//! Whoever is removed and brought again is somebody else, with another id, and the one before stays where
//! they were: in the record, and in lists that ask for them. Whoever was renamed may be called by the old name
//! elsewhere. Who asks for the erasure of one of them has to learn of all; and that some of them may be other
//! human beings, since a name is given again (`names`). The log knows who has a name now, the read models who
//! had it last. Whoever had a name *earlier* is found by nobody but those who know their id: an index of
//! all names ever would be one more place that holds them.

use std::collections::BTreeSet;

use domain::{
    ids::{ErasureId, UserId},
    portal::Portal,
    user::{AccountState, Namesake},
};
use event_log::WorkspaceId;

use super::names::{NameHad, Names};
use crate::{App, Refusal, WORKSPACE_STREAM, write::decide::to_log};

/// A person of the same userName.
#[derive(Clone, Debug)]
pub struct Other {
    /// Who, and where.
    pub person: Namesake,
    /// Whether there is an account.
    pub account: AccountState,
    /// By which erasure they went, if they did.
    pub erasure: Option<ErasureId>,
    /// The userNames that both have had, and when this one did; nothing after an erasure.
    pub names: Vec<NameHad>,
}

impl App {
    /// The persons of all portals who have one of somebody's userNames, of the earlier ones too, or had it
    /// when they were removed, in any case; but for those who were erased. With what each is called.
    pub(super) async fn namesakes(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        names: &Names,
    ) -> Result<Vec<(Namesake, Names)>, Refusal> {
        let setting = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        let folded: BTreeSet<_> = names.all().iter().map(|had| &*had.folded).collect();
        let mut found = Vec::new();
        for portal in Portal::ALL {
            self.read_models.caught_up(portal.as_str(), workspace).await?;
            let mut people = Vec::new();
            for name in &folded {
                let claim = to_log(&domain::Claim::person(portal, name));
                let holder = self.log.claim_holder(workspace, &claim).await?;
                let holder = holder.map(|holder| UserId(holder.id));
                let named = self.read_models.accounts().named(workspace, portal, name)?;
                for other in holder.into_iter().chain(named).filter(|it| *it != user) {
                    if !people.contains(&other) {
                        people.push(other);
                    }
                }
            }
            for user in people {
                let theirs = Names::find(self, workspace, user).await?;
                let same_time = names.same_time(&theirs, &setting.state);
                found.push((Namesake { portal, user, same_time, goes_too: false }, theirs));
            }
        }
        Ok(found)
    }

    /// What is to be said of those whom an erasure has named.
    pub(super) async fn others(
        &self,
        workspace: &WorkspaceId,
        people: Vec<Namesake>,
    ) -> Result<Vec<Other>, Refusal> {
        let mut others = Vec::with_capacity(people.len());
        for person in people {
            let known = self.users.load(workspace, person.user.0).await?;
            let (account, erasure) = (known.state.account.state, known.state.erased());
            others.push(Other { person, account, erasure, names: Vec::new() });
        }
        Ok(others)
    }

    /// The same of those whom an erasure would name, and when they had a name of the person.
    pub(super) async fn others_named(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        names: &Names,
    ) -> Result<Vec<Other>, Refusal> {
        let found = self.namesakes(workspace, user, names).await?;
        let people = found.iter().map(|(person, _)| *person).collect();
        let mut others = self.others(workspace, people).await?;
        for (other, (_, theirs)) in others.iter_mut().zip(&found) {
            other.names = theirs.shared_with(names);
        }
        Ok(others)
    }
}
