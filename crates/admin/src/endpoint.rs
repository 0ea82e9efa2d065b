//! An endpoint: its route and what the document says of it, in one place.

use std::future::ready;

use actix_web::{
    FromRequest, Handler, Resource, Responder, Route,
    guard::{self, Guard},
    http::Method,
    web,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr, Required, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::ArrayBuilder,
    },
};

use crate::{
    answer::Page,
    params::{AT, Known, Taken},
    problem,
    roles::Admits,
    words,
};

/// A named schema, for the document's components.
pub(crate) type NamedSchema = (String, RefOr<Schema>);

/// What an endpoint answers when all is well.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// In words.
    pub(crate) says: &'static str,
    /// Media types, and what stands in them.
    pub(crate) content: Vec<(&'static str, RefOr<Schema>)>,
}

/// One method of one path.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    /// Below `/api/v1`.
    pub(crate) path: String,
    route: Route,
    pub(crate) summary: &'static str,
    pub(crate) params: Vec<Parameter>,
    /// What stands in the body, and whether it has to.
    pub(crate) body: Option<(RefOr<Schema>, Required)>,
    pub(crate) answer: Answer,
    /// Another status under which it shows the same.
    pub(crate) or: Option<(u16, &'static str)>,
    pub(crate) refuses: Vec<(u16, &'static str)>,
    /// Whether it wants a token.
    pub(crate) guarded: bool,
    pub(crate) schemas: Vec<NamedSchema>,
    /// Whether it answers about the past as well.
    goes_back: bool,
}

impl Endpoint {
    /// An endpoint that answers 204 until it is told otherwise.
    pub(crate) fn new<F, Args>(
        method: Method,
        path: impl Into<String>,
        summary: &'static str,
        handler: F,
    ) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let path = path.into();
        Self {
            route: Route::new().guard(of(method.clone())).to(handler),
            method,
            params: words::path_params(&path),
            path,
            summary,
            body: None,
            answer: Answer { status: 204, says: "Done", content: Vec::new() },
            or: None,
            refuses: Vec::new(),
            guarded: true,
            schemas: Vec::new(),
            goes_back: false,
        }
    }

    /// It takes a body.
    pub(crate) fn takes<T: ToSchema>(self) -> Self {
        self.body::<T>(Required::True)
    }

    /// It takes a body, and does without.
    pub(crate) fn may_take<T: ToSchema>(self) -> Self {
        self.body::<T>(Required::False)
    }

    /// It takes an array of these.
    pub(crate) fn takes_all<T: ToSchema>(mut self) -> Self {
        let schema = self.array_of::<T>();
        self.body_of(schema, Required::True)
    }

    fn body<T: ToSchema>(mut self, required: Required) -> Self {
        let schema = self.named::<T>();
        self.body_of(schema, required)
    }

    fn body_of(mut self, schema: RefOr<Schema>, required: Required) -> Self {
        self.body = Some((schema, required));
        self.refuses(400, "The body is not what it has to be; the detail says where")
            .refuses(413, "The body is too large")
    }

    /// It answers 200 with this.
    pub(crate) fn shows<T: ToSchema>(mut self) -> Self {
        let content = vec![("application/json", self.named::<T>())];
        self.answer = Answer { status: 200, says: "As it is now", content };
        self
    }

    /// It answers 200 with an array of these, whole.
    pub(crate) fn shows_all<T: ToSchema>(mut self) -> Self {
        let content = vec![("application/json", self.array_of::<T>())];
        self.answer = Answer { status: 200, says: "As it is now", content };
        self
    }

    /// It answers 200 with a part of a list of these.
    pub(crate) fn lists<T: ToSchema>(self) -> Self {
        self.param("q", "Only what holds this text, in any case").parts::<T>()
    }

    /// The same, where there is no text to look for.
    pub(crate) fn parts<T: ToSchema>(mut self) -> Self {
        self.named::<T>();
        // The name of a generic schema does not tell what it is of.
        let name = format!("PageOf{}", T::name());
        self.schemas.push((name.clone(), Page::<T>::schema()));
        let content = vec![("application/json", RefOr::Ref(Ref::from_schema_name(name)))];
        self.answer = Answer { status: 200, says: "A part of the list", content };
        self.param("limit", "How many at most: 100 unless said, 1,000 at most")
            .param("cursor", "The `next_cursor` of the part before")
    }

    /// It answers 201 with what it made.
    pub(crate) fn makes<T: ToSchema>(mut self) -> Self {
        let content = vec![("application/json", self.named::<T>())];
        self.answer = Answer { status: 201, says: "Made", content };
        self
    }

    /// It may answer the same under another status.
    pub(crate) fn or_with(mut self, status: u16, says: &'static str) -> Self {
        self.or = Some((status, says));
        self
    }

    /// It can answer in another media type too.
    pub(crate) fn or_as(mut self, media_type: &'static str, schema: RefOr<Schema>) -> Self {
        self.answer.content.push((media_type, schema));
        self
    }

    /// It takes a parameter in the query string.
    pub(crate) fn param(self, name: &str, says: &str) -> Self {
        self.in_query(name, says, Required::False)
    }

    /// It does not do without a parameter in the query string.
    pub(crate) fn needs(self, name: &str, says: &str) -> Self {
        self.in_query(name, says, Required::True)
    }

    fn in_query(mut self, name: &str, says: &str, required: Required) -> Self {
        let param = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(required)
            .description(Some(says))
            .schema(Some(words::text()));
        self.params.push(param.build());
        if self.refuses.iter().any(|(status, _)| *status == 400) {
            return self;
        }
        self.refuses(400, "A parameter is not what it has to be; the detail names it")
    }

    /// It may be refused like this.
    pub(crate) fn refuses(mut self, status: u16, says: &'static str) -> Self {
        self.refuses.push((status, says));
        self
    }

    /// It wants no token.
    pub(crate) fn open(mut self) -> Self {
        self.guarded = false;
        self
    }

    /// It answers about a moment of the past as it does about today (rule 30).
    pub(crate) fn goes_back(mut self) -> Self {
        self.goes_back = true;
        self.param(
            AT,
            "As of this position or RFC 3339 time; now unless said. A list of a moment is built when it is \
             first asked for: the answer waits ten seconds, or what `Prefer: wait=` says, and is then 503 with \
             `done` and `of`: ask again",
        )
    }

    /// Who may use it.
    pub(crate) fn admits(&self) -> Admits {
        Admits::of(&self.method, &self.path)
    }

    /// The names of its parameters in the query string.
    fn query_names(&self) -> Vec<String> {
        let in_query = |it: &&Parameter| matches!(it.parameter_in, ParameterIn::Query);
        self.params.iter().filter(in_query).map(|it| it.name.clone()).collect()
    }

    fn array_of<T: ToSchema>(&mut self) -> RefOr<Schema> {
        ArrayBuilder::new().items(self.named::<T>()).into()
    }

    /// A schema by its name, which goes to the components with all it names.
    pub(crate) fn named<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        RefOr::Ref(Ref::from_schema_name(T::name()))
    }
}

/// Matches a method. What can be got can be asked for without its body (RFC 9110 §9.3.2).
pub(crate) fn of(method: Method) -> impl Guard {
    guard::fn_guard(move |context| {
        let asked = &context.head().method;
        *asked == method || (*asked == Method::HEAD && method == Method::GET)
    })
}

/// Endpoints by their path, in order.
pub(crate) fn by_path(endpoints: Vec<Endpoint>) -> Vec<(String, Vec<Endpoint>)> {
    let mut paths: Vec<(String, Vec<Endpoint>)> = Vec::new();
    for endpoint in endpoints {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, known)) => known.push(endpoint),
            None => paths.push((endpoint.path.clone(), vec![endpoint])),
        }
    }
    paths
}

/// The methods of one path; any other is answered 405.
pub(crate) fn resource(path: &str, endpoints: Vec<Endpoint>) -> Resource {
    let mut allowed: Vec<_> = endpoints.iter().map(|it| it.method.to_string()).collect();
    if allowed.iter().any(|method| method == "GET") {
        allowed.push("HEAD".to_owned());
    }
    let allowed = allowed.join(", ");
    let known = Known::new(endpoints.iter().map(|it| Taken {
        method: it.method.clone(),
        names: it.query_names(),
        goes_back: it.goes_back,
        admits: it.admits(),
        needs_body: matches!(it.body, Some((_, Required::True))),
    }));
    let resource = endpoints
        .into_iter()
        .fold(web::resource(path), |resource, endpoint| resource.route(endpoint.route))
        .app_data(known);
    resource.default_service(web::to(move || ready(problem::not_allowed(&allowed))))
}
