//! `GET /Groups`, RFC 7644 §3.4.2. Members that are not asked for are not read.

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
    let Listing { filter, start_index, count, projection } = query.listing(Kind::Group)?;
    let show = Show::new(&app, &caller, projection);
    let (filter, with_members) = (filter.as_ref(), show.wants_members());
    let page = app.list_groups(&caller, filter, start_index, count, with_members).await?;
    Ok(show.groups(page, start_index))
}
