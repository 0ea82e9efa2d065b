//! `PUT /Users/{id}`, RFC 7644 §3.5.1.

use actix_web::{http::StatusCode, web::Data};
use app::App;
use domain::ids::EntryId;

use super::Answer;
use crate::{
    body::ScimJson, caller::Caller, id::Id, messages::UserBody, query::Query, respond::Show,
};

pub(super) async fn replace(
    caller: Caller,
    app: Data<App>,
    Id(id): Id,
    query: Query,
    ScimJson(UserBody(parsed)): ScimJson<UserBody>,
) -> Answer {
    let show = Show::new(&app, &caller, query.projection()?);
    let user = app.replace_user(&caller, EntryId(id), parsed).await?;
    Ok(show.user(user).respond(StatusCode::OK))
}
