//! `/workspaces/{ws}/connectors/{connector}/attribute-mapping`: which attributes become metadata
//! (rule 20), and bringing everybody's up to date before they sync.

use actix_web::{http::Method, web::Json};
use app::{Job, Remapped};
use domain::attribute_mapping as setting;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::Answer,
    ask::{Inside, OfConnector},
    body::{Body, List, Nothing, Object},
    endpoint::Endpoint,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/connectors/{connector}/attribute-mapping";
    let apply = "/workspaces/{ws}/connectors/{connector}/attribute-mapping/apply";
    vec![
        Endpoint::new(Method::GET, path, "Get which attributes become metadata", get)
            .shows_all::<MappedName>(),
        Endpoint::new(Method::PUT, path, "Say which attributes become metadata", put)
            .takes_all::<MappedName>()
            .shows_all::<MappedName>(),
        Endpoint::new(
            Method::POST,
            apply,
            "Bring everybody's metadata up to date with the mapping, in the background",
            start,
        )
        .may_take::<Nothing>()
        .shows::<Remapping>(),
        Endpoint::new(Method::GET, apply, "Get how far that is", progress).shows::<Remapping>(),
    ]
}

/// How far a job is that brings metadata up to date.
#[derive(Debug, Serialize, ToSchema)]
struct Remapping {
    /// `running`, `completed`, `failed`, or `none` when none was asked for since the server started.
    #[schema(schema_with = words::job_state)]
    state: &'static str,
    /// How many people there were when it began.
    total: u64,
    /// How many have been looked at.
    done: u64,
    /// How many of them have other metadata now.
    changed: u64,
}

impl From<Job<Remapped>> for Remapping {
    fn from(Job { state, total, done, found, .. }: Job<Remapped>) -> Self {
        Self { state: state.as_str(), total, done, changed: found.changed }
    }
}

/// A name in the metadata of people. The list replaces the whole setting; a person's metadata
/// follows at their next sync.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MappedName {
    /// What it is called there.
    name: String,
    /// Where the value comes from: the first of these that has one.
    #[schema(value_type = Vec<AttributeName>)]
    attributes: Vec<Object<AttributeName>>,
}

/// Which attribute of a user.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AttributeName {
    /// The URN of the only schema that is searched; without it: core, then enterprise, then the
    /// others by URN.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// `attribute` or `attribute.subAttribute`, in any case.
    key: String,
}

fn show(mapping: &setting::AttributeMapping) -> Vec<MappedName> {
    let attribute = |it: &setting::AttributeName| {
        Object(AttributeName { namespace: it.namespace.clone(), key: it.key.clone() })
    };
    let name = |it: &setting::MappedName| MappedName {
        name: it.name.clone(),
        attributes: it.attributes.iter().map(attribute).collect(),
    };
    mapping.names.iter().map(name).collect()
}

fn read(names: Vec<MappedName>) -> setting::AttributeMapping {
    let attribute =
        |Object(AttributeName { namespace, key })| setting::AttributeName { namespace, key };
    let name = |MappedName { name, attributes }| setting::MappedName {
        name,
        attributes: attributes.into_iter().map(attribute).collect(),
    };
    setting::AttributeMapping { names: names.into_iter().map(name).collect() }
}

async fn get(inside: Inside, of: OfConnector) -> Answer<Vec<MappedName>> {
    let Inside { app, workspace, .. } = inside;
    Ok(Json(show(&*app.attribute_mapping(&workspace, &of.0).await?)))
}

async fn put(inside: Inside, of: OfConnector, body: List<MappedName>) -> Answer<Vec<MappedName>> {
    let Inside { app, person, workspace } = inside;
    let mapping = read(body.0);
    Ok(Json(show(&*app.set_attribute_mapping(&person, &workspace, &of.0, mapping).await?)))
}

async fn start(inside: Inside, of: OfConnector, _: Body<Nothing>) -> Answer<Remapping> {
    let Inside { app, person, workspace } = inside;
    Ok(Json(app.apply_attribute_mapping(&person, &workspace, &of.0).await?.into()))
}

async fn progress(inside: Inside, of: OfConnector) -> Answer<Remapping> {
    let Inside { app, workspace, .. } = inside;
    let none = Remapping { state: "none", total: 0, done: 0, changed: 0 };
    let found = app.attribute_mapping_applied(&workspace, &of.0).await?;
    Ok(Json(found.map_or(none, Remapping::from)))
}
