//! `POST /Groups`, RFC 7644 §3.3.

use actix_web::{http::StatusCode, web::Data};
use app::App;
use domain::ids::GroupId;

use crate::{
    body::ScimJson,
    caller::Caller,
    messages::GroupBody,
    query::Query,
    respond::{Answer, Show},
};

pub(super) async fn create(
    caller: Caller,
    app: Data<App>,
    query: Query,
    ScimJson(GroupBody(parsed)): ScimJson<GroupBody>,
) -> Answer {
    let projection = query.projection()?.with_sent(parsed.resource.extension_paths());
    let show = Show::new(&app, &caller, projection);
    let group = app.create_group(&caller, GroupId(app.fresh_id()), parsed).await?;
    show.group(group, StatusCode::CREATED).await
}
