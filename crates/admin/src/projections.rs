//! `/projections`: how far the read models are, for operators.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::Method, web::Json};
use app::Refusal;
use event_log::WorkspaceId;
use projections::{Content, Difference, HeldStream, Order, Status, Unsound, Verified as Found};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Part, page},
    ask::Ask,
    body::Body,
    endpoint::Endpoint,
    params::Params,
    problem::Refused,
    projection_builds::Build,
    projection_holds::ProjectionHold,
};

/// Why there may be no result.
const STOPPED: &str =
    "Another build is running, the disk is too full, or it was cancelled; the detail says which";

/// What stands for a row that may not be shown.
const HIDDEN: &str = "(not shown to an operator)";

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::GET,
            "/projections",
            "List the projections and how far they are",
            list,
        )
        .parts::<Projection>(),
        Endpoint::new(
            Method::POST,
            "/projections/rebuild",
            "Build projections again from the log while reads go on; answers when they serve",
            rebuild,
        )
        .may_take::<Rebuilding>()
        .shows::<Rebuilt>()
        .or_with(202, "Begun: `wait` was false")
        .refuses(404, "There is no such workspace")
        .refuses(409, STOPPED),
        Endpoint::new(
            Method::POST,
            "/projections/verify",
            "Compare projections with what the log says; answers when that is done",
            verify,
        )
        .may_take::<Which>()
        .shows::<Verified>()
        .refuses(404, "There is no such workspace")
        .refuses(409, STOPPED),
    ]
}

/// Of how many holds `GET /projections` tells with each projection.
const HOLDS_SHOWN: usize = 20;

/// A projection.
#[derive(Debug, Serialize, ToSchema)]
pub struct Projection {
    /// Its name.
    id: &'static str,
    /// Its name.
    name: &'static str,
    /// Raised whenever what it shows is made differently.
    version: u32,
    /// How often it was rebuilt at this version, and one more.
    generation: u32,
    /// How many events it is behind, in all workspaces.
    lag: u64,
    /// Whether it has stopped in some workspace. What it holds back there is in `held`.
    stale: bool,
    /// How many streams it holds back.
    held: u64,
    /// The first of them; `/projections/holds` lists all.
    holds: Vec<ProjectionHold>,
    /// How far it is in each workspace.
    workspaces: Vec<Reached>,
}

/// How far a projection is in a workspace.
#[derive(Debug, Serialize, ToSchema)]
struct Reached {
    /// The workspace's slug.
    workspace: String,
    /// The last position it shows.
    position: u64,
    /// The last position of the log.
    head: u64,
    /// How many streams it holds back there.
    held: usize,
    /// Why it has stopped there, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<String>,
}

impl Projection {
    /// Gathers what is known of each projection.
    pub fn all(statuses: Vec<Status>, holds: Vec<HeldStream>) -> Vec<Self> {
        let mut found: BTreeMap<&'static str, Self> = BTreeMap::new();
        for status in statuses {
            let Status {
                projection: name,
                version,
                generation,
                workspace,
                position,
                head,
                stale,
                held,
            } = status;
            let known = found.entry(name).or_insert_with(|| {
                let (workspaces, holds) = Default::default();
                let (lag, stale, held) = (0, false, 0);
                Self { id: name, name, version, generation, lag, stale, held, holds, workspaces }
            });
            known.lag += head.saturating_sub(position);
            known.stale |= stale.is_some();
            known.held += held as u64;
            let (workspace, stale) =
                (workspace.to_string(), stale.map(|reason| reason.to_string()));
            known.workspaces.push(Reached { workspace, position, head, held, stale });
        }
        for hold in holds {
            if let Some(known) = found.get_mut(hold.projection)
                && known.holds.len() < HOLDS_SHOWN
            {
                known.holds.push(hold.into());
            }
        }
        found.into_values().collect()
    }
}

async fn list(ask: Ask, params: Params) -> Part<Projection> {
    let listing = params.listing()?;
    listing.check_name(|cursor| projections::ALL.iter().any(|it| it.name() == cursor))?;
    let all = Projection::all(ask.app.projections(), ask.app.held_streams())
        .into_iter()
        .map(|it| (it.name.to_owned(), it));
    let listed = listing.of(all, |_, _| true)?;
    Ok(page(listed, |(_, projection)| projection))
}

/// Which projections are meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The name of one; all unless said.
    projection: Option<String>,
    /// The slug of one workspace; all unless said.
    workspace: Option<String>,
}

/// Which projections are to be built again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rebuilding {
    /// The name of one; all unless said.
    projection: Option<String>,
    /// The slug of one workspace; all unless said.
    workspace: Option<String>,
    /// Whether to answer when it is done, which is so unless said, or with 202 as soon as it has begun.
    wait: Option<bool>,
}

impl Which {
    fn order(self) -> Result<Order, Refused> {
        let workspace = self.workspace.map(|slug| WorkspaceId::parse(&slug)).transpose();
        let workspace = workspace.map_err(|_| Refusal::NotFound("workspace".into()))?;
        Ok(Order { projection: self.projection, workspace })
    }
}

/// What was built again.
#[derive(Debug, Serialize, ToSchema)]
struct Rebuilt {
    /// The names of the projections.
    rebuilt: Vec<&'static str>,
    /// The build that has begun, with 202.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    build: Option<Build>,
}

/// What a comparison found.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "read beside `rebuilt`, where it says what was done")]
pub struct Verified {
    /// The names of the projections.
    verified: Vec<&'static str>,
    /// Whether each shows all that the log says: nothing differs, and nothing is held back.
    sound: bool,
    /// The files that are damaged: nothing in them was compared, and they are built again.
    #[schema(inline)]
    damaged: Vec<Damaged>,
    /// The first difference in each projection and workspace that does not.
    differences: Vec<Differing>,
    /// What each holds back.
    held: Vec<ProjectionHold>,
    /// What is shown of each workspace by each projection that does.
    contents: Vec<Shown>,
}

impl Verified {
    /// What was found in these projections, for somebody who may see people or may not.
    pub fn of(verified: Vec<&'static str>, found: Found, sees_people: bool) -> Self {
        let sound = found.is_sound();
        let show = |it| Differing::show(it, sees_people);
        let damaged = |Unsound { projection, says }| Damaged { projection, says };
        Self {
            verified,
            sound,
            damaged: found.unsound.into_iter().map(damaged).collect(),
            differences: found.differences.into_iter().map(show).collect(),
            held: found.held.into_iter().map(ProjectionHold::from).collect(),
            contents: found.contents.into_iter().map(Shown::from).collect(),
        }
    }
}

/// A file that is damaged.
#[derive(Debug, Serialize, ToSchema)]
struct Damaged {
    /// The name of the projection.
    projection: &'static str,
    /// The first thing that is wrong with it, as SQLite says it.
    says: String,
}

/// What a projection shows of a workspace, in one number.
#[derive(Debug, Serialize, ToSchema)]
struct Shown {
    /// The name of the projection.
    projection: &'static str,
    /// Its version: others show something else.
    version: u32,
    /// The workspace's slug.
    workspace: String,
    /// The last position that it shows.
    position: u64,
    /// SHA-256 over its rows, in hexadecimal.
    sha256: String,
    /// How many rows there are.
    rows: u64,
}

impl From<Content> for Shown {
    fn from(content: Content) -> Self {
        let Content { projection, version, workspace, position, hash, rows } = content;
        let sha256 = data_encoding::HEXLOWER.encode(&hash);
        Self { projection, version, workspace: workspace.to_string(), position, sha256, rows }
    }
}

/// A row in which a projection differs from what the log says.
#[derive(Debug, Serialize, ToSchema)]
struct Differing {
    /// The name of the projection.
    projection: &'static str,
    /// The workspace's slug.
    workspace: String,
    table: &'static str,
    /// The row that serves; null when it is missing. Operators are not shown rows.
    live: Option<String>,
    /// The row that the log says; null when there should be none.
    rebuilt: Option<String>,
}

impl Differing {
    /// A row is about people: who may not see them learns only that there is one.
    fn show(difference: Difference, sees_people: bool) -> Self {
        let Difference { projection, workspace, table, live, rebuilt } = difference;
        let hide = |row: String| if sees_people { row } else { HIDDEN.to_owned() };
        let (live, rebuilt) = (live.map(hide), rebuilt.map(hide));
        Self { projection, workspace: workspace.to_string(), table, live, rebuilt }
    }
}

async fn rebuild(ask: Ask, body: Body<Rebuilding>) -> Result<HttpResponse, Refused> {
    let Rebuilding { projection, workspace, wait } = body.0;
    let order = Which { projection, workspace }.order()?;
    if wait == Some(false) {
        let build = Build::from(ask.app.start_rebuild(&order)?);
        let begun = Rebuilt { rebuilt: Vec::new(), build: Some(build) };
        return Ok(HttpResponse::Accepted().json(begun));
    }
    let rebuilt = ask.app.rebuild(order).await?;
    Ok(HttpResponse::Ok().json(Rebuilt { rebuilt, build: None }))
}

async fn verify(ask: Ask, body: Body<Which>) -> Answer<Verified> {
    let (verified, found) = ask.app.verify_projections(body.0.order()?).await?;
    Ok(Json(Verified::of(verified, found, ask.person.role.sees_people())))
}
