//! Answers: documents with their heads, and lists of them.

use actix_web::{
    HttpResponse, HttpResponseBuilder, body,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderValue},
    },
    web::Data,
};
use app::{App, GroupView, List, UserView, View};
use scim::{project::Projection, urn};
use serde::Serialize;

use crate::{
    caller::Caller,
    conditions::IfNoneMatch,
    document::{Document, Look},
    error::Refused,
    pieces::{Pieces, Source},
};

/// What a handler answers.
pub(crate) type Answer = Result<HttpResponse, Refused>;

/// The media type of every answer. SCIM JSON is UTF-8; the parameter says so to those who ask.
pub(crate) const SCIM_JSON: &str = "application/scim+json; charset=utf-8";

/// The media type for clients that ask for this one only.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// Finishes an answer that has a body.
pub(crate) fn json(response: &mut HttpResponseBuilder, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => text(response, bytes),
        Err(error) => unreachable!("documents have texts for names: {error}"),
    }
}

/// Finishes an answer whose body is JSON already.
fn text(response: &mut HttpResponseBuilder, json: Vec<u8>) -> HttpResponse {
    let content_type = HeaderValue::from_static(SCIM_JSON);
    response.insert_header((CONTENT_TYPE, content_type)).body(json)
}

/// An answer of 200.
pub(crate) fn ok(body: &impl Serialize) -> HttpResponse {
    json(&mut HttpResponse::Ok(), body)
}

/// How the resources of one caller are shown in one answer.
pub(crate) struct Show {
    app: Data<App>,
    caller: Caller,
    look: Look,
}

/// The envelope of a list, RFC 7644 §3.4.2 and RFC 9865 §2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    schemas: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    total_results: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_index: Option<u64>,
    items_per_page: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Show {
    pub(crate) fn new(app: &Data<App>, caller: &Caller, projection: Projection) -> Self {
        let base_url = app.base_url(&caller.workspace, &caller.connector);
        let look = Look::new(base_url, projection, caller.catalogue.clone());
        Self { app: app.clone(), caller: caller.clone(), look }
    }

    /// The answer that shows a user.
    pub(crate) async fn user(&self, user: UserView, status: StatusCode) -> Answer {
        self.respond(self.look.user(&user)?, status).await
    }

    /// The answer that shows a group.
    pub(crate) async fn group(&self, group: GroupView, status: StatusCode) -> Answer {
        self.respond(self.look.group(group)?, status).await
    }

    /// The answer to a PATCH of a group: 204, whatever its size, unless the client has said what it
    /// wants to read.
    pub(crate) async fn patched(&self, group: GroupView) -> Answer {
        let document = self.look.group(group)?;
        if self.look.is_explicit() {
            return self.respond(document, StatusCode::OK).await;
        }
        Ok(document.head(StatusCode::NO_CONTENT).finish())
    }

    /// The answer to a read: the resource, unless the client has it already.
    pub(crate) async fn read(&self, view: View, known: &IfNoneMatch) -> Answer {
        let document = document(&self.look, view)?;
        if known.has(document.version()) {
            return Ok(document.head(StatusCode::NOT_MODIFIED).finish());
        }
        self.respond(document, StatusCode::OK).await
    }

    /// The head of the answer to a read of a group, for which its members need not be read.
    pub(crate) fn group_head(&self, group: GroupView, known: &IfNoneMatch) -> Answer {
        let document = self.look.group(group)?;
        if known.has(document.version()) {
            return Ok(document.head(StatusCode::NOT_MODIFIED).finish());
        }
        let mut head = document.head(StatusCode::OK);
        Ok(head.insert_header((CONTENT_TYPE, SCIM_JSON)).body(body::None::new()))
    }

    /// Whether a group is shown with its members.
    pub(crate) fn wants_members(&self) -> bool {
        self.look.wants_members()
    }

    async fn respond(&self, document: Document, status: StatusCode) -> Answer {
        let mut head = document.head(status);
        let document = match document.whole() {
            Ok(whole) => return Ok(text(&mut head, whole)),
            Err(document) => document,
        };
        let mut pieces = Pieces::default();
        document.write(&mut pieces);
        pieces.respond(head, self.source()).await
    }

    /// What writes a part of a list, wherever that is done. `start_index` is where it begins, by index.
    pub(crate) fn list(
        &self,
        start_index: Option<u64>,
    ) -> impl FnOnce(List) -> Result<Pieces, Refused> + Send + use<> {
        let look = self.look.clone();
        move |list| written(&look, list, start_index)
    }

    /// The answer that such a part is.
    pub(crate) async fn listed(&self, pieces: Pieces) -> Answer {
        match pieces.whole() {
            Ok(whole) => Ok(text(&mut HttpResponse::Ok(), whole)),
            Err(pieces) => pieces.respond(HttpResponse::Ok(), self.source()).await,
        }
    }

    fn source(&self) -> Source {
        let members = self.look.members().cloned();
        Source { app: self.app.clone(), caller: self.caller.clone(), members }
    }
}

fn document(look: &Look, view: View) -> Result<Document, Refused> {
    match view {
        View::User(user) => look.user(&user),
        View::Group(group) => look.group(group),
    }
}

fn written(look: &Look, list: List, start_index: Option<u64>) -> Result<Pieces, Refused> {
    let List { total, views, next_cursor } = list;
    let mut pieces = Pieces::default();
    pieces.open_object(&Envelope {
        schemas: [urn::LIST_RESPONSE],
        total_results: total,
        start_index,
        items_per_page: views.len(),
        next_cursor,
    });
    pieces.text(b",\"Resources\":[");
    for (index, view) in views.into_iter().enumerate() {
        if index > 0 {
            pieces.text(b",");
        }
        document(look, view)?.write(&mut pieces);
    }
    pieces.text(b"]}");
    Ok(pieces)
}
