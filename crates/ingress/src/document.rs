//! Documents: users and groups as they are sent.

use std::cell::OnceCell;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{ETAG, LOCATION},
    },
};
use app::{GroupView, MemberIds, UserView};
use jiff::Timestamp;
use projections::directory::GroupRefRow;
use scim::{Catalogue, Kind, Meta, etag, project::Projection, resource::Written};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{error::Refused, members::Members, pieces::Pieces};

/// What most documents of one resource fit into.
const DOCUMENT_BYTES: usize = 1_024;

/// How the resources of one caller look in one answer.
#[derive(Clone)]
pub(crate) struct Look {
    base_url: String,
    projection: Projection,
    catalogue: Catalogue,
    /// How members look, once that was asked; `None` in it if nothing of them is shown.
    members: OnceCell<Option<Members>>,
    /// Nothing is hidden by default, so that most answers need no look at each attribute.
    shows_all: bool,
}

/// A resource as it is sent.
pub(crate) struct Document {
    /// An object of JSON.
    text: Vec<u8>,
    /// The members of a group, if they are shown: apart, because there may be a hundred thousand, and as
    /// the group has them, because most answers about a large group are without a body.
    members: Option<MemberIds>,
    location: String,
    version: u64,
}

/// A group as the document of a member has it, RFC 7643 §4.1.2.
#[derive(Serialize)]
struct GroupOfUser<'a> {
    value: Uuid,
    #[serde(rename = "$ref")]
    reference: String,
    display: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Look {
    pub(crate) fn new(base_url: String, projection: Projection, catalogue: Catalogue) -> Self {
        let hides = |kind: &Kind| catalogue.hides_any(*kind);
        let shows_all = projection.is_default() && !Kind::ALL.iter().any(hides);
        Self { base_url, projection, catalogue, members: OnceCell::new(), shows_all }
    }

    /// Whether the client has said what it wants to read, so that the answer has to have a body.
    pub(crate) fn is_explicit(&self) -> bool {
        self.projection.is_explicit()
    }

    /// A user.
    ///
    /// # Errors
    /// 500 when what is stored of the user cannot be read.
    pub(crate) fn user(&self, view: &UserView) -> Result<Document, Refused> {
        let UserView { id, resource, created, modified, version, groups } = view;
        let groups: Vec<_> = groups.iter().map(|group| self.group_of_user(group)).collect();
        let groups = Some(groups).filter(|groups| !groups.is_empty());
        self.document((Kind::User, id.0), resource, groups, (*created, *modified, *version))
    }

    /// A group.
    ///
    /// # Errors
    /// 500 when what is stored of the group cannot be read.
    pub(crate) fn group(&self, view: GroupView) -> Result<Document, Refused> {
        let GroupView { id, resource, created, modified, version, members } = view;
        let (kind, stamps) = ((Kind::Group, id.0), (created, modified, version));
        let document = self.document(kind, &resource, None, stamps)?;
        let members = self.wants_members().then_some(members);
        Ok(Document { members, ..document })
    }

    /// Whether a group is shown with its members.
    pub(crate) fn wants_members(&self) -> bool {
        self.members().is_some()
    }

    /// How members look; `None` if nothing of them is shown.
    pub(crate) fn members(&self) -> Option<&Members> {
        let look = || members(&self.base_url, &self.projection, &self.catalogue);
        self.members.get_or_init(look).as_ref()
    }

    fn group_of_user<'a>(&self, group: &'a GroupRefRow) -> GroupOfUser<'a> {
        let reference = Kind::Group.location(&self.base_url, group.id.0);
        GroupOfUser { value: group.id.0, reference, display: &group.display, kind: "direct" }
    }

    /// The document with what the service provider says of a resource, and without members.
    fn document(
        &self,
        (kind, id): (Kind, Uuid),
        resource: &Written,
        groups: Option<Vec<GroupOfUser<'_>>>,
        (created, modified, version): (i64, i64, u64),
    ) -> Result<Document, Refused> {
        let meta = Meta {
            created: date_time(created),
            last_modified: date_time(modified),
            location: kind.location(&self.base_url, id),
            version: Some(etag::of(version)),
        };
        let mut text = Vec::with_capacity(DOCUMENT_BYTES);
        resource.write_document(kind, &id.to_string(), &meta, groups, &mut text);
        if !self.shows_all {
            text = self.projected(kind, &text).map_err(|error| {
                tracing::error!(resource.id = %id, %error, "what is stored of a resource cannot be read");
                Refused::internal()
            })?;
        }
        Ok(Document { text, members: None, location: meta.location, version })
    }

    /// What the client wants of a document.
    fn projected(&self, kind: Kind, text: &[u8]) -> serde_json::Result<Vec<u8>> {
        let mut document: Value = serde_json::from_slice(text)?;
        self.projection.apply(&mut document, kind, &self.catalogue);
        serde_json::to_vec(&document)
    }
}

impl Document {
    /// The head of an answer about the resource.
    pub(crate) fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        response.insert_header((LOCATION, self.location.as_str()));
        response.insert_header((ETAG, etag::of(self.version)));
        response
    }

    /// All of it, if that can be said without reading members.
    pub(crate) fn whole(self) -> Result<Vec<u8>, Self> {
        if self.members.is_none() { Ok(self.text) } else { Err(self) }
    }

    /// The version in which it is shown.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Writes it into an answer.
    pub(crate) fn write(mut self, pieces: &mut Pieces) {
        let Some(members) = self.members else { return pieces.text(&self.text) };
        self.text.pop(); // The brace at its end.
        pieces.text(&self.text);
        pieces.text(b",\"members\":[");
        pieces.members(members.into_vec());
        pieces.text(b"]}");
    }
}

/// How members look: what a projection leaves of an example tells what it leaves of each.
fn members(base_url: &str, projection: &Projection, catalogue: &Catalogue) -> Option<Members> {
    let mut example = json!({"members": Members::example()});
    projection.apply(&mut example, Kind::Group, catalogue);
    example.get("members").map(|left| Members::new(base_url, left))
}

/// A time as SCIM writes it: RFC 3339 in UTC, to the millisecond.
fn date_time(micros: i64) -> String {
    let time = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use domain::ids::{EntryId, GroupId};

    use super::*;

    const BASE: &str = "https://muster.example/scim/v2/acme/store";

    fn show(attributes: &str, excluded: &str) -> Look {
        let projection = Projection::parse(Some(attributes), Some(excluded)).unwrap();
        Look::new(BASE.to_owned(), projection, Catalogue::standard().clone())
    }

    fn resource(value: &Value) -> Written {
        Written::parse(&value.to_string()).unwrap()
    }

    fn ada() -> UserView {
        UserView {
            id: EntryId(Uuid::from_u128(1)),
            resource: resource(&json!({"userName": "ada", "emails": [{"value": "a@x"}]})),
            created: 1_767_225_600_000_000,
            modified: 1_767_225_600_123_999,
            version: 7,
            groups: vec![GroupRefRow {
                id: GroupId(Uuid::from_u128(2)),
                display: "Engineers".to_owned(),
            }],
        }
    }

    fn shown(document: &Document) -> Value {
        serde_json::from_slice(&document.text).unwrap()
    }

    #[test]
    fn a_user_is_shown_with_meta_and_groups() {
        let document = show("", "").user(&ada()).unwrap();
        let (user, group) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let head = document.head(StatusCode::OK).finish();
        assert_eq!(head.headers().get(ETAG).unwrap(), "W/\"7\"");
        let location = format!("{BASE}/Users/{user}");
        assert_eq!(head.headers().get(LOCATION).unwrap(), location.as_str());
        assert_eq!(
            shown(&document),
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "id": user,
                "userName": "ada",
                "emails": [{"value": "a@x"}],
                "groups": [{
                    "value": group,
                    "$ref": format!("{BASE}/Groups/{group}"),
                    "display": "Engineers",
                    "type": "direct"
                }],
                "meta": {
                    "resourceType": "User",
                    "created": "2026-01-01T00:00:00.000Z",
                    "lastModified": "2026-01-01T00:00:00.123Z",
                    "location": location,
                    "version": "W/\"7\""
                }
            })
        );
    }

    #[test]
    fn a_projection_leaves_what_is_asked_for_and_the_head_as_it_is() {
        let document = show("userName", "").user(&ada()).unwrap();
        assert_eq!(document.version(), 7);
        let mut names: Vec<_> = shown(&document).as_object().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(names, ["id", "schemas", "userName"]);
        assert_eq!(shown(&show("", "groups").user(&ada()).unwrap()).get("groups"), None);
    }

    #[test]
    fn members_of_which_nothing_is_left_are_not_shown() {
        for (attributes, excluded) in [
            ("members.valu", ""),
            ("displayName", ""),
            ("", "members"),
            ("", "members.value,members.$ref,members.type,members.display"),
        ] {
            assert!(!show(attributes, excluded).wants_members(), "{attributes} {excluded}");
        }
        for (attributes, excluded) in [("", ""), ("members.value", ""), ("", "members.display")] {
            assert!(show(attributes, excluded).wants_members(), "{attributes} {excluded}");
        }
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        assert_eq!(date_time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date_time(1_767_225_600_123_999), "2026-01-01T00:00:00.123Z");
        assert_eq!(date_time(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
