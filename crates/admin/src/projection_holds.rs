//! `/projections/holds`: events that a projection cannot apply, and what follows them in their streams.

use std::{collections::BTreeMap, future::Ready, str::FromStr};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::Method, web::Json};
use app::Refusal;
use projections::{HeldId, HeldStream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Part, page},
    ask::Ask,
    body::{Body, Nothing},
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    words,
};

/// Why nothing may have been tried.
const BUSY: &str = "It has to be built again, and another build is running";

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let all = "/projections/holds";
    let (retry, skip) = ("/projections/holds/{hold}/retry", "/projections/holds/{hold}/skip");
    let unskip = "/projections/holds/{hold}/unskip";
    vec![
        Endpoint::new(Method::GET, all, "List what projections hold back", list)
            .lists::<ProjectionHold>(),
        Endpoint::new(
            Method::POST,
            retry,
            "Try again what is held; answers when that is done",
            try_again,
        )
        .may_take::<Nothing>()
        .shows::<Tried>()
        .refuses(404, "There is no such hold")
        .refuses(409, BUSY),
        Endpoint::new(
            Method::POST,
            skip,
            "Let a projection pass over the event it holds back, for good and on the record",
            pass_over,
        )
        .takes::<Skipping>()
        .shows::<Tried>()
        .refuses(404, "There is no such hold")
        .refuses(409, "The hold stands at another event"),
        Endpoint::new(
            Method::POST,
            unskip,
            "Take back that a projection passes over an event; answers when that is built again",
            take_back,
        )
        .takes::<Skipped>()
        .shows::<Tried>()
        .refuses(404, "That event is not skipped")
        .refuses(409, "Another build is running, or the disk is too full; nothing was taken back"),
    ]
}

/// An event that a projection cannot apply. It and what follows in its stream wait; of the stream, the
/// projection shows what was before.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectionHold {
    /// `projection.workspace.kind.stream`
    #[schema(example = "directory.acme.user.018f3c5e-7d2a-7c3b-9a55-3d5f0c1e2b4a")]
    id: String,
    /// The name of the projection.
    projection: &'static str,
    /// The workspace's slug.
    workspace: String,
    /// What the stream is of, such as `user`.
    kind: String,
    /// The stream's id.
    #[schema(schema_with = words::id)]
    stream: String,
    /// The position of the event that cannot be applied.
    position: u64,
    /// Why.
    reason: String,
    /// When that event was recorded: what is shown of the stream is from before then.
    #[schema(schema_with = words::time)]
    since: String,
    /// How often it was tried.
    attempts: u32,
}

impl From<HeldStream> for ProjectionHold {
    fn from(held: HeldStream) -> Self {
        Self {
            id: held.id().to_string(),
            projection: held.projection,
            workspace: held.workspace.to_string(),
            kind: held.kind.to_string(),
            stream: held.stream.to_string(),
            position: held.position,
            reason: held.reason.to_string(),
            since: moment::show(held.since),
            attempts: held.attempts,
        }
    }
}

/// What came of trying.
#[derive(Debug, Serialize, ToSchema)]
struct Tried {
    /// Whether everything that was held of the stream is shown now.
    released: bool,
    /// What is still held, and why.
    #[schema(inline)]
    hold: Option<ProjectionHold>,
}

impl From<Option<HeldStream>> for Tried {
    fn from(left: Option<HeldStream>) -> Self {
        Self { released: left.is_none(), hold: left.map(ProjectionHold::from) }
    }
}

/// Which event may be passed over, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Skipping {
    /// The position of the event, as the hold shows it. Asked again for one that was skipped, nothing more is done.
    #[schema(minimum = 1)]
    position: u64,
    /// For the record, in words that name nobody: at most 500 characters.
    reason: String,
}

/// Which event is passed over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Skipped {
    /// The position of the event.
    #[schema(minimum = 1)]
    position: u64,
}

/// The hold in a path, as it stands there: who asks with a bad body is told that first.
struct OfHold(String);

impl OfHold {
    fn id(&self) -> Result<HeldId, Refusal> {
        HeldId::from_str(&self.0).map_err(|_| Refusal::NotFound("hold".into()))
    }
}

impl FromRequest for OfHold {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(request.match_info().query("hold").to_owned())))
    }
}

async fn list(ask: Ask, params: Params) -> Part<ProjectionHold> {
    let listing = params.listing()?;
    listing.check_name(|cursor| HeldId::from_str(cursor).is_ok())?;
    let q = listing.q.as_deref().unwrap_or_default().to_lowercase();
    let all: BTreeMap<_, _> =
        ask.app.held_streams().into_iter().map(|it| (it.id().to_string(), it)).collect();
    let listed = listing.of(all, |id, _| id.contains(&q))?;
    Ok(page(listed, |(_, held)| held.into()))
}

async fn try_again(ask: Ask, hold: OfHold, _: Body<Nothing>) -> Answer<Tried> {
    Ok(Json(ask.app.retry_held(hold.id()?).await?.into()))
}

async fn pass_over(ask: Ask, hold: OfHold, body: Body<Skipping>) -> Answer<Tried> {
    let Skipping { position, reason } = body.0;
    Ok(Json(ask.app.skip_held(&ask.person, hold.id()?, position, &reason).await?.into()))
}

async fn take_back(ask: Ask, hold: OfHold, body: Body<Skipped>) -> Answer<Tried> {
    Ok(Json(ask.app.unskip(&ask.person, hold.id()?, body.0.position).await?.into()))
}
