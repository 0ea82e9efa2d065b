//! `GET /Users`, RFC 7644 §3.4.2.

use actix_web::web::Data;
use app::App;
use scim::Kind;

use super::Answer;
use crate::{
    caller::Caller,
    query::{Listing, Query},
    respond::Show,
};

pub(super) async fn list(caller: Caller, app: Data<App>, query: Query) -> Answer {
    let Listing { filter, start_index, count, projection } = query.listing(Kind::User)?;
    let show = Show::new(&app, &caller, projection);
    let page = app.list_users(&caller, filter.as_ref(), start_index, count).await?;
    Ok(show.users(page, start_index))
}
