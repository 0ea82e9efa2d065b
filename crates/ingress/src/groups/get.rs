//! `GET /Groups/{id}`, RFC 7644 §3.4.1.

use actix_web::web::Data;
use app::{App, View};
use domain::ids::GroupId;

use super::Answer;
use crate::{caller::Caller, conditions::IfNoneMatch, id::Id, query::Query, respond::Show};

pub(super) async fn get(
    caller: Caller,
    app: Data<App>,
    Id(id): Id,
    query: Query,
    known: IfNoneMatch,
) -> Answer {
    let show = Show::new(&app, &caller, query.projection()?);
    let group = app.group(&caller, GroupId(id), show.wants_members()).await?;
    show.read(View::Group(group), &known).await
}
