//! `/workspaces/{ws}/collaborators`, `/employees` and `/mdm/users`: the people of the portals.

use std::collections::BTreeMap;

use actix_web::{http::Method, web::Json};
use app::{
    Refusal,
    admin::accounts::{AccountView, Invitation},
};
use domain::{
    portal::{Portal, Role},
    user::{AccountState, Source},
};
use projections::accounts::EntryRef;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::{Answer, Created, Done, Part, page},
    ask::{Id, Inside},
    body::Body,
    endpoint::Endpoint,
    params::{Params, choice},
    problem::Refused,
    words,
};

/// All that an account can be.
const STATES: [AccountState; 4] =
    [AccountState::Active, AccountState::Suspended, AccountState::Removed, AccountState::None];

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    [
        ("/workspaces/{ws}/collaborators", Portal::Dashboard),
        ("/workspaces/{ws}/employees", Portal::Store),
        ("/workspaces/{ws}/mdm/users", Portal::Mdm),
    ]
    .into_iter()
    .flat_map(|(base, portal)| endpoints_of(base, portal))
    .collect()
}

/// The routes for the people of one portal.
fn endpoints_of(base: &str, portal: Portal) -> Vec<Endpoint> {
    let list = move |inside, params| list(portal, inside, params);
    let invite = move |inside, body| invite(portal, inside, body);
    let get = move |inside, id| get(portal, inside, id);
    let change = move |inside, id, body| change(portal, inside, id, body);
    let remove = move |inside, id| remove(portal, inside, id);
    let one = format!("{base}/{{id}}");
    let changes = match portal {
        Portal::Dashboard => "Give a collaborator another role",
        Portal::Store | Portal::Mdm => "Change nothing: only collaborators have a role",
    };
    vec![
        Endpoint::new(Method::GET, base, "List the people of a portal", list)
            .param(
                "account",
                "active, suspended, removed, none or any; active and suspended unless said",
            )
            .lists::<Account>()
            .goes_back(),
        Endpoint::new(Method::POST, base, "Make an account by hand", invite)
            .takes::<NewAccount>()
            .makes::<Account>()
            .refuses(409, "The person has an account already"),
        Endpoint::new(Method::GET, &*one, "Get a person of a portal", get)
            .shows::<Account>()
            .goes_back(),
        change_of(portal, Endpoint::new(Method::PATCH, &*one, changes, change)),
        Endpoint::new(Method::DELETE, &*one, "Remove an account", remove)
            .refuses(409, "The person has no account, or is the last Owner of the Dashboard"),
    ]
}

fn change_of(portal: Portal, endpoint: Endpoint) -> Endpoint {
    let endpoint = endpoint.takes::<ChangeAccount>().shows::<Account>();
    match portal {
        Portal::Dashboard => {
            endpoint.refuses(
                409,
                "The person has no account, their role follows their groups, or they are the last Owner",
            )
        }
        Portal::Store | Portal::Mdm => endpoint,
    }
}

/// A person of a portal. Wherever their id is taken, the SCIM id of any of their entries is too, also of one
/// that was removed.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the contract names them")]
pub(crate) struct Account {
    #[schema(schema_with = words::id)]
    id: String,
    /// How they sign in; empty of somebody who is erased.
    user_name: String,
    /// Where they are written to.
    email: Option<String>,
    /// Who made the account.
    #[schema(schema_with = words::source)]
    source: Source,
    /// Whether there is one.
    #[schema(schema_with = words::account)]
    account: AccountState,
    /// Collaborators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::role)]
    role: Option<Role>,
    /// The id of the offboarding that has not ended.
    offboarding: Option<String>,
    /// The values of mapped attributes.
    metadata: BTreeMap<String, String>,
    /// What connectors know of them.
    scim: Vec<Entry>,
    /// The id of the erasure after which nothing else is known of them. There is one at moments before it
    /// as well: then `account` and `source` follow from the kinds of their events, and null or empty means
    /// not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    erasure: Option<String>,
}

/// What a connector knows of a person.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    /// The connector's slug.
    connector: String,
    /// The SCIM id.
    #[schema(schema_with = words::id)]
    id: String,
    /// What the connector last said.
    active: bool,
}

impl From<EntryRef> for Entry {
    fn from(entry: EntryRef) -> Self {
        let EntryRef { connector, id, active } = entry;
        Self { connector: connector.to_string(), id: id.to_string(), active }
    }
}

impl From<AccountView> for Account {
    fn from(view: AccountView) -> Self {
        Self {
            id: view.id.to_string(),
            user_name: view.user_name,
            email: view.email,
            source: view.source,
            account: view.account,
            role: view.role,
            offboarding: view.offboarding.map(|id| id.to_string()),
            metadata: view.metadata,
            scim: view.scim.into_iter().map(Entry::from).collect(),
            erasure: view.erased.map(|id| id.to_string()),
        }
    }
}

/// An account to be made by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    /// How the person signs in, and by what SCIM will recognise them.
    user_name: String,
    /// Where they are written to.
    email: Option<String>,
    /// Collaborators only; `unassigned` unless said.
    #[schema(schema_with = words::maybe_role)]
    role: Option<Role>,
}

/// What changes of an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeAccount {
    /// Collaborators only.
    #[schema(schema_with = words::maybe_role)]
    role: Option<Role>,
}

/// Which accounts a list holds.
fn states(params: &Params) -> Result<Vec<AccountState>, Refused> {
    if params.get("account") == Some("any") {
        return Ok(STATES.to_vec());
    }
    let chosen = choice(params, "account", &STATES, AccountState::as_str)?;
    let standing = || vec![AccountState::Active, AccountState::Suspended];
    Ok(chosen.map_or_else(standing, |state| vec![state]))
}

async fn list(portal: Portal, inside: Inside, params: Params) -> Part<Account> {
    let Inside { app, workspace, .. } = inside;
    let (states, listing) = (states(&params)?, params.listing()?);
    let listed = app.list_accounts(&workspace, portal, &states, &listing).await?;
    Ok(page(listed, Account::from))
}

async fn invite(
    portal: Portal,
    inside: Inside,
    body: Body<NewAccount>,
) -> Result<Created<Account>, Refused> {
    let Inside { app, person, workspace } = inside;
    let Body(NewAccount { user_name, email, role }) = body;
    let invitation = Invitation { user_name, email, role };
    Ok(Created(app.invite(&person, &workspace, portal, invitation).await?.into()))
}

async fn get(portal: Portal, inside: Inside, id: Id<Uuid>) -> Answer<Account> {
    Ok(Json(inside.app.account(&inside.workspace, portal, id.0).await?.into()))
}

async fn change(
    portal: Portal,
    inside: Inside,
    id: Id<Uuid>,
    body: Body<ChangeAccount>,
) -> Answer<Account> {
    let Inside { app, person, workspace } = inside;
    let Some(role) = body.0.role else {
        let detail = "role: missing; it is what can be changed of an account";
        return Err(Refusal::Malformed(detail.to_owned()).into());
    };
    Ok(Json(app.set_role(&person, &workspace, portal, id.0, role).await?.into()))
}

async fn remove(portal: Portal, inside: Inside, id: Id<Uuid>) -> Result<Done, Refused> {
    let Inside { app, person, workspace } = inside;
    app.remove_account(&person, &workspace, portal, id.0).await?;
    Ok(Done)
}
