//! The account: what the portal grants a person, and how entries that come and go act on it.

use serde::{Deserialize, Serialize};

use super::{Entry, User, UserEvent, UserRefusal, Via, event::RoleReason};
use crate::{
    Micros, Stamp,
    ids::OffboardingId,
    offboarding::{CancelledBecause, Held, HeldBecause, Offboarding, Planned},
    portal::{Portal, Role},
    role_mapping::{Mapped, NoMatch, RoleMapping},
    rule::{OnCreate, OnDeactivate},
};

/// What the portal grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whether it is there.
    pub state: AccountState,
    /// Who made it.
    pub source: Source,
    /// Dashboard: the role.
    pub role: Option<Role>,
    /// How the person signs in: follows the entry that changed last, and outlives it.
    pub user_name: String,
    /// Where they are written to.
    pub email: Option<String>,
    /// How the role came about.
    pub standing: Standing,
}

/// How the role of a collaborator came about: what decides whether their groups change it (rule 14).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// When SCIM provisioned the account; `None` for one made by hand, whose first time is over.
    pub provisioned: Option<Micros>,
    /// The role that the creation rule gave it.
    pub default_role: Option<Role>,
    /// Whether a person has chosen the role since.
    pub by_hand: bool,
}

/// Whether an account is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Never granted.
    #[default]
    None,
    /// Open.
    Active,
    /// Closed to its owner by an offboarding that has not ended.
    Suspended,
    /// Gone.
    Removed,
}

impl AccountState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Removed => "removed",
        }
    }
}

/// Who made an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A connector; also once SCIM has adopted an account made by hand.
    #[default]
    Scim,
    /// An administrator.
    Hand,
}

impl Source {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scim => "scim",
            Self::Hand => "hand",
        }
    }
}

impl Account {
    /// Whether it holds its userName: active or suspended.
    pub fn stands(&self) -> bool {
        matches!(self.state, AccountState::Active | AccountState::Suspended)
    }
}

impl User {
    /// What follows when a connector says that the person is active.
    pub(super) fn activation(&self, via: &Via, events: &mut Vec<UserEvent>) {
        if let Some(open) = self.open_offboarding() {
            events.push(UserEvent::OffboardingCancelled {
                offboarding: open.id,
                because: CancelledBecause::Reactivated,
            });
        }
        match self.account.state {
            AccountState::Suspended => events.push(UserEvent::AccountRestored {}),
            AccountState::Active if self.account.source == Source::Hand => {
                events.push(UserEvent::AccountAdopted { connector: via.connector.clone() });
            }
            AccountState::Active => {}
            AccountState::None | AccountState::Removed => {
                let rule = &via.rule.provisioning;
                if rule.on_create == OnCreate::Create {
                    let role = (self.portal == Portal::Dashboard)
                        .then(|| rule.default_role.unwrap_or(Role::Unassigned));
                    events.push(UserEvent::AccountGranted { role });
                }
            }
        }
    }

    /// What follows when an entry went: nothing while another one is active (rule 8).
    pub(super) fn deactivation(&self, via: &Via, events: &mut Vec<UserEvent>) {
        let rule = &via.rule.provisioning;
        let stays = |(name, entry): (_, &Entry)| entry.active() && !via.gone.contains(name);
        let goes = !self.entries.iter().any(stays)
            && self.account.state == AccountState::Active
            && self.open_offboarding().is_none()
            && rule.on_deactivate != OnDeactivate::Nothing;
        if !goes {
            return;
        }
        let offboarding = via.offboarding;
        events.push(UserEvent::OffboardingStarted {
            offboarding,
            connector: via.connector.clone(),
            rule: rule.on_deactivate,
            policy: rule.policy,
        });
        if self.account.role == Some(Role::Owner) {
            let because = HeldBecause::Owner;
            events.push(UserEvent::OffboardingHeld { offboarding, because, hold: None });
        } else if rule.on_deactivate.removes_account() {
            events.push(UserEvent::AccountSuspended {});
        }
    }

    pub(super) fn invite(
        &self,
        portal: Portal,
        user_name: &str,
        email: Option<&str>,
        role: Option<Role>,
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        if self.erased.is_some() {
            return Err(UserRefusal::Erased);
        }
        if self.account.stands() {
            return Err(UserRefusal::AccountExists);
        }
        let role = match (portal, role) {
            (Portal::Dashboard, role) => Some(role.unwrap_or(Role::Unassigned)),
            (Portal::Store | Portal::Mdm, None) => None,
            (Portal::Store | Portal::Mdm, Some(_)) => return Err(UserRefusal::NoRoles(portal)),
        };
        let (user_name, email) = (user_name.to_owned(), email.map(str::to_owned));
        Ok(vec![UserEvent::AccountInvited { portal, user_name, email, role }])
    }

    pub(super) fn set_role(&self, role: Role) -> Result<Vec<UserEvent>, UserRefusal> {
        if self.portal != Portal::Dashboard {
            return Err(UserRefusal::NoRoles(self.portal));
        }
        if self.erased.is_some() {
            return Err(UserRefusal::Erased);
        }
        if !self.account.stands() {
            return Err(UserRefusal::NoAccount);
        }
        // Whoever chooses the role that the person has already ends what groups have to say (rule 14).
        let Standing { provisioned, by_hand, .. } = self.account.standing;
        let same = self.account.role == Some(role) && (by_hand || provisioned.is_none());
        if same {
            return Ok(vec![]);
        }
        let mut events = vec![UserEvent::RoleChanged { role, why: RoleReason::ByHand }];
        if role == Role::Owner {
            events.extend(self.spared());
        }
        Ok(events)
    }

    /// SCIM neither suspends nor removes an Owner (rule 10): what it has begun with somebody who becomes
    /// one waits for a person, unless one has decided already.
    fn spared(&self) -> impl Iterator<Item = UserEvent> {
        let open = self.open_offboarding().filter(|it| it.rule.removes_account() && !it.approved);
        let held = open.filter(|open| !open.held).map(|open| UserEvent::OffboardingHeld {
            offboarding: open.id,
            because: HeldBecause::Owner,
            hold: None,
        });
        let is_suspended = open.is_some() && self.account.state == AccountState::Suspended;
        held.into_iter().chain(is_suspended.then_some(UserEvent::AccountRestored {}))
    }

    /// What the person's groups make them now, as of a time.
    pub(super) fn map_role(
        &self,
        mapped: Option<Mapped>,
        mapping: &RoleMapping,
        at: Micros,
    ) -> Vec<UserEvent> {
        let Account { role, standing, source, .. } = &self.account;
        let is_collaborator = self.portal == Portal::Dashboard && self.account.stands();
        if !is_collaborator || self.erased.is_some() || *role == Some(Role::Owner) {
            return vec![];
        }
        let settles = !standing.by_hand
            && standing.provisioned.is_some_and(|since| at <= mapping.settled(since));
        let follows = mapping.follow_groups && *source == Source::Scim;
        if !settles && !follows {
            return vec![];
        }
        let (to, why) = match (mapped, mapping.no_match) {
            (Some(Mapped { role, group }), _) => (role, RoleReason::Group { group }),
            (None, Some(NoMatch::Unassigned)) => (Role::Unassigned, RoleReason::Default),
            // An account that SCIM has adopted keeps its role until a group says something (rule 10).
            (None, None) if standing.provisioned.is_none() => return vec![],
            (None, None) => {
                (standing.default_role.unwrap_or(Role::Unassigned), RoleReason::Default)
            }
        };
        let same = *role == Some(to);
        if same { vec![] } else { vec![UserEvent::RoleChanged { role: to, why }] }
    }

    pub(super) fn remove_account(&self) -> Result<Vec<UserEvent>, UserRefusal> {
        if !self.account.stands() {
            return Err(UserRefusal::NoAccount);
        }
        let cancelled = self.open_offboarding().map(|open| UserEvent::OffboardingCancelled {
            offboarding: open.id,
            because: CancelledBecause::RemovedByHand,
        });
        Ok(cancelled.into_iter().chain([UserEvent::AccountRemoved {}]).collect())
    }

    /// Refused while it is held: whoever plans asks devices for what is planned next, and may have looked
    /// before it was.
    pub(super) fn plan_offboarding(
        &self,
        offboarding: OffboardingId,
        actions: &[Planned],
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        let open = self.open_offboarding().filter(|open| open.id == offboarding);
        if open.is_some_and(|open| open.held) {
            return Err(UserRefusal::Held);
        }
        let new: Vec<_> = open
            .map(|open| actions.iter().filter(|it| !open.planned.contains(it)).copied().collect())
            .unwrap_or_default();
        if new.is_empty() {
            return Ok(vec![]);
        }
        Ok(vec![UserEvent::OffboardingPlanned { offboarding, actions: new }])
    }

    /// Ends an offboarding. Asked twice, or after a reactivation, it does nothing.
    pub(super) fn complete_offboarding(&self, offboarding: OffboardingId) -> Vec<UserEvent> {
        let Some(open) = self.open_offboarding() else { return vec![] };
        if open.id != offboarding || open.held {
            return vec![];
        }
        let removed = open.rule.removes_account().then_some(UserEvent::AccountRemoved {});
        let completed = UserEvent::OffboardingCompleted { offboarding };
        removed.into_iter().chain([completed]).collect()
    }

    pub(super) fn evolve_account(&mut self, event: &UserEvent, stamp: &Stamp) {
        match event {
            UserEvent::EntryAdded { connector, .. } | UserEvent::EntryChanged { connector, .. } => {
                self.follow(connector);
                self.forget_completed();
            }
            UserEvent::EntryReactivated { .. } => self.forget_completed(),
            UserEvent::AccountGranted { role } => {
                self.account.state = AccountState::Active;
                self.account.source = Source::Scim;
                self.account.role = *role;
                let provisioned = Some(stamp.at);
                self.account.standing =
                    Standing { provisioned, default_role: *role, by_hand: false };
            }
            UserEvent::AccountInvited { portal, user_name, email, role } => {
                self.portal = *portal;
                self.account = Account {
                    state: AccountState::Active,
                    source: Source::Hand,
                    role: *role,
                    user_name: user_name.clone(),
                    email: email.clone(),
                    standing: Standing::default(),
                };
                // A person wants them here again, whatever the IdP says.
                self.offboarding = None;
            }
            UserEvent::AccountAdopted { .. } => self.account.source = Source::Scim,
            UserEvent::AccountSuspended {} => self.account.state = AccountState::Suspended,
            UserEvent::AccountRestored {} => self.account.state = AccountState::Active,
            UserEvent::AccountRemoved {} => self.account.state = AccountState::Removed,
            UserEvent::RoleChanged { role, why } => {
                self.account.role = Some(*role);
                self.account.standing.by_hand |= *why == RoleReason::ByHand;
            }
            UserEvent::EntryDeactivated { .. }
            | UserEvent::EntryRemoved { .. }
            | UserEvent::MetadataChanged { .. }
            | UserEvent::Erased { .. } => {}
            UserEvent::OffboardingStarted { .. }
            | UserEvent::OffboardingHeld { .. }
            | UserEvent::OffboardingApproved { .. }
            | UserEvent::OffboardingPlanned { .. }
            | UserEvent::OffboardingCompleted { .. }
            | UserEvent::OffboardingCancelled { .. } => self.evolve_offboarding(event, stamp),
        }
    }

    fn evolve_offboarding(&mut self, event: &UserEvent, stamp: &Stamp) {
        match event {
            UserEvent::OffboardingStarted { offboarding, connector, rule, policy } => {
                self.offboarding = Some(Offboarding {
                    id: *offboarding,
                    started: stamp.position,
                    connector: connector.clone(),
                    rule: *rule,
                    policy: *policy,
                    held: false,
                    approved: false,
                    planned: Vec::new(),
                    completed: false,
                    began: stamp.at,
                    ended: None,
                    hold: None,
                });
            }
            UserEvent::OffboardingHeld { offboarding, because, hold } => {
                let hold = hold.unwrap_or((*offboarding).into());
                let held = Held { hold, because: *because, position: stamp.position, at: stamp.at };
                self.offboarding.iter_mut().for_each(|open| {
                    (open.held, open.hold) = (true, Some(held));
                });
            }
            UserEvent::OffboardingApproved { .. } => {
                self.offboarding.iter_mut().for_each(|open| {
                    (open.held, open.approved) = (false, true);
                });
            }
            UserEvent::OffboardingPlanned { actions, .. } => {
                self.offboarding.iter_mut().for_each(|open| open.planned.extend(actions));
            }
            UserEvent::OffboardingCompleted { .. } => {
                self.offboarding.iter_mut().for_each(|open| {
                    (open.completed, open.ended) = (true, Some(stamp.at));
                });
            }
            UserEvent::OffboardingCancelled { .. } => self.offboarding = None,
            _ => {}
        }
    }

    /// The account's name and address follow what the connector says of the person now.
    fn follow(&mut self, connector: &crate::ids::ConnectorName) {
        let Some(entry) = self.entries.get(connector) else { return };
        entry.user_name().clone_into(&mut self.account.user_name);
        self.account.email = entry.resource.email().map(str::to_owned);
    }

    /// Somebody who is active again has nothing to be carried out on them.
    fn forget_completed(&mut self) {
        if self.is_active() {
            self.offboarding.take_if(|offboarding| offboarding.completed);
        }
    }
}
