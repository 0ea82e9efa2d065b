//! `POST /Bulk`, RFC 7644 §3.7.
//!
//! Operations are carried out one after the other, each in the way in which it would be alone: the
//! same quirks, the same conditions, the same refusals. What is created gets its id first, so that
//! operations can refer to each other; where they do so in a circle, the first is created without
//! what it refers to, which is added as soon as that is there.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
};

use actix_web::{http, web::Data};
use app::{App, GroupView, UserView};
use domain::ids::{EntryId, GroupId};
use scim::{
    Error, Kind,
    bulk::{Method, Operation, Outcome, Request, Response},
    etag::{self, EntityTags},
};
use serde_json::Value;

use crate::{
    body::ScimJson,
    caller::Caller,
    endpoint::Endpoint,
    id,
    messages::{BulkBody, GroupBody, GroupPatch, Message, Reader, UserBody, UserPatch},
    quirks, record,
    respond::{Answer, ok},
};

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/Bulk").on(http::Method::POST, bulk)]
}

async fn bulk(
    caller: Caller,
    app: Data<App>,
    ScimJson(BulkBody(request, order)): ScimJson<BulkBody>,
) -> Answer {
    let base_url = app.base_url(&caller.workspace, &caller.connector);
    let reader = Reader::of(&caller);
    let to_come = request.creations().into_keys().collect();
    let (ids, postponed) = (HashMap::new(), Vec::new());
    let run = Run { app, caller, reader, base_url, ids, to_come, postponed };
    Ok(ok(&run.request(request, order).await.into_json()))
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
    /// What is still to be added.
    postponed: Vec<Postponed>,
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
    /// The names that have no id yet.
    waits_for: BTreeSet<String>,
    addition: Operation,
    created: Done,
}

impl Run {
    async fn request(mut self, request: Request, order: Vec<usize>) -> Response {
        let errors_max = request.fail_on_errors.unwrap_or(u64::MAX);
        let mut operations: Vec<_> = request.operations.into_iter().map(Some).collect();
        let mut outcomes: Vec<Option<Outcome>> = operations.iter().map(|_| None).collect();
        let mut errors = 0;
        for index in order {
            let Some(operation) = operations.get_mut(index).and_then(Option::take) else {
                continue;
            };
            let (record, outcome, creation) = match operation {
                Ok(operation) => {
                    let (method, kind) = (operation.method, operation.kind);
                    let record = record::Operation::begin(method, Some(kind), index);
                    let creation = operation.bulk_id.clone();
                    let creation = creation.filter(|_| operation.method == Method::Post);
                    (record, self.operation(index, operation).await, creation)
                }
                Err(bad) => {
                    let record = record::Operation::unclear(bad.kind, index);
                    let location = bad.kind.zip(bad.id.as_deref()).map(|it| self.location(it));
                    (record, bad.into_outcome(location), None)
                }
            };
            record.end(&self.app, &self.caller, outcome.status, outcome.error.as_ref());
            errors += u64::from(outcome.error.is_some());
            outcomes[index] = Some(outcome);
            if let Some(name) = creation {
                errors += self.tried(&name, &mut outcomes).await;
            }
            if errors >= errors_max {
                break;
            }
        }
        // What these refer to is not tried any more.
        for Postponed { index, waits_for, .. } in std::mem::take(&mut self.postponed) {
            if let Some(name) = waits_for.first() {
                fail(&mut outcomes[index], incomplete(name));
            }
        }
        Response { outcomes: outcomes.into_iter().flatten().collect() }
    }

    /// Goes on with what waited for a creation that has been tried, and tells how many operations
    /// have failed by that. What they have created stands: to take it back would be a deletion, with
    /// all that follows from one.
    async fn tried(&mut self, name: &str, outcomes: &mut [Option<Outcome>]) -> u64 {
        let is_there = self.ids.contains_key(name);
        let mut errors = 0;
        for mut waiting in std::mem::take(&mut self.postponed) {
            let was_waited_for = waiting.waits_for.remove(name);
            if was_waited_for && !is_there {
                fail(&mut outcomes[waiting.index], incomplete(name));
                errors += 1;
            } else if !waiting.waits_for.is_empty() {
                self.postponed.push(waiting);
            } else {
                let Postponed { index, addition, created, .. } = waiting;
                let record = record::Operation::begin(Method::Patch, Some(created.kind), index);
                let added = self.add(addition, &created).await;
                let error = added.as_ref().err();
                let status = error.map_or(200, |error| error.status);
                record.end(&self.app, &self.caller, status, error);
                match added {
                    Ok(done) => {
                        if let Some(outcome) = &mut outcomes[index] {
                            outcome.version = done.version.map(etag::of);
                        }
                    }
                    Err(error) => {
                        fail(&mut outcomes[index], error);
                        errors += 1;
                    }
                }
            }
        }
        errors
    }

    async fn operation(&mut self, index: usize, mut operation: Operation) -> Outcome {
        let addition = self.put_off(&mut operation);
        let resolved = self.resolve(&mut operation);
        let (method, bulk_id) = (operation.method, operation.bulk_id.clone());
        let named = operation.id.as_deref().map(|id| self.location((operation.kind, id)));
        let creation = bulk_id.clone().filter(|_| method == Method::Post);
        if let Some(name) = &creation {
            self.to_come.remove(name);
        }
        let done = match resolved {
            Ok(()) => self.carry_out(operation).await,
            Err(error) => Err(error),
        };
        let done = match done {
            Ok(done) => done,
            Err(error) => return failed(method.as_str().to_owned(), bulk_id, named, error),
        };
        let outcome = self.succeeded(method, bulk_id, &done);
        if let Some(name) = creation {
            self.created(index, name, addition, done);
        }
        outcome
    }

    /// Takes out of a creation what refers to what is still to come, and makes a PATCH of that.
    fn put_off(&self, operation: &mut Operation) -> Option<Operation> {
        // Only what is still to come can be waited for.
        let is_gone = |name: &String| !self.ids.contains_key(name) && !self.to_come.contains(name);
        if operation.references().iter().any(is_gone) {
            return None;
        }
        operation.postpone(|name| self.ids.get(name).cloned())
    }

    /// Puts ids in the place of references.
    fn resolve(&self, operation: &mut Operation) -> Result<(), Error> {
        operation.resolve(|name| self.ids.get(name).cloned()).map_err(|name| {
            let detail = format!("'bulkId:{name}' names nothing that this request has created");
            Error::conflict(detail)
        })
    }

    fn succeeded(&self, method: Method, bulk_id: Option<String>, done: &Done) -> Outcome {
        Outcome {
            method: method.as_str().to_owned(),
            bulk_id,
            location: Some(self.location((done.kind, &done.id))),
            version: done.version.map(etag::of),
            status: match method {
                Method::Post => 201,
                Method::Delete => 204,
                Method::Put | Method::Patch => 200,
            },
            error: None,
        }
    }

    /// Remembers what an operation has created, and what is still to be added to it.
    fn created(&mut self, index: usize, name: String, addition: Option<Operation>, created: Done) {
        self.ids.insert(name, created.id.clone());
        self.postponed.extend(addition.map(|addition| {
            let waits_for = addition.references();
            Postponed { index, waits_for, addition, created }
        }));
    }

    async fn carry_out(&self, operation: Operation) -> Result<Done, Error> {
        self.app.still_lets_in(&self.caller).await.map_err(app::Refusal::into_scim)?;
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

    async fn create(&self, kind: Kind, data: Value) -> Result<Done, Error> {
        let id = self.app.fresh_id();
        let made = match kind {
            Kind::User => {
                let UserBody(parsed) = self.read(data)?;
                let made = self.app.create_user(&self.caller, EntryId(id), parsed).await;
                made.map(Done::from)
            }
            Kind::Group => {
                let GroupBody(parsed) = self.read(data)?;
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
        data: Value,
        if_match: Option<EntityTags>,
    ) -> Result<Done, Error> {
        let (app, caller, id) = (&self.app, &self.caller, id::named(id)?);
        let replaced = match kind {
            Kind::User => {
                let UserBody(parsed) = self.read(data)?;
                app.replace_user(caller, EntryId(id), parsed, if_match).await.map(Done::from)
            }
            Kind::Group => {
                let GroupBody(parsed) = self.read(data)?;
                app.replace_group(caller, GroupId(id), parsed, if_match).await.map(Done::from)
            }
        };
        replaced.map_err(app::Refusal::into_scim)
    }

    async fn patch(
        &self,
        kind: Kind,
        id: &str,
        data: Value,
        if_match: Option<EntityTags>,
    ) -> Result<Done, Error> {
        let (app, caller, id) = (&self.app, &self.caller, id::named(id)?);
        let options = quirks::patch_options(caller.idp);
        let patched = match kind {
            Kind::User => {
                let UserPatch(request) = self.read(data)?;
                let patched = app.patch_user(caller, EntryId(id), request, options, if_match);
                patched.await.map(Done::from)
            }
            Kind::Group => {
                let GroupPatch(request) = self.read(data)?;
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

    /// Adds what had to wait for the rest of a circle.
    async fn add(&self, mut addition: Operation, created: &Done) -> Result<Done, Error> {
        addition.resolve(|name| self.ids.get(name).cloned()).map_err(|name| incomplete(&name))?;
        self.patch(created.kind, &created.id, addition.data, None).await
    }

    /// Reads the data of an operation as the body that it would be alone.
    fn read<T: Message>(&self, data: Value) -> Result<T, Error> {
        if T::BYTES_MAX < BulkBody::BYTES_MAX && is_larger(&data, T::BYTES_MAX) {
            return Err(T::too_large());
        }
        self.reader.read(data)
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

/// Makes an error of an operation that has created something, which it still tells.
fn fail(outcome: &mut Option<Outcome>, error: Error) {
    if let Some(outcome) = outcome {
        outcome.status = error.status;
        outcome.error = Some(error);
    }
}

fn incomplete(name: &str) -> Error {
    Error::conflict(format!(
        "'bulkId:{name}' names nothing that this request has created: the resource was created \
         without its references to what comes later in the request"
    ))
}

/// Whether a value has more bytes than that as JSON. Nothing is kept of it.
fn is_larger(value: &Value, bytes_max: usize) -> bool {
    serde_json::to_writer(Room(bytes_max), value).is_err()
}

/// How many bytes may still be written.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
