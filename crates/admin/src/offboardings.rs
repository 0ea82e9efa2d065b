//! `/workspaces/{ws}/offboardings` (rules 24 and 25).

use actix_web::{http::Method, web::Json};
use app::admin::offboardings::OffboardingView;
use domain::{admin_role::AdminRole, ids::OffboardingId, portal::Portal, rule::OnDeactivate};
use projections::effects::{OffboardingRow, OffboardingState};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::{Answer, Part, page},
    ask::{Id, Inside},
    effects::Effect,
    endpoint::Endpoint,
    moment,
    params::{Params, choice},
    words,
};

/// All that an offboarding can have come to.
pub(crate) const STATES: [OffboardingState; 4] = [
    OffboardingState::Started,
    OffboardingState::Held,
    OffboardingState::Completed,
    OffboardingState::Cancelled,
];

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let (all, one) = ("/workspaces/{ws}/offboardings", "/workspaces/{ws}/offboardings/{id}");
    vec![
        Endpoint::new(Method::GET, all, "List the offboardings, the last one first", list)
            .param("state", "Only those that have come so far")
            .param(
                "user",
                "Only of this person, by their id or the SCIM id of one of their entries",
            )
            .parts::<Offboarding>()
            .goes_back(),
        Endpoint::new(Method::GET, one, "Get an offboarding", get)
            .shows::<Offboarding>()
            .goes_back(),
    ]
}

/// What a deactivation opened.
#[derive(Debug, Serialize, ToSchema)]
struct Offboarding {
    #[schema(schema_with = words::id)]
    id: String,
    /// The id of the person.
    #[schema(schema_with = words::id)]
    user: String,
    #[schema(value_type = Option<String>)]
    portal: Option<Portal>,
    /// The slug of the connector whose rule it carries out.
    connector: String,
    /// The rule, as it was when it began.
    #[schema(schema_with = words::on_deactivate)]
    rule: OnDeactivate,
    /// The id of the policy that devices get, for `change_policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// How far it has come.
    #[schema(schema_with = words::offboarding_state)]
    state: OffboardingState,
    /// How many of its actions have ended: the n of "n of m".
    done: u64,
    /// How many actions it called for: the m.
    total: u64,
    #[schema(schema_with = words::time)]
    started_at: String,
    /// When it was completed or cancelled.
    ended_at: Option<String>,
    /// The id of the hold in which it waits or waited for a decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    /// Why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::cancelled_because)]
    cancelled_because: Option<String>,
    /// One for each device.
    actions: Vec<Effect>,
}

impl Offboarding {
    /// Shows an offboarding of a workspace in which deliveries are suspended, or go on.
    fn show(view: OffboardingView, to: AdminRole, suspended: bool) -> Self {
        let OffboardingView { row, actions } = view;
        let OffboardingRow { id, user, portal, connector, rule, policy, state, .. } = row;
        Self {
            id: id.to_string(),
            user: user.to_string(),
            portal,
            connector: connector.to_string(),
            rule,
            policy: policy.map(|policy| policy.to_string()),
            state,
            done: row.ended,
            total: row.planned,
            started_at: moment::show(row.started_at),
            ended_at: row.ended_at.map(moment::show),
            hold: row.hold.map(|hold| hold.to_string()),
            cancelled_because: row.cancelled,
            actions: actions.into_iter().map(|row| Effect::show(row, to, suspended)).collect(),
        }
    }
}

async fn list(inside: Inside, params: Params) -> Part<Offboarding> {
    let Inside { app, person, workspace } = inside;
    let state = choice(&params, "state", &STATES, OffboardingState::as_str)?;
    let user = params.id::<Uuid>("user")?;
    let listed = app.list_offboardings(&workspace, state, user, &params.listing()?).await?;
    let suspended = app.suspension(&workspace).await?.is_some();
    Ok(page(listed, |view| Offboarding::show(view, person.role, suspended)))
}

async fn get(inside: Inside, id: Id<OffboardingId>) -> Answer<Offboarding> {
    let Inside { app, person, workspace } = inside;
    let view = app.offboarding(&workspace, id.0).await?;
    let suspended = app.suspension(&workspace).await?.is_some();
    Ok(Json(Offboarding::show(view, person.role, suspended)))
}
