//! An endpoint: its path, its methods, and what answers them, in one place.
//!
//! Routes are made from these alone, and so is the list of them by which tests see to it that none is
//! forgotten.

use actix_web::{
    FromRequest, Handler, Resource, Responder, Route,
    http::Method,
    web::{self, ServiceConfig},
};

use crate::fallback;

/// What an endpoint that makes no difference between methods is asked with.
const ALL: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The methods of one path.
pub(crate) struct Endpoint {
    /// Below the Base URL, with names in braces.
    pub(crate) path: &'static str,
    /// In the order in which `Allow` names them.
    pub(crate) methods: Vec<Method>,
    resource: Resource,
}

impl Endpoint {
    /// An endpoint without methods.
    pub(crate) fn at(path: &'static str) -> Self {
        Self { path, methods: Vec::new(), resource: web::resource(path) }
    }

    /// It answers `GET`, and `HEAD` in the same way.
    pub(crate) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, handler.clone()).on(Method::HEAD, handler)
    }

    /// It answers a method.
    pub(crate) fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(Route::new().method(method.clone()).to(handler));
        self.methods.push(method);
        self
    }

    /// It answers every method in the same way.
    pub(crate) fn any<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.to(handler);
        self.methods.extend(ALL);
        self
    }

    /// Adds it to a server.
    pub(crate) fn mount(self, config: &mut ServiceConfig) {
        config.service(self.into_resource());
    }

    /// Its routes. Methods that it has none for are answered 405.
    pub(crate) fn into_resource(self) -> Resource {
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        self.resource.default_service(fallback::others(methods.join(", ")))
    }
}

/// Adds endpoints to a server.
pub(crate) fn mount(endpoints: Vec<Endpoint>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| endpoints.into_iter().for_each(|endpoint| endpoint.mount(config))
}
