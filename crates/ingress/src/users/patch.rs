//! `PATCH /Users/{id}`, RFC 7644 §3.5.2.
//!
//! Answers 200 with the whole resource, not 204: a client that wants it needs no second request.

use actix_web::{http::StatusCode, web::Data};
use app::App;
use domain::ids::EntryId;
use scim::{
    Kind,
    attributes::{self, Seen},
};

use crate::{
    body::ScimJson,
    caller::Caller,
    conditions::IfMatch,
    id::Id,
    messages::UserPatch,
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
    ScimJson(UserPatch(request)): ScimJson<UserPatch>,
) -> Answer {
    let seen = attributes::seen_in(&request, Kind::User, &caller.catalogue);
    let sent = seen.iter().map(Seen::path).collect();
    let projection = query.projection()?.with_sent(sent);
    let show = Show::new(&app, &caller, projection);
    let options = quirks::patch_options(caller.idp);
    let user = app.patch_user(&caller, EntryId(id), request, options, if_match).await?;
    show.user(user, StatusCode::OK).await
}
