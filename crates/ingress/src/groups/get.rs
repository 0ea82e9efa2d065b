//! `GET /Groups/{id}`, RFC 7644 §3.4.1.

use actix_web::{http::Method, web::Data};
use app::{App, View};
use domain::ids::GroupId;

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
    method: Method,
    Id(id): Id,
    query: Query,
    known: IfNoneMatch,
) -> Answer {
    let show = Show::new(&app, &caller, query.projection()?);
    let with_members = show.wants_members();
    // Members are read for those who get to see them.
    if with_members && (method == Method::HEAD || known.is_given()) {
        let group = app.group(&caller, GroupId(id), false).await?;
        if method == Method::HEAD || known.has(group.version) {
            return show.group_head(group, &known);
        }
    }
    let group = app.group(&caller, GroupId(id), with_members).await?;
    show.read(View::Group(group), &known).await
}
