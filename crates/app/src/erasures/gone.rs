//! Whoever is erased, as time travel shows them: that they were there, and no more.
//!
//! What was said of them cannot be read. What their events *are* can: whether they had an account at a moment
//! follows from the kinds of these, as it does where an erasure is recorded again. Their portal, and the
//! SCIM ids by which somebody may ask for them, stand in `user.erased`, which came later than the moment.

use std::collections::BTreeSet;

use domain::{
    Decider,
    ids::{ErasureId, UserId},
    portal::Portal,
    user::{Remains, User, UserEvent},
};
use event_log::{StreamId, WorkspaceId};
use uuid::Uuid;

use super::{carry_out::Recorded, owed::EVENT, reading::Reading};
use crate::{App, Refusal, admin::accounts::AccountView};

/// An erasure, as it is recorded.
pub(crate) struct Erased {
    pub(crate) erasure: ErasureId,
    /// Where it is recorded.
    pub(crate) position: u64,
    remains: Remains,
}

/// Somebody who was there at a moment of the past, and was erased later.
pub(crate) struct Gone {
    pub(crate) portal: Portal,
    /// By which ids they may be asked for.
    ids: BTreeSet<Uuid>,
    /// What can still be said of them.
    pub(crate) view: AccountView,
}

impl Gone {
    /// Whether an id is theirs.
    pub(crate) fn is(&self, id: Uuid) -> bool {
        self.ids.contains(&id)
    }
}

impl App {
    /// Everybody of a workspace who was erased.
    pub(crate) async fn erased_people(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<BTreeSet<UserId>, Refusal> {
        let mut people = self.being_erased(workspace).await?;
        people.extend(self.of_ledger(workspace).map(|(_, user)| user));
        Ok(people)
    }

    /// Those of them of whom the ledger may know nothing yet.
    pub(super) async fn being_erased(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<BTreeSet<UserId>, Refusal> {
        // Asked for first: what policies hear of meanwhile is owed by then.
        let heard = self.progress.position(workspace);
        let mut people = self.erasures.waiting(workspace).await;
        let mut unheard = Reading::of(self, workspace, &EVENT, heard);
        while let Some(events) = unheard.next().await? {
            people.extend(events.iter().map(|event| UserId(event.stream.id)));
        }
        Ok(people)
    }

    /// The erasure of somebody, if they were erased.
    pub(crate) async fn erasure_of(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<Option<Erased>, Refusal> {
        Ok(match self.recorded_erasure(workspace, user).await? {
            Some(Recorded { event, fact: UserEvent::Erased { erasure, remains, .. } }) => {
                Some(Erased { erasure, position: event.position, remains: *remains })
            }
            _ => None,
        })
    }

    /// Everybody who was there at a position and was erased after it, by their ids.
    pub(crate) async fn gone_since(
        &self,
        workspace: &WorkspaceId,
        at: u64,
    ) -> Result<Vec<Gone>, Refusal> {
        let mut all = Vec::new();
        for user in self.erased_people(workspace).await? {
            let Some(erased) = self.erasure_of(workspace, user).await? else { continue };
            let stream = StreamId::new(User::KIND, user.0);
            let first = self.log.read_stream(workspace, &stream, 0, 1).await?;
            let came = first.first().is_some_and(|event| event.position <= at);
            if came && erased.position > at {
                let view = self.view_of_gone(workspace, user, erased.erasure, at).await?;
                let Remains { portal, entries, aliases, .. } = erased.remains;
                let ids = entries.values().chain(&aliases).map(|entry| entry.0).chain([user.0]);
                let ids = ids.collect();
                all.push(Gone { portal, ids, view });
            }
        }
        Ok(all)
    }

    /// What can be said of somebody at a position before they were erased.
    pub(crate) async fn view_of_gone(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        erasure: ErasureId,
        at: u64,
    ) -> Result<AccountView, Refusal> {
        let outline = self.outline(workspace, user, at).await?;
        Ok(AccountView {
            id: user,
            user_name: String::new(),
            email: None,
            source: outline.source,
            account: outline.account,
            role: None,
            offboarding: None,
            metadata: std::collections::BTreeMap::new(),
            scim: Vec::new(),
            erased: Some(erasure),
        })
    }
}
