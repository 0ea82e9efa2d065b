//! Who asks, and about what: the person, the workspace, and the ids in a path.
//!
//! They come first among a handler's arguments, so that nobody learns anything before they have
//! shown who they are.

use std::{future::Ready, str::FromStr, sync::Arc, time::Duration};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{StatusCode, header::AUTHORIZATION},
    web::Data,
};
use app::{App, Person, Refusal, RequestIds};
use domain::{ids::ConnectorName, portal::Portal, workspace::OTHER_PLATFORMS};
use event_log::WorkspaceId;
use futures_util::future::LocalBoxFuture;
use smol_str::SmolStr;

use crate::{params, problem::Refused};

/// How much of a text that is no id is said again.
const ID_CHARACTERS_MAX: usize = 64;

/// A person who has shown who they are, and what they may ask.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) app: Arc<App>,
    pub(crate) person: Person,
}

impl Ask {
    fn of(request: &HttpRequest) -> Result<Self, Refused> {
        let Some(app) = request.app_data::<Data<App>>() else {
            unreachable!("every route is added together with the app");
        };
        let app = Arc::clone(app);
        let ids = request.extensions().get::<RequestIds>().cloned().unwrap_or_default();
        // A header that is not even text is no token.
        let header = request.headers().get(AUTHORIZATION);
        let authorization = header.map(|value| value.to_str().unwrap_or("unreadable"));
        let person = app.authenticate_person(authorization, ids)?;
        // Before their role is looked at: what is out of reach is like what is not there.
        let named = request.match_info().get("ws").map(WorkspaceId::parse);
        if let Some(Ok(workspace)) = named
            && !person.reaches(&workspace)
        {
            return Err(not_found("workspace"));
        }
        params::admit(request, &person)?;
        params::check(request)?;
        Ok(Self { app, person })
    }
}

impl FromRequest for Ask {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of(request))
    }
}

/// A person who asks about a workspace that is open.
#[derive(Clone)]
pub(crate) struct Inside {
    pub(crate) app: Arc<App>,
    pub(crate) person: Person,
    pub(crate) workspace: WorkspaceId,
}

impl FromRequest for Inside {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ask = Ask::of(request);
        let slug = segment(request, "ws");
        let moment = params::moment_of(request);
        let wait = waits(request);
        Box::pin(async move {
            let Ask { mut app, person } = ask?;
            let workspace = WorkspaceId::parse(&slug).ok().filter(|it| person.reaches(it));
            let workspace = workspace.ok_or_else(|| not_found("workspace"))?;
            // At once, so that nothing else about the request is said first.
            if app.log().head(&workspace) == 0 {
                return Err(not_found("workspace"));
            }
            app.workspace(&workspace).await?;
            if let Some(moment) = moment? {
                app = app.as_of(&workspace, moment, wait).await?;
                app.workspace(&workspace).await.map_err(|refusal| match refusal {
                    Refusal::NotFound(_) => not_yet(&workspace),
                    refusal => refusal.into(),
                })?;
            }
            Ok(Self { app, person, workspace })
        })
    }
}

/// How long whoever asks would have the server wait for what takes time (`wait` of `Prefer`, RFC 7240 §4.3),
/// if they say so.
fn waits(request: &HttpRequest) -> Option<Duration> {
    let header = request.headers().get("prefer")?.to_str().ok()?;
    let wait = header.split([',', ';']).find_map(|it| it.trim().strip_prefix("wait="))?;
    wait.parse().ok().map(Duration::from_secs)
}

/// The same, of a workspace that may have been closed: what is kept of it can still be read, and people
/// erased in it. An access to that workspace alone has ended with it.
pub(crate) struct Kept(pub(crate) Inside);

impl FromRequest for Kept {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ask = Ask::of(request);
        let slug = segment(request, "ws");
        Box::pin(async move {
            let Ask { app, person } = ask?;
            let is_there = |it: &WorkspaceId| person.reaches(it) && app.log().head(it) > 0;
            let workspace = WorkspaceId::parse(&slug).ok().filter(is_there);
            let workspace = workspace.ok_or_else(|| not_found("workspace"))?;
            if person.reach.is_some() {
                app.workspace(&workspace).await?;
            }
            Ok(Self(Inside { app, person, workspace }))
        })
    }
}

/// The id in a path.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr> FromRequest for Id<T> {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = segment(request, "id");
        std::future::ready(id.parse().map(Self).map_err(|_| no_id(&id)))
    }
}

/// The id of an entry of the provisioning log in a path. Whether it is one is told by the log.
pub(crate) struct OfEntry(pub(crate) String);

impl FromRequest for OfEntry {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(segment(request, "entry"))))
    }
}

/// The connector in a path.
pub(crate) struct OfConnector(pub(crate) ConnectorName);

impl FromRequest for OfConnector {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = ConnectorName::parse(&segment(request, "connector"));
        std::future::ready(name.map(Self).map_err(|_| not_found("connector")))
    }
}

/// The portal in a path.
pub(crate) struct OfPortal(pub(crate) Portal);

impl FromRequest for OfPortal {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let portal = segment(request, "portal").parse().map(Self);
        std::future::ready(portal.map_err(|error| not_found(&format!("portal ({error})"))))
    }
}

/// The platform in a path; `default` is for all that have none of their own.
pub(crate) struct OfPlatform(pub(crate) Option<SmolStr>);

impl OfPlatform {
    /// As it stands in the path.
    pub(crate) fn word(&self) -> &str {
        self.0.as_deref().unwrap_or(OTHER_PLATFORMS)
    }
}

impl FromRequest for OfPlatform {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let platform = segment(request, "platform");
        let platform = (platform != OTHER_PLATFORMS).then(|| SmolStr::from(platform));
        std::future::ready(Ok(Self(platform)))
    }
}

fn segment(request: &HttpRequest, name: &str) -> String {
    request.match_info().query(name).to_owned()
}

/// A workspace that there is, and was not at the moment that is asked about.
pub(crate) fn not_yet(workspace: &WorkspaceId) -> Refused {
    let detail = format!("the workspace {workspace} did not exist yet at that time");
    Refused::from_status(StatusCode::NOT_FOUND, detail)
}

/// A text where an id should be. Some have asked by a name, a serial or a position.
fn no_id(text: &str) -> Refused {
    let text: String = text.chars().take(ID_CHARACTERS_MAX).collect();
    let detail = format!(
        "there is nothing with the id {text:?}, which is not even one: ids look like \
         01990000-0000-7000-8000-000000000001, and the list of what you are asking for shows them"
    );
    Refused::from_status(StatusCode::NOT_FOUND, detail)
}

fn not_found(what: &str) -> Refused {
    Refusal::NotFound(what.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn how_long_to_wait_is_a_preference_among_others() {
        let prefers = |header: &'static str| {
            let request = TestRequest::default().insert_header(("prefer", header));
            waits(&request.to_http_request())
        };
        assert_eq!(prefers("wait=2"), Some(Duration::from_secs(2)));
        assert_eq!(prefers("respond-async, wait=0"), Some(Duration::ZERO));
        assert_eq!(prefers("return=minimal; foo=bar,wait=7"), Some(Duration::from_secs(7)));
        for none in ["", "wait", "wait=", "wait=soon", "await=3"] {
            assert_eq!(prefers(none), None, "{none:?}");
        }
        assert_eq!(waits(&TestRequest::default().to_http_request()), None);
    }
}
