//! `GET /Users/{id}`, RFC 7644 §3.4.1.

use actix_web::web::Data;
use app::{App, View};
use domain::ids::EntryId;

use crate::{
    caller::Caller,
    conditions::IfNoneMatch,
    id::Id,
    query::Query,
    respond::{Answer, Show},
};

pub(super) async fn get(
    caller: Caller,
    app: Data<App>,
    Id(id): Id,
    query: Query,
    known: IfNoneMatch,
) -> Answer {
    let show = Show::new(&app, &caller, query.projection()?);
    let user = app.user(&caller, EntryId(id)).await?;
    show.read(View::User(user), &known).await
}
