//! `/workspaces/{ws}/connectors/{connector}/provisioning/preview` and `…/apply`: the rule in force for the
//! people who are there already (rule 11).

use actix_web::{http::Method, web::Json};
use app::{Job, Reached, WouldDo};
use domain::{portal::Role, rule::OnDeactivate, user::Outcome};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Part, page},
    ask::{Inside, OfConnector},
    body::{Body, Nothing},
    endpoint::Endpoint,
    params::Params,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path =
        |rest: &str| format!("/workspaces/{{ws}}/connectors/{{connector}}/provisioning/{rest}");
    let (preview, people, apply) = (path("preview"), path("preview/people"), path("apply"));
    vec![
        Endpoint::new(
            Method::POST,
            preview.clone(),
            "Count what the rule in force would do to the people who are there, in the background",
            start_preview,
        )
        .may_take::<Nothing>()
        .shows::<RuleReached>(),
        Endpoint::new(Method::GET, preview, "Get how far that is, and what was found", previewed)
            .shows::<RuleReached>(),
        Endpoint::new(
            Method::GET,
            people,
            "List whom the rule in force would do something to, and what; a part may hold fewer than \
             `limit` though others follow",
            list,
        )
        .parts::<PersonReached>(),
        Endpoint::new(
            Method::POST,
            apply.clone(),
            "Do to the people who are there what the rule in force asks for, in the background",
            start,
        )
        .may_take::<ApplyRule>()
        .refuses(409, "Another rule is in force than the one that is meant")
        .shows::<RuleReached>(),
        Endpoint::new(Method::GET, apply, "Get how far that is, and what was done", applied)
            .shows::<RuleReached>(),
    ]
}

/// What is to be applied.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ApplyRule {
    /// The position of the rule that is meant, as its preview says; whichever is in force, if it is left
    /// out.
    #[schema(value_type = Option<u64>)]
    rule: Option<u64>,
}

/// What the rule in force does to the people who are there, or would do.
#[derive(Debug, Serialize, ToSchema)]
struct RuleReached {
    /// `running`, `completed`, `failed` (also when the rule was changed meanwhile), or `none` when none was
    /// asked for since the server started.
    #[schema(schema_with = words::job_state)]
    state: &'static str,
    /// Why it failed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    why: Option<&'static str>,
    /// The position of the rule in the record.
    rule: u64,
    /// How many people there were when it began.
    total: u64,
    /// How many have been looked at.
    done: u64,
    /// How many of them are given an account.
    granted: u64,
    /// For how many of them an offboarding is opened.
    offboarded: u64,
    /// How many of these are Owners, who wait for a person to decide. What the brake holds is not known yet.
    held: u64,
    /// In a preview: how many devices those have for whom one would be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<u64>,
}

/// Somebody to whom the rule in force would do something.
#[derive(Debug, Serialize, ToSchema)]
struct PersonReached {
    #[schema(schema_with = words::id)]
    id: String,
    user_name: String,
    /// `granted`: they would be given an account. `offboarded`: an offboarding would be opened.
    #[schema(schema_with = words::outcome)]
    outcome: &'static str,
    /// Dashboard: the role that they would begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// What the offboarding would carry out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    on_deactivate: Option<OnDeactivate>,
    /// Whether it would wait for a person to decide, as an Owner's does.
    held: bool,
    /// How many devices it would be about.
    devices: u64,
}

impl RuleReached {
    /// What was done.
    fn applied(job: Option<Job<Reached>>) -> Self {
        let state = job.map_or("none", |job| job.state.as_str());
        let why = job.and_then(|job| job.why);
        let (total, done) = job.map_or((0, 0), |job| (job.total, job.done));
        let Reached { rule, granted, offboarded, held, .. } =
            job.map(|job| job.found).unwrap_or_default();
        Self { state, why, rule, total, done, granted, offboarded, held, devices: None }
    }

    /// What would be done.
    fn preview(job: Option<Job<Reached>>) -> Self {
        let devices = job.map_or(0, |job| job.found.devices);
        Self { devices: Some(devices), ..Self::applied(job) }
    }
}

impl From<WouldDo> for PersonReached {
    fn from(WouldDo { id, user_name, outcome, devices }: WouldDo) -> Self {
        let id = id.to_string();
        match outcome {
            Outcome::Granted { role } => {
                let (outcome, on_deactivate, held) = ("granted", None, false);
                Self { id, user_name, outcome, role, on_deactivate, held, devices }
            }
            Outcome::Offboarded { rule, held } => {
                let (outcome, on_deactivate, role) = ("offboarded", Some(rule), None);
                Self { id, user_name, outcome, role, on_deactivate, held, devices }
            }
        }
    }
}

async fn start_preview(inside: Inside, of: OfConnector, _: Body<Nothing>) -> Answer<RuleReached> {
    let Inside { app, workspace, .. } = inside;
    Ok(Json(RuleReached::preview(Some(app.preview_rule(&workspace, &of.0).await?))))
}

async fn previewed(inside: Inside, of: OfConnector) -> Answer<RuleReached> {
    let Inside { app, workspace, .. } = inside;
    Ok(Json(RuleReached::preview(app.rule_previewed(&workspace, &of.0).await?)))
}

async fn list(inside: Inside, of: OfConnector, params: Params) -> Part<PersonReached> {
    let Inside { app, workspace, .. } = inside;
    let listed = app.list_outcomes(&workspace, &of.0, &params.listing()?).await?;
    Ok(page(listed, PersonReached::from))
}

async fn start(inside: Inside, of: OfConnector, body: Body<ApplyRule>) -> Answer<RuleReached> {
    let Inside { app, person, workspace } = inside;
    let job = app.apply_rule(&person, &workspace, &of.0, body.0.rule).await?;
    Ok(Json(RuleReached::applied(Some(job))))
}

async fn applied(inside: Inside, of: OfConnector) -> Answer<RuleReached> {
    let Inside { app, workspace, .. } = inside;
    Ok(Json(RuleReached::applied(app.rule_applied(&workspace, &of.0).await?)))
}
