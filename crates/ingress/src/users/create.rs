//! `POST /Users`, RFC 7644 §3.3.

use actix_web::{http::StatusCode, web::Data};
use app::App;
use domain::ids::EntryId;

use crate::{
    body::ScimJson,
    caller::Caller,
    messages::UserBody,
    query::Query,
    respond::{Answer, Show},
};

pub(super) async fn create(
    caller: Caller,
    app: Data<App>,
    query: Query,
    ScimJson(UserBody(parsed)): ScimJson<UserBody>,
) -> Answer {
    let projection = query.projection()?.with_sent(parsed.resource.extension_paths());
    let show = Show::new(&app, &caller, projection);
    let user = app.create_user(&caller, EntryId(app.fresh_id()), parsed).await?;
    show.user(user, StatusCode::CREATED).await
}
