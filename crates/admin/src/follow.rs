//! `/workspaces/{ws}/events/stream`: the record as it is written, as server-sent events.
//!
//! # Source
//! WHATWG HTML Living Standard §9.2 (2026-11): fields, comments, and `Last-Event-ID`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header::HeaderName},
    web::Bytes,
};
use app::admin::follow::{Follower, News};
use futures_util::{StreamExt, stream};

use crate::{
    ask::Inside,
    endpoint::Endpoint,
    events::{self, Event},
    params::Params,
    problem::Refused,
};

/// The media type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";
/// Where a client says which event it has had last, after a connection that broke.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies to pass on what they get as they get it.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");
/// How many events are read at a time.
const CHUNK: usize = 100;

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/events/stream";
    let what = "Follow what happens, as server-sent events: the id of each is its position, its data the \
                event; `Last-Event-ID` goes on after a connection that broke";
    let mut follow = events::filters(Endpoint::new(Method::GET, path, what, follow))
        .param("after", "Only what stands after this position; what is to come unless said")
        .refuses(
            409,
            "The record ends before `after` or `Last-Event-ID`: it was set back by a restore",
        );
    follow.answer.status = 200;
    follow.answer.says = "Events as they are recorded, until the server ends, or `to` is reached";
    let event = follow.named::<Event>();
    vec![follow.or_as(EVENT_STREAM, event)]
}

async fn follow(
    request: HttpRequest,
    inside: Inside,
    params: Params,
) -> Result<HttpResponse, Refused> {
    let Inside { app, person, workspace } = inside;
    let mut query = events::query(&params)?;
    query.limit = CHUNK;
    query.after = match (last_event_id(&request)?, params.get("after")) {
        (Some(last), _) => last,
        (None, Some(_)) => query.after,
        (None, None) => app.log().head(&workspace),
    };
    let mut answer = HttpResponse::Ok();
    answer.content_type(EVENT_STREAM).insert_header(UNBUFFERED);
    let begun = write(&News { items: Vec::new(), upto: query.after });
    let follower = app.follow(person, workspace, query).await?;
    if request.method() == Method::HEAD {
        return Ok(answer.finish());
    }
    // What a client sees at once tells it that it is connected.
    let begun = stream::iter([Ok(begun)]);
    let news = stream::try_unfold(follower, |mut follower: Follower| async move {
        let news = follower.next().await.map_err(Refused::from)?;
        Ok::<_, Refused>(news.map(|news| (write(&news), follower)))
    });
    Ok(answer.streaming(begun.chain(news)))
}

fn last_event_id(request: &HttpRequest) -> Result<Option<u64>, Refused> {
    let Some(given) = request.headers().get(LAST_EVENT_ID) else { return Ok(None) };
    let id = given.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || Refused::parameter("Last-Event-ID", "must be the position of an event");
    id.map(Some).ok_or_else(wrong)
}

/// Events; where there are none, a comment. Either way the client learns where to go on.
fn write(News { items, upto }: &News) -> Bytes {
    let mut bytes = Vec::new();
    for event in items {
        bytes.extend(format!("id: {}\ndata: ", event.position).bytes());
        // Plain data with text keys: writing it to memory cannot fail, and JSON has no line breaks.
        drop(serde_json::to_writer(&mut bytes, &Event::from(event.clone())));
        bytes.extend(b"\n\n");
    }
    if items.is_empty() {
        bytes.extend(format!(": nothing new\nid: {upto}\n\n").bytes());
    }
    bytes.into()
}
