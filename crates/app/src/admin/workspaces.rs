//! Workspaces and how the people of their portals sign in.

use std::sync::Arc;

use domain::{
    Es,
    portal::Portal,
    workspace::{Login, Plan, Saml, Workspace, WorkspaceCommand, WorkspaceRefusal},
};
use event_log::WorkspaceId;
use projections::effects::{self, OwedIn};

use super::{
    page::{Listed, Listing},
    typed,
};
use crate::{App, Person, Refusal, WORKSPACE_STREAM};

/// The length of a workspace's name, at most, in characters.
const NAME_CHARACTERS_MAX: usize = 200;
/// The length of a reason for giving up what is owed, at most, in characters.
const REASON_CHARACTERS_MAX: usize = 500;

/// A workspace with the slug that names it.
pub type Named = (WorkspaceId, Arc<Es<Workspace>>);

/// The same in a list, where one of which an event cannot be read says why.
pub type NamedIfReadable = (WorkspaceId, Result<Arc<Es<Workspace>>, Refusal>);

impl App {
    /// Makes a workspace. The slug of a closed one stays taken: its record is kept under it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a bad slug or name, [`Refusal::State`] when the slug is taken.
    pub async fn create_workspace(
        &self,
        person: &Person,
        slug: &str,
        name: &str,
        plan: Plan,
    ) -> Result<Named, Refusal> {
        let id = WorkspaceId::parse(slug)
            .map_err(|error| Refusal::Malformed(format!("slug: {error}")))?;
        let name = typed("name", name, NAME_CHARACTERS_MAX)?;
        let known = self.workspaces.load(&id, WORKSPACE_STREAM).await?;
        if known.version > 0 && !known.state.open {
            let detail = "there was a workspace with that slug, and its record is kept: choose \
                          another slug";
            return Err(Refusal::State(detail.to_owned()));
        }
        let command = WorkspaceCommand::Create { name, plan };
        let done = self.on_workspace(&id, command, person.meta()).await?;
        Ok((id, done.es))
    }

    /// The open workspaces that a person reaches, by slug. One of which an event cannot be read hides no
    /// other; whether it is open, nobody knows.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn list_workspaces(
        &self,
        person: &Person,
        listing: &Listing,
    ) -> Result<Listed<NamedIfReadable>, Refusal> {
        listing.check_name(|cursor| {
            let id = WorkspaceId::parse(cursor).ok();
            id.is_some_and(|id| person.reaches(&id) && self.log.head(&id) > 0)
        })?;
        let after = listing.cursor.as_deref();
        let heads = self.log.heads().into_iter().map(|(id, _)| id);
        let mut ids: Vec<_> =
            heads.filter(|id| Some(id.as_str()) > after && person.reaches(id)).collect();
        ids.sort_unstable();
        let mut found = Vec::new();
        for id in ids {
            let es = self.workspaces.load(&id, WORKSPACE_STREAM).await.map_err(Refusal::from);
            match es {
                Ok(es) if es.state.open && listing.wants(&[id.as_str(), &es.state.name]) => {
                    found.push((id, Ok(es)));
                }
                Ok(_) => {}
                Err(error) if error.is_of_an_event() => {
                    self.say("a workspace cannot be read", &id, &error);
                    if listing.wants(&[id.as_str()]) {
                        found.push((id, Err(error)));
                    }
                }
                Err(error) => return Err(error),
            }
            if found.len() > listing.limit {
                break;
            }
        }
        Ok(listing.cut(found, |(id, _)| id.to_string()))
    }

    /// Renames a workspace or gives it another plan. What is `None` stays.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Malformed`].
    pub async fn change_workspace(
        &self,
        person: &Person,
        id: &WorkspaceId,
        name: Option<&str>,
        plan: Option<Plan>,
    ) -> Result<Arc<Es<Workspace>>, Refusal> {
        let name = name.map(|name| typed("name", name, NAME_CHARACTERS_MAX)).transpose()?;
        let command = WorkspaceCommand::Change { name, plan };
        Ok(self.on_workspace(id, command, person.meta()).await?.es)
    }

    /// Closes a workspace for ever. Its record stays; the credentials of its services do not, and what is
    /// owed to devices is never sent. So nobody closes one where something is without a reason for giving it
    /// up, which is recorded.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::State`] while something is owed to a device and `give_up` is `None`;
    /// [`Refusal::Malformed`] for a reason that is none.
    pub async fn close_workspace(
        &self,
        person: &Person,
        id: &WorkspaceId,
        give_up: Option<&str>,
    ) -> Result<(), Refusal> {
        let gave_up =
            give_up.map(|text| typed("give_up", text, REASON_CHARACTERS_MAX)).transpose()?;
        let _one_at_a_time = self.mdm_settings.lock().await;
        if gave_up.is_none() {
            self.nothing_is_owed(id).await?;
        }
        self.on_workspace(id, WorkspaceCommand::Close { gave_up }, person.meta()).await?;
        self.endings.look_again();
        self.forget_unused(id).await
    }

    /// Refuses to lose what is owed to devices. Whoever is deactivated at this very moment may not be seen.
    async fn nothing_is_owed(&self, id: &WorkspaceId) -> Result<(), Refusal> {
        self.settle(id).await?;
        // Asked first: whoever was swept out by then is seen below.
        if let Some(connector) = self.being_swept(id).await? {
            return Err(Refusal::State(format!(
                "the people of the connector {connector}, which was removed, are still being offboarded. A \
                 workspace that is closed sends nothing any more, wipes included: wait for them, or give them \
                 up with a reason (give_up)"
            )));
        }
        self.read_models.caught_up(effects::NAME, id).await?;
        let owed = self.read_models.effects().owed_in(id)?;
        if !owed.is_anything() {
            return Ok(());
        }
        let OwedIn { actions, started, held } = owed;
        Err(Refusal::State(format!(
            "device actions that have not ended: {actions}; offboardings of MDM users that are under way: \
             {started}, and held for a decision: {held}. A workspace that is closed sends nothing any more, \
             wipes included: wait for them, decide about them, or give them up with a reason (give_up)"
        )))
    }

    /// How a portal's people sign in.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn login(&self, id: &WorkspaceId, portal: Portal) -> Result<Login, Refusal> {
        let known = self.workspace(id).await?;
        let login = known.state.logins.get(&portal).cloned();
        Ok(login.ok_or(WorkspaceRefusal::NoSaml(portal))?)
    }

    /// Says how a portal's people sign in, and whether signing in creates them.
    ///
    /// # Errors
    /// [`Refusal::State`] when it would create people whom SCIM manages (rule 4).
    pub async fn configure_saml(
        &self,
        person: &Person,
        id: &WorkspaceId,
        portal: Portal,
        login: Login,
    ) -> Result<Login, Refusal> {
        let Login { saml, jit } = login;
        let saml = Saml {
            entity_id: typed("entity_id", &saml.entity_id, super::saml::URL_CHARACTERS_MAX)?,
            sso_url: super::saml::sso_url(&saml.sso_url)?,
            certificate: super::saml::certificate(&saml.certificate)?,
        };
        let command = WorkspaceCommand::ConfigureSaml { portal, saml, jit };
        let done = self.on_workspace(id, command, person.meta()).await?;
        let login = done.es.state.logins.get(&portal).cloned();
        Ok(login.ok_or(WorkspaceRefusal::NoSaml(portal))?)
    }

    /// Takes a portal's sign-in away.
    ///
    /// # Errors
    /// [`Refusal::State`] while SCIM manages the portal (rule 4).
    pub async fn remove_saml(
        &self,
        person: &Person,
        id: &WorkspaceId,
        portal: Portal,
    ) -> Result<(), Refusal> {
        let command = WorkspaceCommand::RemoveSaml { portal };
        self.on_workspace(id, command, person.meta()).await?;
        Ok(())
    }
}
