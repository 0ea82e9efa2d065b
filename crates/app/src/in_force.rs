//! The rule in force of a connector, for the people who are there already (rule 11): what it would do to
//! whom, and doing it, on request.
//!
//! Changing a rule changes nobody. What the rule in force would do is counted by a [job](crate::jobs) and
//! listed person by person; having it done is another one. Both decide as the user's own aggregate does,
//! and neither holds up a SCIM request. A rule that is changed on the way ends a job: what nobody has
//! asked about yet is not done to anybody.

use std::sync::Arc;

use domain::{
    ids::{ConnectorName, OffboardingId, UserId},
    portal::Portal,
    rule::Rule,
    user::{Outcome, UserCommand, Via},
};
use event_log::{Meta, WorkspaceId};
use futures_util::{StreamExt, stream};
use uuid::Uuid;

use crate::{
    App, Order, Person, Refusal,
    admin::page::{Listed, Listing},
    jobs::{AT_ONCE, Job, Jobs, Running, Subject},
};

/// How many people a part of the list looks at, at most.
const LOOKED_AT_MAX: usize = 5_000;

/// What a rule does, or would do, to how many people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The position of the rule.
    pub rule: u64,
    /// People who are given an account.
    pub granted: u64,
    /// People for whom an offboarding is opened.
    pub offboarded: u64,
    /// Of these, Owners, who wait for a person to decide. Whom the brake holds it holds later.
    pub held: u64,
    /// The devices of those for whom an offboarding would be opened; counted before it is done only.
    pub devices: u64,
}

impl Reached {
    fn add(&mut self, outcome: Option<Outcome>, devices: u64) {
        match outcome {
            None => {}
            Some(Outcome::Granted { .. }) => self.granted += 1,
            Some(Outcome::Offboarded { held, .. }) => {
                self.offboarded += 1;
                self.held += u64::from(held);
                self.devices += devices;
            }
        }
    }
}

/// The last jobs of each connector.
#[derive(Default)]
pub(crate) struct RuleJobs {
    previews: Jobs<Reached>,
    applied: Jobs<Reached>,
}

/// What the rule in force would do to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WouldDo {
    /// The person.
    pub id: UserId,
    /// How they sign in.
    pub user_name: String,
    /// What would be done.
    pub outcome: Outcome,
    /// How many devices they have.
    pub devices: u64,
}

/// One rule of one connector, on its way to its people.
struct InForce<'a> {
    app: &'a App,
    subject: &'a Subject,
    portal: Portal,
    via: Via,
}

impl App {
    /// Counts what the rule in force would do to the people who are there, in the background. Nothing is
    /// done to anybody. Asked for while it runs under the same rule, it is the same job.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or when the directory cannot be read.
    pub async fn preview_rule(
        self: &Arc<Self>,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Job<Reached>, Refusal> {
        let (subject, rule) = self.rule_of(workspace, connector).await?;
        let begun = self.begun(&subject, &rule).await?;
        let same = |found: &Reached| found.rule == rule.position;
        let running = match self.in_force.previews.begin(&subject, begun, same) {
            Ok(running) => running,
            Err(goes_on) => return Ok(goes_on),
        };
        let app = Arc::clone(self);
        self.spawn_job(async move {
            let counted = app.reach_everybody(&subject, &rule, None, &running).await;
            ended(&subject, &running, &counted, "what the rule would do could not be counted");
        });
        Ok(begun)
    }

    /// How far the last count is; `None` when there was none since the server started.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn rule_previewed(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Option<Job<Reached>>, Refusal> {
        let (subject, _) = self.rule_of(workspace, connector).await?;
        Ok(self.in_force.previews.last(&subject))
    }

    /// The people to whom the rule in force would do something now, in the order in which they came. A
    /// part may hold fewer than `limit` though others follow: it looks at so many people at most.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Malformed`] for a foreign cursor.
    pub async fn list_outcomes(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        listing: &Listing,
    ) -> Result<Listed<WouldDo>, Refusal> {
        let (subject, rule) = self.rule_of(workspace, connector).await?;
        let it = self.in_force(&subject, &rule).await?;
        let (mut items, mut looked_at) = (Vec::new(), 0);
        let mut after = listing.after::<i64>()?.unwrap_or_default();
        loop {
            let directory = self.directory(workspace).await?;
            let page = listing.limit.min(LOOKED_AT_MAX - looked_at);
            let people = directory.people_after(workspace, connector, after, page)?;
            if people.is_empty() {
                return Ok(Listed { items, next: None });
            }
            for (place, user) in people {
                (after, looked_at) = (place, looked_at + 1);
                items.extend(it.would_do(user).await?);
                if items.len() == listing.limit || looked_at == LOOKED_AT_MAX {
                    return Ok(Listed { items, next: Some(after.to_string()) });
                }
            }
        }
    }

    /// Does to the people who are there what the rule in force asks for, in the background. Asked for
    /// while it runs under the same rule, it is the same job.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::State`] when the rule in force is another one than `expected`.
    pub async fn apply_rule(
        self: &Arc<Self>,
        person: &Person,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        expected: Option<u64>,
    ) -> Result<Job<Reached>, Refusal> {
        let (subject, rule) = self.rule_of(workspace, connector).await?;
        if expected.is_some_and(|expected| expected != rule.position) {
            return Err(other_rule(&rule));
        }
        let begun = self.begun(&subject, &rule).await?;
        let same = |found: &Reached| found.rule == rule.position;
        let running = match self.in_force.applied.begin(&subject, begun, same) {
            Ok(running) => running,
            Err(goes_on) => return Ok(goes_on),
        };
        let (app, meta) = (Arc::clone(self), person.meta());
        let meta = Meta { rule: serde_json::to_string(&*rule).ok(), ..meta };
        self.spawn_job(async move {
            let applied = app.reach_everybody(&subject, &rule, Some(&meta), &running).await;
            ended(&subject, &running, &applied, "the rule did not reach everybody");
        });
        Ok(begun)
    }

    /// How far the last such job is; `None` when there was none since the server started.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn rule_applied(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Option<Job<Reached>>, Refusal> {
        let (subject, _) = self.rule_of(workspace, connector).await?;
        Ok(self.in_force.applied.last(&subject))
    }

    async fn rule_of(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<(Subject, Arc<Rule>), Refusal> {
        let rule = self.connector(workspace, connector).await?.rule;
        Ok((Subject { workspace: workspace.clone(), connector: connector.clone() }, rule))
    }

    async fn begun(&self, subject: &Subject, rule: &Rule) -> Result<Job<Reached>, Refusal> {
        let total = self.count_people(subject).await?;
        Ok(Job::begun(total, Reached { rule: rule.position, ..Reached::default() }))
    }

    /// A rule, as long as it is in force.
    async fn in_force<'a>(
        &'a self,
        subject: &'a Subject,
        rule: &Arc<Rule>,
    ) -> Result<InForce<'a>, Refusal> {
        let Subject { workspace, connector } = subject;
        let known = self.connector(workspace, connector).await?;
        if known.rule.position != rule.position {
            return Err(other_rule(&known.rule));
        }
        // The aggregate makes the id of an offboarding.
        let via = Via::new(connector.clone(), Arc::clone(rule), OffboardingId(Uuid::nil()));
        let via = Via { gone: self.workspace(workspace).await?.state.gone(), ..via };
        Ok(InForce { app: self, subject, portal: known.portal, via })
    }

    /// Goes through everybody, and does what the rule asks for, with `done_with` as what is recorded; without
    /// that it only counts.
    async fn reach_everybody(
        &self,
        subject: &Subject,
        rule: &Arc<Rule>,
        done_with: Option<&Meta>,
        running: &Running<Reached>,
    ) -> Result<(), Refusal> {
        let mut after = 0;
        loop {
            let stretch = self.stretch();
            let people = self.people_behind(subject, &mut after).await?;
            if people.is_empty() {
                break;
            }
            let it = self.in_force(subject, rule).await?;
            let reach = |user| it.reach(user, done_with);
            let mut reached = stream::iter(people).map(reach).buffer_unordered(AT_ONCE);
            while let Some(found) = reached.next().await {
                let (outcome, devices) = found?;
                running.note(|reached| reached.add(outcome, devices));
            }
            self.rest(stretch).await;
        }
        running.complete();
        Ok(())
    }
}

impl InForce<'_> {
    async fn would_do(&self, id: UserId) -> Result<Option<WouldDo>, Refusal> {
        let workspace = &self.subject.workspace;
        let user = self.app.users.load(workspace, id.0).await?;
        let Some(outcome) = user.state.would(&self.via) else { return Ok(None) };
        let devices = match outcome {
            Outcome::Offboarded { .. } if self.portal == Portal::Mdm => {
                let models = &self.app.read_models;
                models.caught_up(projections::mdm::NAME, workspace).await?;
                models.devices().of_user(workspace, id)?.len()
            }
            Outcome::Offboarded { .. } | Outcome::Granted { .. } => 0,
        };
        let user_name = user.state.account.user_name.clone();
        let devices = u64::try_from(devices).unwrap_or(u64::MAX);
        Ok(Some(WouldDo { id, user_name, outcome, devices }))
    }

    /// What is done to somebody, or would be, and to how many devices it would be.
    async fn reach(
        &self,
        id: UserId,
        done_with: Option<&Meta>,
    ) -> Result<(Option<Outcome>, u64), Refusal> {
        if let Some(meta) = done_with {
            return Ok((self.apply(id, meta).await?, 0));
        }
        let found = self.would_do(id).await?;
        Ok(found.map_or((None, 0), |found| (Some(found.outcome), found.devices)))
    }

    async fn apply(&self, id: UserId, meta: &Meta) -> Result<Option<Outcome>, Refusal> {
        let command = UserCommand::ApplyRule { via: self.via.clone() };
        let (workspace, meta) = (self.subject.workspace.clone(), meta.clone());
        let order = Order { workspace, id: id.0, command, meta };
        let done = self.app.users.dispatch(order).await?;
        Ok(done.receipt.and_then(|_| Outcome::shown_by(&done.es.state)))
    }
}

fn other_rule(rule: &Rule) -> Refusal {
    let position = rule.position;
    Refusal::State(format!(
        "the rule was changed: the one in force has the position {position}; ask what it would do first"
    ))
}

fn ended(subject: &Subject, running: &Running<Reached>, result: &Result<(), Refusal>, says: &str) {
    let Subject { workspace, connector } = subject;
    match result {
        Ok(()) => {}
        // A person has decided; it is no failure of the server.
        Err(Refusal::State(_)) => {
            running.fail("the rule was changed on the way: look at what the new one would do");
        }
        Err(Refusal::NotFound(_)) => {
            running.fail("the connector, or its workspace, is not there any more");
        }
        Err(error) => {
            running.fail("the server failed: its log says why; ask for it again");
            tracing::error!(%workspace, %connector, %error, "{says}");
        }
    }
}
