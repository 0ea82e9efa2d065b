//! The brake on mass deprovisioning (rule 27).
//!
//! An identity provider that loses half its people by mistake deactivates them here within minutes.
//! When a connector goes over its limit, what cannot be taken back waits for a person: the account is
//! suspended, and neither it nor a device is removed before somebody approves.
//!
//! What is counted is recorded: people whose offboarding this connector began within the window, up to
//! the one that is judged. So a restart forgets nothing, and the limit that counts is the one in the
//! rule which that offboarding's own event carries (rule 11).

use std::collections::HashMap;

use app::{App, Refusal};
use domain::{
    Micros,
    ids::{ConnectorName, HoldId},
    offboarding::{Limit, Offboarding},
    rule::{self, BrakeLimit, Rule},
};
use event_log::WorkspaceId;
use parking_lot::Mutex;
use projections::{
    directory::NAME as DIRECTORY,
    effects::{Effects, NAME as EFFECTS, Offboarded},
};

const MINUTE: Micros = 60_000_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Brake {
    /// The hold that was opened last for each connector: those that are judged at the same time join
    /// it though no read model knows it yet. Lost in a crash, which at worst opens a second one.
    opened: Mutex<HashMap<(WorkspaceId, ConnectorName), HoldId>>,
}

/// What an offboarding waits with, and because of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) hold: HoldId,
    pub(crate) limit: Limit,
}

impl Brake {
    /// Whether an offboarding has to wait.
    pub(crate) async fn judge(
        &self,
        app: &App,
        workspace: &WorkspaceId,
        open: &Offboarding,
    ) -> Result<Option<Held>, Refusal> {
        if !open.can_be_held() {
            return Ok(None);
        }
        let events = app.log().read(workspace, open.started - 1, 1).await?;
        let Some(began) = events.first() else { return Ok(None) };
        let rule = Rule::recorded(began.meta.rule.as_deref());
        let rule::Brake::Limit(limit) = rule.provisioning.brake else { return Ok(None) };
        app.read_models().caught_up(EFFECTS, workspace).await?;
        let count = Count {
            app,
            effects: app.read_models().effects(),
            workspace,
            connector: &open.connector,
            since: began.time - Micros::from(limit.window_minutes) * MINUTE,
        };
        let Some(limit) = count.exceeds(&limit, open.started).await? else { return Ok(None) };
        Ok(Some(Held { hold: self.hold(&count, open)?, limit }))
    }

    /// The hold to join: the one that is open, else a new one. Only that is told in the log: ten thousand
    /// people may join it within seconds.
    fn hold(&self, count: &Count<'_>, open: &Offboarding) -> Result<HoldId, Refusal> {
        let key = (count.workspace.clone(), open.connector.clone());
        let mut opened = self.opened.lock();
        if let Some(known) = count.effects.open_hold(count.workspace, &open.connector)? {
            return Ok(known.id);
        }
        if let Some(&last) = opened.get(&key)
            && count.effects.hold(count.workspace, last)?.is_none()
        {
            return Ok(last);
        }
        let new = HoldId::from(open.id);
        opened.insert(key, new);
        tracing::warn!(
            workspace = %count.workspace, connector = %open.connector, hold = %new,
            "offboardings are held: their connector offboards more people than its brake lets pass"
        );
        Ok(new)
    }
}

/// The people of one connector within a window.
struct Count<'a> {
    app: &'a App,
    effects: Effects<'a>,
    workspace: &'a WorkspaceId,
    connector: &'a ConnectorName,
    since: Micros,
}

impl Count<'_> {
    /// What the connector goes over with the offboarding that started at a position.
    async fn exceeds(&self, limit: &BrakeLimit, at: u64) -> Result<Option<Limit>, Refusal> {
        let over = |people: u32, of: Option<u64>| {
            let window_minutes = limit.window_minutes;
            Some(Limit { people, of, window_minutes })
        };
        let most = u64::from(limit.count);
        let offboarded = self.offboarded(at, true, most + 1)?;
        if offboarded > most {
            return Ok(over(limit.count, None));
        }
        // A share matters only where it allows less than the number does.
        if offboarded <= share(limit, u64::from(limit.share_from)) {
            return Ok(None);
        }
        let people = self.people(limit).await?;
        let allowed = share(limit, people);
        let counts = people >= u64::from(limit.share_from) && offboarded > allowed;
        Ok(if counts {
            over(u32::try_from(allowed).unwrap_or(u32::MAX), Some(people))
        } else {
            None
        })
    }

    /// How many people the connector had when the window began: those who are active, and those who
    /// have gone since. Of the latter only so many are counted as can matter.
    async fn people(&self, limit: &BrakeLimit) -> Result<u64, Refusal> {
        let models = self.app.read_models();
        models.caught_up(DIRECTORY, self.workspace).await?;
        let (active, as_of) =
            models.directory().active_people_of(self.workspace, self.connector)?;
        // Whoever goes at this moment is either among those who are active or among those who have gone.
        models.caught_up(EFFECTS, self.workspace).await?;
        Ok(active + self.offboarded(as_of, false, enough(limit))?)
    }

    fn offboarded(&self, up_to: u64, with_returned: bool, most: u64) -> Result<u64, Refusal> {
        let Self { connector, since: after, .. } = *self;
        let whom = Offboarded { connector, after, up_to, with_returned };
        Ok(self.effects.offboarded(self.workspace, &whom, most)?)
    }
}

/// How many of so many people a share lets pass.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of a number of people, rounded down, is at most that number"
)]
fn share(limit: &BrakeLimit, people: u64) -> u64 {
    // What is meant by 0.2 of 25 is 5, though the nearest number to 0.2 is a little more or less.
    (limit.share * people as f64 + 1e-9).floor() as u64
}

/// With so many people the share counts and allows no less than the number does, if it ever will.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit is at most 2^32 people; divided by a share that is too small, it is still some number"
)]
fn enough(limit: &BrakeLimit) -> u64 {
    let people = (f64::from(limit.count) / limit.share.max(f64::EPSILON)).ceil() as u64;
    people.clamp(u64::from(limit.share_from), u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_people_is_rounded_down() {
        let limit = |share| BrakeLimit { count: 50, share, share_from: 20, window_minutes: 60 };
        for (of, people, expected) in [
            (0.2, 25, 5),
            (0.2, 24, 4),
            (0.0, 1_000, 0),
            (1.0, 7, 7),
            (0.29, 100, 29),
            (0.7, 10, 7),
        ] {
            assert_eq!(share(&limit(of), people), expected, "{of} of {people}");
        }
    }
}
