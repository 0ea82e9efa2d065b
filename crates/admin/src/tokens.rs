//! `/workspaces/{ws}/connectors/{connector}/tokens` (rule 3).

use actix_web::http::Method;
use app::{App, Refusal, admin::connectors::FreshToken};
use domain::{Micros, ids::TokenId, workspace};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Created, Done, Part, page},
    ask::{Id, Inside, OfConnector},
    body::Body,
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let all = "/workspaces/{ws}/connectors/{connector}/tokens";
    let one = "/workspaces/{ws}/connectors/{connector}/tokens/{id}";
    vec![
        Endpoint::new(
            Method::GET,
            all,
            "List the tokens of a connector, without their secrets",
            list,
        )
        .lists::<Token>(),
        Endpoint::new(Method::POST, all, "Add a token to a connector", issue)
            .may_take::<NewToken>()
            .makes::<TokenIssued>()
            .refuses(409, "Two tokens are live already: revoke one of them first"),
        Endpoint::new(Method::DELETE, one, "Refuse a token from now on", revoke),
    ]
}

/// A bearer token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct Token {
    #[schema(schema_with = words::id)]
    id: String,
    #[schema(schema_with = words::time)]
    created_at: String,
    /// From when on it is refused.
    #[schema(schema_with = words::time)]
    expires_at: String,
    /// Since when it is refused by hand.
    #[schema(value_type = Option<String>)]
    revoked_at: Option<String>,
    /// Whether it opens anything now.
    live: bool,
    /// When a request last came with it, to within five minutes; absent if none ever has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::time)]
    last_used: Option<String>,
}

impl Token {
    fn show(app: &App, id: TokenId, token: &workspace::Token, last_used: Option<Micros>) -> Self {
        Self {
            id: id.to_string(),
            created_at: moment::show(token.created),
            expires_at: moment::show(token.expires),
            revoked_at: token.revoked.map(moment::show),
            live: token.live(app.now()),
            last_used: last_used.map(moment::show),
        }
    }
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// From when on it is refused; a year from now unless said.
    #[schema(schema_with = words::maybe_time)]
    expires_at: Option<String>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
struct TokenIssued {
    #[schema(schema_with = words::id)]
    id: String,
    /// The same as `id`.
    #[schema(schema_with = words::id)]
    token_id: String,
    /// The bearer token; shown this once.
    token: String,
    #[schema(schema_with = words::time)]
    created_at: String,
    /// From when on it is refused.
    #[schema(schema_with = words::time)]
    expires_at: String,
    /// Since when it is refused by hand.
    #[schema(value_type = Option<String>)]
    revoked_at: Option<String>,
    /// Whether it opens anything now.
    live: bool,
}

impl From<FreshToken> for TokenIssued {
    fn from(fresh: FreshToken) -> Self {
        Self {
            id: fresh.id.to_string(),
            token_id: fresh.id.to_string(),
            token: fresh.token,
            created_at: moment::show(fresh.created),
            expires_at: moment::show(fresh.expires),
            revoked_at: None,
            live: true,
        }
    }
}

async fn list(inside: Inside, of: OfConnector, params: Params) -> Part<Token> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.list_tokens(&workspace, &of.0, &params.listing()?).await?;
    let uses = app.token_uses(&workspace)?;
    Ok(page(listed, |(id, token)| Token::show(&app, id, &token, uses.get(&id).copied())))
}

async fn issue(
    inside: Inside,
    of: OfConnector,
    body: Body<NewToken>,
) -> Result<Created<TokenIssued>, Refused> {
    let Inside { app, person, workspace } = inside;
    let bad = || Refusal::Malformed("expires_at: must be an RFC 3339 time".to_owned());
    let expires = body.0.expires_at.map(|text| moment::time(&text).ok_or_else(bad)).transpose()?;
    Ok(Created(app.issue_token(&person, &workspace, &of.0, expires).await?.into()))
}

async fn revoke(inside: Inside, of: OfConnector, id: Id<TokenId>) -> Result<Done, Refused> {
    let Inside { app, person, workspace } = inside;
    app.revoke_token(&person, &workspace, &of.0, id.0).await?;
    Ok(Done)
}
