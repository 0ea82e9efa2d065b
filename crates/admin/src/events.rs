//! `/workspaces/{ws}/events`: the record (rule 29).

use actix_web::{
    Either, HttpRequest, HttpResponse,
    http::{Method, header::ACCEPT},
    web::{Bytes, Json},
};
use app::admin::events::{EventPart, EventQuery};
use domain::ids::ConnectorName;
use event_log::{Payload, StoredEvent};
use futures_util::stream;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    answer::Answer,
    ask::{Inside, Kept},
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    words,
};

/// The media type of one JSON object a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// How many events are read at a time where no limit is given.
const CHUNK: usize = 1_000;

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/events";
    let mut list = Endpoint::new(Method::GET, path, "Read what happened, in order", list)
        .param("after", "Only what stands after this position")
        .param(
            "limit",
            "How many at most: 100 unless said, 1,000 at most; as NDJSON: all unless said",
        )
        .shows::<Events>();
    let line = list.named::<Event>();
    vec![filters(list).or_as(NDJSON, line)]
}

/// Says which events an endpoint can be asked for.
pub(crate) fn filters(endpoint: Endpoint) -> Endpoint {
    endpoint
        .param("stream", "Only of this stream, such as `user/<id>`; a user's SCIM ids will do, those of removed entries too")
        .param(
            "type",
            "Only of this type, such as `user.entry_added`, or of all that begin so: `user.*`",
        )
        .param(
            "person",
            "Only about this person, by any of their ids: of their own stream, and what concerns them in \
             those of groups and devices",
        )
        .param("actor", "Only by this actor, such as `connector:okta/<token>`, or `connector:okta`")
        .param("connector", "Only by this connector: as `actor=connector:<connector>`, and not with `actor`")
        .param("correlation", "Only with this correlation id")
        .param("from", "Not before this position or RFC 3339 time")
        .param("to", "Not after this position or RFC 3339 time")
}

/// A part of the record.
#[derive(Debug, Serialize, ToSchema)]
struct Events {
    /// In order.
    items: Vec<Event>,
    /// The `after` with which to go on; null when everything was looked at. A part may be short, or
    /// empty, and still have one.
    next: Option<u64>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    /// Its place in the workspace, from 1, without gaps.
    position: u64,
    /// When it was recorded; never decreasing.
    #[schema(schema_with = words::time)]
    time: String,
    /// To whom it happened: kind and id.
    stream: String,
    /// Its place in its stream, from 1.
    version: u64,
    r#type: String,
    /// Who did it, by id: a connector with its token, a person, a policy.
    actor: String,
    /// The id of the request.
    request: Option<String>,
    /// The same from a request to the last of its effects.
    correlation: String,
    /// The position of the event that caused it.
    causation: Option<u64>,
    /// The setting in force.
    #[schema(schema_with = words::anything)]
    rule: Value,
    /// What happened; null once it was erased, and where it is unreadable.
    #[schema(schema_with = words::anything)]
    data: Value,
    /// Whether `data` was made unreadable for ever.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    /// Whether there is `data` that cannot be read, as its key is missing or does not open it. That should
    /// not be: `muster audit verify` says more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unreadable: bool,
}

impl From<StoredEvent> for Event {
    fn from(event: StoredEvent) -> Self {
        let meta = &event.meta;
        let json = |text: &String| serde_json::from_str(text).ok();
        Self {
            position: event.position,
            time: moment::show(event.time),
            stream: event.stream.to_string(),
            version: event.version,
            r#type: event.name.to_string(),
            actor: meta.actor.to_string(),
            request: meta.request.clone(),
            correlation: meta.correlation.clone(),
            causation: meta.causation,
            rule: meta.rule.as_ref().and_then(json).unwrap_or_default(),
            data: match &event.payload {
                Payload::Plain(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
                Payload::Erased | Payload::Missing { .. } | Payload::Damaged { .. } => Value::Null,
            },
            erased: event.payload == Payload::Erased,
            unreadable: matches!(event.payload, Payload::Missing { .. } | Payload::Damaged { .. }),
        }
    }
}

/// Which events are asked for, of any number.
pub(crate) fn query(params: &Params) -> Result<EventQuery, Refused> {
    let place = |name| params.get(name).map(|text| moment::moment(name, text)).transpose();
    Ok(EventQuery {
        stream: params.text("stream"),
        name: params.text("type"),
        actor: actor(params)?,
        person: params.id("person")?,
        correlation: params.text("correlation"),
        from: place("from")?,
        to: place("to")?,
        after: params.position("after")?.unwrap_or_default(),
        ..EventQuery::default()
    })
}

/// By whom; a connector is an actor.
fn actor(params: &Params) -> Result<Option<String>, Refused> {
    let Some(connector) = params.get("connector") else { return Ok(params.text("actor")) };
    if params.get("actor").is_some() {
        return Err(Refused::parameter("connector", "say either this or actor"));
    }
    let wrong =
        |error: domain::ids::BadConnectorName| Refused::parameter("connector", &error.to_string());
    let connector = ConnectorName::parse(connector).map_err(wrong)?;
    Ok(Some(format!("connector:{connector}")))
}

async fn list(
    request: HttpRequest,
    Kept(inside): Kept,
    params: Params,
) -> Result<Either<Answer<Events>, HttpResponse>, Refused> {
    let query = EventQuery { limit: params.limit()?, ..query(&params)? };
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains(NDJSON)) {
        let left = params.get("limit").map(|_| query.limit);
        return Ok(Either::Right(lines(inside, query, left).await?));
    }
    let EventPart { items, next } = inside.app.events(&inside.workspace, &query).await?;
    let items = items.into_iter().map(Event::from).collect();
    Ok(Either::Left(Ok(Json(Events { items, next }))))
}

/// One event a line, up to the head as it was at the beginning; read part by part as the client
/// takes them. A failure on the way cuts the answer off, which the client sees as such.
async fn lines(
    inside: Inside,
    query: EventQuery,
    left: Option<usize>,
) -> Result<HttpResponse, Refused> {
    let Inside { app, workspace, .. } = inside;
    let to = match query.to {
        Some(moment) => app.position_at(&workspace, moment).await?,
        None => app.log().head(&workspace),
    };
    let to = Some(app::admin::events::Moment::Position(to));
    let query = EventQuery { to, ..query };
    // The first part is read before the answer begins, so that what is wrong is still said.
    let limit = left.unwrap_or(CHUNK).min(CHUNK);
    let first = app.events(&workspace, &EventQuery { limit, ..query.clone() }).await?;
    let parts = stream::try_unfold(Some((first, left)), move |state| {
        let (app, workspace, query) = (app.clone(), workspace.clone(), query.clone());
        async move {
            let Some((part, left)) = state else { return Ok(None) };
            let left = left.map(|left| left - part.items.len().min(left));
            let bytes = write(part.items);
            let next = match part.next.filter(|_| left != Some(0)) {
                None => None,
                Some(after) => {
                    let limit = left.unwrap_or(CHUNK).min(CHUNK);
                    let query = EventQuery { after, limit, ..query };
                    let part = app.events(&workspace, &query).await.map_err(Refused::from)?;
                    Some((part, left))
                }
            };
            Ok::<_, Refused>(Some((bytes, next)))
        }
    });
    Ok(HttpResponse::Ok().content_type(NDJSON).streaming(parts))
}

fn write(items: Vec<StoredEvent>) -> Bytes {
    let mut bytes = Vec::new();
    for event in items {
        // Plain data with text keys: writing it to memory cannot fail.
        if serde_json::to_writer(&mut bytes, &Event::from(event)).is_ok() {
            bytes.push(b'\n');
        }
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event_log::{Meta, StreamId, WorkspaceId};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_shown_as_if_nothing_were_there() {
        let shown = |payload| {
            let event = Event::from(StoredEvent {
                workspace: WorkspaceId::parse("acme").unwrap(),
                position: 1,
                stream: StreamId::new("user", uuid::Uuid::nil()),
                version: 1,
                name: "user.account_created".into(),
                schema_version: 1,
                time: 0,
                meta: Arc::new(Meta::default()),
                key: Some(9),
                payload,
            });
            let event = serde_json::to_value(event).unwrap();
            json!([event["data"], event.get("erased"), event.get("unreadable")])
        };
        assert_eq!(shown(Payload::Plain(b"{}".to_vec())), json!([{}, null, null]));
        assert_eq!(shown(Payload::Erased), json!([null, true, null]));
        assert_eq!(shown(Payload::Missing { key: 9 }), json!([null, null, true]));
        assert_eq!(shown(Payload::Damaged { key: 9 }), json!([null, null, true]));
    }
}
