//! What bodies say: a resource, a PATCH of one, a search, or many of these.

use app::Sightings;
use domain::workspace::Idp;
use scim::{
    Catalogue, Kind, Leniency,
    attributes::{self, Outline},
    patch,
    resource::{Parsed, Resource},
};
use serde_json::Value;

use crate::{
    body::{BODY_BYTES_MAX, USER_BODY_BYTES_MAX},
    caller::Caller,
    quirks::{self, Request},
};

/// What a body is read into. The request decides which quirks are looked for.
pub(crate) trait Message: Sized + Send + 'static {
    /// In which request such a body stands.
    const REQUEST: Request;
    /// The largest body, in bytes.
    const BYTES_MAX: usize;

    /// Reads a body, its quirks undone.
    fn read(body: Value, reader: &Reader) -> Result<Self, scim::Error>;

    /// The refusal of a body that is larger.
    fn too_large() -> scim::Error {
        let bytes_max = Self::BYTES_MAX;
        scim::Error::payload_too_large(format!("the body is larger than {bytes_max} bytes"))
    }
}

/// How the bodies of one caller are read.
#[derive(Clone)]
pub(crate) struct Reader {
    idp: Idp,
    leniency: Leniency,
    catalogue: Catalogue,
    sightings: Sightings,
}

impl Reader {
    pub(crate) fn of(caller: &Caller) -> Self {
        let (idp, catalogue) = (caller.idp, caller.catalogue.clone());
        let sightings = caller.sightings.clone();
        Self { idp, leniency: quirks::leniency(idp), catalogue, sightings }
    }

    /// Reads a resource, and notes what it carries, be it taken or not.
    fn resource(&self, kind: Kind, body: Value) -> Result<Parsed, scim::Error> {
        self.sightings.note(&attributes::seen(&body, kind, &self.catalogue));
        Resource::parse_with(kind, body, &self.catalogue, self.leniency)
    }

    /// The same for a PATCH.
    fn changes(&self, kind: Kind, body: Value) -> Result<patch::Request, scim::Error> {
        let outline = Outline::of(&body);
        let request = patch::Request::parse_with(body, kind, &self.catalogue, self.leniency);
        match &request {
            Ok(request) => {
                self.sightings.note(&attributes::seen_in(request, kind, &self.catalogue));
            }
            Err(_) => self.sightings.note(&outline.seen(kind, &self.catalogue)),
        }
        request
    }

    /// Reads a message, once the quirks of its body are undone.
    pub(crate) fn read<T: Message>(&self, mut body: Value) -> Result<T, scim::Error> {
        quirks::undo(&mut body, T::REQUEST, self.idp);
        T::read(body, self)
    }
}

/// The body of `POST` and `PUT /Users`.
pub(crate) struct UserBody(pub(crate) Parsed);
/// The body of `POST` and `PUT /Groups`.
pub(crate) struct GroupBody(pub(crate) Parsed);
/// The body of `PATCH /Users`.
pub(crate) struct UserPatch(pub(crate) patch::Request);
/// The body of `PATCH /Groups`.
pub(crate) struct GroupPatch(pub(crate) patch::Request);

/// The body of `.search`.
pub(crate) struct SearchBody(pub(crate) scim::query::Query);
/// The body of `/Bulk`, and the order of its operations: found where the body is read, since that
/// may take as long.
pub(crate) struct BulkBody(pub(crate) scim::bulk::Request, pub(crate) Vec<usize>);

impl Message for SearchBody {
    const REQUEST: Request = Request::Search;
    const BYTES_MAX: usize = USER_BODY_BYTES_MAX;

    fn read(body: Value, reader: &Reader) -> Result<Self, scim::Error> {
        scim::query::Query::from_body(body, reader.leniency).map(Self)
    }
}

impl Message for BulkBody {
    const REQUEST: Request = Request::Bulk;
    const BYTES_MAX: usize = scim::bulk::PAYLOAD_BYTES_MAX;

    fn read(body: Value, reader: &Reader) -> Result<Self, scim::Error> {
        let request = scim::bulk::Request::parse(body, reader.leniency)?;
        let order = request.order();
        Ok(Self(request, order))
    }

    fn too_large() -> scim::Error {
        scim::bulk::too_large()
    }
}

impl Message for UserBody {
    const REQUEST: Request = Request::User;
    const BYTES_MAX: usize = USER_BODY_BYTES_MAX;

    fn read(body: Value, reader: &Reader) -> Result<Self, scim::Error> {
        reader.resource(Kind::User, body).map(Self)
    }
}

impl Message for GroupBody {
    const REQUEST: Request = Request::Group;
    const BYTES_MAX: usize = BODY_BYTES_MAX;

    fn read(body: Value, reader: &Reader) -> Result<Self, scim::Error> {
        reader.resource(Kind::Group, body).map(Self)
    }
}

impl Message for UserPatch {
    const REQUEST: Request = Request::UserPatch;
    const BYTES_MAX: usize = USER_BODY_BYTES_MAX;

    fn read(body: Value, reader: &Reader) -> Result<Self, scim::Error> {
        reader.changes(Kind::User, body).map(Self)
    }
}

impl Message for GroupPatch {
    const REQUEST: Request = Request::GroupPatch;
    const BYTES_MAX: usize = BODY_BYTES_MAX;

    fn read(body: Value, reader: &Reader) -> Result<Self, scim::Error> {
        reader.changes(Kind::Group, body).map(Self)
    }
}
