//! `/workspaces/{ws}/role-mapping`: which groups make collaborators what.

use actix_web::{http::Method, web::Json};
use app::Job;
use domain::{
    ids::ConnectorName,
    portal::Role,
    role_mapping::{self, NoMatch},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{answer::Answer, ask::Inside, body::Body, endpoint::Endpoint, words};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/role-mapping";
    let progress = "/workspaces/{ws}/role-mapping/progress";
    vec![
        Endpoint::new(Method::GET, path, "Get which groups make collaborators what", get)
            .shows::<RoleMapping>(),
        Endpoint::new(Method::PUT, path, "Say which groups make collaborators what", put)
            .takes::<RoleMapping>()
            .shows::<RoleMapping>()
            .refuses(409, "A rule names a connector that was removed with its groups"),
        Endpoint::new(
            Method::GET,
            progress,
            "Get how far the roles of many follow a mapping that was set, or a large group",
            get_progress,
        )
        .shows::<RoleProgress>(),
    ]
}

/// How far the roles of many people follow what has happened. Up to 1,000 people are looked at before
/// anything is read; more of them in the background, in which whoever is asked about goes first.
#[derive(Debug, Serialize, ToSchema)]
struct RoleProgress {
    /// `running`, `completed`, or `none` when nothing has concerned many since the server started.
    #[schema(schema_with = words::job_state)]
    state: &'static str,
    /// How many collaborators there were when it began; 0 while it is about to.
    total: u64,
    /// How many have been looked at.
    done: u64,
    /// How many of them have another role now.
    changed: u64,
}

/// Which groups make collaborators what. It replaces the whole setting: what is left out gets its
/// default.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct RoleMapping {
    /// Of the rules that match, the highest privilege wins.
    rules: Vec<Rule>,
    /// How long after its creation a collaborator's role follows their groups, in minutes.
    settle_minutes: u32,
    /// Whether it follows them for ever; then nobody can set it by hand.
    follow_groups: bool,
    /// `unassigned`: whoever is in no mapped group is that, whatever the default role.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    no_match: Option<NoMatch>,
}

/// A group and the role of those who are in it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// The group's displayName, in any case.
    group: String,
    /// `admin`, `developer`, `viewer` or `unassigned`.
    #[schema(schema_with = words::role)]
    role: Role,
    /// The slug of the connector of the Dashboard whose group is meant; of any, if it is left out. One
    /// that was removed while its people were kept still has its groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    connector: Option<ConnectorName>,
}

impl Default for RoleMapping {
    fn default() -> Self {
        (&role_mapping::RoleMapping::default()).into()
    }
}

impl From<&role_mapping::RoleMapping> for RoleMapping {
    fn from(setting: &role_mapping::RoleMapping) -> Self {
        let rule = |rule: &role_mapping::RoleRule| Rule {
            group: rule.group.clone(),
            role: rule.role,
            connector: rule.connector.clone(),
        };
        Self {
            rules: setting.rules.iter().map(rule).collect(),
            settle_minutes: setting.settle_minutes,
            follow_groups: setting.follow_groups,
            no_match: setting.no_match,
        }
    }
}

impl From<RoleMapping> for role_mapping::RoleMapping {
    fn from(setting: RoleMapping) -> Self {
        let RoleMapping { rules, settle_minutes, follow_groups, no_match } = setting;
        let rule =
            |Rule { group, role, connector }| role_mapping::RoleRule { group, role, connector };
        Self {
            rules: rules.into_iter().map(rule).collect(),
            settle_minutes,
            follow_groups,
            no_match,
        }
    }
}

async fn get(inside: Inside) -> Answer<RoleMapping> {
    let Inside { app, workspace, .. } = inside;
    Ok(Json((&*app.role_mapping(&workspace).await?).into()))
}

async fn put(inside: Inside, body: Body<RoleMapping>) -> Answer<RoleMapping> {
    let Inside { app, person, workspace } = inside;
    let setting = app.set_role_mapping(&person, &workspace, body.0.into()).await?;
    Ok(Json((&*setting).into()))
}

async fn get_progress(inside: Inside) -> Answer<RoleProgress> {
    let Inside { app, workspace, .. } = inside;
    Ok(Json(match app.roles_followed(&workspace).await? {
        Some(Job { state, total, done, found, .. }) => {
            RoleProgress { state: state.as_str(), total, done, changed: found.changed }
        }
        None => RoleProgress { state: "none", total: 0, done: 0, changed: 0 },
    }))
}
