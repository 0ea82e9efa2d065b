//! Documents: users and groups as they are sent.

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
use scim::{Catalogue, Kind, Meta, Resource, etag, project::Projection};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{members::Members, pieces::Pieces};

/// How the resources of one caller look in one answer.
pub(crate) struct Look {
    base_url: String,
    projection: Projection,
    catalogue: Catalogue,
    /// How members look; `None` if nothing of them is shown.
    members: Option<Members>,
    /// Nothing is hidden by default, so that most answers need no look at each attribute.
    shows_all: bool,
}

/// A resource as it is sent.
pub(crate) struct Document {
    attributes: Value,
    /// The members of a group, if they are shown: apart, because there may be a hundred thousand, and as
    /// the group has them, because most answers about a large group are without a body.
    members: Option<MemberIds>,
    location: String,
    version: u64,
}

impl Look {
    pub(crate) fn new(base_url: String, projection: Projection, catalogue: Catalogue) -> Self {
        let hides = |kind: &Kind| catalogue.hides_any(*kind);
        let shows_all = projection.is_default() && !Kind::ALL.iter().any(hides);
        let members = members(&base_url, &projection, &catalogue);
        Self { base_url, projection, catalogue, members, shows_all }
    }

    /// Whether the client has said what it wants to read, so that the answer has to have a body.
    pub(crate) fn is_explicit(&self) -> bool {
        self.projection.is_explicit()
    }

    /// A user.
    pub(crate) fn user(&self, view: UserView) -> Document {
        let UserView { id, resource, created, modified, version, groups } = view;
        let mut document = self.document(Kind::User, id.0, resource, (created, modified, version));
        if !groups.is_empty() && self.projection.wants("groups") {
            document.attributes["groups"] =
                groups.iter().map(|it| self.group_of_user(it)).collect();
        }
        self.project(Kind::User, &mut document.attributes);
        document
    }

    /// A group.
    pub(crate) fn group(&self, view: GroupView) -> Document {
        let GroupView { id, resource, created, modified, version, members } = view;
        let mut document = self.document(Kind::Group, id.0, resource, (created, modified, version));
        self.project(Kind::Group, &mut document.attributes);
        document.members = self.wants_members().then_some(members);
        document
    }

    /// Whether a group is shown with its members.
    pub(crate) fn wants_members(&self) -> bool {
        self.members.is_some()
    }

    /// How members look; `None` if nothing of them is shown.
    pub(crate) fn members(&self) -> Option<&Members> {
        self.members.as_ref()
    }

    fn group_of_user(&self, group: &GroupRefRow) -> Value {
        json!({
            "value": group.id.0,
            "$ref": Kind::Group.location(&self.base_url, group.id.0),
            "display": group.display,
            "type": "direct",
        })
    }

    /// The document with what the service provider says of a resource.
    fn document(
        &self,
        kind: Kind,
        id: Uuid,
        resource: Resource,
        (created, modified, version): (i64, i64, u64),
    ) -> Document {
        let meta = Meta {
            created: date_time(created),
            last_modified: date_time(modified),
            location: kind.location(&self.base_url, id),
            version: Some(etag::of(version)),
        };
        let attributes = resource.into_document(kind, &id.to_string(), &meta);
        Document { attributes, members: None, location: meta.location, version }
    }

    fn project(&self, kind: Kind, document: &mut Value) {
        if !self.shows_all {
            self.projection.apply(document, kind, &self.catalogue);
        }
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
    pub(crate) fn whole(&self) -> Option<&Value> {
        self.members.is_none().then_some(&self.attributes)
    }

    /// The version in which it is shown.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Writes it into an answer.
    pub(crate) fn write(self, pieces: &mut Pieces) {
        let Some(members) = self.members else { return pieces.json(&self.attributes) };
        pieces.open_object(&self.attributes);
        pieces.text(",\"members\":[");
        pieces.members(members.into_vec());
        pieces.text("]}");
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

    fn resource(value: Value) -> Resource {
        serde_json::from_value(value).unwrap()
    }

    fn ada() -> UserView {
        UserView {
            id: EntryId(Uuid::from_u128(1)),
            resource: resource(json!({"userName": "ada", "emails": [{"value": "a@x"}]})),
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
        document.attributes.clone()
    }

    #[test]
    fn a_user_is_shown_with_meta_and_groups() {
        let document = show("", "").user(ada());
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
        let document = show("userName", "").user(ada());
        assert_eq!(document.version(), 7);
        let mut names: Vec<_> = shown(&document).as_object().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(names, ["id", "schemas", "userName"]);
        assert_eq!(shown(&show("", "groups").user(ada())).get("groups"), None);
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
