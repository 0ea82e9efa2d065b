//! `PUT /Users/{id}`, RFC 7644 §3.5.1.

use actix_web::{http::StatusCode, web::Data};
use app::App;
use domain::ids::EntryId;

use crate::{
    body::ScimJson,
    caller::Caller,
    conditions::IfMatch,
    id::Id,
    messages::UserBody,
    query::Query,
    respond::{Answer, Show},
};

pub(super) async fn replace(
    caller: Caller,
    app: Data<App>,
    Id(id): Id,
    query: Query,
    IfMatch(if_match): IfMatch,
    ScimJson(UserBody(parsed)): ScimJson<UserBody>,
) -> Answer {
    let projection = query.projection()?.with_sent(parsed.resource.extension_paths());
    let show = Show::new(&app, &caller, projection);
    let user = app.replace_user(&caller, EntryId(id), parsed, if_match).await?;
    show.user(user, StatusCode::OK).await
}
