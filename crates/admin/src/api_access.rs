//! `/access`: who may use this API, and as what.

use actix_web::http::Method;
use app::{
    Refusal,
    admin::{
        api_access::{Access, FreshAccess, NewAccess},
        page::Listed,
    },
};
use domain::{Micros, admin_role::AdminRole, ids::AccessId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Created, Done, Part, page},
    ask::{Ask, Id},
    body::Body,
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Method::GET, "/access", "List who may use this API, and who might", list)
            .lists::<ShownAccess>(),
        Endpoint::new(Method::POST, "/access", "Give somebody a token for this API", grant)
            .takes::<NewApiAccess>()
            .makes::<ShownAccess>()
            .refuses(409, "Too many people have access to that workspace alone"),
        Endpoint::new(Method::DELETE, "/access/{id}", "Refuse a token from now on", revoke)
            .refuses(404, "Nobody has access by that id"),
    ]
}

/// Somebody's access to this API. What is revoked stays in the list: it says who could do what.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiAccess)]
struct ShownAccess {
    /// The record names who has it `person:<id>`.
    #[schema(schema_with = words::id)]
    id: String,
    /// Whose it is, in the words of who gave it.
    name: String,
    #[schema(schema_with = words::admin_role)]
    role: AdminRole,
    /// The slug of the one workspace that it reaches; null for all.
    workspace: Option<String>,
    #[schema(schema_with = words::time)]
    created_at: String,
    /// Who gave it.
    created_by: String,
    /// From when on it is refused; null: never by itself.
    expires_at: Option<String>,
    /// Since when it is refused by hand.
    revoked_at: Option<String>,
    /// Who revoked it.
    revoked_by: Option<String>,
    /// Whether it opens anything now: one to a workspace that was closed does not.
    live: bool,
    /// When a request last came with it, to within five minutes.
    last_used: Option<String>,
    /// The bearer token; shown this once, in the answer that gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl ShownAccess {
    fn show(id: AccessId, access: Access, live: bool, last_used: Option<Micros>) -> Self {
        let (revoked_at, revoked_by) = access.revoked.map(|it| (it.at, it.by)).unzip();
        Self {
            id: id.to_string(),
            name: access.name,
            role: access.role,
            workspace: access.workspace,
            created_at: moment::show(access.created),
            created_by: access.created_by.to_string(),
            expires_at: access.expires.map(moment::show),
            revoked_at: revoked_at.map(moment::show),
            revoked_by: revoked_by.map(|by| by.to_string()),
            live,
            last_used: last_used.map(moment::show),
            token: None,
        }
    }
}

/// Access to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiAccess {
    /// Whose it is to be. It is kept beside the record, not in it.
    name: String,
    #[schema(schema_with = words::admin_role)]
    role: AdminRole,
    /// The slug of the one workspace that it is to reach; all unless said.
    workspace: Option<String>,
    /// From when on it is to be refused, an RFC 3339 time; never by itself unless said.
    expires_at: Option<String>,
}

async fn list(ask: Ask, params: Params) -> Part<ShownAccess> {
    let Ask { app, person } = ask;
    let Listed { items, next } = app.list_accesses(&person, &params.listing()?)?;
    let uses = app.access_uses()?;
    let mut shown = Vec::with_capacity(items.len());
    for (id, access) in items {
        let live = app.opens(&access).await?;
        shown.push(ShownAccess::show(id, access, live, uses.get(&id.0).copied()));
    }
    Ok(page(Listed { items: shown, next }, |it| it))
}

async fn grant(ask: Ask, body: Body<NewApiAccess>) -> Result<Created<ShownAccess>, Refused> {
    let Ask { app, person } = ask;
    let Body(NewApiAccess { name, role, workspace, expires_at }) = body;
    let bad = || Refusal::Malformed("expires_at: must be an RFC 3339 time".to_owned());
    let expires = expires_at.map(|text| moment::time(&text).ok_or_else(bad)).transpose()?;
    let asked = NewAccess { name, role, workspace, expires };
    let FreshAccess { id, access, token } = app.grant_access(&person, asked).await?;
    let shown = ShownAccess::show(id, access, true, None);
    Ok(Created(ShownAccess { token: Some(token.to_string()), ..shown }))
}

async fn revoke(ask: Ask, id: Id<AccessId>) -> Result<Done, Refused> {
    let Ask { app, person } = ask;
    app.revoke_access(&person, id.0).await?;
    Ok(Done)
}
