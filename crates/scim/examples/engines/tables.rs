//! The tables of cases that we share with other implementations, and our engines' answers.
//!
//! A table says what the RFC expects of each case. The same file is read by the scripts that ask
//! the libraries of others, so its form is plain JSON and nothing in it is ours. Fields that only
//! those scripts need (`reasons`, `differs`) are not read here.

use scim::filter::Filter;
use scim::members::{self, MemberChange};
use scim::patch::{Options, Request};
use scim::resource::{Parsed, Resource};
use scim::{Catalogue, Error, Kind, Leniency};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The table of filters.
#[derive(Deserialize)]
pub(crate) struct Filters {
    /// Whole resources, each with its `id` and `meta.resourceType`.
    documents: Vec<Value>,
    /// The filters.
    cases: Vec<FilterCase>,
}

/// One filter, asked of every document of its kind.
#[derive(Deserialize)]
struct FilterCase {
    /// The filter.
    filter: String,
    /// The kind of resource that it is asked of.
    #[serde(default)]
    of: Of,
    /// What the RFC says.
    #[serde(flatten)]
    expected: Answer,
}

/// The table of patches.
#[derive(Deserialize)]
pub(crate) struct Patches {
    /// The patches.
    cases: Vec<PatchCase>,
}

/// One PATCH of one resource.
#[derive(Deserialize)]
struct PatchCase {
    /// What the case is about, unique in the table.
    name: String,
    /// The kind of the resource.
    #[serde(default)]
    of: Of,
    /// Whether it shows what clients send beyond the RFC.
    #[serde(default)]
    lenient: bool,
    /// The resource as it was.
    before: Value,
    /// The operations.
    operations: Value,
    /// What the RFC says, or where `lenient` what the clients mean.
    #[serde(flatten)]
    expected: Answer,
}

/// The kind of resource that a case is about.
#[derive(Clone, Copy, Default, Deserialize)]
enum Of {
    /// A user.
    #[default]
    User,
    /// A group.
    Group,
}

/// What is expected or said of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// The ids of the documents that a filter matches.
    Matches(Vec<String>),
    /// A resource as it is after a patch.
    After(Value),
    /// A refusal, by the keyword of RFC 7644 Table 9.
    Error(String),
}

/// A case, what the RFC expects and what our engine says.
#[derive(Serialize)]
pub(crate) struct Said<'a> {
    /// The filter, or the name of the patch.
    pub(crate) case: &'a str,
    /// What the table says.
    pub(crate) expected: &'a Answer,
    /// What our engine says.
    pub(crate) says: Answer,
}

impl Of {
    const fn kind(self) -> Kind {
        match self {
            Self::User => Kind::User,
            Self::Group => Kind::Group,
        }
    }
}

impl Filters {
    /// What our engine says, in the table's order.
    pub(crate) fn said(&self) -> Vec<Said<'_>> {
        let cases = self.cases.iter();
        let said = cases.map(|case| Said {
            case: &case.filter,
            expected: &case.expected,
            says: self.matching(case).map_or_else(|error| refusal(&error), Answer::Matches),
        });
        said.collect()
    }

    fn matching(&self, case: &FilterCase) -> Result<Vec<String>, Error> {
        let (kind, catalogue) = (case.of.kind(), Catalogue::standard());
        let filter = Filter::parse(&case.filter)?;
        filter.check(kind, catalogue)?;
        let of_kind = |document: &&Value| document["meta"]["resourceType"] == kind.name();
        let documents = self.documents.iter().filter(of_kind);
        let matching = documents.filter(|document| filter.matches(document, kind, catalogue));
        let id = |document: &Value| document["id"].as_str().unwrap_or_default().to_owned();
        Ok(matching.map(id).collect())
    }
}

impl Patches {
    /// What our engine says, in the table's order.
    pub(crate) fn said(&self) -> Vec<Said<'_>> {
        let cases = self.cases.iter();
        let said = cases.map(|case| Said {
            case: &case.name,
            expected: &case.expected,
            says: case.patched().map_or_else(|error| refusal(&error), Answer::After),
        });
        said.collect()
    }
}

impl PatchCase {
    fn patched(&self) -> Result<Value, Error> {
        let (kind, catalogue) = (self.of.kind(), Catalogue::standard());
        let options = if self.lenient { Options::LENIENT } else { Options::STRICT };
        let Parsed { mut resource, members, .. } =
            Resource::parse(kind, self.before.clone(), catalogue)?;
        let mut members: Vec<_> =
            members.into_iter().flatten().map(|member| member.value).collect();
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": self.operations
        });
        let request = Request::parse_with(body, kind, catalogue, options.leniency)?;
        request.apply(&mut resource, kind, catalogue, &options)?;
        if kind == Kind::Group {
            change_members(&mut members, &request, options.leniency)?;
        }
        let mut patched = resource.attributes().clone();
        if !members.is_empty() {
            let members = members.iter().map(|value| json!({ "value": value })).collect();
            patched.insert("members".to_owned(), members);
        }
        Ok(Value::Object(patched))
    }
}

/// The members of a group are kept apart from its other attributes; this keeps them in a list.
fn change_members(
    members: &mut Vec<String>,
    request: &Request,
    leniency: Leniency,
) -> Result<(), Error> {
    for change in &request.changes {
        match members::of_with(change, leniency)? {
            None => {}
            Some(MemberChange::Add(new)) => {
                let new: Vec<_> = new.into_iter().filter(|name| !members.contains(name)).collect();
                members.extend(new);
            }
            Some(MemberChange::Remove(gone)) => members.retain(|name| !gone.contains(name)),
            Some(MemberChange::RemoveAll) => members.clear(),
            Some(MemberChange::Replace(all)) => *members = all,
            Some(MemberChange::RemoveMatching(filter)) => {
                let matcher = members::matcher(&filter)?;
                members.retain(|name| !matcher.matches(&json!({ "value": name, "type": "User" })));
            }
        }
    }
    Ok(())
}

fn refusal(error: &Error) -> Answer {
    let keyword = error.scim_type.map_or("", scim::ErrorType::as_str);
    Answer::Error(keyword.to_owned())
}
