//! `/workspaces/{ws}/deliveries`: whether what is owed to devices is sent.

use actix_web::{http::Method, web::Json};
use domain::workspace::{Suspended, Suspension};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::Answer,
    ask::Inside,
    body::{Body, Nothing},
    endpoint::Endpoint,
    moment, words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/deliveries";
    vec![
        Endpoint::new(Method::GET, path, "Get whether what is owed to devices is sent", get)
            .shows::<Deliveries>(),
        Endpoint::new(
            Method::POST,
            format!("{path}/suspend"),
            "Send nothing to devices until deliveries are resumed",
            suspend,
        )
        .may_take::<Nothing>()
        .shows::<Deliveries>(),
        Endpoint::new(Method::POST, format!("{path}/resume"), "Send what is owed again", resume)
            .may_take::<Nothing>()
            .shows::<Deliveries>()
            .refuses(409, "Deliveries are not suspended"),
    ]
}

/// Whether what is owed to devices is sent.
#[derive(Debug, Serialize, ToSchema)]
struct Deliveries {
    /// `active`, or `suspended`: nothing goes to any MDM service until a person resumes it.
    #[schema(schema_with = words::deliveries_state)]
    state: &'static str,
    /// Since when nothing is sent; null while deliveries go on.
    since: Option<String>,
    /// Why: `restored` from a backup, `imported` from another installation, or `by_hand`; null while
    /// deliveries go on.
    because: Option<&'static str>,
    /// When the backup was made that was restored, or the export that was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_at: Option<String>,
    /// How many events of the workspace the backup, or the export, has.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_size: Option<u64>,
    /// How many of them were restored or imported. Checkpoints of more events do not fit this record.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_size: Option<u64>,
}

impl From<Option<Suspension>> for Deliveries {
    fn from(suspension: Option<Suspension>) -> Self {
        let active = Self {
            state: "active",
            since: None,
            because: None,
            backup_at: None,
            backup_size: None,
            restored_size: None,
        };
        let Some(Suspension { since, because }) = suspension else { return active };
        let suspended = Self {
            state: "suspended",
            since: Some(moment::show(since)),
            because: Some(because.as_str()),
            ..active
        };
        match because {
            Suspended::ByHand {} => suspended,
            Suspended::Restored { backup, known, kept } => Self {
                backup_at: Some(moment::show(backup)),
                backup_size: Some(known),
                restored_size: Some(kept),
                ..suspended
            },
            Suspended::Imported { exported, size } => Self {
                backup_at: Some(moment::show(exported)),
                backup_size: Some(size),
                restored_size: Some(size),
                ..suspended
            },
        }
    }
}

async fn get(inside: Inside) -> Answer<Deliveries> {
    Ok(Json(inside.app.suspension(&inside.workspace).await?.into()))
}

async fn suspend(inside: Inside, _: Body<Nothing>) -> Answer<Deliveries> {
    let Inside { app, person, workspace } = inside;
    app.suspend_deliveries(&person, &workspace).await?;
    Ok(Json(app.suspension(&workspace).await?.into()))
}

async fn resume(inside: Inside, _: Body<Nothing>) -> Answer<Deliveries> {
    let Inside { app, person, workspace } = inside;
    app.resume_deliveries(&person, &workspace).await?;
    Ok(Json(app.suspension(&workspace).await?.into()))
}
