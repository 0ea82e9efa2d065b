//! `/projections`: how far the read models are, for operators.

use std::collections::BTreeMap;

use actix_web::{http::Method, web::Json};
use projections::{Difference, Status};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Part, page},
    ask::Ask,
    body::Body,
    endpoint::Endpoint,
    params::Params,
};

/// Why there may be no result.
const STOPPED: &str =
    "Another build is running, or an event cannot be applied; the detail says which";

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
        .may_take::<Which>()
        .shows::<Rebuilt>()
        .refuses(409, STOPPED),
        Endpoint::new(
            Method::POST,
            "/projections/verify",
            "Compare projections with what the log says; answers when that is done",
            verify,
        )
        .may_take::<Which>()
        .shows::<Verified>()
        .refuses(409, STOPPED),
    ]
}

/// A projection.
#[derive(Debug, Serialize, ToSchema)]
struct Projection {
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
    /// Whether it has stopped at an event somewhere.
    stale: bool,
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
    /// Why it has stopped there, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<String>,
}

/// Gathers what is known of each projection.
fn gather(statuses: Vec<Status>) -> Vec<Projection> {
    let mut found: BTreeMap<&'static str, Projection> = BTreeMap::new();
    for status in statuses {
        let Status { projection: name, version, generation, workspace, position, head, stale } =
            status;
        let known = found.entry(name).or_insert_with(|| {
            let workspaces = Vec::new();
            Projection { id: name, name, version, generation, lag: 0, stale: false, workspaces }
        });
        known.lag += head.saturating_sub(position);
        known.stale |= stale.is_some();
        let (workspace, stale) = (workspace.to_string(), stale.map(|reason| reason.to_string()));
        known.workspaces.push(Reached { workspace, position, head, stale });
    }
    found.into_values().collect()
}

async fn list(ask: Ask, params: Params) -> Part<Projection> {
    let listing = params.listing()?;
    listing.check_name(|cursor| projections::ALL.iter().any(|it| it.name() == cursor))?;
    let all = gather(ask.app.projections()).into_iter().map(|it| (it.name.to_owned(), it));
    let listed = listing.of(all, |_, _| true)?;
    Ok(page(listed, |(_, projection)| projection))
}

/// Which projections are meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The name of one; all unless said.
    projection: Option<String>,
}

/// What was built again.
#[derive(Debug, Serialize, ToSchema)]
struct Rebuilt {
    /// The names of the projections.
    rebuilt: Vec<&'static str>,
}

/// What a comparison found.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "read beside `rebuilt`, where it says what was done")]
struct Verified {
    /// The names of the projections.
    verified: Vec<&'static str>,
    /// Whether each shows what the log says.
    sound: bool,
    /// The first difference in each that does not.
    differences: Vec<Differing>,
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

async fn rebuild(ask: Ask, body: Body<Which>) -> Answer<Rebuilt> {
    Ok(Json(Rebuilt { rebuilt: ask.app.rebuild(body.0.projection).await? }))
}

async fn verify(ask: Ask, body: Body<Which>) -> Answer<Verified> {
    let (verified, differences) = ask.app.verify_projections(body.0.projection).await?;
    let sees_people = ask.person.role.sees_people();
    let show = |it| Differing::show(it, sees_people);
    let differences: Vec<_> = differences.into_iter().map(show).collect();
    Ok(Json(Verified { verified, sound: differences.is_empty(), differences }))
}
