//! Why something is as it is: from the event that made it so back to the request that began it.
//!
//! Each event names the one that caused it; the first of them was recorded by a request, which the
//! provisioning log tells of while it is kept. Of what a request recorded at once, what it recorded before
//! in the same stream belongs to the answer: somebody was deactivated, and so an offboarding began.
//!
//! A policy names what it looked because of, which need not be what it found: one that comes late to a new
//! account finds a group that came meanwhile. So of a role that a group gave, the answer goes on with the
//! person's coming into that group, if that lies between.

use domain::{
    Decider,
    device::Device,
    group::Group,
    ids::{ActionId, UserId},
    stored,
    user::{AccountState, User, UserEvent, event::RoleReason},
};
use event_log::{EventFilter, Payload, StoredEvent, StreamId, WorkspaceId};
use projections::timeline;
use serde_json::Value;
use uuid::Uuid;

use super::told::{Names, Told};
use crate::{
    App, Refusal,
    admin::{
        page::Listing,
        provisioning_log::{LogQuery, Logged},
    },
};

/// What a role is recorded as.
const ROLE_CHANGED: &str = "user.role_changed";
/// How many steps a chain has at most. Chains in Muster have a handful.
const STEPS_MAX: usize = 100;
/// How many events before the first of a chain may be of the same request.
const SAME_REQUEST_MAX: u64 = 20;
/// How many events about somebody are looked at to find how they came into a group.
const LOOKED_AT_MAX: usize = 10_000;
/// How many events of a stream are read at a time.
const CHUNK: usize = 1_000;
/// How many requests with one correlation id are looked at.
const REQUESTS_MAX: usize = 200;

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub enum WhyOf {
    /// The event at a position.
    Position(u64),
    /// The account of a person: that they have one, or have none.
    Account(Uuid),
    /// The role of a collaborator.
    Role(Uuid),
    /// What became of a device action, or what called for it.
    Effect(ActionId),
}

/// Why it is so.
#[derive(Clone, Debug)]
pub struct Why {
    /// In a sentence.
    pub because: String,
    /// From the event that made it so, back to the first one that the request recorded.
    pub steps: Vec<Told>,
    /// The request, if it was an identity provider's and the provisioning log still has it.
    pub request: Option<Logged>,
}

impl App {
    /// Why something is as it is.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is nothing that could have a reason.
    pub async fn why(&self, workspace: &WorkspaceId, of: WhyOf) -> Result<Why, Refusal> {
        self.followed(workspace).await;
        let (last, about, because) = match of {
            WhyOf::Position(position) => (self.event_at(workspace, position).await?, None, None),
            WhyOf::Account(id) => self.decided_account(workspace, id).await?,
            WhyOf::Role(id) => self.decided_role(workspace, id).await?,
            WhyOf::Effect(id) => (self.last_of_effect(workspace, id).await?, None, None),
        };
        let mut names = Names::default();
        let mut steps = vec![self.tell(last, about, &mut names).await?];
        while let Some(earlier) = self.cause(workspace, &steps).await? {
            steps.push(self.tell(earlier, about, &mut names).await?);
        }
        let because = because.unwrap_or_else(|| steps[0].says.clone());
        let request = self.request_of(workspace, &steps).await?;
        Ok(Why { because, steps, request })
    }

    /// The event before the last step: the one that caused it, else what the same request had recorded just
    /// before it in the same stream.
    async fn cause(
        &self,
        workspace: &WorkspaceId,
        steps: &[Told],
    ) -> Result<Option<StoredEvent>, Refusal> {
        let Some(Told { event: last, .. }) = steps.last() else { return Ok(None) };
        if steps.len() >= STEPS_MAX {
            return Ok(None);
        }
        if let Some(joined) = self.joined_meanwhile(workspace, last).await? {
            return Ok(Some(joined));
        }
        if let Some(cause) = last.meta.causation {
            // A cause lies before what it caused; anything else would go round in a circle.
            let is_before = cause > 0 && cause < last.position;
            return if is_before {
                self.event_at(workspace, cause).await.map(Some)
            } else {
                Ok(None)
            };
        }
        if last.meta.request.is_none() {
            return Ok(None);
        }
        let after = last.position.saturating_sub(SAME_REQUEST_MAX + 1);
        let count = usize::try_from(last.position - after - 1).unwrap_or_default();
        let before = self.log.read(workspace, after, count).await?;
        let same = |event: &StoredEvent| {
            event.meta.request == last.meta.request && event.stream == last.stream
        };
        Ok(before.into_iter().rev().find(same))
    }

    /// How somebody came into the group that gave them a role, if that was after what the role names as its
    /// cause.
    async fn joined_meanwhile(
        &self,
        workspace: &WorkspaceId,
        role: &StoredEvent,
    ) -> Result<Option<StoredEvent>, Refusal> {
        let (Payload::Plain(payload), Some(cause)) = (&role.payload, role.meta.causation) else {
            return Ok(None);
        };
        if role.name != ROLE_CHANGED {
            return Ok(None);
        }
        let fact = stored::decode(&role.name, role.schema_version, payload);
        let Ok(UserEvent::RoleChanged { why: RoleReason::Group { group }, .. }) = fact else {
            return Ok(None);
        };
        self.read_models.followed(timeline::NAME, workspace).await?;
        let span = (cause, role.position - 1);
        let user = UserId(role.stream.id);
        let (about, _) = self.about(workspace, user, span, LOOKED_AT_MAX).await?;
        let group = StreamId::new(Group::KIND, group.0);
        let joins = |event: &StoredEvent| {
            event.stream == group
                && ["group.members_added", "group.pending_resolved"].contains(&event.name.as_str())
        };
        Ok(about.into_iter().rev().find(joins))
    }

    /// The request that recorded the first event, as the provisioning log has it.
    async fn request_of(
        &self,
        workspace: &WorkspaceId,
        steps: &[Told],
    ) -> Result<Option<Logged>, Refusal> {
        let Some(Told { event: first, .. }) = steps.last() else { return Ok(None) };
        let Some(request) = &first.meta.request else { return Ok(None) };
        let correlation = Some(first.meta.correlation.clone());
        let query = LogQuery { correlation, ..LogQuery::default() };
        let listing = Listing { q: None, limit: REQUESTS_MAX, cursor: None };
        let found = self.provisioning_log(workspace, query, &listing).await?.items;
        let covers = |logged: &&Logged| {
            let positions = logged.entry.positions;
            positions.is_some_and(|(from, to)| (from..=to).contains(&first.position))
        };
        let mut same: Vec<_> =
            found.into_iter().filter(|it| it.entry.request == *request).collect();
        // A bulk request has an entry for each of its operations.
        let index = same.iter().position(|it| covers(&it)).unwrap_or_default();
        Ok((index < same.len()).then(|| same.swap_remove(index)))
    }

    /// What decided whether somebody has an account.
    async fn decided_account(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
    ) -> Result<(StoredEvent, Option<UserId>, Option<String>), Refusal> {
        let found = self.person_of(workspace, id).await?;
        let (user, es) = found.ok_or_else(|| Refusal::NotFound("person".to_owned()))?;
        let state = es.state.account.state;
        let names = [
            "user.account_granted",
            "user.account_invited",
            "user.account_suspended",
            "user.account_restored",
            "user.account_removed",
        ];
        if let Some(last) = self.last_named(workspace, user, &names).await? {
            return Ok((last, Some(user), Some(format!("their account is {}", state.as_str()))));
        }
        let brought = ["user.entry_added", "user.entry_reactivated"];
        let last = self.last_named(workspace, user, &brought).await?;
        let last = last.ok_or_else(|| Refusal::NotFound("a reason".to_owned()))?;
        let rule = last.meta.rule.as_deref().and_then(|rule| serde_json::from_str(rule).ok());
        let because = none_by_rule(rule.as_ref().unwrap_or(&Value::Null));
        let because = (state == AccountState::None).then_some(because);
        Ok((last, Some(user), because))
    }

    /// What decided which role somebody has.
    async fn decided_role(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
    ) -> Result<(StoredEvent, Option<UserId>, Option<String>), Refusal> {
        let found = self.person_of(workspace, id).await?;
        let (user, es) = found.ok_or_else(|| Refusal::NotFound("person".to_owned()))?;
        let none = || Refusal::NotFound("a role of that person".to_owned());
        let role = es.state.account.role.ok_or_else(none)?;
        let names = ["user.role_changed", "user.account_granted", "user.account_invited"];
        let last = self.last_named(workspace, user, &names).await?.ok_or_else(none)?;
        Ok((last, Some(user), Some(format!("their role is {}", role.as_str()))))
    }

    /// The last event of a user with one of these names.
    async fn last_named(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        names: &[&str],
    ) -> Result<Option<StoredEvent>, Refusal> {
        let mut last: Option<StoredEvent> = None;
        for name in names {
            let stream = StreamId::new(User::KIND, user.0);
            let found = self.last_in(workspace, stream, Some(name), 0, |_| true).await?;
            last = last.into_iter().chain(found).max_by_key(|event| event.position);
        }
        Ok(last)
    }

    /// The last event of a stream behind a position, of one name or of any, that is meant.
    async fn last_in(
        &self,
        workspace: &WorkspaceId,
        stream: StreamId,
        name: Option<&str>,
        mut after: u64,
        is_meant: impl Fn(&StoredEvent) -> bool,
    ) -> Result<Option<StoredEvent>, Refusal> {
        let name = name.map(Into::into);
        let filter = EventFilter { stream: Some(stream), name, ..EventFilter::default() };
        let mut last = None;
        loop {
            let found = self.log.find(workspace, &filter, after, CHUNK).await?;
            let Some(end) = found.last().map(|event| event.position) else { return Ok(last) };
            after = end;
            last = found.into_iter().rev().find(&is_meant).or(last);
        }
    }

    /// The last event of a device action.
    async fn last_of_effect(
        &self,
        workspace: &WorkspaceId,
        id: ActionId,
    ) -> Result<StoredEvent, Refusal> {
        let row = self.effect(workspace, id).await?;
        let stream = StreamId::new(Device::KIND, row.device.0);
        let wanted = Value::from(id.to_string());
        let is_of = |event: &StoredEvent| match &event.payload {
            Payload::Plain(bytes) => serde_json::from_slice::<Value>(bytes)
                .is_ok_and(|data| data.get("action") == Some(&wanted)),
            Payload::Erased | Payload::Missing { .. } | Payload::Damaged { .. } => false,
        };
        match self.last_in(workspace, stream, None, row.position, is_of).await? {
            Some(event) => Ok(event),
            None => self.event_at(workspace, row.position).await,
        }
    }
}

/// Why a rule gave nobody an account.
fn none_by_rule(rule: &Value) -> String {
    match (rule["on_create"].as_str(), rule["position"].as_u64()) {
        (Some("create"), _) => {
            "they have no account: when they came, they were not active".to_owned()
        }
        (_, Some(position)) => format!(
            "they have no account: the connector's rule when they came was to create none (set at \
             position {position})"
        ),
        _ => "they have no account: the connector's rule when they came was to create none"
            .to_owned(),
    }
}
