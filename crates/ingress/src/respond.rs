//! Answers: documents of users and groups, lists of them, and the heads that go with them.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, ETAG, LOCATION},
    },
};
use app::{App, GroupView, UserView};
use jiff::Timestamp;
use projections::directory::{GroupRefRow, Page};
use scim::{Catalogue, Kind, Meta, Resource, project::Projection, urn};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{caller::Caller, members::Members};

/// The media type of every answer. SCIM JSON is UTF-8; the parameter says so to those who ask.
pub(crate) const SCIM_JSON: &str = "application/scim+json; charset=utf-8";

/// What most documents of one resource fit into.
const DOCUMENT_BYTES: usize = 1_024;

/// Finishes an answer that has a body.
pub(crate) fn json(response: &mut HttpResponseBuilder, body: &impl Serialize) -> HttpResponse {
    let mut bytes = Vec::with_capacity(DOCUMENT_BYTES);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        unreachable!("documents have texts for names and are written to memory: {error}")
    }
    response.insert_header((CONTENT_TYPE, SCIM_JSON)).body(bytes)
}

/// An answer of 200.
pub(crate) fn ok(body: &impl Serialize) -> HttpResponse {
    json(&mut HttpResponse::Ok(), body)
}

/// How the resources of one caller are shown in one answer.
pub(crate) struct Show {
    base_url: String,
    projection: Projection,
}

/// A resource as it is sent.
pub(crate) struct Document {
    attributes: Value,
    /// Apart, because there may be a hundred thousand.
    members: Option<Members>,
    location: String,
    version: String,
}

/// The envelope of a list, RFC 7644 §3.4.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    schemas: [&'static str; 1],
    total_results: u64,
    start_index: u64,
    items_per_page: usize,
    #[serde(rename = "Resources")]
    resources: Vec<Document>,
}

impl Show {
    pub(crate) fn new(app: &App, caller: &Caller, projection: Projection) -> Self {
        Self { base_url: app.base_url(&caller.workspace, &caller.connector), projection }
    }

    /// Whether the answer has the members of a group.
    pub(crate) fn wants_members(&self) -> bool {
        self.projection.wants("members")
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
        let Some(members) = members else {
            self.project(Kind::Group, &mut document.attributes);
            return document;
        };
        // What the projection leaves of an example tells what it leaves of each member.
        document.attributes["members"] = Members::example();
        self.project(Kind::Group, &mut document.attributes);
        let left = document.attributes.as_object_mut().and_then(|all| all.remove("members"));
        document.members = left.map(|left| Members::new(members, &self.base_url, &left));
        document
    }

    /// A page of users.
    pub(crate) fn users(&self, page: Page<UserView>, start_index: u64) -> HttpResponse {
        list(page.total, start_index, page.rows.into_iter().map(|it| self.user(it)).collect())
    }

    /// A page of groups.
    pub(crate) fn groups(&self, page: Page<GroupView>, start_index: u64) -> HttpResponse {
        list(page.total, start_index, page.rows.into_iter().map(|it| self.group(it)).collect())
    }

    fn group_of_user(&self, group: &GroupRefRow) -> Value {
        json!({
            "value": group.id.0,
            "$ref": location(&self.base_url, Kind::Group, group.id.0),
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
        let version = format!("W/\"{version}\"");
        let meta = Meta {
            created: date_time(created),
            last_modified: date_time(modified),
            location: location(&self.base_url, kind, id),
            version: Some(version.clone()),
        };
        let attributes = resource.into_document(kind, &id.to_string(), &meta);
        Document { attributes, members: None, location: meta.location, version }
    }

    /// Nothing in a resource is hidden by default (a password is not kept at all), so that most
    /// answers need no look at each attribute.
    fn project(&self, kind: Kind, document: &mut Value) {
        if !self.projection.is_default() {
            self.projection.apply(document, kind, Catalogue::standard());
        }
    }
}

impl Document {
    /// The answer that shows the resource.
    pub(crate) fn respond(self, status: StatusCode) -> HttpResponse {
        json(&mut self.head(status), &self)
    }

    /// The answer that says that all is well, and no more.
    pub(crate) fn respond_empty(self) -> HttpResponse {
        self.head(StatusCode::NO_CONTENT).finish()
    }

    fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        response.insert_header((LOCATION, self.location.as_str()));
        response.insert_header((ETAG, self.version.as_str()));
        response
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.attributes.as_object().into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        if let Some(members) = &self.members {
            map.serialize_entry("members", members)?;
        }
        map.end()
    }
}

fn list(total_results: u64, start_index: u64, resources: Vec<Document>) -> HttpResponse {
    let (schemas, items_per_page) = ([urn::LIST_RESPONSE], resources.len());
    ok(&List { schemas, total_results, start_index, items_per_page, resources })
}

/// Where a resource is found.
pub(crate) fn location(base_url: &str, kind: Kind, id: Uuid) -> String {
    format!("{base_url}{}/{id}", kind.endpoint())
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

    fn show(attributes: &str, excluded: &str) -> Show {
        let projection = Projection::parse(Some(attributes), Some(excluded)).unwrap();
        Show { base_url: BASE.to_owned(), projection }
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
        serde_json::to_value(document).unwrap()
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
        assert_eq!(document.version, "W/\"7\"");
        let mut names: Vec<_> = shown(&document).as_object().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(names, ["id", "schemas", "userName"]);
        assert_eq!(shown(&show("", "groups").user(ada())).get("groups"), None);
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        assert_eq!(date_time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date_time(1_767_225_600_123_999), "2026-01-01T00:00:00.123Z");
        assert_eq!(date_time(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
