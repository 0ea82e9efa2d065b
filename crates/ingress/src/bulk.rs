//! `POST /Bulk`, RFC 7644 §3.7.
//!
//! Operations are carried out one after the other, each in the way in which it would be alone: the
//! same quirks, the same conditions, the same refusals. What is created gets its id first, so that
//! operations can refer to each other; where they do so in a circle, the first is created without
//! what it refers to, which is added when that is there.

use std::collections::{HashMap, HashSet};

use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};
use app::{App, GroupView, UserView};
use domain::ids::{EntryId, GroupId};
use scim::{
    Error, Kind,
    bulk::{Method, Operation, Outcome, Request, Response},
    etag::{self, EntityTags},
};

use crate::{
    body::ScimJson,
    caller::Caller,
    error::Refused,
    fallback::others,
    id,
    messages::{BulkBody, GroupBody, GroupPatch, Reader, UserBody, UserPatch},
    quirks,
    respond::ok,
};

pub(crate) fn routes(config: &mut ServiceConfig) {
    let resource = web::resource("/Bulk").route(web::post().to(bulk));
    config.service(resource.default_service(others("POST")));
}

async fn bulk(
    caller: Caller,
    app: Data<App>,
    ScimJson(BulkBody(request)): ScimJson<BulkBody>,
) -> Result<HttpResponse, Refused> {
    let base_url = app.base_url(&caller.workspace, &caller.connector);
    let reader = Reader::of(&caller);
    let to_come = request.creations().into_keys().collect();
    let run = Run { reader, app, caller, base_url, ids: HashMap::new(), to_come };
    Ok(ok(&run.request(request).await.into_json()))
}

/// A bulk request that is being carried out.
struct Run {
    app: Data<App>,
    caller: Caller,
    reader: Reader,
    base_url: String,
    /// What has been created, by `bulkId`.
    ids: HashMap<String, String>,
    /// What may still be created.
    to_come: HashSet<String>,
}

/// A resource as an operation has left it.
struct Done {
    kind: Kind,
    id: String,
    /// `None` when it is gone.
    version: Option<u64>,
}

/// What was created without something that it refers to, and the PATCH that adds it.
struct Postponed {
    index: usize,
    addition: Operation,
    created: Done,
}

impl Run {
    async fn request(mut self, request: Request) -> Response {
        let order = request.order();
        let errors_max = request.fail_on_errors.unwrap_or(u64::MAX);
        let mut operations: Vec<_> = request.operations.into_iter().map(Some).collect();
        let mut outcomes: Vec<Option<Outcome>> = operations.iter().map(|_| None).collect();
        let mut postponed = Vec::new();
        let mut errors = 0;
        for index in order {
            let Some(operation) = operations.get_mut(index).and_then(Option::take) else {
                continue;
            };
            let outcome = match operation {
                Ok(operation) => self.operation(index, operation, &mut postponed).await,
                Err(bad) => {
                    let location = bad.kind.zip(bad.id.as_deref()).map(|it| self.location(it));
                    bad.into_outcome(location)
                }
            };
            errors += u64::from(outcome.error.is_some());
            outcomes[index] = Some(outcome);
            if errors >= errors_max {
                break;
            }
        }
        for Postponed { index, addition, created } in postponed {
            let Some(outcome) = &mut outcomes[index] else { continue };
            match self.add(addition, &created).await {
                Ok(Some(done)) => outcome.version = done.version.map(etag::of),
                // What it refers to was refused, and says why in its own place. It stands without
                // that: to take it back would be a deletion, with all that follows from one.
                Ok(None) => {}
                Err(error) => {
                    *outcome = failed(outcome.method.clone(), outcome.bulk_id.take(), None, error);
                }
            }
        }
        Response { outcomes: outcomes.into_iter().flatten().collect() }
    }

    async fn operation(
        &mut self,
        index: usize,
        mut operation: Operation,
        postponed: &mut Vec<Postponed>,
    ) -> Outcome {
        // Only what is still to come can be waited for.
        let is_gone = |name: &String| !self.ids.contains_key(name) && !self.to_come.contains(name);
        let addition = if operation.references().iter().any(is_gone) {
            None
        } else {
            operation.postpone(|name| self.ids.get(name).cloned())
        };
        let resolved = operation.resolve(|name| self.ids.get(name).cloned());
        let (method, bulk_id) = (operation.method, operation.bulk_id.clone());
        let named = operation.id.clone().map(|id| self.location((operation.kind, &id)));
        if method == Method::Post
            && let Some(name) = &bulk_id
        {
            self.to_come.remove(name);
        }
        let done = match resolved {
            Ok(()) => self.carry_out(operation).await,
            Err(name) => Err(Error::conflict(format!(
                "'bulkId:{name}' names nothing that this request has created"
            ))),
        };
        let done = match done {
            Ok(done) => done,
            Err(error) => return failed(method.as_str().to_owned(), bulk_id, named, error),
        };
        let outcome = Outcome {
            method: method.as_str().to_owned(),
            bulk_id: bulk_id.clone(),
            location: Some(self.location((done.kind, &done.id))),
            version: done.version.map(etag::of),
            status: match method {
                Method::Post => 201,
                Method::Delete => 204,
                Method::Put | Method::Patch => 200,
            },
            error: None,
        };
        if method == Method::Post {
            self.ids.extend(bulk_id.map(|name| (name, done.id.clone())));
            postponed.extend(addition.map(|addition| Postponed { index, addition, created: done }));
        }
        outcome
    }

    async fn carry_out(&self, operation: Operation) -> Result<Done, Error> {
        let Operation { method, kind, id, version, data, .. } = operation;
        let if_match = version.as_deref().map(EntityTags::parse);
        let id = id.unwrap_or_default();
        match method {
            Method::Post => self.create(kind, data).await,
            Method::Put => self.replace(kind, &id, data, if_match).await,
            Method::Patch => self.patch(kind, &id, data, if_match).await,
            Method::Delete => self.delete(kind, &id, if_match).await,
        }
    }

    async fn create(&self, kind: Kind, data: serde_json::Value) -> Result<Done, Error> {
        let id = self.app.fresh_id();
        let made = match kind {
            Kind::User => {
                let UserBody(parsed) = self.reader.read(data)?;
                let made = self.app.create_user(&self.caller, EntryId(id), parsed).await;
                made.map(Done::from)
            }
            Kind::Group => {
                let GroupBody(parsed) = self.reader.read(data)?;
                let made = self.app.create_group(&self.caller, GroupId(id), parsed).await;
                made.map(Done::from)
            }
        };
        made.map_err(app::Refusal::into_scim)
    }

    async fn replace(
        &self,
        kind: Kind,
        id: &str,
        data: serde_json::Value,
        if_match: Option<EntityTags>,
    ) -> Result<Done, Error> {
        let (app, caller, id) = (&self.app, &self.caller, id::named(id)?);
        let replaced = match kind {
            Kind::User => {
                let UserBody(parsed) = self.reader.read(data)?;
                app.replace_user(caller, EntryId(id), parsed, if_match).await.map(Done::from)
            }
            Kind::Group => {
                let GroupBody(parsed) = self.reader.read(data)?;
                app.replace_group(caller, GroupId(id), parsed, if_match).await.map(Done::from)
            }
        };
        replaced.map_err(app::Refusal::into_scim)
    }

    async fn patch(
        &self,
        kind: Kind,
        id: &str,
        data: serde_json::Value,
        if_match: Option<EntityTags>,
    ) -> Result<Done, Error> {
        let (app, caller, id) = (&self.app, &self.caller, id::named(id)?);
        let options = quirks::patch_options(caller.idp);
        let patched = match kind {
            Kind::User => {
                let UserPatch(request) = self.reader.read(data)?;
                let patched = app.patch_user(caller, EntryId(id), request, options, if_match);
                patched.await.map(Done::from)
            }
            Kind::Group => {
                let GroupPatch(request) = self.reader.read(data)?;
                let patched = app.patch_group(caller, GroupId(id), request, options, if_match);
                patched.await.map(Done::from)
            }
        };
        patched.map_err(app::Refusal::into_scim)
    }

    async fn delete(
        &self,
        kind: Kind,
        id: &str,
        if_match: Option<EntityTags>,
    ) -> Result<Done, Error> {
        let (app, caller, uuid) = (&self.app, &self.caller, id::named(id)?);
        let deleted = match kind {
            Kind::User => app.delete_user(caller, EntryId(uuid), if_match).await,
            Kind::Group => app.delete_group(caller, GroupId(uuid), if_match).await,
        };
        deleted.map_err(app::Refusal::into_scim)?;
        Ok(Done { kind, id: id.to_owned(), version: None })
    }

    /// Adds what had to wait for the rest of a circle, if that was created.
    async fn add(&self, mut addition: Operation, created: &Done) -> Result<Option<Done>, Error> {
        if addition.resolve(|name| self.ids.get(name).cloned()).is_err() {
            return Ok(None);
        }
        self.patch(created.kind, &created.id, addition.data, None).await.map(Some)
    }

    fn location(&self, (kind, id): (Kind, &str)) -> String {
        kind.location(&self.base_url, id)
    }
}

fn failed(
    method: String,
    bulk_id: Option<String>,
    location: Option<String>,
    error: Error,
) -> Outcome {
    Outcome { method, bulk_id, location, version: None, status: error.status, error: Some(error) }
}

impl From<UserView> for Done {
    fn from(view: UserView) -> Self {
        Self { kind: Kind::User, id: view.id.to_string(), version: Some(view.version) }
    }
}

impl From<GroupView> for Done {
    fn from(view: GroupView) -> Self {
        Self { kind: Kind::Group, id: view.id.to_string(), version: Some(view.version) }
    }
}
