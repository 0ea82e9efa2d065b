//! `PATCH /Groups/{id}`, RFC 7644 §3.5.2.
//!
//! Answers 204, whatever the size of the group: reading the members back would make adding one of
//! them as dear as reading all. Only a client that gives `attributes` has to get them (RFC 7644
//! §3.5.2: "the server MUST return a 200 OK").

use actix_web::{http::StatusCode, web::Data};
use app::App;
use domain::ids::GroupId;

use super::Answer;
use crate::{
    body::ScimJson, caller::Caller, id::Id, messages::GroupPatch, query::Query, quirks,
    respond::Show,
};

pub(super) async fn patch(
    caller: Caller,
    app: Data<App>,
    Id(id): Id,
    query: Query,
    ScimJson(GroupPatch(request)): ScimJson<GroupPatch>,
) -> Answer {
    let show = Show::new(&app, &caller, query.projection()?);
    let options = quirks::patch_options(caller.idp);
    let patched = app.patch_group(&caller, GroupId(id), request, options).await?;
    if !show.is_explicit() {
        return Ok(show.group(patched).respond_empty());
    }
    let group =
        if show.wants_members() { app.group(&caller, GroupId(id), true).await? } else { patched };
    Ok(show.group(group).respond(StatusCode::OK))
}
