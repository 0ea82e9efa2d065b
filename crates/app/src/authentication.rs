//! Whose a SCIM request is: the connector of its path, if the token is one of its own.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    ids::{ConnectorName, TokenId},
    workspace::{Connector, Token},
};
use event_log::{Micros, WorkspaceId, journal::Attempt};

use crate::{
    App, Budget, Caller, Refusal, RequestIds, Sightings, Trace, Unauthorized, WORKSPACE_STREAM,
    bearer, caller::bearer_token,
};

impl App {
    /// Finds out whose token a SCIM request carries. One whose token opens nothing is counted.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`], or a failure.
    pub async fn authenticate(
        &self,
        workspace: &str,
        connector: &str,
        authorization: Option<&str>,
        ids: RequestIds,
    ) -> Result<Caller, Refusal> {
        self.requests.count();
        // An unknown workspace and an unknown connector say no more than an unknown token.
        let workspace = WorkspaceId::parse(workspace).ok().filter(|it| self.log.head(it) > 0);
        let Some(workspace) = workspace else {
            let unauthorized = bearer_token(authorization).err().unwrap_or(Unauthorized::Unknown);
            self.meters.rejected(unauthorized.word());
            return Err(unauthorized.into());
        };
        let known = self.workspaces.load(&workspace, WORKSPACE_STREAM).await?;
        let connectors = &known.state.connectors;
        let name = ConnectorName::parse(connector).ok();
        let connector = name.and_then(|name| connectors.get_key_value(&name));
        let now = self.now();
        let token = match identify(connectors, connector, authorization, now) {
            Ok(token) => token,
            Err(unauthorized) => {
                self.note_rejection(&workspace, connector, (unauthorized, authorization), ids);
                return Err(unauthorized.into());
            }
        };
        let (name, connector) = connector.ok_or(Unauthorized::Unknown)?;
        self.note_use(&workspace, token, now);
        let (log, seen) = (Arc::clone(&self.log), connector.seen.clone());
        let sightings = Sightings::new(log, workspace.clone(), name.clone(), seen, now);
        Ok(Caller {
            workspace,
            portal: connector.portal,
            idp: connector.idp,
            rule: Arc::clone(&connector.rule),
            gone: known.state.gone(),
            catalogue: connector.extensions.catalogue().clone(),
            mapping: Arc::clone(&connector.attribute_mapping),
            connector: name.clone(),
            token,
            ids,
            sightings,
            budget: Budget::default(),
            trace: Trace::default(),
            paused: connector.paused,
            keeps_bodies: connector.bodies_until.is_some_and(|until| now < until),
        })
    }

    /// Whether a caller may do anything now.
    ///
    /// # Errors
    /// [`Refusal::Paused`] and [`Refusal::TooFast`].
    pub fn admit(&self, caller: &Caller) -> Result<(), Refusal> {
        if let Some(paused) = caller.paused {
            return Err(Refusal::Paused(paused));
        }
        self.pace.check(&caller.workspace, &caller.connector)
    }

    /// Whether a caller may still do what it was let in for: its token may have been revoked since, while its
    /// body came, or while the operations before this one of a bulk request were carried out.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] and [`Refusal::Paused`], or a failure.
    pub async fn still_lets_in(&self, caller: &Caller) -> Result<(), Refusal> {
        let known = self.workspaces.load(&caller.workspace, WORKSPACE_STREAM).await?;
        let connector = known.state.connectors.get(&caller.connector);
        let connector = connector.ok_or(Unauthorized::Unknown)?;
        let token = connector.tokens.get(&caller.token).ok_or(Unauthorized::Unknown)?;
        live(token, self.now())?;
        connector.paused.map_or(Ok(()), |paused| Err(Refusal::Paused(paused)))
    }

    fn note_rejection(
        &self,
        workspace: &WorkspaceId,
        connector: Option<(&ConnectorName, &Connector)>,
        (unauthorized, authorization): (Unauthorized, Option<&str>),
        ids: RequestIds,
    ) {
        self.meters.rejected(unauthorized.word());
        // Only what is ours already is noted of a token, lest anybody fills the journal.
        let id = bearer_token(authorization).ok().and_then(bearer::id_of);
        let token = id.filter(|id| connector.is_some_and(|it| it.1.tokens.contains_key(id)));
        let token = token.map(|id| id.0);
        let attempt = Attempt { time: self.now(), request: ids.request, token };
        let name = connector.map(|(name, _)| name.as_str());
        self.log.journal().rejected(workspace, name, unauthorized.word(), attempt);
    }
}

/// Whose token of a connector it is.
fn identify(
    connectors: &BTreeMap<ConnectorName, Connector>,
    connector: Option<(&ConnectorName, &Connector)>,
    authorization: Option<&str>,
    now: Micros,
) -> Result<TokenId, Unauthorized> {
    let token = bearer_token(authorization)?;
    let (name, connector) = connector.ok_or(Unauthorized::Unknown)?;
    match check(connector, token, now) {
        Err(Unauthorized::Unknown) if elsewhere(connectors, name, token, now) => {
            Err(Unauthorized::OtherConnector)
        }
        checked => checked,
    }
}

/// Whether a token belongs to another connector of the same workspace.
fn elsewhere(
    connectors: &BTreeMap<ConnectorName, Connector>,
    name: &ConnectorName,
    token: &str,
    now: Micros,
) -> bool {
    connectors
        .iter()
        .filter(|(other, _)| *other != name)
        .any(|(_, connector)| check(connector, token, now).is_ok())
}

/// Finds the token among those of a connector.
fn check(connector: &Connector, token: &str, now: Micros) -> Result<TokenId, Unauthorized> {
    let id = bearer::id_of(token).ok_or(Unauthorized::Malformed)?;
    let known = connector.tokens.get(&id).ok_or(Unauthorized::Unknown)?;
    if !bearer::matches(token, &known.digest) {
        return Err(Unauthorized::Unknown);
    }
    live(known, now).map(|()| id)
}

/// Whether a token opens anything any more.
fn live(token: &Token, now: Micros) -> Result<(), Unauthorized> {
    match token {
        token if token.revoked.is_some() => Err(Unauthorized::Revoked),
        token if token.expires <= now => Err(Unauthorized::Expired),
        _ => Ok(()),
    }
}
