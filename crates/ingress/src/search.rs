//! Lists and searches: of users, of groups, and of everything below a Base URL.
//!
//! `GET` and `POST …/.search` ask the same question, the one in the URL, the other in a body, which
//! keeps personal data out of the access logs of whatever stands in between. RFC 7644 §3.4.2 and
//! §3.4.3, RFC 9865.

use std::sync::Arc;

use actix_web::{http::Method, web::Data};
use app::App;
use scim::{Kind, query::Page};

use crate::{
    body::ScimJson,
    caller::Caller,
    endpoint::Endpoint,
    messages::SearchBody,
    query::Query,
    respond::{Answer, Show},
};

const USERS: &[Kind] = &[Kind::User];
const GROUPS: &[Kind] = &[Kind::Group];

/// The searches, and the list of everything.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("").get(all),
        search("/.search", &Kind::ALL),
        search("/Users/.search", USERS),
        search("/Groups/.search", GROUPS),
    ]
}

/// `GET /Users`
pub(crate) async fn users(caller: Caller, app: Data<App>, query: Query) -> Answer {
    list(&caller, &app, USERS, query.listing()?).await
}

/// `GET /Groups`
pub(crate) async fn groups(caller: Caller, app: Data<App>, query: Query) -> Answer {
    list(&caller, &app, GROUPS, query.listing()?).await
}

async fn all(caller: Caller, app: Data<App>, query: Query) -> Answer {
    list(&caller, &app, &Kind::ALL, query.listing()?).await
}

fn search(path: &'static str, kinds: &'static [Kind]) -> Endpoint {
    let search = move |caller: Caller, app: Data<App>, body: ScimJson<SearchBody>| async move {
        let ScimJson(SearchBody(query)) = body;
        list(&caller, &app, kinds, query).await
    };
    Endpoint::at(path).on(Method::POST, search)
}

async fn list(
    caller: &Caller,
    app: &Data<App>,
    kinds: &'static [Kind],
    query: scim::query::Query,
) -> Answer {
    let show = Show::new(app, caller, query.projection.clone());
    let start_index = match query.page {
        Page::Index { start, .. } => Some(start),
        Page::Cursor { .. } => None,
    };
    let with_members = kinds.contains(&Kind::Group) && show.wants_members();
    let asked = (Arc::new(query), with_members);
    let (pieces, took) = app.list(caller, kinds, asked, show.list(start_index)).await?;
    caller.takes(took);
    show.listed(pieces?).await
}
