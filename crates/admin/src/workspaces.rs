//! `/workspaces`.

use actix_web::{http::Method, web::Json};
use app::admin::workspaces::NamedIfReadable;
use domain::workspace::{self, Plan};
use event_log::WorkspaceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Created, Done, Part, page},
    ask::{Ask, Inside},
    body::Body,
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let one = "/workspaces/{ws}";
    vec![
        Endpoint::new(Method::GET, "/workspaces", "List the workspaces", list).lists::<ListedWorkspace>(),
        Endpoint::new(Method::POST, "/workspaces", "Make a workspace", create)
            .takes::<NewWorkspace>()
            .makes::<Workspace>()
            .refuses(409, "The slug is taken"),
        Endpoint::new(Method::GET, one, "Get a workspace", get).shows::<Workspace>(),
        Endpoint::new(Method::PATCH, one, "Rename a workspace or give it another plan", change)
            .takes::<ChangeWorkspace>()
            .shows::<Workspace>(),
        Endpoint::new(Method::DELETE, one, "Close a workspace for ever; its record stays", close)
            .param(
                "give_up",
                "Why nobody waits for what is owed to devices, where anything is: it is never sent. \
                 500 characters at most, which name nobody",
            )
            .refuses(409, "Something is owed to a device"),
    ]
}

/// A workspace.
#[derive(Debug, Serialize, ToSchema)]
struct Workspace {
    /// The slug.
    id: String,
    /// 1 to 63 of a-z, 0-9 and -.
    slug: String,
    /// What people call it.
    name: String,
    /// Without SCIM (`basic`), or with it.
    #[schema(schema_with = words::plan)]
    plan: Plan,
    #[schema(schema_with = words::time)]
    created_at: String,
}

impl Workspace {
    fn show(id: &WorkspaceId, state: &workspace::Workspace) -> Self {
        Self {
            id: id.to_string(),
            slug: id.to_string(),
            name: state.name.clone(),
            plan: state.plan,
            created_at: moment::show(state.created),
        }
    }
}

/// A workspace in the list. Of one that cannot be read only the slug is known, and why.
#[derive(Debug, Serialize, ToSchema)]
struct ListedWorkspace {
    /// The slug.
    id: String,
    /// 1 to 63 of a-z, 0-9 and -.
    slug: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Without SCIM (`basic`), or with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::plan, required = false)]
    plan: Option<Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::time, required = false)]
    created_at: Option<String>,
    /// Why it cannot be read; left out where it can. Whether it was closed is not known then.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

impl ListedWorkspace {
    fn show((id, es): NamedIfReadable) -> Self {
        let known = es.as_ref().ok().map(|es| &es.state);
        Self {
            id: id.to_string(),
            slug: id.to_string(),
            name: known.map(|it| it.name.clone()),
            plan: known.map(|it| it.plan),
            created_at: known.map(|it| moment::show(it.created)),
            unreadable: es.as_ref().err().map(ToString::to_string),
        }
    }
}

/// A workspace to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWorkspace {
    /// 1 to 63 of a-z, 0-9 and -.
    slug: String,
    /// What people call it.
    name: String,
    /// `enterprise` unless said.
    #[serde(default)]
    #[schema(schema_with = words::plan)]
    plan: Plan,
}

/// What changes of a workspace; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeWorkspace {
    /// What people call it.
    name: Option<String>,
    /// A downgrade pauses its connectors, an upgrade resumes what that paused.
    #[schema(schema_with = words::maybe_plan)]
    plan: Option<Plan>,
}

async fn list(ask: Ask, params: Params) -> Part<ListedWorkspace> {
    let listed = ask.app.list_workspaces(&ask.person, &params.listing()?).await?;
    Ok(page(listed, ListedWorkspace::show))
}

async fn create(ask: Ask, body: Body<NewWorkspace>) -> Result<Created<Workspace>, Refused> {
    let Body(NewWorkspace { slug, name, plan }) = body;
    let (id, es) = ask.app.create_workspace(&ask.person, &slug, &name, plan).await?;
    Ok(Created(Workspace::show(&id, &es.state)))
}

async fn get(inside: Inside) -> Answer<Workspace> {
    let es = inside.app.workspace(&inside.workspace).await?;
    Ok(Json(Workspace::show(&inside.workspace, &es.state)))
}

async fn change(inside: Inside, body: Body<ChangeWorkspace>) -> Answer<Workspace> {
    let Body(ChangeWorkspace { name, plan }) = body;
    let Inside { app, person, workspace } = inside;
    let es = app.change_workspace(&person, &workspace, name.as_deref(), plan).await?;
    Ok(Json(Workspace::show(&workspace, &es.state)))
}

async fn close(inside: Inside, params: Params) -> Result<Done, Refused> {
    let Inside { app, person, workspace } = inside;
    app.close_workspace(&person, &workspace, params.get("give_up")).await?;
    Ok(Done)
}
