//! `/workspaces/{ws}/provisioning-log`: what identity providers asked for, and what came of it (rule 33).

use actix_web::{http::Method, web::Json};
use app::admin::{
    page::Listed,
    provisioning_log::{Detailed, LogQuery, Logged, entry_id},
};
use domain::Micros;
use event_log::{
    StoredEvent,
    journal::{Action, Cycle, Outcome, Rejections, Resource},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Part, page},
    ask::{Inside, Kept, OfConnector, OfEntry},
    body::Body,
    endpoint::Endpoint,
    moment,
    params::{Params, choice},
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let all = "/workspaces/{ws}/provisioning-log";
    let of_connector = "/workspaces/{ws}/connectors/{connector}/provisioning-log";
    let entries = Endpoint::new(Method::GET, all, "List the requests of identity providers", list)
        .param("q", "About this SCIM id, or whoever has exactly this userName or displayName")
        .param("action", "Only what asks for this")
        .param("outcome", "Only what came out so")
        .param("status", "Only with this HTTP status, such as `412`, or of this class: `4xx`")
        .param("subject", "Only about the resource with this SCIM id")
        .param("correlation", "Only with this correlation id");
    let cycles = format!("{all}/cycles");
    let cycles =
        Endpoint::new(Method::GET, cycles, "List the cycles that requests came in", list_cycles);
    vec![
        in_time(entries).parts::<LogEntry>(),
        in_time(cycles).parts::<LogCycle>(),
        Endpoint::new(
            Method::GET,
            format!("{all}/rejections"),
            "List how often requests were not authenticated",
            rejections,
        )
        .shows_all::<Rejection>(),
        Endpoint::new(Method::GET, format!("{all}/settings"), "Get how long it is kept", settings)
            .shows::<LogSettings>(),
        Endpoint::new(Method::PUT, format!("{all}/settings"), "Say how long it is kept", keep)
            .takes::<LogSettings>()
            .shows::<LogSettings>(),
        Endpoint::new(Method::GET, format!("{all}/{{entry}}"), "Get a request of the log", get)
            .shows::<LogEntry>(),
        Endpoint::new(
            Method::GET,
            of_connector,
            "Get until when the bodies of a connector's requests are kept",
            bodies,
        )
        .shows::<BodySettings>(),
        Endpoint::new(
            Method::PUT,
            of_connector,
            "Keep the bodies of a connector's requests, sealed, until then",
            keep_bodies,
        )
        .takes::<BodySettings>()
        .shows::<BodySettings>(),
    ]
}

fn in_time(endpoint: Endpoint) -> Endpoint {
    endpoint
        .param("connector", "Only of this connector; removed ones have a log too")
        .param("from", "Not before this RFC 3339 time")
        .param("to", "Not after this RFC 3339 time")
}

/// A request of an identity provider, or one operation of a bulk request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogEntry {
    id: String,
    /// When it was answered.
    #[schema(schema_with = words::time)]
    time: String,
    connector: String,
    /// The id of the token.
    #[schema(schema_with = words::id)]
    token: String,
    /// What it asks for.
    #[schema(schema_with = words::log_action)]
    action: &'static str,
    /// What came of it.
    #[schema(schema_with = words::log_outcome)]
    outcome: &'static str,
    /// What it is about, where it is about one thing.
    resource: Option<&'static str>,
    /// The SCIM id of that.
    subject: Option<String>,
    /// The userName or displayName that the subject has now; null once it is gone. No name is in the log.
    name: Option<String>,
    /// The HTTP status; null when nobody was told.
    status: Option<u16>,
    /// The error's keyword.
    scim_type: Option<String>,
    /// The error's text, without what the client wrote.
    detail: Option<String>,
    /// How long it took until the answer began, in microseconds; null of an entry that a kill had cost and
    /// that was made again from the record.
    duration_us: Option<u64>,
    /// The request's own id.
    request: String,
    /// The id that the client gave, else the same: also that of the events.
    correlation: String,
    /// Which operation of a bulk request it is, from 0.
    operation: Option<u32>,
    /// The first and the last position of what it recorded; other requests may have recorded between.
    positions: Option<Positions>,
    /// What happened under its correlation id from its first event on, down to what devices did: where
    /// one entry is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    followed: Option<Vec<Followed>>,
    /// The request's body, as text: where one entry is asked for and it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Whether only the beginning of the body was kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    body_cut: bool,
}

/// A span of the record.
#[derive(Debug, Serialize, ToSchema)]
struct Positions {
    first: u64,
    last: u64,
}

/// An event that followed.
#[derive(Debug, Serialize, ToSchema)]
struct Followed {
    position: u64,
    #[schema(schema_with = words::time)]
    time: String,
    stream: String,
    r#type: String,
}

/// Requests of a connector that came in one go.
#[derive(Debug, Serialize, ToSchema)]
struct LogCycle {
    connector: String,
    #[schema(schema_with = words::time)]
    begun: String,
    /// So far: a cycle ends when its connector is quiet for five minutes.
    #[schema(schema_with = words::time)]
    ended: String,
    /// How many requests; a bulk request is one.
    requests: u64,
    created: u64,
    changed: u64,
    removed: u64,
    unchanged: u64,
    read: u64,
    refused: u64,
    deferred: u64,
    failed: u64,
}

/// Requests to a Base URL that no token of its connector came with.
#[derive(Debug, Serialize, ToSchema)]
struct Rejection {
    /// Null for names that no connector has.
    connector: Option<String>,
    /// `missing`, `malformed`, `unknown`, `other_connector`, `expired` or `revoked`.
    reason: String,
    count: u64,
    #[schema(schema_with = words::time)]
    last: String,
    /// Some of the last ones.
    samples: Vec<Attempt>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct Attempt {
    #[schema(schema_with = words::time)]
    time: String,
    request: String,
    /// The id of the token, where it was one of the connector's.
    token: Option<String>,
}

/// How long the provisioning log is kept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LogSettings {
    /// In days: 1 to 3,650; 90 unless said.
    days: u32,
}

/// Until when bodies of requests are kept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BodySettings {
    /// At most 24 hours ahead; null: they are not.
    #[schema(schema_with = words::maybe_time)]
    bodies_until: Option<String>,
}

impl From<Logged> for LogEntry {
    fn from(Logged { entry, name }: Logged) -> Self {
        Self {
            id: entry_id(&entry),
            time: moment::show(entry.time),
            connector: entry.connector.to_string(),
            token: entry.token.to_string(),
            action: entry.action.as_str(),
            outcome: entry.outcome.as_str(),
            resource: entry.resource.map(Resource::as_str),
            subject: entry.subject.map(|it| it.to_string()),
            name,
            status: entry.status,
            scim_type: entry.scim_type.map(Into::into),
            detail: entry.detail,
            duration_us: entry.duration_micros,
            request: entry.request,
            correlation: entry.correlation,
            operation: entry.operation,
            positions: entry.positions.map(|(first, last)| Positions { first, last }),
            followed: None,
            body: None,
            body_cut: false,
        }
    }
}

impl From<StoredEvent> for Followed {
    fn from(event: StoredEvent) -> Self {
        Self {
            position: event.position,
            time: moment::show(event.time),
            stream: event.stream.to_string(),
            r#type: event.name.to_string(),
        }
    }
}

impl From<Detailed> for LogEntry {
    fn from(Detailed { logged, body, followed }: Detailed) -> Self {
        Self {
            followed: Some(followed.into_iter().map(Followed::from).collect()),
            body_cut: body.as_ref().is_some_and(|it| it.cut),
            body: body.map(|it| String::from_utf8_lossy(&it.bytes).into_owned()),
            ..logged.into()
        }
    }
}

impl From<Cycle> for LogCycle {
    fn from(cycle: Cycle) -> Self {
        Self {
            connector: cycle.connector.to_string(),
            begun: moment::show(cycle.begun),
            ended: moment::show(cycle.ended),
            requests: cycle.requests,
            created: cycle.count(Outcome::Created),
            changed: cycle.count(Outcome::Changed),
            removed: cycle.count(Outcome::Removed),
            unchanged: cycle.count(Outcome::Unchanged),
            read: cycle.count(Outcome::Read),
            refused: cycle.count(Outcome::Refused),
            deferred: cycle.count(Outcome::Deferred),
            failed: cycle.count(Outcome::Failed),
        }
    }
}

impl From<Rejections> for Rejection {
    fn from(it: Rejections) -> Self {
        let attempt = |it: event_log::journal::Attempt| Attempt {
            time: moment::show(it.time),
            request: it.request,
            token: it.token.map(|token| token.to_string()),
        };
        Self {
            connector: it.connector.map(Into::into),
            reason: it.reason.into(),
            count: it.count,
            last: moment::show(it.last),
            samples: it.samples.into_iter().map(attempt).collect(),
        }
    }
}

fn query(params: &Params) -> Result<LogQuery, Refused> {
    let time = |name| {
        let wrong =
            || Refused::parameter(name, "must be an RFC 3339 time, in which + is written %2B");
        params.get(name).map(|text| moment::time(text).ok_or_else(wrong)).transpose()
    };
    Ok(LogQuery {
        connector: params.text("connector"),
        action: choice(params, "action", Action::ALL, Action::as_str)?,
        outcome: choice(params, "outcome", Outcome::ALL, Outcome::as_str)?,
        status: params.get("status").map(statuses).transpose()?,
        subject: params.id("subject")?,
        correlation: params.text("correlation"),
        from: time("from")?,
        to: time("to")?,
    })
}

/// A status, or a class of them.
fn statuses(text: &str) -> Result<(u16, u16), Refused> {
    let class = text.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
    let exact = text.parse().ok().filter(|status| (100..=599).contains(status));
    match (class, exact) {
        (Some(class @ 1..=5), _) => Ok((class * 100, class * 100 + 99)),
        (_, Some(status)) => Ok((status, status)),
        _ => Err(Refused::parameter("status", "must be a status or a class, such as 412 or 4xx")),
    }
}

async fn list(Kept(inside): Kept, params: Params) -> Part<LogEntry> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.provisioning_log(&workspace, query(&params)?, &params.listing()?).await?;
    Ok(page(listed, LogEntry::from))
}

async fn list_cycles(Kept(inside): Kept, params: Params) -> Part<LogCycle> {
    let Inside { app, workspace, .. } = inside;
    let listed: Listed<Cycle> =
        app.provisioning_cycles(&workspace, query(&params)?, &params.listing()?).await?;
    Ok(page(listed, LogCycle::from))
}

async fn get(Kept(inside): Kept, of: OfEntry) -> Answer<LogEntry> {
    Ok(Json(inside.app.provisioning_log_entry(&inside.workspace, &of.0).await?.into()))
}

async fn rejections(Kept(inside): Kept) -> Answer<Vec<Rejection>> {
    let found = inside.app.provisioning_rejections(&inside.workspace)?;
    Ok(Json(found.into_iter().map(Rejection::from).collect()))
}

async fn settings(inside: Inside) -> Answer<LogSettings> {
    let days = inside.app.provisioning_log_kept(&inside.workspace).await?;
    Ok(Json(LogSettings { days }))
}

async fn keep(inside: Inside, body: Body<LogSettings>) -> Answer<LogSettings> {
    let Inside { app, person, workspace } = inside;
    let days = app.keep_provisioning_log(&person, &workspace, body.0.days).await?;
    Ok(Json(LogSettings { days }))
}

fn show_bodies(until: Option<Micros>) -> Json<BodySettings> {
    Json(BodySettings { bodies_until: until.map(moment::show) })
}

async fn bodies(inside: Inside, of: OfConnector) -> Answer<BodySettings> {
    Ok(show_bodies(inside.app.bodies_until(&inside.workspace, &of.0).await?))
}

async fn keep_bodies(
    inside: Inside,
    of: OfConnector,
    body: Body<BodySettings>,
) -> Answer<BodySettings> {
    let Inside { app, person, workspace } = inside;
    let wrong = || Refused::parameter("bodies_until", "must be an RFC 3339 time or null");
    let until =
        body.0.bodies_until.map(|text| moment::time(&text).ok_or_else(wrong)).transpose()?;
    Ok(show_bodies(app.keep_bodies(&person, &workspace, &of.0, until).await?))
}
