//! The query string of a request.

use std::{
    collections::{HashMap, HashSet},
    future::Ready,
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::Method, web::Query};
use app::{
    Person,
    admin::{events::Moment, page::Listing},
};

use crate::{moment, problem::Refused, roles::Admits};

/// How many items a list gives unless it is told otherwise.
const LIMIT: usize = 100;
/// How many items a list gives at most.
const LIMIT_MAX: usize = 1_000;

/// The parameters in a query string.
pub(crate) struct Params(HashMap<String, String>);

impl FromRequest for Params {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = Query::<HashMap<String, String>>::from_query(request.query_string());
        let unreadable = |_| Refused::parameter("the query string", "does not read");
        std::future::ready(read.map(|query| Self(query.into_inner())).map_err(unreadable))
    }
}

/// What the methods of a path take in the query string.
pub(crate) struct Known(Vec<Taken>);

/// What one method takes.
pub(crate) struct Taken {
    pub(crate) method: Method,
    /// The names of its parameters.
    pub(crate) names: Vec<String>,
    /// Whether it answers about the past as it does about today, by [`AT`].
    pub(crate) goes_back: bool,
    /// Who may use it.
    pub(crate) admits: Admits,
    /// Whether it does not do without a body.
    pub(crate) needs_body: bool,
}

/// The parameter that names a moment of the past.
pub(crate) const AT: &str = "at";

impl Known {
    pub(crate) fn new(takes: impl IntoIterator<Item = Taken>) -> Self {
        Self(takes.into_iter().collect())
    }

    fn method(&self, method: &Method) -> Option<&Taken> {
        // What can be got can be asked for without its body.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.0.iter().find(|taken| taken.method == method)
    }

    /// What those of a method are.
    fn of(&self, method: &Method) -> &[String] {
        self.method(method).map_or(&[], |taken| &taken.names)
    }

    /// Finds a parameter that is not known, or is there twice. It would else be taken for a wish that was
    /// granted: a list that is not filtered, a removal of more than was meant, one of two moments.
    fn check(&self, method: &Method, query: &str) -> Result<(), Refused> {
        let names = self.of(method);
        let Ok(given) = Query::<Vec<(String, String)>>::from_query(query) else { return Ok(()) };
        let given = given.into_inner();
        let mut seen = HashSet::new();
        if let Some((twice, _)) = given.iter().find(|(name, _)| !seen.insert(name)) {
            return Err(Refused::parameter(twice, "is there more than once; say it once"));
        }
        let unknown = given.into_iter().find(|(name, _)| !names.contains(name));
        let Some((unknown, _)) = unknown else { return Ok(()) };
        let these = match names {
            [] => "there are none".to_owned(),
            names => format!("the ones here are {}", names.join(", ")),
        };
        Err(Refused::parameter(&unknown, &format!("this is no parameter here; {these}")))
    }
}

/// The moment of the past that a request is about; `None` for today.
///
/// # Errors
/// 400 for what is neither a position nor a time.
pub(crate) fn moment_of(request: &HttpRequest) -> Result<Option<Moment>, Refused> {
    let taken = request.app_data::<Known>().and_then(|known| known.method(request.method()));
    if !taken.is_some_and(|taken| taken.goes_back) {
        return Ok(None);
    }
    let Ok(query) = Query::<HashMap<String, String>>::from_query(request.query_string()) else {
        return Ok(None);
    };
    let at = Params(query.into_inner());
    at.get(AT).map(|text| moment::moment(AT, text)).transpose()
}

/// Refuses whoever may not use the endpoint of a request.
///
/// # Errors
/// 403 that names who may.
pub(crate) fn admit(request: &HttpRequest, person: &Person) -> Result<(), Refused> {
    let taken = request.app_data::<Known>().and_then(|known| known.method(request.method()));
    Ok(taken.map_or(Ok(()), |taken| taken.admits.check(person))?)
}

/// Whether the endpoint of a request does not do without a body.
pub(crate) fn needs_body(request: &HttpRequest) -> bool {
    let taken = request.app_data::<Known>().and_then(|known| known.method(request.method()));
    taken.is_some_and(|taken| taken.needs_body)
}

/// Refuses what the endpoint of a request does not take.
///
/// # Errors
/// 400 that names it.
pub(crate) fn check(request: &HttpRequest) -> Result<(), Refused> {
    let Some(known) = request.app_data::<Known>() else { return Ok(()) };
    known.check(request.method(), request.query_string())
}

impl Params {
    /// A parameter; an empty one is as good as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The same, as a text of its own.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter that has to read as something, which an error calls `what`.
    ///
    /// # Errors
    /// 400 with what it has to be.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Refused> {
        let wrong = |text: &str| Refused::parameter(name, &format!("must be {what}, got {text:?}"));
        let parse = |text: &str| text.parse().map_err(|_| wrong(text));
        self.get(name).map(parse).transpose()
    }

    /// A position of the record, or how many events there are up to one.
    ///
    /// # Errors
    /// 400 for what is no number.
    pub(crate) fn position(&self, name: &str) -> Result<Option<u64>, Refused> {
        self.parsed(name, "a position: a whole number")
    }

    /// Somebody's or something's id.
    ///
    /// # Errors
    /// 400 for what is none.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refused> {
        self.parsed(name, "an id, such as 01990000-0000-7000-8000-000000000001")
    }

    /// How many items are asked for: 1 to 1,000.
    ///
    /// # Errors
    /// 400 for what is no such number.
    pub(crate) fn limit(&self) -> Result<usize, Refused> {
        match self.get("limit").map(str::parse) {
            None => Ok(LIMIT),
            Some(Ok(limit @ 1..=LIMIT_MAX)) => Ok(limit),
            Some(_) => Err(Refused::parameter("limit", "must be a number from 1 to 1,000")),
        }
    }

    /// Which part of a list is asked for.
    ///
    /// # Errors
    /// 400 for a bad `limit`.
    pub(crate) fn listing(&self) -> Result<Listing, Refused> {
        Ok(Listing { q: self.text("q"), limit: self.limit()?, cursor: self.text("cursor") })
    }
}

/// A parameter that is one of some words.
///
/// # Errors
/// 400 with the words.
pub(crate) fn choice<T: Copy>(
    params: &Params,
    name: &str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Refused> {
    let Some(text) = params.get(name) else { return Ok(None) };
    if let Some(chosen) = all.iter().copied().find(|it| word(*it) == text) {
        return Ok(Some(chosen));
    }
    let words: Vec<_> = all.iter().copied().map(word).collect();
    Err(Refused::parameter(name, &format!("must be one of {}, got {text:?}", words.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn a_limit_is_bounded() {
        assert_eq!(params(&[]).limit().unwrap(), 100);
        assert_eq!(params(&[("limit", "7")]).limit().unwrap(), 7);
        assert_eq!(params(&[("limit", "1000")]).limit().unwrap(), 1_000);
        for bad in ["0", "-1", "x", "1.5", "1001", "99999999999999999999"] {
            assert!(params(&[("limit", bad)]).limit().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        let taken = |method, names| {
            let admits = Admits::of(&method, "/workspaces");
            Taken { method, names, goes_back: false, admits, needs_body: false }
        };
        let known = Known::new([
            taken(Method::GET, vec!["q".to_owned(), "limit".to_owned()]),
            taken(Method::DELETE, Vec::new()),
        ]);
        let said = |method, query| {
            known.check(&method, query).map_err(|refused| refused.to_string()).err()
        };
        for fine in ["", "q=a", "limit=1&q=", "%71=a"] {
            assert_eq!(said(Method::GET, fine), None, "{fine}");
            assert_eq!(said(Method::HEAD, fine), None, "{fine}");
        }
        assert_eq!(
            said(Method::GET, "q=a&Limit=1").as_deref(),
            Some("Limit: this is no parameter here; the ones here are q, limit")
        );
        for twice in ["q=a&q=b", "q=a&limit=1&%71=a"] {
            let said = said(Method::GET, twice);
            assert_eq!(said.as_deref(), Some("q: is there more than once; say it once"), "{twice}");
        }
        assert_eq!(
            said(Method::DELETE, "q").as_deref(),
            Some("q: this is no parameter here; there are none")
        );
    }

    #[test]
    fn an_empty_parameter_is_none() {
        assert_eq!(params(&[("q", "")]).get("q"), None);
    }
}
