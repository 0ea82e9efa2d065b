//! `/workspaces/{ws}/people/{id}/timeline` and `/workspaces/{ws}/why`: what happened to somebody, and why
//! something is as it is.

use actix_web::{http::Method, web::Json};
use app::history::{Timeline, Told, Why, WhyOf};
use domain::{ids::ActionId, portal::Portal};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::Answer,
    ask::{Id, Inside},
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    provisioning_log::LogEntry,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let told = "List what happened to a person, and what was about them, in order and in sentences";
    vec![
        Endpoint::new(Method::GET, "/workspaces/{ws}/people/{id}/timeline", told, timeline)
            .param("after", "Only what stands after this position")
            .param("limit", "How many at most: 100 unless said, 1,000 at most")
            .shows::<ShownTimeline>(),
        Endpoint::new(
            Method::GET,
            "/workspaces/{ws}/why",
            "Say why something is so: of just one of these, from what made it so back to the request",
            why,
        )
        .param("position", "Of the event at this position")
        .param("account", "Of the account of this person, or of their having none")
        .param("role", "Of the role of this collaborator")
        .param("effect", "Of what became of this device action, such as a wipe")
        .shows::<ShownWhy>(),
    ]
}

/// A part of what happened to a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Timeline)]
struct ShownTimeline {
    /// The id of the person.
    #[schema(schema_with = words::id)]
    user: String,
    #[schema(schema_with = words::portal)]
    portal: Portal,
    /// The ids of the other persons of the same userName in this portal: whoever is removed and brought again
    /// is another person, with a timeline of their own.
    same_user_name: Vec<String>,
    /// In order.
    items: Vec<ShownTold>,
    /// The `after` with which to go on; null after the last part.
    next: Option<u64>,
}

/// An event, told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Told)]
struct ShownTold {
    /// Its place in the record.
    position: u64,
    #[schema(schema_with = words::time)]
    time: String,
    /// Who did it, by id: a connector with its token, a person, a policy.
    actor: String,
    /// What happened, in a sentence; "they" are the person. The words are for people, and may change.
    says: String,
    /// To whom or what it happened: kind and id.
    stream: String,
    r#type: String,
    /// The position of the event that caused it.
    causation: Option<u64>,
    /// The same from a request to the last of its effects.
    correlation: String,
}

/// Why something is so.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Why)]
struct ShownWhy {
    /// In a sentence.
    because: String,
    /// From the event that made it so, back to the first one that the request recorded.
    steps: Vec<ShownTold>,
    /// The request of an identity provider, as long as the provisioning log has it; null for what a person
    /// asked for.
    #[schema(value_type = Option<LogEntry>)]
    request: Option<LogEntry>,
}

impl From<Told> for ShownTold {
    fn from(Told { event, says }: Told) -> Self {
        Self {
            position: event.position,
            time: moment::show(event.time),
            actor: event.meta.actor.to_string(),
            says,
            stream: event.stream.to_string(),
            r#type: event.name.to_string(),
            causation: event.meta.causation,
            correlation: event.meta.correlation.clone(),
        }
    }
}

async fn timeline(inside: Inside, id: Id<Uuid>, params: Params) -> Answer<ShownTimeline> {
    let Inside { app, workspace, .. } = inside;
    let after = params.position("after")?.unwrap_or_default();
    let found = app.timeline(&workspace, id.0, after, params.limit()?).await?;
    let Timeline { user, portal, namesakes, items, next } = found;
    let same_user_name = namesakes.iter().map(ToString::to_string).collect();
    let items = items.into_iter().map(ShownTold::from).collect();
    Ok(Json(ShownTimeline { user: user.to_string(), portal, same_user_name, items, next }))
}

async fn why(inside: Inside, params: Params) -> Answer<ShownWhy> {
    let Inside { app, workspace, .. } = inside;
    let Why { because, steps, request } = app.why(&workspace, asked(&params)?).await?;
    let steps = steps.into_iter().map(ShownTold::from).collect();
    Ok(Json(ShownWhy { because, steps, request: request.map(LogEntry::from) }))
}

/// What is asked about: just one thing.
fn asked(params: &Params) -> Result<WhyOf, Refused> {
    let given = [
        params.position("position")?.map(WhyOf::Position),
        params.id("account")?.map(WhyOf::Account),
        params.id("role")?.map(WhyOf::Role),
        params.id::<ActionId>("effect")?.map(WhyOf::Effect),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(of), None) => Ok(of),
        _ => Err(Refused::parameter(
            "position",
            "say just one of position, account, role and effect",
        )),
    }
}
