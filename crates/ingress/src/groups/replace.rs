//! `PUT /Groups/{id}`, RFC 7644 §3.5.1.

use actix_web::{http::StatusCode, web::Data};
use app::App;
use domain::ids::GroupId;

use crate::{
    body::ScimJson,
    caller::Caller,
    conditions::IfMatch,
    id::Id,
    messages::GroupBody,
    query::Query,
    respond::{Answer, Show},
};

pub(super) async fn replace(
    caller: Caller,
    app: Data<App>,
    Id(id): Id,
    query: Query,
    IfMatch(if_match): IfMatch,
    ScimJson(GroupBody(parsed)): ScimJson<GroupBody>,
) -> Answer {
    let projection = query.projection()?.with_sent(parsed.resource.extension_paths());
    let show = Show::new(&app, &caller, projection);
    let group = app.replace_group(&caller, GroupId(id), parsed, if_match).await?;
    show.group(group, StatusCode::OK).await
}
