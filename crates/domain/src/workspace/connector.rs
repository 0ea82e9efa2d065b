//! Connectors: links to an `IdP`, with their tokens and rules (rules 1 to 7).

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Extensions, Plan, SeenAttributes, Workspace, WorkspaceEvent, WorkspaceRefusal,
    command::NewToken,
};
use crate::{
    Micros, Stamp,
    attribute_mapping::AttributeMapping,
    ids::{ConnectorName, TokenId},
    portal::Portal,
    rule::{Provisioning, Rule},
};

/// How many tokens of a connector may be live at a time: the old one and the new one, so that a
/// rotation cuts off no cycle (rule 3).
const TOKENS_MAX: usize = 2;

/// Whose dialect a connector speaks. Which quirks each has is the edge's to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Idp {
    /// Microsoft Entra ID, with and without its SCIM compliance flag.
    Entra,
    /// Okta, native and template.
    Okta,
    /// OneLogin.
    OneLogin,
    /// Any other: all leniences together.
    #[default]
    Generic,
    /// The RFC to the letter.
    Strict,
}

impl Idp {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Entra, Self::Okta, Self::OneLogin, Self::Generic, Self::Strict];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::OneLogin => "onelogin",
            Self::Generic => "generic",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Idp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Idp {
    type Err = UnknownIdp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|idp| idp.as_str() == text)
            .ok_or_else(|| UnknownIdp(text.to_owned()))
    }
}

/// A word that names no kind of `IdP`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idp is entra, okta, onelogin, generic or strict, got {0:?}")]
pub struct UnknownIdp(String);

/// Whether requests are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorState {
    /// Yes.
    Active,
    /// Not now: 503 with `Retry-After` (rule 7).
    Paused,
}

/// Why a connector is paused. The two are apart, so that an upgrade resumes only what the
/// downgrade paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Paused {
    /// An administrator paused it.
    Hand,
    /// The plan does not have SCIM any more (rule 2).
    Plan,
}

/// A bearer token; its secret is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the whole token.
    pub digest: [u8; 32],
    /// When it was made.
    pub created: Micros,
    /// From when on it is refused.
    pub expires: Micros,
    /// Since when it is refused by hand.
    pub revoked: Option<Micros>,
}

impl Token {
    /// Whether it opens anything at `now`.
    pub fn live(&self, now: Micros) -> bool {
        self.revoked.is_none() && now < self.expires
    }
}

/// A connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connector {
    /// Whose people it provisions.
    pub portal: Portal,
    /// Whose dialect it speaks.
    pub idp: Idp,
    /// Why it is paused, if it is.
    pub paused: Option<Paused>,
    /// Its setting in force.
    pub rule: Arc<Rule>,
    /// Its tokens, revoked and expired ones too, so that a refusal can say which.
    pub tokens: BTreeMap<TokenId, Token>,
    /// When it was added.
    pub created: Micros,
    /// The extension schemas that were declared for it.
    pub extensions: Extensions,
    /// Which attributes become metadata.
    pub attribute_mapping: Arc<AttributeMapping>,
    /// The attributes that its requests have carried.
    pub seen: SeenAttributes,
    /// Until when the provisioning log keeps the bodies of its requests.
    pub bodies_until: Option<Micros>,
}

impl Connector {
    /// Whether requests are taken.
    pub fn state(&self) -> ConnectorState {
        if self.paused.is_some() { ConnectorState::Paused } else { ConnectorState::Active }
    }
}

impl Workspace {
    pub(super) fn enable_scim(
        &self,
        portal: Portal,
        name: &ConnectorName,
        idp: Idp,
        disable_jit: bool,
        token: &NewToken,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        if self.plan == Plan::Basic {
            return Err(WorkspaceRefusal::NotEntitled);
        }
        let login = self.logins.get(&portal).ok_or(WorkspaceRefusal::SamlFirst(portal))?;
        if login.jit && !disable_jit {
            return Err(WorkspaceRefusal::JitFirst(portal));
        }
        if self.connectors.contains_key(name) {
            return Err(WorkspaceRefusal::ConnectorExists(name.clone()));
        }
        if self.removed.contains_key(name) {
            return Err(WorkspaceRefusal::ConnectorWas(name.clone()));
        }
        let jit = login.jit.then_some(WorkspaceEvent::JitSwitchedOff { portal });
        let added = WorkspaceEvent::ConnectorAdded { connector: name.clone(), portal, idp };
        Ok(jit.into_iter().chain([added, token.issued(name)]).collect())
    }

    pub(super) fn change_connector(
        &self,
        name: &ConnectorName,
        state: Option<ConnectorState>,
        idp: Option<Idp>,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let known = self.connector(name)?;
        let connector = || name.clone();
        let mut events = Vec::new();
        match state {
            Some(ConnectorState::Paused) if known.paused != Some(Paused::Hand) => {
                events.push(WorkspaceEvent::ConnectorPaused {
                    connector: connector(),
                    because: Paused::Hand,
                });
            }
            Some(ConnectorState::Active) if self.plan == Plan::Basic => {
                return Err(WorkspaceRefusal::NotEntitled);
            }
            Some(ConnectorState::Active) if known.paused.is_some() => {
                events.push(WorkspaceEvent::ConnectorResumed { connector: connector() });
            }
            Some(_) | None => {}
        }
        if let Some(idp) = idp.filter(|idp| *idp != known.idp) {
            events.push(WorkspaceEvent::ConnectorIdpChanged { connector: connector(), idp });
        }
        Ok(events)
    }

    /// What a change of plan does to connectors: a downgrade pauses, an upgrade resumes what the
    /// downgrade paused.
    pub(super) fn follow_plan(&self, plan: Plan) -> Vec<WorkspaceEvent> {
        let follow = |(name, known): (&ConnectorName, &Connector)| {
            let connector = name.clone();
            match (plan, known.paused) {
                (Plan::Basic, None) => {
                    Some(WorkspaceEvent::ConnectorPaused { connector, because: Paused::Plan })
                }
                (Plan::Enterprise, Some(Paused::Plan)) => {
                    Some(WorkspaceEvent::ConnectorResumed { connector })
                }
                (Plan::Basic, Some(_)) | (Plan::Enterprise, Some(Paused::Hand) | None) => None,
            }
        };
        self.connectors.iter().filter_map(follow).collect()
    }

    pub(super) fn set_provisioning(
        &self,
        name: &ConnectorName,
        provisioning: &Provisioning,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let known = self.connector(name)?;
        provisioning.check(known.portal)?;
        if let Some(policy) = provisioning.policy
            && !self.policies.contains_key(&policy)
        {
            return Err(WorkspaceRefusal::NoPolicy(policy));
        }
        if known.rule.provisioning == *provisioning {
            return Ok(vec![]);
        }
        let (connector, provisioning) = (name.clone(), provisioning.clone());
        Ok(vec![WorkspaceEvent::ProvisioningSet { connector, provisioning }])
    }

    pub(super) fn set_attribute_mapping(
        &self,
        name: &ConnectorName,
        mapping: &AttributeMapping,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let known = self.connector(name)?;
        mapping.check()?;
        if *known.attribute_mapping == *mapping {
            return Ok(vec![]);
        }
        let (connector, mapping) = (name.clone(), mapping.clone());
        Ok(vec![WorkspaceEvent::AttributeMappingSet { connector, mapping }])
    }

    pub(super) fn issue_token(
        &self,
        name: &ConnectorName,
        token: &NewToken,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let known = self.connector(name)?;
        let live = known.tokens.values().filter(|known| known.live(token.now)).count();
        if live >= TOKENS_MAX {
            return Err(WorkspaceRefusal::TooManyTokens);
        }
        Ok(vec![token.issued(name)])
    }

    pub(super) fn revoke_token(
        &self,
        name: &ConnectorName,
        token: TokenId,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let known = self.connector(name)?.tokens.get(&token).ok_or(WorkspaceRefusal::NoToken)?;
        let revoked = WorkspaceEvent::TokenRevoked { connector: name.clone(), token };
        Ok(if known.revoked.is_some() { vec![] } else { vec![revoked] })
    }

    pub(super) fn evolve_connector(&mut self, event: &WorkspaceEvent, stamp: &Stamp) {
        if let WorkspaceEvent::ConnectorAdded { connector, portal, idp } = event {
            let added = Connector {
                portal: *portal,
                idp: *idp,
                paused: None,
                rule: Arc::new(Rule {
                    position: stamp.position,
                    provisioning: Provisioning::default(),
                }),
                tokens: BTreeMap::new(),
                created: stamp.at,
                extensions: Extensions::default(),
                attribute_mapping: Arc::default(),
                seen: SeenAttributes::default(),
                bodies_until: None,
            };
            self.connectors.insert(connector.clone(), added);
        }
        if let WorkspaceEvent::ConnectorRemoved { connector, people } = event {
            self.evolve_removal(connector, *people, stamp);
        }
        let Some(known) = event.connector().and_then(|name| self.connectors.get_mut(name)) else {
            return;
        };
        match event {
            WorkspaceEvent::ConnectorPaused { because, .. } => known.paused = Some(*because),
            WorkspaceEvent::ConnectorResumed { .. } => known.paused = None,
            WorkspaceEvent::ConnectorIdpChanged { idp, .. } => known.idp = *idp,
            WorkspaceEvent::ProvisioningSet { provisioning, .. } => {
                let provisioning = provisioning.clone();
                known.rule = Arc::new(Rule { position: stamp.position, provisioning });
            }
            WorkspaceEvent::ExtensionsDeclared { extensions, .. } => {
                known.extensions = extensions.clone().into();
            }
            WorkspaceEvent::AttributeMappingSet { mapping, .. } => {
                known.attribute_mapping = Arc::new(mapping.clone());
            }
            WorkspaceEvent::AttributesSeen { attributes, .. } => {
                known.seen.see(attributes, stamp.at);
            }
            WorkspaceEvent::BodiesKept { until, .. } => known.bodies_until = *until,
            WorkspaceEvent::TokenIssued { token, digest, expires, .. } => {
                let issued =
                    Token { digest: *digest, created: stamp.at, expires: *expires, revoked: None };
                known.tokens.insert(*token, issued);
            }
            WorkspaceEvent::TokenRevoked { token, .. } => {
                known.tokens.entry(*token).and_modify(|token| token.revoked = Some(stamp.at));
            }
            // Done above, or about no connector: those have left already.
            _ => {}
        }
    }
}
