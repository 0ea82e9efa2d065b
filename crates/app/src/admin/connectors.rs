//! Connectors: enabling SCIM for a portal, its rule and its tokens.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    Micros,
    ids::{ConnectorName, TokenId},
    portal::Portal,
    rule::{Provisioning, Rule},
    workspace::{
        Connector, ConnectorState, Extension, Extensions, Idp, NewToken, People, Token,
        WorkspaceCommand, WorkspaceRefusal,
    },
};
use event_log::WorkspaceId;

use super::page::{Listed, Listing};
use crate::{App, Person, Refusal, bearer};

/// How long a token lives unless something else is asked for, in microseconds: 365 days.
const TOKEN_LIFE_MICROS: Micros = 365 * 24 * 3_600 * 1_000_000;
/// How long the removal of a connector waits for what becomes of its people, at most.
const SWEEP_WAIT_SECONDS_MAX: u64 = 2;
/// How long before a token ends its connector begins to warn, in microseconds: 30 days.
const WARN_BEFORE_MICROS: Micros = 30 * 24 * 3_600 * 1_000_000;

/// What enabling SCIM asks for.
#[derive(Clone, Debug, Default)]
pub struct EnableScim {
    /// The connector's name; the first one of a portal is named after it unless told otherwise.
    pub name: Option<String>,
    /// Whose dialect it speaks.
    pub idp: Idp,
    /// Switch just-in-time creation off, should it be on (rule 4).
    pub disable_jit: bool,
}

/// What the administrator copies into the `IdP`.
#[derive(Clone, Debug)]
pub struct Enabled {
    /// The connector's name.
    pub name: ConnectorName,
    /// The connector.
    pub connector: Connector,
    /// Its Base URL.
    pub base_url: String,
    /// Its first token.
    pub token: FreshToken,
}

/// A token that is shown this once.
#[derive(Clone)]
pub struct FreshToken {
    /// Its id.
    pub id: TokenId,
    /// The bearer token itself.
    pub token: String,
    /// When it was made.
    pub created: Micros,
    /// From when on it is refused.
    pub expires: Micros,
}

impl FreshToken {
    /// Takes over the time at which it was recorded.
    fn recorded(&mut self, connector: &Connector) {
        if let Some(known) = connector.tokens.get(&self.id) {
            self.created = known.created;
        }
    }
}

impl std::fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FreshToken").field("id", &self.id).finish_non_exhaustive()
    }
}

impl App {
    /// Lets an `IdP` provision a portal (rules 1 to 5).
    ///
    /// # Errors
    /// [`Refusal::State`] names the step that is missing.
    pub async fn enable_scim(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        portal: Portal,
        asked: EnableScim,
    ) -> Result<Enabled, Refusal> {
        let name = self.connector_name(workspace, portal, asked.name.as_deref()).await?;
        let (mut fresh, token) = self.fresh_token(None)?;
        let command = WorkspaceCommand::EnableScim {
            portal,
            connector: name.clone(),
            idp: asked.idp,
            disable_jit: asked.disable_jit,
            token,
        };
        let done = self.on_workspace(workspace, command, person.meta()).await?;
        let connector = done.es.state.connectors.get(&name).cloned();
        let connector = connector.ok_or_else(|| WorkspaceRefusal::NoConnector(name.clone()))?;
        let base_url = self.base_url(workspace, &name);
        fresh.recorded(&connector);
        Ok(Enabled { name, connector, base_url, token: fresh })
    }

    /// What a new connector is called.
    async fn connector_name(
        &self,
        workspace: &WorkspaceId,
        portal: Portal,
        asked: Option<&str>,
    ) -> Result<ConnectorName, Refusal> {
        let bad = |error| Refusal::Malformed(format!("name: {error}"));
        if let Some(name) = asked {
            let reserved = name.parse::<Portal>().is_ok_and(|other| other != portal);
            if reserved {
                let detail = format!("name: {name} is kept for the first connector of that portal");
                return Err(Refusal::Malformed(detail));
            }
            return ConnectorName::parse(name).map_err(bad);
        }
        let known = self.workspace(workspace).await?;
        if known.state.managed_by_scim(portal) {
            return Err(Refusal::State(format!(
                "the {portal} portal has a connector already: send a \"name\" (a-z, 0-9 and -) to \
                 add another one"
            )));
        }
        // The names of those that were removed are not given again.
        let names = (1_u32..).map(|number| match number {
            1 => portal.as_str().to_owned(),
            number => format!("{portal}-{number}"),
        });
        let free = |name: &ConnectorName| {
            !known.state.removed.contains_key(name) && !known.state.connectors.contains_key(name)
        };
        let mut free = names.filter_map(|name| ConnectorName::parse(&name).ok()).filter(free);
        free.next().ok_or(Refusal::Overloaded)
    }

    /// The connectors of a workspace, by name.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is no such workspace.
    pub async fn list_connectors(
        &self,
        workspace: &WorkspaceId,
        listing: &Listing,
    ) -> Result<Listed<(ConnectorName, Connector)>, Refusal> {
        let known = self.workspace(workspace).await?;
        listing.check_name(|cursor| {
            let name = ConnectorName::parse(cursor).ok();
            let state = &known.state;
            name.is_some_and(|it| {
                state.connectors.contains_key(&it) || state.removed.contains_key(&it)
            })
        })?;
        let all = known.state.connectors.iter().map(|(name, it)| (name.to_string(), it));
        let wanted = |name: &String, it: &&Connector| {
            listing.wants(&[name, it.portal.as_str(), it.idp.as_str()])
        };
        let Listed { items, next } = listing.of(all, wanted)?;
        let named = items.into_iter().filter_map(|(name, connector)| {
            Some((ConnectorName::parse(&name).ok()?, connector.clone()))
        });
        Ok(Listed { items: named.collect(), next })
    }

    /// A connector.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn connector(
        &self,
        workspace: &WorkspaceId,
        name: &ConnectorName,
    ) -> Result<Connector, Refusal> {
        let known = self.workspace(workspace).await?;
        let connector = known.state.connectors.get(name).cloned();
        Ok(connector.ok_or_else(|| WorkspaceRefusal::NoConnector(name.clone()))?)
    }

    /// Pauses or resumes a connector, or says whose dialect it speaks. What is `None` stays.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::State`].
    pub async fn change_connector(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        state: Option<ConnectorState>,
        idp: Option<Idp>,
    ) -> Result<Connector, Refusal> {
        let command = WorkspaceCommand::ChangeConnector { connector: name.clone(), state, idp };
        self.on_workspace(workspace, command, person.meta()).await?;
        self.connector(workspace, name).await
    }

    /// Removes a connector for ever: its tokens are refused at once. What becomes of its people is
    /// done in the background; for a small connector it is done when this returns.
    ///
    /// With [`People::Deactivate`] they count for the brake like those whom the connector deactivates: beyond
    /// its limit, what removes is held.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn remove_connector(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        people: People,
    ) -> Result<(), Refusal> {
        let command = WorkspaceCommand::RemoveConnector { connector: name.clone(), people };
        self.on_workspace(workspace, command, person.meta()).await?;
        if people == People::Deactivate {
            self.sweeps.owe((workspace.clone(), Some(name.clone())));
            let done = self.swept(workspace, name);
            let wait = Duration::from_secs(SWEEP_WAIT_SECONDS_MAX);
            // If it takes longer, it goes on without anybody waiting.
            tokio::time::timeout(wait, done).await.unwrap_or(());
        }
        Ok(())
    }

    /// Waits until nothing is left to be swept out of a connector that was removed with its people.
    pub async fn swept(&self, workspace: &WorkspaceId, name: &ConnectorName) {
        self.sweeps.cleared(&(workspace.clone(), Some(name.clone()))).await;
    }

    /// Says what creation and deactivation do from now on.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::Malformed`] when the portal cannot have that.
    pub async fn set_provisioning(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        provisioning: Provisioning,
    ) -> Result<Arc<Rule>, Refusal> {
        let command = WorkspaceCommand::SetProvisioning { connector: name.clone(), provisioning };
        self.on_workspace(workspace, command, person.meta()).await?;
        Ok(self.connector(workspace, name).await?.rule)
    }

    /// Says which extension schemas a connector's resources have.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for one that is declared twice, or too many.
    pub async fn declare_extensions(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        extensions: Vec<Extension>,
    ) -> Result<Extensions, Refusal> {
        let command = WorkspaceCommand::DeclareExtensions { connector: name.clone(), extensions };
        self.on_workspace(workspace, command, person.meta()).await?;
        Ok(self.connector(workspace, name).await?.extensions)
    }

    /// Adds a token to a connector; it lives a year unless told until when.
    ///
    /// # Errors
    /// [`Refusal::State`] while two are live (rule 3).
    pub async fn issue_token(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        expires: Option<Micros>,
    ) -> Result<FreshToken, Refusal> {
        let (mut fresh, token) = self.fresh_token(expires)?;
        let command = WorkspaceCommand::IssueToken { connector: name.clone(), token };
        self.on_workspace(workspace, command, person.meta()).await?;
        fresh.recorded(&self.connector(workspace, name).await?);
        Ok(fresh)
    }

    /// The tokens of a connector, oldest first; without their secrets, which are nowhere.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn list_tokens(
        &self,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        listing: &Listing,
    ) -> Result<Listed<(TokenId, Token)>, Refusal> {
        let connector = self.connector(workspace, name).await?;
        listing.of(connector.tokens, |id, _| listing.wants(&[&id.to_string()]))
    }

    /// When the tokens of a workspace were last used, to within a few minutes; those that never were
    /// are missing.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn token_uses(&self, workspace: &WorkspaceId) -> Result<HashMap<TokenId, Micros>, Refusal> {
        let uses = self.log.journal().token_uses(workspace)?;
        Ok(uses.into_iter().map(|(token, at)| (TokenId(token), at)).collect())
    }

    /// Refuses a token from now on.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn revoke_token(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        token: TokenId,
    ) -> Result<(), Refusal> {
        let command = WorkspaceCommand::RevokeToken { connector: name.clone(), token };
        self.on_workspace(workspace, command, person.meta()).await?;
        Ok(())
    }

    /// The live tokens of a connector that end soon (rule 3: a warning before one does).
    pub fn ending_tokens(&self, connector: &Connector) -> Vec<TokenId> {
        let now = self.now();
        let live = connector.tokens.iter().filter(|(_, token)| token.live(now));
        let ending = live.filter(|(_, token)| token.expires - now < WARN_BEFORE_MICROS);
        ending.map(|(id, _)| *id).collect()
    }

    fn fresh_token(&self, expires: Option<Micros>) -> Result<(FreshToken, NewToken), Refusal> {
        let now = self.now();
        let expires = expires.unwrap_or(now + TOKEN_LIFE_MICROS);
        if expires <= now {
            return Err(Refusal::Malformed("expires_at: must be in the future".to_owned()));
        }
        let id = TokenId(self.fresh_id());
        let token = bearer::make(id).map_err(|error| Refusal::Failed(no_randomness(error)))?;
        let made = NewToken { token: id, digest: bearer::digest(&token), expires, now };
        Ok((FreshToken { id, token, created: now, expires }, made))
    }
}

pub(super) fn no_randomness(error: getrandom::Error) -> event_log::Failure {
    event_log::Failure::Storage {
        doing: "making a token",
        source: Arc::new(std::io::Error::other(error.to_string())),
    }
}
