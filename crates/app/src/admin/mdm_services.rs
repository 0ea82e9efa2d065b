//! The MDM services of a workspace, and their credentials (rule 28).
//!
//! Credentials lie in `keys.db`, wrapped by the master key when there is one and bound to workspace and
//! id; events name the id. Setting a service writes new credentials under a new id first, then the
//! event, then destroys whatever no setting names any more: an address never gets the credentials of
//! another one, whatever crashes when, and what a crash left behind goes with the next change.
//!
//! Invariant: credentials leave this module for [`SetUp`] only, and stand in no error of it.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    ids::CredentialsId,
    workspace::{MdmService, MdmSetting, Workspace, WorkspaceCommand, WorkspaceRefusal},
};
use event_log::{BoxFuture, WorkspaceId};
use smol_str::SmolStr;
use zeroize::Zeroizing;

use crate::{App, Person, Refusal};

/// The length of a platform in a setting, at most, in characters.
const PLATFORM_CHARACTERS_MAX: usize = 100;
/// The most bytes that credentials may have.
const CREDENTIALS_BYTES_MAX: usize = 1 << 20;

/// Who knows the services: the adapters, which lie above this crate.
pub trait SetUp: Send + Sync {
    /// Whether a setting and its credentials make sense. Asks no service.
    ///
    /// # Errors
    /// What does not, for the administrator. It repeats no credential.
    fn check(&self, service: &MdmService, credentials: &str) -> Result<(), String>;

    /// Whether the service answers and accepts the credentials. Nothing happens to any device.
    fn test<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        setting: &'a MdmSetting,
    ) -> BoxFuture<'a, Result<(), String>>;

    /// Takes what `NanoMDM` reports of a workspace. `false` when nobody there has signed it.
    fn reported<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        signature: &'a str,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, Refusal>>;
}

/// The services of a workspace by platform.
pub type MdmServices = BTreeMap<SmolStr, MdmSetting>;

impl App {
    /// Says who knows the services. Until then, and when they are gone, there is only the registry. They
    /// are not kept: they know the app, and the two would keep each other, and their files open, for ever.
    pub fn set_up_services_with(&self, set_up: &Arc<dyn SetUp>) {
        // Once is enough: the first one stays.
        let _ = self.set_up.set(Arc::downgrade(set_up));
    }

    fn set_up(&self) -> Option<Arc<dyn SetUp>> {
        self.set_up.get()?.upgrade()
    }

    /// The services of a workspace.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn mdm_services(&self, workspace: &WorkspaceId) -> Result<MdmServices, Refusal> {
        Ok(self.workspace(workspace).await?.state.mdm_services.clone())
    }

    /// The service that is set for a platform.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when none is set for just this one.
    pub async fn mdm_service(
        &self,
        workspace: &WorkspaceId,
        platform: Option<&SmolStr>,
    ) -> Result<MdmSetting, Refusal> {
        let known = self.workspace(workspace).await?;
        Ok(known.state.mdm_setting(platform).cloned().ok_or(WorkspaceRefusal::NoMdmService)?)
    }

    /// Sets the service of a platform, with its credentials.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] says what makes no sense.
    pub async fn set_mdm_service(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        platform: Option<SmolStr>,
        service: MdmService,
        credentials: Zeroizing<String>,
    ) -> Result<MdmSetting, Refusal> {
        self.check_setting(platform.as_ref(), &service, &credentials)?;
        let _one_at_a_time = self.mdm_settings.lock().await;
        self.workspace(workspace).await?;
        let needs_none = matches!(service, MdmService::Registry {});
        let id = (!needs_none).then(|| CredentialsId(self.fresh_id()));
        if let Some(id) = id {
            self.log.keyring().set_secret(&name(workspace, id), credentials.as_bytes())?;
        }
        let setting = MdmSetting { service, credentials: id };
        let command = WorkspaceCommand::SetMdmService {
            platform: platform.clone(),
            setting: setting.clone(),
        };
        let done = self.on_workspace(workspace, command, person.meta()).await;
        self.forget_unused(workspace).await?;
        done.map(|_| setting)
    }

    /// Takes the service of a platform away and destroys its credentials.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when none is set for just this one.
    pub async fn remove_mdm_service(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        platform: Option<SmolStr>,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.mdm_settings.lock().await;
        let command = WorkspaceCommand::RemoveMdmService { platform };
        self.on_workspace(workspace, command, person.meta()).await?;
        self.forget_unused(workspace).await
    }

    /// Asks the service of a platform whether it answers.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when none is set for just this one.
    pub async fn test_mdm_service(
        &self,
        workspace: &WorkspaceId,
        platform: Option<&SmolStr>,
    ) -> Result<Result<(), String>, Refusal> {
        let setting = self.mdm_service(workspace, platform).await?;
        Ok(match self.set_up() {
            Some(set_up) => set_up.test(workspace, &setting).await,
            None => Ok(()),
        })
    }

    /// Takes what `NanoMDM` reports of a workspace. `false` when nobody there has signed it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn nanomdm_reported(
        &self,
        workspace: &WorkspaceId,
        signature: &str,
        body: &[u8],
    ) -> Result<bool, Refusal> {
        match self.set_up() {
            Some(set_up) => set_up.reported(workspace, signature, body).await,
            None => Ok(false),
        }
    }

    /// The credentials of a setting, for whoever talks to the service.
    ///
    /// # Errors
    /// [`Refusal::State`] when they are gone: a workspace that was restored without its keys.
    pub fn mdm_credentials(
        &self,
        workspace: &WorkspaceId,
        id: CredentialsId,
    ) -> Result<Zeroizing<String>, Refusal> {
        let found = self.log.keyring().secret(&name(workspace, id))?.map(Zeroizing::new);
        let text = found.and_then(|found| String::from_utf8(found.to_vec()).ok());
        let missing = "the credentials of the MDM service are not here: set the service again";
        text.map(Zeroizing::new).ok_or_else(|| Refusal::State(missing.to_owned()))
    }

    fn check_setting(
        &self,
        platform: Option<&SmolStr>,
        service: &MdmService,
        credentials: &str,
    ) -> Result<(), Refusal> {
        let is_word = |it: &&SmolStr| {
            !it.is_empty()
                && it.chars().count() <= PLATFORM_CHARACTERS_MAX
                // As devices have it: any other would be for none of them.
                && **it == it.trim().to_lowercase()
                && !it.contains(char::is_control)
        };
        if platform.is_some_and(|it| !is_word(&it)) {
            return Err(Refusal::Malformed("platform: must be a word in lower case".to_owned()));
        }
        if credentials.len() > CREDENTIALS_BYTES_MAX {
            return Err(Refusal::Malformed("the credentials are too long".to_owned()));
        }
        match (service, self.set_up()) {
            (MdmService::Registry {}, _) => Ok(()),
            (_, Some(set_up)) => set_up.check(service, credentials).map_err(Refusal::Malformed),
            (_, None) => Err(Refusal::State("this server has no adapters to services".to_owned())),
        }
    }

    /// Destroys the credentials of a workspace that no setting names. To be called while settings are
    /// locked: nobody is between writing credentials and naming them.
    pub(super) async fn forget_unused(&self, workspace: &WorkspaceId) -> Result<(), Refusal> {
        let known = self.workspaces.load(workspace, crate::WORKSPACE_STREAM).await?;
        let used = used(&known.state, workspace);
        let keyring = self.log.keyring();
        for secret in keyring.secret_names(&prefix(workspace))? {
            if !used.contains(&secret) {
                keyring.forget_secret(&secret)?;
            }
        }
        Ok(())
    }
}

fn used(state: &Workspace, workspace: &WorkspaceId) -> Vec<String> {
    let ids = state.mdm_services.values().filter_map(|setting| setting.credentials);
    ids.map(|id| name(workspace, id)).collect()
}

/// Under which name credentials lie among the secrets. A slug has no bar in it.
fn name(workspace: &WorkspaceId, id: CredentialsId) -> String {
    format!("{}{id}", prefix(workspace))
}

fn prefix(workspace: &WorkspaceId) -> String {
    format!("mdm|{workspace}|")
}
