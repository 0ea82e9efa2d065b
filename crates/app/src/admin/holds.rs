//! Holds: offboardings that wait for a person's decision (rules 10 and 27).

use domain::{
    ids::{HoldId, UserId},
    user::{UserCommand, UserRefusal},
};
use event_log::{Meta, WorkspaceId};
use futures_util::{StreamExt, stream};
use projections::effects::{Decided, HoldRow, NAME, OffboardingRow, OffboardingState};
use tokio::sync::MutexGuard;
use uuid::Uuid;

use super::page::{Listed, Listing};
use crate::{App, DispatchError, Order, Person, Refusal};

/// How many offboardings are read at a time.
const CHUNK: usize = 500;
/// How many of them are decided at a time: they share a sync of the disk, and requests wait behind them.
const AT_ONCE: usize = 8;

/// A hold, and how far its people have come.
#[derive(Clone, Debug)]
pub struct HoldView {
    /// The hold.
    pub row: HoldRow,
    /// How many of its offboardings are in each state; states without any are left out.
    pub people: Decided,
}

/// Somebody in a hold.
#[derive(Clone, Debug)]
pub struct HeldPerson {
    /// Who.
    pub user: UserId,
    /// How they sign in.
    pub user_name: String,
    /// Their offboarding.
    pub offboarding: OffboardingRow,
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes on.
    Approve,
    /// It is taken back: cancelled, and the account open again.
    Undo,
}

/// What came of deciding about some people.
#[derive(Default)]
struct Outcome {
    done: usize,
    /// For whom it came too late: somebody else has decided meanwhile.
    late: Vec<UserId>,
    /// What is said if the last Owner is among them, who stays; an Owner has a hold of their own.
    stays: Option<Refusal>,
}

impl App {
    /// How many offboardings wait for a person's decision, in all workspaces that are open: in one that was
    /// closed nobody can decide any more. Of one of which an event cannot be read nobody knows; it counts.
    ///
    /// # Errors
    /// When the read model or the log cannot be read.
    pub async fn offboardings_held(&self) -> Result<u64, Refusal> {
        let mut held = 0;
        for (workspace, count) in self.read_models.effects().waiting()? {
            if self.may_be_open(&workspace).await? {
                held += count;
            }
        }
        Ok(held)
    }

    /// The holds of a workspace, the last one first: those that wait, those that are decided, or all.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when a read model has stopped.
    pub async fn list_holds(
        &self,
        workspace: &WorkspaceId,
        open: Option<bool>,
        listing: &Listing,
    ) -> Result<Listed<HoldView>, Refusal> {
        self.current(NAME, workspace).await?;
        let before = listing.after::<u64>()?;
        let rows = self.read_models.effects().holds(workspace, open, before, listing.limit + 1)?;
        let Listed { items, next } = listing.cut(rows, |row| row.position.to_string());
        let items = items.into_iter().map(|row| self.with_people(workspace, row));
        Ok(Listed { items: items.collect::<Result<_, _>>()?, next })
    }

    /// A hold.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn hold(&self, workspace: &WorkspaceId, id: HoldId) -> Result<HoldView, Refusal> {
        self.current(NAME, workspace).await?;
        self.with_people(workspace, self.require_hold(workspace, id)?)
    }

    /// The people of a hold whose offboarding has come so far, in the order in which they were held.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::Malformed`] for a foreign cursor.
    pub async fn held_people(
        &self,
        workspace: &WorkspaceId,
        id: HoldId,
        state: OffboardingState,
        listing: &Listing,
    ) -> Result<Listed<HeldPerson>, Refusal> {
        self.current(NAME, workspace).await?;
        self.require_hold(workspace, id)?;
        let after = listing.after::<u64>()?.unwrap_or_default();
        let effects = self.read_models.effects();
        let rows = effects.offboardings_of_hold(workspace, id, state, after, listing.limit + 1)?;
        let Listed { items, next } = listing.cut(rows, |row| row.position.to_string());
        let mut people = Vec::with_capacity(items.len());
        for offboarding in items {
            let user = offboarding.user;
            let known = self.users.load(workspace, user.0).await?;
            let user_name = known.state.account.user_name.clone();
            people.push(HeldPerson { user, user_name, offboarding });
        }
        Ok(Listed { items: people, next })
    }

    /// Decides about the people of a hold: these, or all that wait. What a request that was cut off
    /// has decided stays; asked again, the rest is.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Overloaded`] while policies are late, and [`Refusal::Stalled`] where they
    /// have stopped, unless it is undone; [`Refusal::State`] when somebody is not in the hold, when it is too late
    /// to decide about them, when nobody waits and nobody was decided about in that way, and when the
    /// last Owner would go. Nobody is decided about then.
    pub async fn decide_hold(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: HoldId,
        users: Option<Vec<Uuid>>,
        decision: Decision,
    ) -> Result<HoldView, Refusal> {
        // Whom policies have yet to judge may belong into this hold.
        match self.settle(workspace).await {
            // Whoever they have yet to judge waits for another decision, and what is taken back needs none of
            // them.
            Err(Refusal::Stalled) if decision == Decision::Undo => {}
            settled => settled?,
        }
        self.read_models.caught_up(NAME, workspace).await?;
        self.require_hold(workspace, id)?;
        let meta = person.meta();
        match users {
            Some(users) => {
                let mut rows = Vec::with_capacity(users.len());
                for user in users {
                    let row = self.decidable(workspace, id, user, decision).await?;
                    drop(self.unless_owner_goes(workspace, &row, decision).await?);
                    rows.push(row);
                }
                let Outcome { late, stays, .. } =
                    self.decide_all(workspace, rows, decision, &meta).await?;
                if let Some(refusal) = stays {
                    return Err(refusal);
                }
                if let Some(user) = late.first() {
                    return Err(Refusal::State(format!(
                        "the offboarding of user {user} was decided, or has ended, meanwhile, or the \
                         user was erased; look at the hold again"
                    )));
                }
            }
            None => self.decide_everybody(workspace, id, decision, &meta).await?,
        }
        // What follows may take a while; what was decided is shown at once.
        self.read_models.caught_up(NAME, workspace).await?;
        self.with_people(workspace, self.require_hold(workspace, id)?)
    }

    async fn decide_everybody(
        &self,
        workspace: &WorkspaceId,
        id: HoldId,
        decision: Decision,
        meta: &Meta,
    ) -> Result<(), Refusal> {
        let effects = self.read_models.effects();
        let (mut after, mut done, mut stays) = (0, 0, None);
        loop {
            let held = OffboardingState::Held;
            let rows = effects.offboardings_of_hold(workspace, id, held, after, CHUNK)?;
            let Some(last) = rows.last() else { break };
            after = last.position;
            let outcome = self.decide_all(workspace, rows, decision, meta).await?;
            done += outcome.done;
            stays = stays.or(outcome.stays);
        }
        match stays {
            Some(refusal) => Err(refusal),
            None if done > 0 || self.was_decided(workspace, id, decision)? => Ok(()),
            None => Err(Refusal::State(
                "nobody in this hold waits for a decision, and nobody was decided about in that way; \
                 nothing was decided"
                    .to_owned(),
            )),
        }
    }

    /// Whether anybody was decided about in that way, so that whoever asks again is not refused.
    fn was_decided(
        &self,
        workspace: &WorkspaceId,
        id: HoldId,
        decision: Decision,
    ) -> Result<bool, Refusal> {
        let effects = self.read_models.effects();
        let states = match decision {
            Decision::Approve => &[OffboardingState::Started, OffboardingState::Completed][..],
            Decision::Undo => &[OffboardingState::Cancelled],
        };
        for state in states {
            let mut after = 0;
            loop {
                let rows = effects.offboardings_of_hold(workspace, id, *state, after, CHUNK)?;
                let Some(last) = rows.last() else { break };
                after = last.position;
                if decision == Decision::Approve || rows.iter().any(OffboardingRow::is_undone) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Decides about these. Those who are not in the outcome were decided about before.
    async fn decide_all(
        &self,
        workspace: &WorkspaceId,
        rows: Vec<OffboardingRow>,
        decision: Decision,
        meta: &Meta,
    ) -> Result<Outcome, Refusal> {
        let decide = |row: OffboardingRow| {
            let command = match decision {
                Decision::Approve => UserCommand::ApproveOffboarding { offboarding: row.id },
                Decision::Undo => UserCommand::UndoOffboarding { offboarding: row.id },
            };
            let (workspace, meta) = (workspace.clone(), meta.clone());
            let order = Order { workspace, id: row.user.0, command, meta };
            async move {
                match self.unless_owner_goes(&order.workspace, &row, decision).await {
                    Err(refusal) => (row.user, Err(refusal)),
                    Ok(_alone) => (row.user, Ok(self.users.dispatch(order).await)),
                }
            }
        };
        let mut done = stream::iter(rows).map(decide).buffer_unordered(AT_ONCE);
        let mut outcome = Outcome::default();
        while let Some((user, done)) = done.next().await {
            match done {
                Err(refusal @ Refusal::State(_)) => outcome.stays = Some(refusal),
                Err(refusal) => return Err(refusal),
                Ok(Err(DispatchError::Refused(UserRefusal::NotHeld | UserRefusal::Erased))) => {
                    outcome.late.push(user);
                }
                Ok(done) => {
                    drop(done?);
                    outcome.done += 1;
                }
            }
        }
        Ok(outcome)
    }

    /// Refuses what would remove the last Owner. As long as what is given back is held, nobody else ceases to
    /// be one.
    async fn unless_owner_goes(
        &self,
        workspace: &WorkspaceId,
        row: &OffboardingRow,
        decision: Decision,
    ) -> Result<Option<MutexGuard<'_, ()>>, Refusal> {
        match decision {
            Decision::Approve if row.rule.removes_account() => {
                self.unless_last_owner(workspace, row.user).await
            }
            Decision::Approve | Decision::Undo => Ok(None),
        }
    }

    /// The offboarding of somebody in a hold, if it is not too late for a decision.
    async fn decidable(
        &self,
        workspace: &WorkspaceId,
        hold: HoldId,
        user: Uuid,
        decision: Decision,
    ) -> Result<OffboardingRow, Refusal> {
        let found = self.person_of(workspace, user).await?;
        let (id, _) = found.ok_or_else(|| Refusal::NotFound(format!("user {user}")))?;
        let rows = self.read_models.effects().offboardings_of(workspace, id)?;
        let row = rows.into_iter().find(|row| row.hold == Some(hold)).ok_or_else(|| {
            Refusal::State(format!("user {user} is not in this hold; nothing was decided"))
        })?;
        match (row.state, decision) {
            (OffboardingState::Held | OffboardingState::Started, _)
            | (OffboardingState::Completed, Decision::Approve) => Ok(row),
            (OffboardingState::Cancelled, Decision::Undo) if row.is_undone() => Ok(row),
            (state @ (OffboardingState::Completed | OffboardingState::Cancelled), _) => {
                Err(Refusal::State(format!(
                    "the offboarding of user {user} is {} already; nothing was decided",
                    state.as_str()
                )))
            }
        }
    }

    fn require_hold(&self, workspace: &WorkspaceId, id: HoldId) -> Result<HoldRow, Refusal> {
        let row = self.read_models.effects().hold(workspace, id)?;
        row.ok_or_else(|| Refusal::NotFound("hold".to_owned()))
    }

    fn with_people(&self, workspace: &WorkspaceId, row: HoldRow) -> Result<HoldView, Refusal> {
        let people = self.read_models.effects().decided(workspace, row.id)?;
        Ok(HoldView { row, people })
    }
}
