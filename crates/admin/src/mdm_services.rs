//! `/workspaces/{ws}/mdm/services`: which MDM service the devices of a platform belong to (rule 28),
//! and where `NanoMDM` reports.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::Method,
    web::{self, Bytes, Data, Json, PayloadConfig, ServiceConfig},
};
use app::App;
use domain::workspace::{MdmService, MdmSetting};
use event_log::WorkspaceId;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Value, json};
use smol_str::SmolStr;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{
    BODY_BYTES_MAX,
    answer::{Answer, Done},
    ask::{Inside, OfPlatform},
    body::{Body, Nothing},
    endpoint::Endpoint,
    problem::Refused,
};

/// How long a device may take to execute a wipe unless something is said, in days.
const WIPE_DAYS: u16 = 30;

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let all = "/workspaces/{ws}/mdm/services";
    let one = "/workspaces/{ws}/mdm/services/{platform}";
    let test = "/workspaces/{ws}/mdm/services/{platform}/test";
    vec![
        Endpoint::new(Method::GET, all, "List the MDM services that are set", list)
            .shows::<Services>(),
        Endpoint::new(Method::GET, one, "Get the MDM service that is set for a platform", get)
            .shows::<PlatformService>(),
        Endpoint::new(Method::PUT, one, "Set the MDM service of a platform", put)
            .takes::<NewService>()
            .shows::<PlatformService>(),
        Endpoint::new(Method::DELETE, one, "Take the MDM service of a platform away", delete),
        Endpoint::new(Method::POST, test, "Ask whether the MDM service of a platform answers", ask)
            .may_take::<Nothing>()
            .shows::<Tested>(),
    ]
}

/// The MDM services that are set. Platforms that are not listed use `default`; without it, the
/// built-in registry.
#[derive(Debug, Serialize, ToSchema)]
struct Services {
    items: Vec<PlatformService>,
}

/// An MDM service, as it is set. Credentials are not shown.
#[derive(Debug, Serialize, ToSchema)]
struct PlatformService {
    /// The platform that it is for, or `default` for all others.
    platform: String,
    /// `registry`, `webhook`, `android_management` or `nanomdm`.
    kind: &'static str,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Android Management: `enterprises/…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    enterprise: Option<String>,
    /// Android Management: the service account's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<String>,
    /// Android Management: how long a device may take to execute a wipe, in days.
    #[serde(skip_serializing_if = "Option::is_none")]
    wipe_days: Option<u16>,
    /// `NanoMDM`: the names of the policies for which it has a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    profiles: Option<Vec<String>>,
}

impl PlatformService {
    fn show(platform: &str, setting: MdmSetting) -> Self {
        let none = Self {
            platform: platform.to_owned(),
            kind: "registry",
            url: None,
            enterprise: None,
            service_account: None,
            wipe_days: None,
            profiles: None,
        };
        match setting.service {
            MdmService::Registry {} => none,
            MdmService::Webhook { url } => Self { kind: "webhook", url: Some(url), ..none },
            MdmService::AndroidManagement { enterprise, service_account, wipe_days, endpoint } => {
                Self {
                    kind: "android_management",
                    url: endpoint,
                    enterprise: Some(enterprise),
                    service_account: Some(service_account),
                    wipe_days: Some(wipe_days),
                    ..none
                }
            }
            MdmService::NanoMdm { url, profiles } => {
                Self { kind: "nanomdm", url: Some(url), profiles: Some(profiles), ..none }
            }
        }
    }
}

/// An MDM service to be set, with its credentials, which are kept sealed and never shown. A PUT
/// replaces everything, the credentials too.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum NewService {
    /// The built-in registry: no service at all.
    Registry {},
    /// A signed webhook (Standard Webhooks).
    Webhook {
        /// Where it goes: https, and no secret in it.
        url: String,
        /// What it is signed with: `whsec_` and 24 to 64 bytes in base64.
        #[schema(value_type = String)]
        secret: Hidden,
    },
    /// Google's Android Management API.
    AndroidManagement {
        /// `enterprises/…`.
        enterprise: String,
        /// The key file of a service account: the JSON that Google's console gives out.
        #[schema(value_type = Object)]
        service_account: HiddenJson,
        /// How long a device may take to execute a wipe, in days: 1 to 365, 30 unless said.
        #[serde(default = "wipe_days")]
        wipe_days: u16,
        /// Where the service is, if not at Google's address.
        url: Option<String>,
    },
    /// `NanoMDM`, for Apple devices.
    #[serde(rename = "nanomdm")]
    NanoMdm {
        /// Where it is.
        url: String,
        /// The key of its API (`-api`).
        #[schema(value_type = String)]
        api_key: Hidden,
        /// What its reports are signed with (`-webhook-hmac-key`).
        #[schema(value_type = String)]
        webhook_key: Hidden,
        /// The six digits that an erased Mac asks for, where Find My does not protect it.
        #[schema(value_type = Option<String>)]
        erase_pin: Option<Hidden>,
        /// The configuration profile that each policy stands for: base64 of a `.mobileconfig`, by the
        /// policy's name.
        #[serde(default)]
        #[schema(value_type = BTreeMap<String, String>)]
        profiles: BTreeMap<String, Hidden>,
    },
}

fn wipe_days() -> u16 {
    WIPE_DAYS
}

/// A text that no error repeats, also not the one about its type.
struct Hidden(Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(Zeroizing::new(text))),
            _ => Err(D::Error::custom("must be a text")),
        }
    }
}

/// An object that no error repeats.
struct HiddenJson(Value);

impl<'de> Deserialize<'de> for HiddenJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            object @ Value::Object(_) => Ok(Self(object)),
            _ => Err(D::Error::custom("must be an object: the key file itself")),
        }
    }
}

impl NewService {
    /// What is no secret, and what is: the latter as its adapter reads it.
    fn parts(self) -> (MdmService, Zeroizing<String>) {
        let sealed = |credentials: Value| Zeroizing::new(credentials.to_string());
        match self {
            Self::Registry {} => (MdmService::Registry {}, Zeroizing::default()),
            Self::Webhook { url, secret } => {
                (MdmService::Webhook { url }, sealed(json!({ "secret": *secret.0 })))
            }
            Self::AndroidManagement { enterprise, service_account, wipe_days, url } => {
                let key_file = service_account.0;
                let name = key_file["client_email"].as_str().unwrap_or_default().to_owned();
                let service = MdmService::AndroidManagement {
                    enterprise,
                    service_account: name,
                    wipe_days,
                    endpoint: url,
                };
                (service, sealed(key_file))
            }
            Self::NanoMdm { url, api_key, webhook_key, erase_pin, profiles } => {
                let names = profiles.keys().cloned().collect();
                let profiles: BTreeMap<_, _> =
                    profiles.iter().map(|(name, profile)| (name, &*profile.0)).collect();
                let credentials = sealed(json!({
                    "api_key": *api_key.0,
                    "webhook_key": *webhook_key.0,
                    "erase_pin": erase_pin.as_ref().map(|pin| &*pin.0),
                    "profiles": profiles,
                }));
                (MdmService::NanoMdm { url, profiles: names }, credentials)
            }
        }
    }
}

/// Whether a service answers.
#[derive(Debug, Serialize, ToSchema)]
struct Tested {
    /// Whether it answers and accepts the credentials.
    ok: bool,
    /// What it said, when not.
    detail: Option<String>,
}

async fn list(inside: Inside) -> Answer<Services> {
    let services = inside.app.mdm_services(&inside.workspace).await?;
    let show = |(platform, setting): (SmolStr, _)| PlatformService::show(&platform, setting);
    Ok(Json(Services { items: services.into_iter().map(show).collect() }))
}

async fn get(inside: Inside, of: OfPlatform) -> Answer<PlatformService> {
    let setting = inside.app.mdm_service(&inside.workspace, of.0.as_ref()).await?;
    Ok(Json(PlatformService::show(of.word(), setting)))
}

async fn put(inside: Inside, of: OfPlatform, body: Body<NewService>) -> Answer<PlatformService> {
    let Inside { app, person, workspace } = inside;
    let (service, credentials) = body.0.parts();
    let platform = of.0.clone();
    let setting = app.set_mdm_service(&person, &workspace, platform, service, credentials).await?;
    Ok(Json(PlatformService::show(of.word(), setting)))
}

async fn delete(inside: Inside, of: OfPlatform) -> Result<Done, Refused> {
    inside.app.remove_mdm_service(&inside.person, &inside.workspace, of.0).await?;
    Ok(Done)
}

async fn ask(inside: Inside, of: OfPlatform, _: Body<Nothing>) -> Answer<Tested> {
    let tested = inside.app.test_mdm_service(&inside.workspace, of.0.as_ref()).await?;
    Ok(Json(Tested { ok: tested.is_ok(), detail: tested.err() }))
}

/// Adds `/mdm/nanomdm/{ws}`, where `NanoMDM` reports (`-webhook-url`).
pub fn configure_reports(app: Arc<App>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let resource = web::resource("/mdm/nanomdm/{ws}")
            .app_data(Data::from(app))
            .app_data(PayloadConfig::new(BODY_BYTES_MAX))
            .route(web::post().to(reported));
        config.service(resource);
    }
}

/// `NanoMDM` takes 200 and nothing else for an answer. Who has not signed learns nothing, not even
/// whether there is such a workspace.
async fn reported(request: HttpRequest, app: Data<App>, body: Bytes) -> HttpResponse {
    let signature = request.headers().get("X-Hmac-Signature").and_then(|it| it.to_str().ok());
    let workspace = WorkspaceId::parse(request.match_info().query("ws"));
    let (Some(signature), Ok(workspace)) = (signature, workspace) else {
        return HttpResponse::Unauthorized().finish();
    };
    match app.nanomdm_reported(&workspace, signature, &body).await {
        Ok(true) => HttpResponse::Ok().finish(),
        Ok(false) => HttpResponse::Unauthorized().finish(),
        Err(refusal) => actix_web::ResponseError::error_response(&Refused::from(refusal)),
    }
}
