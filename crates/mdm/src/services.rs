//! Which service a device belongs to, as the workspace's settings say.
//!
//! Adapters are kept as long as their setting stays what it is, so that connections and tokens are
//! used again. New credentials are a new setting.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use app::{App, Refusal, admin::mdm_services::SetUp};
use domain::{
    ids::ActionId,
    workspace::{MdmService, MdmSetting},
};
use event_log::{BoxFuture, Clock, WorkspaceId};
use parking_lot::Mutex;
use reactor::service::{DeviceOrder, Mdm, MdmError, Services, Standing};
use serde::{Deserialize, Deserializer};
use tokio::sync::mpsc;

use crate::{
    Adapter, AndroidManagement, NanoMdm, Registry, Webhook,
    android_management::{self, ServiceAccount, is_enterprise},
    http::{Address, Http, Secret, down},
    nanomdm::{Credentials, report},
    webhook::Key,
};

/// How many reports wait for the deliverer, at most.
const REPORTS_MAX: usize = 1_000;
/// How long a device may take to execute a wipe, in days.
const WIPE_DAYS: std::ops::RangeInclusive<u16> = 1..=365;

/// The services of all workspaces.
pub struct Configured {
    app: Arc<App>,
    http: Http,
    clock: Arc<dyn Clock>,
    /// The last adapter of each setting that was asked for.
    adapters: Mutex<HashMap<Place, Kept>>,
    /// Actions about whose commands something was reported, for the deliverer. What finds no room here
    /// it finds out by asking.
    told: mpsc::Sender<(WorkspaceId, ActionId)>,
    tells: tokio::sync::Mutex<mpsc::Receiver<(WorkspaceId, ActionId)>>,
}

/// A workspace and a platform.
type Place = (WorkspaceId, String);
/// An adapter, and the setting that it was made from.
type Kept = (MdmSetting, Arc<dyn Adapter>);

/// The credentials of a webhook.
#[derive(Deserialize)]
struct WebhookCredentials {
    #[serde(deserialize_with = "secret")]
    secret: Secret,
}

/// The credentials of a NanoMDM.
#[derive(Deserialize)]
struct NanoMdmCredentials {
    #[serde(deserialize_with = "secret")]
    api_key: Secret,
    #[serde(deserialize_with = "secret")]
    webhook_key: Secret,
    erase_pin: Option<String>,
    profiles: BTreeMap<String, String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

impl Configured {
    /// The services that workspaces of `app` have set.
    pub fn new(app: Arc<App>, http: Http, clock: Arc<dyn Clock>) -> Self {
        let (told, tells) = mpsc::channel(REPORTS_MAX);
        Self { app, http, clock, adapters: Mutex::default(), told, tells: tells.into() }
    }

    /// The adapter of a setting.
    fn adapter(
        &self,
        workspace: &WorkspaceId,
        platform: &str,
        setting: &MdmSetting,
    ) -> Result<Arc<dyn Adapter>, Refusal> {
        let name = (workspace.clone(), platform.to_owned());
        if let Some((known, adapter)) = self.adapters.lock().get(&name)
            && known == setting
        {
            return Ok(Arc::clone(adapter));
        }
        let credentials = self.credentials(workspace, setting)?;
        let made = self.make(&setting.service, &credentials).map_err(Refusal::State)?;
        self.adapters.lock().insert(name, (setting.clone(), Arc::clone(&made)));
        Ok(made)
    }

    fn credentials(
        &self,
        workspace: &WorkspaceId,
        setting: &MdmSetting,
    ) -> Result<Secret, Refusal> {
        let found = setting.credentials.map(|id| self.app.mdm_credentials(workspace, id));
        let text = found.transpose()?.unwrap_or_default();
        Ok(Secret::new(text.as_str().to_owned()))
    }

    /// Makes an adapter, or says what of its setting makes no sense.
    fn make(&self, service: &MdmService, credentials: &Secret) -> Result<Arc<dyn Adapter>, String> {
        match service {
            MdmService::Registry {} => Ok(Arc::new(Registry)),
            MdmService::Webhook { url } => {
                let sealed: WebhookCredentials = sealed(credentials)?;
                let key = Key::parse(&sealed.secret).map_err(|why| format!("secret: {why}"))?;
                let (http, clock) = (self.http.clone(), Arc::clone(&self.clock));
                Ok(Arc::new(Webhook::new(http, &address(url)?, key, clock)))
            }
            MdmService::AndroidManagement { enterprise, wipe_days, endpoint, .. } => {
                let endpoint = endpoint.as_deref().unwrap_or(android_management::ENDPOINT);
                self.android_management(endpoint, enterprise, *wipe_days, credentials)
            }
            MdmService::NanoMdm { url, .. } => {
                let credentials = nanomdm(sealed(credentials)?)?;
                let (http, log) = (self.http.clone(), Arc::clone(self.app.log()));
                Ok(Arc::new(NanoMdm::new(http, &base(url)?, credentials, log)))
            }
        }
    }

    fn android_management(
        &self,
        endpoint: &str,
        enterprise: &str,
        wipe_days: u16,
        credentials: &Secret,
    ) -> Result<Arc<dyn Adapter>, String> {
        if !is_enterprise(enterprise) {
            return Err("enterprise: must be enterprises/ and an id".to_owned());
        }
        if !WIPE_DAYS.contains(&wipe_days) {
            return Err("wipe_days: must be 1 to 365".to_owned());
        }
        let account =
            ServiceAccount::parse(credentials).map_err(|why| format!("service_account: {why}"))?;
        let settings = android_management::Settings {
            endpoint: base(endpoint)?,
            enterprise: enterprise.to_owned(),
            wipe_days,
        };
        let (http, clock) = (self.http.clone(), Arc::clone(&self.clock));
        Ok(Arc::new(AndroidManagement::new(http, settings, account, clock)))
    }

    /// The keys with which each `NanoMDM` of a workspace signs, those apart whose credentials are not here:
    /// what another one reports comes once, and must not be lost over them.
    async fn webhook_keys(&self, workspace: &WorkspaceId) -> Result<Vec<Secret>, Refusal> {
        let mut keys = Vec::new();
        for setting in self.app.mdm_services(workspace).await?.into_values() {
            if !matches!(setting.service, MdmService::NanoMdm { .. }) {
                continue;
            }
            let credentials = match self.credentials(workspace, &setting) {
                Err(Refusal::State(_)) => continue,
                credentials => credentials?,
            };
            let sealed = sealed::<NanoMdmCredentials>(&credentials);
            keys.extend(sealed.map(|sealed| sealed.webhook_key));
        }
        Ok(keys)
    }
}

impl Services for Configured {
    fn of<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        platform: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Mdm>, Refusal>> {
        Box::pin(async move {
            let known = self.app.workspace(workspace).await?;
            let setting = known.state.mdm_service(platform);
            let adapter: Arc<dyn Mdm> = match self.adapter(workspace, platform, &setting) {
                // Its orders wait, and say for what.
                Err(Refusal::State(reason)) => Arc::new(Unusable { reason }),
                adapter => adapter?,
            };
            Ok(adapter)
        })
    }

    fn reported(&self) -> BoxFuture<'_, (WorkspaceId, ActionId)> {
        Box::pin(async {
            let report = self.tells.lock().await.recv().await;
            // There is a sender as long as there is this.
            report.unwrap_or_else(|| unreachable!("the sender is gone"))
        })
    }
}

/// A service that cannot be called: its credentials are not here.
struct Unusable {
    reason: String,
}

impl Mdm for Unusable {
    fn name(&self) -> &'static str {
        "unusable"
    }

    fn send<'a>(&'a self, _: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        Box::pin(async { Err(down(self.reason.clone(), None)) })
    }

    fn standing<'a>(&'a self, _: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        Box::pin(async { Err(down(self.reason.clone(), None)) })
    }
}

impl SetUp for Configured {
    fn check(&self, service: &MdmService, credentials: &str) -> Result<(), String> {
        self.make(service, &Secret::new(credentials.to_owned())).map(drop)
    }

    fn test<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        setting: &'a MdmSetting,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            let credentials = self.credentials(workspace, setting);
            let credentials = credentials.map_err(|refusal| refusal.to_string())?;
            let adapter = self.make(&setting.service, &credentials)?;
            adapter.test().await.map_err(|error| error.to_string())
        })
    }

    fn reported<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        signature: &'a str,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async move {
            let keys = match self.webhook_keys(workspace).await {
                Err(Refusal::NotFound(_)) => return Ok(false),
                keys => keys?,
            };
            if !keys.iter().any(|key| report::is_signed(key, signature, body)) {
                return Ok(false);
            }
            if let Some(action) = report::keep(&**self.app.log(), workspace, body)? {
                drop(self.told.try_send((workspace.clone(), action)));
            }
            Ok(true)
        })
    }
}

fn address(url: &str) -> Result<Address, String> {
    Address::parse(url).map_err(|why| format!("url: {why}"))
}

/// An address below which there is something to be called.
fn base(url: &str) -> Result<Address, String> {
    let address = address(url)?;
    if address.uri().query().is_some() {
        return Err("url: must not have a query".to_owned());
    }
    Ok(address)
}

/// Reads what was sealed. What is wrong with it is not said: it would be repeated.
fn sealed<'a, T: Deserialize<'a>>(credentials: &'a Secret) -> Result<T, String> {
    serde_json::from_str(credentials.reveal()).map_err(|_| "the credentials do not read".to_owned())
}

fn nanomdm(sealed: NanoMdmCredentials) -> Result<Credentials, String> {
    let NanoMdmCredentials { api_key, webhook_key, erase_pin, profiles } = sealed;
    for (name, key) in [("api_key", &api_key), ("webhook_key", &webhook_key)] {
        if key.reveal().is_empty() {
            return Err(format!("{name}: must not be empty"));
        }
    }
    let digits = |pin: &String| pin.len() == 6 && pin.bytes().all(|it| it.is_ascii_digit());
    if erase_pin.as_ref().is_some_and(|pin| !digits(pin)) {
        return Err("erase_pin: must be six digits".to_owned());
    }
    let is_base64 = |profile: &String| data_encoding::BASE64.decode(profile.as_bytes()).is_ok();
    if let Some((name, _)) = profiles.iter().find(|(_, profile)| !is_base64(profile)) {
        return Err(format!("profiles.{name}: must be base64, on one line"));
    }
    let profiles = profiles.into_iter().map(|(name, it)| (name, Secret::new(it))).collect();
    Ok(Credentials { api_key, erase_pin: erase_pin.map(Secret::new), profiles })
}
