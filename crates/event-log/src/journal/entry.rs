//! What the provisioning log says of a request.

use smol_str::SmolStr;
use uuid::Uuid;

use crate::{Micros, WorkspaceId};

/// Defines an enum that is stored as a number and shown as a word. Numbers are for ever.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$says:meta])* $variant:ident = $number:literal, $word:literal;)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$says])* $variant = $number,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The number that it is stored as.
            pub(crate) fn number(self) -> u8 {
                self as u8
            }

            pub(crate) fn of_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// What a request asks for.
    Action {
        /// To add a resource.
        Create = 0, "create";
        /// To replace one.
        Replace = 1, "replace";
        /// To change one.
        Patch = 2, "patch";
        /// To remove one.
        Delete = 3, "delete";
        /// To see one.
        Read = 4, "read";
        /// To find some.
        List = 5, "list";
        /// Several things at once.
        Bulk = 6, "bulk";
        /// What the server can do.
        Discover = 7, "discover";
        /// Anything else.
        Other = 8, "other";
    }
}

words! {
    /// What came of a request.
    Outcome {
        /// It was answered with what is there; nothing was to change.
        Read = 0, "read";
        /// It was accepted, and everything was so already.
        Unchanged = 1, "unchanged";
        /// A resource was added.
        Created = 2, "created";
        /// A resource was changed.
        Changed = 3, "changed";
        /// A resource was removed.
        Removed = 4, "removed";
        /// It has several operations; each has an entry of its own.
        InParts = 5, "in_parts";
        /// It asks for what is not possible: the client's to mend.
        Refused = 6, "refused";
        /// Not now: the connector is paused, too fast, or the server is busy. Nothing was done.
        Deferred = 7, "deferred";
        /// The server failed.
        Failed = 8, "failed";
        /// The client hung up before it was told; what it asked for may have been done.
        Unanswered = 9, "unanswered";
        /// The server ended before the entry was written; the event log shows what was done.
        Recovered = 10, "recovered";
    }
}

words! {
    /// The kind of a resource.
    Resource {
        /// A user.
        User = 0, "User";
        /// A group.
        Group = 1, "Group";
    }
}

/// A keyed hash of a name: equal for equal names, and nothing else can be told from it.
pub type NameDigest = [u8; 16];

/// A request that was answered, or one operation of a bulk request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was answered. Within a connector no two entries have the same time and none goes back.
    pub time: Micros,
    /// Which connector it is of.
    pub connector: SmolStr,
    /// With which token.
    pub token: Uuid,
    /// What it asks for.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// The kind of resource that it is about.
    pub resource: Option<Resource>,
    /// The resource that it is about.
    pub subject: Option<Uuid>,
    /// The userName or displayName that it brought.
    pub name: Option<NameDigest>,
    /// The HTTP status; `None` when nobody was told.
    pub status: Option<u16>,
    /// The error's keyword.
    pub scim_type: Option<SmolStr>,
    /// The error's text, without what the client wrote.
    pub detail: Option<String>,
    /// How long it took, in microseconds; `None` where that is not known, of what was
    /// [recovered](Outcome::Recovered).
    pub duration_micros: Option<u64>,
    /// The request's own id.
    pub request: String,
    /// The id that the client gave, else the same.
    pub correlation: String,
    /// Which operation of a bulk request it is, from 0.
    pub operation: Option<u32>,
    /// The first and the last position of what it recorded.
    pub positions: Option<(u64, u64)>,
}

/// An entry on its way to the journal.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// The entry; its time may be set later than it says.
    pub entry: Entry,
    /// The request's body, to be sealed.
    pub body: Option<Body>,
}

/// A request's body.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// As it came, or its beginning.
    pub bytes: Vec<u8>,
    /// Whether only the beginning was kept.
    pub cut: bool,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("bytes", &self.bytes.len()).field("cut", &self.cut).finish()
    }
}

/// Requests of a connector that came in one go: none is more than five minutes after the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// The connector.
    pub connector: SmolStr,
    /// The time of its first entry.
    pub begun: Micros,
    /// The time of its last one so far.
    pub ended: Micros,
    /// How many requests there were; the operations of a bulk request do not count here.
    pub requests: u64,
    /// How many came out as each of [`Outcome::ALL`], operations included.
    pub outcomes: [u64; Outcome::ALL.len()],
}

impl Cycle {
    /// How many came out so.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[usize::from(outcome.number())]
    }
}

/// An attempt without a token that opens anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub time: Micros,
    /// The request's own id.
    pub request: String,
    /// The id of the token, where one of the connector's was named.
    pub token: Option<Uuid>,
}

/// How often requests to a Base URL were not authenticated, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejections {
    /// The connector; `None` for names that no connector of the workspace has.
    pub connector: Option<SmolStr>,
    /// Why.
    pub reason: SmolStr,
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Micros,
    /// Some of the last ones, newest first; see [`super::SAMPLES_MAX`].
    pub samples: Vec<Attempt>,
}
