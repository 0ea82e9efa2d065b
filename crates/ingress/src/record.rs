//! The entry that an authenticated request leaves in the provisioning log (rule 33), whatever its answer.

use std::{sync::Arc, time::Instant};

use actix_web::{
    Error, HttpResponse,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
};
use app::{Answered, App};
use event_log::journal::{Action, Resource};

use crate::{caller::Caller, error::Refused};

/// How many parts the path of a Base URL has: nothing, `scim`, `v2`, workspace, connector.
const BASE_PARTS: usize = 5;

/// A request that is being answered. Dropped before that, it says that nobody was told.
pub(crate) struct Record {
    app: Arc<App>,
    caller: Caller,
    action: Action,
    resource: Option<Resource>,
    begun: Instant,
    ended: bool,
}

impl Record {
    pub(crate) fn begin(
        app: Arc<App>,
        caller: Caller,
        request: &ServiceRequest,
        begun: Instant,
    ) -> Self {
        let (action, resource) = asked(request.method(), request.path());
        Self { app, caller, action, resource, begun, ended: false }
    }

    /// Enters how the request was answered.
    pub(crate) fn end<B>(mut self, answer: &Result<ServiceResponse<B>, Error>) {
        self.ended = true;
        match answer {
            Ok(response) => {
                let error = response.response().error().and_then(|it| it.as_error::<Refused>());
                self.enter(Some(response.status().as_u16()), error.map(Refused::error));
            }
            Err(error) => {
                let status = error.as_response_error().status_code().as_u16();
                self.enter(Some(status), error.as_error::<Refused>().map(Refused::error));
            }
        }
    }

    fn enter(&self, status: Option<u16>, error: Option<&scim::Error>) {
        let answered = Answered {
            action: self.action,
            resource: self.resource,
            operation: None,
            status,
            error: error.cloned(),
            duration: self.begun.elapsed(),
        };
        self.app.answered(&self.caller, answered);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            // Whoever panics is answered 500, further out.
            self.enter(std::thread::panicking().then_some(500), None);
        }
    }
}

/// The refusal of a request that has its entry all the same.
pub(crate) fn refuse(request: ServiceRequest, refusal: app::Refusal) -> ServiceResponse {
    let (request, _) = request.into_parts();
    // `into_response` would lose the error.
    ServiceResponse::new(request, HttpResponse::from_error(Refused::from(refusal)))
}

/// What a request asks for.
fn asked(method: &Method, path: &str) -> (Action, Option<Resource>) {
    let parts: Vec<_> = path.split('/').skip(BASE_PARTS).filter(|it| !it.is_empty()).collect();
    let resource = match parts.first() {
        Some(&"Users") => Some(Resource::User),
        Some(&"Groups") => Some(Resource::Group),
        _ => None,
    };
    let is_read = [Method::GET, Method::HEAD].contains(method);
    let action = match (resource, &parts[..]) {
        (_, [.., ".search"]) if *method == Method::POST => Action::List,
        (None, ["Bulk"]) if *method == Method::POST => Action::Bulk,
        (None, ["Schemas" | "ResourceTypes" | "ServiceProviderConfig", ..]) if is_read => {
            Action::Discover
        }
        (None, []) | (Some(_), [_]) if is_read => Action::List,
        (Some(_), [_]) if *method == Method::POST => Action::Create,
        (Some(_), [_, _]) if is_read => Action::Read,
        (Some(_), [_, _]) if *method == Method::PUT => Action::Replace,
        (Some(_), [_, _]) if *method == Method::PATCH => Action::Patch,
        (Some(_), [_, _]) if *method == Method::DELETE => Action::Delete,
        _ => Action::Other,
    };
    (action, resource)
}

/// An operation of a bulk request, being carried out.
pub(crate) struct Operation {
    action: Action,
    resource: Option<Resource>,
    index: u32,
    begun: Instant,
}

impl Operation {
    pub(crate) fn begin(
        method: scim::bulk::Method,
        kind: Option<scim::Kind>,
        index: usize,
    ) -> Self {
        let action = match method {
            scim::bulk::Method::Post => Action::Create,
            scim::bulk::Method::Put => Action::Replace,
            scim::bulk::Method::Patch => Action::Patch,
            scim::bulk::Method::Delete => Action::Delete,
        };
        Self::new(action, kind, index)
    }

    /// One that does not say what it has to.
    pub(crate) fn unclear(kind: Option<scim::Kind>, index: usize) -> Self {
        Self::new(Action::Other, kind, index)
    }

    fn new(action: Action, kind: Option<scim::Kind>, index: usize) -> Self {
        let resource = kind.map(|kind| match kind {
            scim::Kind::User => Resource::User,
            scim::Kind::Group => Resource::Group,
        });
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self { action, resource, index, begun: Instant::now() }
    }

    /// Enters what came of it.
    pub(crate) fn end(self, app: &App, caller: &Caller, status: u16, error: Option<&scim::Error>) {
        let answered = Answered {
            action: self.action,
            resource: self.resource,
            operation: Some(self.index),
            status: Some(status),
            error: error.cloned(),
            duration: self.begun.elapsed(),
        };
        app.answered(caller, answered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stands_in_method_and_path() {
        let (user, group) = (Some(Resource::User), Some(Resource::Group));
        for (method, path, expected) in [
            (Method::POST, "/Users", (Action::Create, user)),
            (Method::GET, "/Users/", (Action::List, user)),
            (Method::HEAD, "/Groups/7", (Action::Read, group)),
            (Method::PUT, "/Users/7", (Action::Replace, user)),
            (Method::PATCH, "/Groups/7", (Action::Patch, group)),
            (Method::DELETE, "/Groups/7", (Action::Delete, group)),
            (Method::POST, "/Groups/.search", (Action::List, group)),
            (Method::POST, "/.search", (Action::List, None)),
            (Method::GET, "", (Action::List, None)),
            (Method::POST, "/Bulk", (Action::Bulk, None)),
            (Method::GET, "/Bulk", (Action::Other, None)),
            (Method::GET, "/Schemas/urn:x", (Action::Discover, None)),
            (Method::DELETE, "/Users", (Action::Other, user)),
            (Method::GET, "/Me", (Action::Other, None)),
        ] {
            let found = asked(&method, &format!("/scim/v2/acme/store{path}"));
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
