//! `/workspaces/{ws}/holds`: offboardings that wait for a person's decision (rules 10 and 27).

use actix_web::{http::Method, web::Json};
use app::admin::holds::{Decision, HeldPerson, HoldView};
use domain::{
    ids::HoldId,
    offboarding::{HeldBecause, Limit},
};
use projections::effects::OffboardingState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::{Answer, Part, page},
    ask::{Id, Inside},
    body::Body,
    endpoint::Endpoint,
    moment, offboardings,
    params::{Params, choice},
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let (all, one) = ("/workspaces/{ws}/holds", "/workspaces/{ws}/holds/{id}");
    let users = "/workspaces/{ws}/holds/{id}/users";
    let (approve, undo) =
        ("/workspaces/{ws}/holds/{id}/approve", "/workspaces/{ws}/holds/{id}/undo");
    let late = "Somebody is not in the hold, it is too late to decide, nobody waits, or the last Owner would go; \
                the detail says which";
    vec![
        Endpoint::new(Method::GET, all, "List the holds, the last one first", list)
            .param("state", "Only those that are `open`, or `decided`")
            .parts::<Hold>()
            .goes_back(),
        Endpoint::new(Method::GET, one, "Get a hold", get).shows::<Hold>().goes_back(),
        Endpoint::new(Method::GET, users, "List whom a hold is about", people)
            .param("state", "How far their offboarding has come: `held` unless said")
            .parts::<Held>()
            .goes_back(),
        Endpoint::new(Method::POST, approve, "Let offboardings that are held go on", accept)
            .may_take::<Whom>()
            .shows::<Hold>()
            .refuses(409, late),
        Endpoint::new(
            Method::POST,
            undo,
            "Take offboardings back: cancelled, and the accounts open again",
            take_back,
        )
        .may_take::<Whom>()
        .shows::<Hold>()
        .refuses(409, late),
    ]
}

/// Offboardings of one connector that wait, or waited, for a decision together.
#[derive(Debug, Serialize, ToSchema)]
struct Hold {
    #[schema(schema_with = words::id)]
    id: String,
    /// `open` while somebody is held.
    #[schema(schema_with = words::hold_state)]
    state: &'static str,
    /// `brake`: the connector offboards more people than its brake lets pass. `owner`: SCIM removes no
    /// Owner.
    #[schema(schema_with = words::held_because)]
    because: &'static str,
    /// The same in words, with the limit.
    detail: String,
    /// The slug of the connector whose rule they carry out.
    connector: String,
    #[schema(schema_with = words::time)]
    opened_at: String,
    /// How many people it is about, by how far they have come.
    people: People,
}

/// How many people of a hold have come how far.
#[derive(Debug, Default, Serialize, ToSchema)]
struct People {
    /// They wait for a decision.
    held: u64,
    /// Approved, and under way.
    started: u64,
    /// Approved, and done.
    completed: u64,
    /// Undone, or active again.
    cancelled: u64,
}

/// Somebody in a hold.
#[derive(Debug, Serialize, ToSchema)]
struct Held {
    /// The id of the person.
    #[schema(schema_with = words::id)]
    user: String,
    /// How they sign in.
    user_name: String,
    /// The id of their offboarding.
    #[schema(schema_with = words::id)]
    offboarding: String,
    /// How far it has come.
    #[schema(schema_with = words::offboarding_state)]
    state: OffboardingState,
}

/// About whom is decided.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Whom {
    /// Their ids, or the SCIM ids of their entries; without it, all that wait.
    #[serde(default)]
    users: Option<Vec<Uuid>>,
}

impl From<HoldView> for Hold {
    fn from(HoldView { row, people: decided }: HoldView) -> Self {
        let mut people = People::default();
        for (state, count) in decided {
            match state {
                OffboardingState::Held => people.held = count,
                OffboardingState::Started => people.started = count,
                OffboardingState::Completed => people.completed = count,
                OffboardingState::Cancelled => people.cancelled = count,
            }
        }
        let because = match row.because {
            HeldBecause::Owner => "owner",
            HeldBecause::Brake(_) => "brake",
        };
        Self {
            id: row.id.to_string(),
            state: if row.held > 0 { "open" } else { "decided" },
            because,
            detail: detail(row.because),
            connector: row.connector.to_string(),
            opened_at: moment::show(row.opened_at),
            people,
        }
    }
}

/// Why, as an administrator reads it.
fn detail(because: HeldBecause) -> String {
    let Limit { people, of, window_minutes } = match because {
        HeldBecause::Owner => {
            return "the collaborator is an Owner, whom SCIM neither suspends nor removes"
                .to_owned();
        }
        HeldBecause::Brake(limit) => limit,
    };
    let share = of.map(|of| format!(" of the {of} it had")).unwrap_or_default();
    format!(
        "the connector offboards more than {people} people{share} within {window_minutes} minutes; \
         accounts are suspended, and nothing is removed before somebody approves"
    )
}

impl From<HeldPerson> for Held {
    fn from(HeldPerson { user, user_name, offboarding }: HeldPerson) -> Self {
        Self {
            user: user.to_string(),
            user_name,
            offboarding: offboarding.id.to_string(),
            state: offboarding.state,
        }
    }
}

async fn list(inside: Inside, params: Params) -> Part<Hold> {
    let states = [true, false];
    let open = choice(&params, "state", &states, |open| if open { "open" } else { "decided" })?;
    let listed = inside.app.list_holds(&inside.workspace, open, &params.listing()?).await?;
    Ok(page(listed, Hold::from))
}

async fn get(inside: Inside, id: Id<HoldId>) -> Answer<Hold> {
    Ok(Json(inside.app.hold(&inside.workspace, id.0).await?.into()))
}

async fn people(inside: Inside, id: Id<HoldId>, params: Params) -> Part<Held> {
    let Inside { app, workspace, .. } = inside;
    let state = choice(&params, "state", &offboardings::STATES, OffboardingState::as_str)?;
    let state = state.unwrap_or(OffboardingState::Held);
    let listed = app.held_people(&workspace, id.0, state, &params.listing()?).await?;
    Ok(page(listed, Held::from))
}

async fn accept(inside: Inside, id: Id<HoldId>, body: Body<Whom>) -> Answer<Hold> {
    decide(inside, id, body, Decision::Approve).await
}

async fn take_back(inside: Inside, id: Id<HoldId>, body: Body<Whom>) -> Answer<Hold> {
    decide(inside, id, body, Decision::Undo).await
}

async fn decide(
    inside: Inside,
    id: Id<HoldId>,
    Body(Whom { users }): Body<Whom>,
    decision: Decision,
) -> Answer<Hold> {
    let Inside { app, person, workspace } = inside;
    if users.as_ref().is_some_and(Vec::is_empty) {
        let none = "names nobody; leave it out to decide about all that wait";
        return Err(Refused::parameter("users", none));
    }
    Ok(Json(app.decide_hold(&person, &workspace, id.0, users, decision).await?.into()))
}
