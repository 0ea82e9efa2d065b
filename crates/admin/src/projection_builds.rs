//! `/projections/builds`: builds that are under way, and the last ones that were.

use std::{future::Ready, str::FromStr};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::Method, web::Json};
use app::{Refusal, admin::projections::Wish};
use projections::{BuildState, BuildView, Phase, Purpose};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Part, page},
    ask::Ask,
    body::{Body, Nothing},
    endpoint::Endpoint,
    params::Params,
    problem::Refused,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let one = "/projections/builds/{build}";
    let all = vec![
        Endpoint::new(
            Method::GET,
            "/projections/builds",
            "List the build that is under way and the last ones that were",
            list,
        )
        .parts::<Build>(),
        Endpoint::new(Method::GET, one, "Get a build", get).shows::<Build>(),
        Endpoint::new(Method::POST, format!("{one}/pause"), "Let a build wait", pause)
            .may_take::<Nothing>()
            .shows::<Build>(),
        Endpoint::new(
            Method::POST,
            format!("{one}/resume"),
            "Let a build go on that was paused",
            resume,
        )
        .may_take::<Nothing>()
        .shows::<Build>(),
        Endpoint::new(
            Method::POST,
            format!("{one}/cancel"),
            "Take a build back; what serves goes on",
            cancel,
        )
        .may_take::<Nothing>()
        .shows::<Build>(),
    ];
    let late = |endpoint: Endpoint| match endpoint.method {
        Method::POST if endpoint.path.ends_with("/cancel") => {
            endpoint.refuses(409, "The build has ended, or is an `upgrade` or a `repair`")
        }
        Method::POST => endpoint.refuses(409, "The build has ended"),
        _ => endpoint,
    };
    let unknown = |endpoint: Endpoint| {
        let names_one = endpoint.path.contains("{build}");
        if names_one { endpoint.refuses(404, "There is no such build") } else { endpoint }
    };
    all.into_iter().map(late).map(unknown).collect()
}

/// A build of read models from the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Build {
    /// Its number. None comes again, also after a start of the server, which forgets those before.
    #[schema(example = "3")]
    id: String,
    /// `rebuild`, `upgrade` (no file of this version serves yet), `repair` (the file that served was
    /// damaged), `verify`, or `purge` (somebody was erased, and nothing is built).
    purpose: &'static str,
    /// The names of the projections.
    projections: Vec<&'static str>,
    /// The slug of the one workspace that is built; null for all.
    workspace: Option<String>,
    /// `running`, `paused`, `cancelling` (it has not heard of it yet), `done`, `failed` or `cancelled`.
    state: &'static str,
    /// `checking` (whether the files are sound that are to be compared), `preparing`, `applying` (what the log holds) or `finishing` (it takes its place, or is compared).
    phase: &'static str,
    /// How many events are in it.
    done: u64,
    /// How many there are to be.
    total: u64,
    /// How many events it applies in a second, pauses left out; 0 until that can be told.
    per_second: u64,
    /// In how many seconds the last one is applied at that rate.
    seconds_left: Option<u64>,
    /// Why it failed.
    error: Option<String>,
}

impl From<BuildView> for Build {
    fn from(view: BuildView) -> Self {
        Self {
            id: view.id.to_string(),
            purpose: match view.purpose {
                Purpose::Rebuild => "rebuild",
                Purpose::Upgrade => "upgrade",
                Purpose::Repair => "repair",
                Purpose::Verify => "verify",
                Purpose::Purge => "purge",
            },
            projections: view.projections,
            workspace: view.workspace.map(|it| it.to_string()),
            state: match view.state {
                BuildState::Running => "running",
                BuildState::Paused => "paused",
                BuildState::Cancelling => "cancelling",
                BuildState::Done => "done",
                BuildState::Failed => "failed",
                BuildState::Cancelled => "cancelled",
            },
            phase: match view.phase {
                Phase::Checking => "checking",
                Phase::Preparing => "preparing",
                Phase::Applying => "applying",
                Phase::Finishing => "finishing",
            },
            done: view.done,
            total: view.total,
            per_second: view.per_second,
            seconds_left: view.seconds_left,
            error: view.error,
        }
    }
}

/// The build in a path, as it stands there: who asks with a bad body is told that first.
struct OfBuild(String);

impl OfBuild {
    fn id(&self) -> Result<u64, Refusal> {
        self.0.parse().map_err(|_| Refusal::NotFound("build".into()))
    }
}

impl FromRequest for OfBuild {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(request.match_info().query("build").to_owned())))
    }
}

/// Where a list goes on: the last one comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(std::cmp::Reverse<u64>);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.0.fmt(f)
    }
}

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|id| Self(std::cmp::Reverse(id)))
    }
}

async fn list(ask: Ask, params: Params) -> Part<Build> {
    let listing = params.listing()?;
    let all = ask.app.builds().into_iter().map(|it| (Place(std::cmp::Reverse(it.id)), it));
    let listed = listing.of(all, |_, _| true)?;
    Ok(page(listed, |(_, build)| build.into()))
}

async fn get(ask: Ask, of: OfBuild) -> Answer<Build> {
    Ok(Json(ask.app.build(of.id()?)?.into()))
}

async fn pause(ask: Ask, of: OfBuild, _: Body<Nothing>) -> Answer<Build> {
    Ok(Json(ask.app.steer_build(of.id()?, Wish::Pause)?.into()))
}

async fn resume(ask: Ask, of: OfBuild, _: Body<Nothing>) -> Answer<Build> {
    Ok(Json(ask.app.steer_build(of.id()?, Wish::Resume)?.into()))
}

async fn cancel(ask: Ask, of: OfBuild, _: Body<Nothing>) -> Answer<Build> {
    Ok(Json(ask.app.steer_build(of.id()?, Wish::Cancel)?.into()))
}
