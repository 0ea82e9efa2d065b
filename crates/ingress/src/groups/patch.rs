//! `PATCH /Groups/{id}`, RFC 7644 §3.5.2.
//!
//! Answers 204, whatever the size of the group: reading the members back would make adding one of
//! them as dear as reading all. Only a client that gives `attributes` has to get them (RFC 7644
//! §3.5.2: "the server MUST return a 200 OK").

use actix_web::web::Data;
use app::App;
use domain::ids::GroupId;

use crate::{
    body::ScimJson,
    caller::Caller,
    conditions::IfMatch,
    id::Id,
    messages::GroupPatch,
    query::Query,
    quirks,
    respond::{Answer, Show},
};

pub(super) async fn patch(
    caller: Caller,
    app: Data<App>,
    Id(id): Id,
    query: Query,
    IfMatch(if_match): IfMatch,
    ScimJson(GroupPatch(request)): ScimJson<GroupPatch>,
) -> Answer {
    let projection = query.projection()?.with_sent(request.extension_paths());
    let show = Show::new(&app, &caller, projection);
    let options = quirks::patch_options(caller.idp);
    let group = app.patch_group(&caller, GroupId(id), request, options, if_match).await?;
    show.patched(group).await
}
