//! `/workspaces/{ws}/effects`: what is owed to devices, what became of it, and what a person makes
//! of it (rule 24).

use actix_web::{http::Method, web::Json};
use app::{App, Person};
use domain::{admin_role::AdminRole, device::ActionState, ids::ActionId, offboarding::ActionKind};
use event_log::WorkspaceId;
use projections::effects::ActionRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Part, page},
    ask::{Id, Inside},
    body::Body,
    endpoint::Endpoint,
    moment,
    params::{Params, choice},
    words,
};

/// All that an action can have come to.
const STATES: [ActionState; 8] = [
    ActionState::Requested,
    ActionState::Sent,
    ActionState::Acknowledged,
    ActionState::Confirmed,
    ActionState::Failed,
    ActionState::Parked,
    ActionState::Cancelled,
    ActionState::GivenUp,
];

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let (all, one) = ("/workspaces/{ws}/effects", "/workspaces/{ws}/effects/{id}");
    vec![
        Endpoint::new(
            Method::GET,
            all,
            "List the device actions, in the order of their requests",
            list,
        )
        .param("state", "Only those that have come so far")
        .parts::<Effect>()
        .goes_back(),
        Endpoint::new(Method::GET, one, "Get a device action", get).shows::<Effect>().goes_back(),
        Endpoint::new(Method::POST, format!("{one}/retry"), "Have it tried again", retry)
            .may_take::<Reason>()
            .shows::<Effect>()
            .refuses(409, "It did not fail and is not parked; the detail says what can be done"),
        Endpoint::new(Method::POST, format!("{one}/cancel"), "Take it back", cancel)
            .may_take::<Reason>()
            .shows::<Effect>()
            .refuses(409, "The MDM service may have it, or it has ended; the detail says which"),
        Endpoint::new(
            Method::POST,
            format!("{one}/give-up"),
            "Wait for it no longer, whatever the MDM service does",
            give_up,
        )
        .takes::<GivenReason>()
        .shows::<Effect>()
        .refuses(409, "It was not sent, or has ended; the detail says which"),
    ]
}

/// Why a person does it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// In their words; at most 500 characters.
    reason: Option<String>,
}

/// Why a person does it; it has to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GivenReason {
    /// In their words; at most 500 characters.
    reason: String,
}

/// One thing owed to one device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Effect {
    /// Also the idempotency key toward the MDM service.
    #[schema(schema_with = words::id)]
    id: String,
    /// The id of the offboarding that calls for it.
    #[schema(schema_with = words::id)]
    offboarding: String,
    /// The id of the person it is about.
    #[schema(schema_with = words::id)]
    user: String,
    /// The id of the device.
    #[schema(schema_with = words::id)]
    device: String,
    /// What is to be done.
    #[schema(schema_with = words::action)]
    action: &'static str,
    /// The id of the policy, for `change_policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// How far it has come.
    #[schema(schema_with = words::effect_state)]
    state: ActionState,
    /// How often it was sent.
    attempts: u32,
    /// Whether the MDM service may have had it: it was acknowledged, or an answer was lost. It cannot
    /// be cancelled then.
    received: bool,
    /// Why it failed, was parked, cancelled, retried or given up, where that was said. Operators are shown
    /// what the MDM service said, and not what a person typed.
    reason: Option<String>,
    #[schema(schema_with = words::time)]
    requested_at: String,
    /// Whether it waits until a person resumes deliveries, as after a restore.
    suspended: bool,
    /// When it is to be sent next; null when it is not.
    due_at: Option<String>,
    /// The correlation id of the request that began all this.
    correlation: String,
}

impl Effect {
    /// Shows an action of a workspace in which deliveries are suspended, or go on. What a service has
    /// said may be shown to whoever looks after it; what a person has typed may name somebody.
    pub(crate) fn show(row: ActionRow, to: AdminRole, suspended: bool) -> Self {
        let by_the_service = matches!(row.state, ActionState::Failed | ActionState::Parked);
        let reason = row.reason.filter(|_| by_the_service || to.sees_people());
        let ended = matches!(
            row.state,
            ActionState::Confirmed | ActionState::Cancelled | ActionState::GivenUp
        );
        let policy = match row.kind {
            ActionKind::ChangePolicy { policy } => Some(policy.to_string()),
            ActionKind::Unassign | ActionKind::Remove => None,
        };
        Self {
            id: row.id.to_string(),
            offboarding: row.offboarding.to_string(),
            user: row.user.to_string(),
            device: row.device.to_string(),
            action: row.kind.as_str(),
            policy,
            state: row.state,
            attempts: row.attempts,
            received: row.received,
            reason,
            suspended: suspended && !ended,
            requested_at: moment::show(row.requested_at),
            due_at: row.due_at.map(moment::show),
            correlation: row.correlation,
        }
    }
}

async fn list(inside: Inside, params: Params) -> Part<Effect> {
    let state = choice(&params, "state", &STATES, ActionState::as_str)?;
    let listed = inside.app.list_effects(&inside.workspace, state, &params.listing()?).await?;
    let suspended = inside.app.suspension(&inside.workspace).await?.is_some();
    Ok(page(listed, |row| Effect::show(row, inside.person.role, suspended)))
}

async fn get(inside: Inside, id: Id<ActionId>) -> Answer<Effect> {
    let Inside { app, person, workspace } = inside;
    let row = app.effect(&workspace, id.0).await?;
    shown(&app, &person, &workspace, row).await
}

async fn retry(inside: Inside, id: Id<ActionId>, body: Body<Reason>) -> Answer<Effect> {
    let Inside { app, person, workspace } = inside;
    let reason = body.0.reason;
    let row = app.retry_effect(&person, &workspace, id.0, reason.as_deref()).await?;
    shown(&app, &person, &workspace, row).await
}

async fn cancel(inside: Inside, id: Id<ActionId>, body: Body<Reason>) -> Answer<Effect> {
    let Inside { app, person, workspace } = inside;
    let reason = body.0.reason;
    let row = app.cancel_effect(&person, &workspace, id.0, reason.as_deref()).await?;
    shown(&app, &person, &workspace, row).await
}

async fn give_up(inside: Inside, id: Id<ActionId>, body: Body<GivenReason>) -> Answer<Effect> {
    let Inside { app, person, workspace } = inside;
    let row = app.give_up_effect(&person, &workspace, id.0, &body.0.reason).await?;
    shown(&app, &person, &workspace, row).await
}

async fn shown(
    app: &App,
    person: &Person,
    workspace: &WorkspaceId,
    row: ActionRow,
) -> Answer<Effect> {
    let suspended = app.suspension(workspace).await?.is_some();
    Ok(Json(Effect::show(row, person.role, suspended)))
}
