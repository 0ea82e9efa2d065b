//! The one place where a refusal or a failure becomes a SCIM error or an API problem.
//!
//! A *refusal* is the caller's fault and says what to mend (4xx). A *failure* is ours (5xx): its
//! cause is logged once, here, and never sent.

use domain::{
    device::DeviceRefusal,
    group::GroupRefusal,
    publication::PublicationRefusal,
    segments::SegmentsRefusal,
    user::UserRefusal,
    workspace::{Paused, WorkspaceRefusal},
};
use event_log::Failure;
use projections::{Building, directory::ListError};
use serde::Serialize;

use crate::{Unauthorized, write::DispatchError};

/// How long an overloaded or paused server asks to be left alone, in seconds.
const RETRY_AFTER_SECONDS: u32 = 30;

/// After how many seconds to ask again about a past that is being built.
const BUILDING_SECONDS: u32 = 2;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Who asks is not known.
    #[error(transparent)]
    Unauthorized(#[from] Unauthorized),
    /// Who asks may not do that; the text names the role that may.
    #[error("{0}")]
    Forbidden(String),
    /// The connector is paused (rule 7); the text says what resumes it.
    #[error("this connector is paused: nothing was changed; {}", resumes(*.0))]
    Paused(Paused),
    /// Nothing by that name.
    #[error("{0} not found")]
    NotFound(String),
    /// SCIM says what is wrong.
    #[error(transparent)]
    Scim(#[from] scim::Error),
    /// Somebody else has that value.
    #[error("{0}")]
    Taken(String),
    /// The state of things does not allow it; the text names the missing step.
    #[error("{0}")]
    State(String),
    /// The request does not say what it has to.
    #[error("{0}")]
    Malformed(String),
    /// The connector sends more than it may; in so many seconds it may go on.
    #[error("this connector sends too many requests: try again in {0} s")]
    TooFast(u32),
    /// Too much is waiting.
    #[error("the server is busy: try again in a moment")]
    Overloaded,
    /// Policies have stopped, so that nobody knows what follows from what has happened: nothing is decided.
    #[error(
        "what follows from the events of this workspace is not known: policies have stopped at one that \
         cannot be worked on, and go on once that is mended; nothing was changed; an operator has been told"
    )]
    Stalled,
    /// The storage has failed; an operator has to look.
    #[error("the server takes no changes at the moment: its storage needs an operator")]
    ReadOnly,
    /// A read model has stopped at an event; what it shows would be old.
    #[error("this view is being repaired: an operator has been told")]
    Stale(#[source] projections::Stale),
    /// The file of a read model was found damaged just now; which one it is, and what is done about it.
    #[error(
        "the file of the view {0} is damaged: it is being built again from the record, of which nothing is \
         lost; ask again, and see muster projections builds"
    )]
    Broken(&'static str),
    /// A read model of which no file serves: so many events are in the one that is being built.
    #[error("{why}{}: ask again", how_far(*done, *of))]
    Filling {
        /// Which, and why.
        why: std::sync::Arc<str>,
        /// How many events are in it.
        done: u64,
        /// How many it is to have; 0 while that is not known.
        of: u64,
    },
    /// What is asked about a past is not there yet: so many of its events are in the read model.
    #[error("the past up to position {of} is being built, {done} of {of} events: ask again")]
    Building {
        /// How many events are in it.
        done: u64,
        /// How many it has.
        of: u64,
    },
    /// What is asked about a past cannot be built, for want of disk mostly.
    #[error("this list of the past cannot be built: {}; lists of today are not touched by that", .0.reason)]
    NoPast(#[source] projections::Stale),
    /// The server ends. Whether it was done is unknown; it may be asked for again.
    #[error("the server is stopping: try again in a moment")]
    Stopping,
    /// Our fault.
    #[error("the server failed")]
    Failed(#[source] Failure),
    /// Our fault, in a read model.
    #[error("the server failed")]
    Reading(#[source] projections::Failure),
    /// Our fault, in signing.
    #[error("the server failed")]
    Signing(#[from] record::NotaryError),
    /// An event of what is asked about cannot be read; what it says is not known until it can.
    #[error("{UNREADABLE}")]
    Unreadable,
    /// The same, and the log says why.
    #[error("{UNREADABLE}")]
    Damaged(#[source] Failure),
    /// The same, of the workspace that a skip would be recorded in.
    #[error(
        "nothing was changed: what a projection passes over is recorded among the workspace's own events, of          which one cannot be read. Run the version that wrote it, or put back its key (muster restore): the          hold ends by itself then"
    )]
    NowhereToRecord(#[source] Box<Refusal>),
}

/// How much of a read model is there, as far as that is known.
fn how_far(done: u64, of: u64) -> String {
    if of == 0 { String::new() } else { format!(", {done} of {of} events") }
}

/// What is said where an event cannot be read. Which one it is, operators are told.
const UNREADABLE: &str = "an event of this cannot be read: it is damaged, its key is missing, or a newer \
    version wrote it; an operator has been told";

/// What a connector that is paused waits for.
fn resumes(paused: Paused) -> &'static str {
    match paused {
        Paused::Hand => "an administrator can resume it",
        Paused::Plan => {
            "the workspace's plan does not include SCIM, and it goes on once a plan does"
        }
    }
}

/// An RFC 9457 problem, as `/api/v1` answers.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
    /// Of a past that is being built: how many of its events are in it, and how many it has.
    #[serde(skip)]
    pub built: Option<(u64, u64)>,
}

impl Refusal {
    /// Whose fault it is, as an HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unauthorized(_) => 401,
            Self::Paused(_)
            | Self::Overloaded
            | Self::Stalled
            | Self::Building { .. }
            | Self::NoPast(_)
            | Self::Filling { .. }
            | Self::Broken(_)
            | Self::Stopping
            | Self::ReadOnly
            | Self::Stale(_)
            | Self::Unreadable
            | Self::Damaged(_)
            | Self::NowhereToRecord(_) => 503,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Scim(error) => error.status,
            Self::Taken(_) | Self::State(_) => 409,
            Self::Malformed(_) => 400,
            Self::TooFast(_) => 429,
            Self::Failed(_) | Self::Reading(_) | Self::Signing(_) => 500,
        }
    }

    /// Whether an event of what is asked about cannot be read, as against the log or the server.
    pub(crate) fn is_of_an_event(&self) -> bool {
        matches!(self, Self::Unreadable | Self::Damaged(_))
    }

    /// In how many seconds to come back, where that makes sense.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::TooFast(seconds) => Some(*seconds),
            Self::Building { .. } => Some(BUILDING_SECONDS),
            _ => (self.status() == 503).then_some(RETRY_AFTER_SECONDS),
        }
    }

    /// As SCIM says it (RFC 7644 §3.12).
    pub fn into_scim(self) -> scim::Error {
        self.log();
        let detail = self.to_string();
        match self {
            Self::Scim(error) => error,
            Self::Taken(detail) => scim::Error::uniqueness(detail),
            Self::Malformed(detail) => scim::Error::invalid_value(detail),
            other => scim::Error { status: other.status(), scim_type: None, detail },
        }
    }

    /// As `/api/v1` says it.
    pub fn into_problem(self) -> Problem {
        self.log();
        let status = self.status();
        let title = match status {
            400 => "Bad request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not found",
            409 => "Conflict",
            413 => "Too large",
            429 => "Too many requests",
            503 => "Unavailable",
            _ => "Failure",
        };
        let built = match &self {
            Self::Building { done, of } => Some((*done, *of)),
            _ => None,
        };
        Problem { status, title, detail: self.to_string(), built }
    }

    /// A failure is logged once, where it is handled: here.
    fn log(&self) {
        let expected = matches!(
            self,
            Self::Paused(_)
                | Self::Overloaded
                | Self::Stalled // The runner of policies says it, again and again.
                | Self::Building { .. }
                | Self::Filling { .. }
                | Self::Broken(_) // Said when it was found.
                | Self::Stopping
        );
        if self.status() >= 500 && !expected {
            tracing::error!(error = %chain(self), "a request failed");
        }
    }
}

/// An error with its causes, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Closed => Self::Stopping,
            Failure::Corrupt { .. } | Failure::Gap { .. } | Failure::KeyGone { .. } => {
                Self::Damaged(failure)
            }
            failure => Self::Failed(failure),
        }
    }
}

impl From<projections::Failure> for Refusal {
    fn from(failure: projections::Failure) -> Self {
        match failure {
            projections::Failure::Damaged { projection, .. } => Self::Broken(projection),
            failure => Self::Reading(failure),
        }
    }
}

impl From<ListError> for Refusal {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Refused(error) => Self::Scim(error),
            ListError::Failed(failure) => failure.into(),
        }
    }
}

impl From<projections::Stale> for Refusal {
    fn from(stale: projections::Stale) -> Self {
        match stale.building {
            Some(Building::Today { done, of }) => Self::Filling { why: stale.reason, done, of },
            Some(Building::Past { done, of }) => Self::Building { done, of },
            Some(Building::NoPast) => Self::NoPast(stale),
            None => Self::Stale(stale),
        }
    }
}

impl<R: Into<Refusal>> From<DispatchError<R>> for Refusal {
    fn from(error: DispatchError<R>) -> Self {
        match error {
            DispatchError::Refused(refusal) => refusal.into(),
            DispatchError::ClaimTaken { claim, .. } => Self::Taken(taken(&claim.scope)),
            DispatchError::Overloaded => Self::Overloaded,
            DispatchError::Failed(failure) => failure.into(),
            DispatchError::Unreadable(_) => Self::Unreadable,
            DispatchError::ReadOnly => Self::ReadOnly,
        }
    }
}

/// What a claim that is taken means to whoever asked for it.
fn taken(scope: &str) -> String {
    match scope.split(':').next() {
        Some("entry") => "userName: this connector has a user with that userName already".into(),
        Some("person") => {
            "userName: another person of this portal has that userName already".into()
        }
        Some("group") => {
            "displayName: this connector has a group with that displayName already".into()
        }
        Some("serial") => "serial: this workspace has a device with that serial already".into(),
        _ => "that value is taken".into(),
    }
}

impl From<UserRefusal> for Refusal {
    fn from(refusal: UserRefusal) -> Self {
        match refusal {
            UserRefusal::NoEntry => Self::NotFound("user".into()),
            UserRefusal::OtherVersion(_) => {
                Self::Scim(scim::Error::precondition_failed(refusal.to_string()))
            }
            UserRefusal::EntryExists => Self::Taken(taken("entry")),
            UserRefusal::Scim(error) => Self::Scim(error),
            UserRefusal::AccountExists
            | UserRefusal::NoAccount
            | UserRefusal::Held
            | UserRefusal::NotHeld
            | UserRefusal::Erased => Self::State(refusal.to_string()),
            UserRefusal::NotStored => Self::Overloaded,
            UserRefusal::NoRoles(_) => Self::Malformed(refusal.to_string()),
        }
    }
}

impl From<GroupRefusal> for Refusal {
    fn from(refusal: GroupRefusal) -> Self {
        match refusal {
            GroupRefusal::NoGroup => Self::NotFound("group".into()),
            GroupRefusal::OtherVersion(_) => {
                Self::Scim(scim::Error::precondition_failed(refusal.to_string()))
            }
            GroupRefusal::Scim(error) => Self::Scim(error),
        }
    }
}

impl From<DeviceRefusal> for Refusal {
    fn from(refusal: DeviceRefusal) -> Self {
        match refusal {
            DeviceRefusal::NoDevice => Self::NotFound("device".into()),
            DeviceRefusal::NoAction => Self::NotFound("effect".into()),
            DeviceRefusal::Removed
            | DeviceRefusal::BeingRemoved(_)
            | DeviceRefusal::Told(_)
            | DeviceRefusal::RemovalOwed(_)
            | DeviceRefusal::RemovalUnderWay(_)
            | DeviceRefusal::Action(_) => Self::State(refusal.to_string()),
        }
    }
}

impl From<PublicationRefusal> for Refusal {
    fn from(refusal: PublicationRefusal) -> Self {
        match refusal {
            PublicationRefusal::NoPublication => Self::NotFound("publication".into()),
            PublicationRefusal::Exists => Self::State(refusal.to_string()),
            PublicationRefusal::BadGroupFilter(_) => Self::Malformed(refusal.to_string()),
        }
    }
}

impl From<SegmentsRefusal> for Refusal {
    fn from(refusal: SegmentsRefusal) -> Self {
        match refusal {
            SegmentsRefusal::NoSegment => Self::NotFound("segment".into()),
            SegmentsRefusal::NoParent(_) | SegmentsRefusal::TooManyGrants => {
                Self::Malformed(refusal.to_string())
            }
            SegmentsRefusal::Exists
            | SegmentsRefusal::Loop
            | SegmentsRefusal::NameTaken(_)
            | SegmentsRefusal::TooDeep
            | SegmentsRefusal::TooMany
            | SegmentsRefusal::HasSegments(_) => Self::State(refusal.to_string()),
        }
    }
}

impl From<WorkspaceRefusal> for Refusal {
    fn from(refusal: WorkspaceRefusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            WorkspaceRefusal::NoWorkspace => Self::NotFound("workspace".into()),
            WorkspaceRefusal::NoConnector(name) => Self::NotFound(format!("connector {name}")),
            WorkspaceRefusal::NoToken => Self::NotFound("token".into()),
            WorkspaceRefusal::NoMdmService => {
                Self::NotFound("MDM service of just that platform".into())
            }
            WorkspaceRefusal::NoPolicy(_)
            | WorkspaceRefusal::BadProvisioning(_)
            | WorkspaceRefusal::BadAttributeMapping(_)
            | WorkspaceRefusal::BadRoleMapping(_)
            | WorkspaceRefusal::BadGroupFilter(_)
            | WorkspaceRefusal::NotOfDashboard(..)
            | WorkspaceRefusal::UnknownInRule(..)
            | WorkspaceRefusal::TooManyExtensions(_)
            | WorkspaceRefusal::TooManyMdmServices(_)
            | WorkspaceRefusal::ExtensionTwice(_)
            | WorkspaceRefusal::BadLogDays
            | WorkspaceRefusal::BodiesTooLong
            | WorkspaceRefusal::BodiesPast => Self::Malformed(text),
            WorkspaceRefusal::NoSaml(_) => Self::NotFound(text),
            WorkspaceRefusal::Exists
            | WorkspaceRefusal::NotEntitled
            | WorkspaceRefusal::SamlFirst(_)
            | WorkspaceRefusal::JitFirst(_)
            | WorkspaceRefusal::JitUnderScim(_)
            | WorkspaceRefusal::SamlUnderScim(_)
            | WorkspaceRefusal::ConnectorExists(_)
            | WorkspaceRefusal::ConnectorWas(_)
            | WorkspaceRefusal::TooManyTokens
            | WorkspaceRefusal::TooManyApiAccesses(_)
            | WorkspaceRefusal::GoneInRule(..)
            | WorkspaceRefusal::PolicyExists(_)
            | WorkspaceRefusal::PolicyInRule(_)
            | WorkspaceRefusal::NotSuspended => Self::State(text),
        }
    }
}
