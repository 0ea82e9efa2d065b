//! What bodies say: a resource, or a PATCH, of a user or of a group.

use scim::{
    Catalogue, Kind, Leniency, patch,
    resource::{Parsed, Resource},
};
use serde_json::Value;

use crate::{
    body::{BODY_BYTES_MAX, USER_BODY_BYTES_MAX},
    quirks::Request,
};

/// What a body is read into. The request decides which quirks are looked for.
pub(crate) trait Message: Sized + Send + 'static {
    /// In which request such a body stands.
    const REQUEST: Request;
    /// The largest body, in bytes.
    const BYTES_MAX: usize;

    /// Reads a body, its quirks undone.
    fn read(body: Value, leniency: Leniency) -> Result<Self, scim::Error>;
}

/// The body of `POST` and `PUT /Users`.
pub(crate) struct UserBody(pub(crate) Parsed);
/// The body of `POST` and `PUT /Groups`.
pub(crate) struct GroupBody(pub(crate) Parsed);
/// The body of `PATCH /Users`.
pub(crate) struct UserPatch(pub(crate) patch::Request);
/// The body of `PATCH /Groups`.
pub(crate) struct GroupPatch(pub(crate) patch::Request);

impl Message for UserBody {
    const REQUEST: Request = Request::User;
    const BYTES_MAX: usize = USER_BODY_BYTES_MAX;

    fn read(body: Value, leniency: Leniency) -> Result<Self, scim::Error> {
        Resource::parse_with(Kind::User, body, Catalogue::standard(), leniency).map(Self)
    }
}

impl Message for GroupBody {
    const REQUEST: Request = Request::Group;
    const BYTES_MAX: usize = BODY_BYTES_MAX;

    fn read(body: Value, leniency: Leniency) -> Result<Self, scim::Error> {
        Resource::parse_with(Kind::Group, body, Catalogue::standard(), leniency).map(Self)
    }
}

impl Message for UserPatch {
    const REQUEST: Request = Request::UserPatch;
    const BYTES_MAX: usize = USER_BODY_BYTES_MAX;

    fn read(body: Value, leniency: Leniency) -> Result<Self, scim::Error> {
        patch::Request::parse_with(body, Kind::User, Catalogue::standard(), leniency).map(Self)
    }
}

impl Message for GroupPatch {
    const REQUEST: Request = Request::GroupPatch;
    const BYTES_MAX: usize = BODY_BYTES_MAX;

    fn read(body: Value, leniency: Leniency) -> Result<Self, scim::Error> {
        patch::Request::parse_with(body, Kind::Group, Catalogue::standard(), leniency).map(Self)
    }
}
