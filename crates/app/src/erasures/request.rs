//! Asking for the erasure of a person.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    ids::{ConnectorName, DeviceId, EntryId, ErasureId, OffboardingId, UserId},
    offboarding::Offboarding,
    portal::{Portal, Role},
    rule::{OnDeactivate, Rule},
    user::{AccountState, Erase, Namesake, User, UserCommand, UserEvent, UserRefusal, Via},
    workspace::Workspace,
};
use event_log::{Meta, WorkspaceId};
use uuid::Uuid;

use super::{
    Certificate,
    names::{NameHad, Names},
    namesakes::Other,
};
use crate::{App, DispatchError, Order, Person, Refusal, WORKSPACE_STREAM, admin::typed};

/// The length of a reason, at most, in characters: enough for the number of a request.
const REASON_CHARACTERS_MAX: usize = 200;
/// How often is asked again what builds on something that is being stored.
const TRIES: usize = 16;
/// How many accounts are looked at together for another Owner.
const PAGE: usize = 500;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// On whose wish; it must hold no personal data.
    pub reason: Option<String>,
    /// Whether those are erased too, in all portals, who had the same userName last, and at the same time.
    pub all_portals: bool,
    /// Which others of one of their userNames are erased too, by any of their ids.
    pub with: Vec<Uuid>,
}

/// What erasing somebody would do.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// The person.
    pub user: UserId,
    /// Their portal.
    pub portal: Portal,
    /// How they sign in.
    pub user_name: String,
    /// What they have been called, the oldest first.
    pub names: Vec<NameHad>,
    /// What connectors know of them, by their SCIM ids.
    pub entries: Vec<(ConnectorName, EntryId)>,
    /// Whether they have an account.
    pub account: AccountState,
    /// What the offboarding carries out that is open, or would be opened.
    pub rule: OnDeactivate,
    /// The devices that they have.
    pub devices: Vec<DeviceId>,
    /// The devices of which the record would keep a name that they had while they were this person's.
    pub names_kept: Vec<DeviceId>,
    /// The persons of one of these names, in all portals.
    pub others: Vec<Other>,
}

impl App {
    /// What erasing a person would do. Nothing is done.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::State`] for somebody who was erased.
    pub async fn erasing(&self, workspace: &WorkspaceId, id: Uuid) -> Result<Prospect, Refusal> {
        self.followed(workspace).await;
        let (user, es) = self.known_person(workspace, id).await?;
        if es.state.erased().is_some() {
            return Err(UserRefusal::Erased.into());
        }
        let setting = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        let state = &es.state;
        let open = state.open_offboarding().map(|open| open.rule);
        let rule = rule_of(&setting.state, state).map(|(_, rule)| rule.provisioning.on_deactivate);
        let entries = state.entries.iter().map(|(name, entry)| (name.clone(), entry.id)).collect();
        let user_name = state.entries.values().next().map(|entry| entry.user_name().to_owned());
        let names = Names::find(self, workspace, user).await?;
        Ok(Prospect {
            user,
            portal: state.portal,
            user_name: user_name.unwrap_or_else(|| state.account.user_name.clone()),
            entries,
            account: state.account.state,
            rule: open.or(rule).unwrap_or_default(),
            devices: self.devices_of(workspace, user, state).await?,
            names_kept: self.names_kept(workspace, user, state.portal).await?,
            others: self.others_named(workspace, user, &names).await?,
            names: names.all().to_vec(),
        })
    }

    /// Erases a person, by their id or by the SCIM id of one of their entries. Returns once no file of the
    /// data directory holds anything of them, or after a while: the certificate says which. Asked twice, it
    /// is one erasure; asked again for others, those follow whom the first one has named.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Malformed`] for a reason that is none; [`Refusal::State`] where
    /// the last Owner is among them, or somebody who never had a name of this person: then nobody is erased.
    pub async fn erase(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: Uuid,
        asked: Asked,
    ) -> Result<Certificate, Refusal> {
        let reason = asked.reason.as_deref();
        let reason = reason.map(|text| typed("reason", text, REASON_CHARACTERS_MAX)).transpose()?;
        let (user, es) = self.known_person(workspace, id).await?;
        let meta = person.meta();
        let mut all = vec![Namesake::going(es.state.portal, user)];
        if asked.all_portals || !asked.with.is_empty() {
            let others = self.named_with(workspace, user, &es.state).await?;
            all.extend(self.who_goes_too(workspace, &others, &asked).await?);
            for it in &all {
                let known = self.users.load(workspace, it.user.0).await?;
                self.another_owner(workspace, it.user, &known.state).await?;
            }
        }
        let reason = reason.as_deref();
        let erasure = self.erase_one(&meta, workspace, user, reason, &all).await?;
        for other in &all[1..] {
            self.erase_one(&meta, workspace, other.user, reason, &all).await?;
        }
        self.certificate(workspace, erasure).await
    }

    /// The persons of all portals who may go with somebody. Nobody finds them any more by the
    /// name of somebody who is erased: then they are those whom that erasure has named.
    async fn named_with(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        state: &User,
    ) -> Result<Vec<Namesake>, Refusal> {
        if state.erased().is_none() {
            let names = Names::find(self, workspace, user).await?;
            let found = self.namesakes(workspace, user, &names).await?;
            return Ok(found.into_iter().map(|(person, _)| person).collect());
        }
        let recorded = self.recorded_erasure(workspace, user).await?;
        Ok(match recorded.map(|it| it.fact) {
            Some(UserEvent::Erased { others, .. }) => others,
            _ => Vec::new(),
        })
    }

    /// Those of them who go: who are one human being with the person, and whom the request names. Nobody else,
    /// since a name is given again.
    async fn who_goes_too(
        &self,
        workspace: &WorkspaceId,
        others: &[Namesake],
        asked: &Asked,
    ) -> Result<Vec<Namesake>, Refusal> {
        let mut named = BTreeSet::new();
        for id in &asked.with {
            let (user, es) = self.known_person(workspace, *id).await?;
            let is_one = others.iter().any(|it| it.user == user);
            // Whoever is erased has no name any more.
            if !is_one && es.state.erased().is_none() {
                let detail = format!(
                    "{id} has none of the userNames that the person has had: nobody was erased; erase them on \
                     their own"
                );
                return Err(Refusal::State(detail));
            }
            named.insert(user);
        }
        let goes = |it: &&Namesake| asked.all_portals && it.same_time || named.contains(&it.user);
        Ok(others.iter().filter(goes).map(|it| Namesake::going(it.portal, it.user)).collect())
    }

    /// Erases one person. `also` are those of all portals who are to go together, themselves included: their
    /// erasure says so, and whoever carries it out goes on where this ends.
    pub(super) async fn erase_one(
        &self,
        meta: &Meta,
        workspace: &WorkspaceId,
        user: UserId,
        reason: Option<&str>,
        also: &[Namesake],
    ) -> Result<ErasureId, Refusal> {
        // Two Owners who are erased at once must not each count on the other.
        let _alone = self.erasures.alone().await;
        for _ in 0..TRIES {
            let es = self.users.load(workspace, user.0).await?;
            if let Some(erasure) = es.state.erased() {
                return Ok(erasure);
            }
            // Nothing is decided that the ledger could not take.
            self.log.ledger().check()?;
            self.another_owner(workspace, user, &es.state).await?;
            let (command, rule) = self.command(workspace, user, &es.state, reason, also).await?;
            let meta = Meta { rule, ..meta.clone() };
            let order = Order { workspace: workspace.clone(), id: user.0, command, meta };
            match self.users.dispatch(order).await {
                Ok(done) => {
                    let erased = done.es.state.erased();
                    return erased.ok_or_else(|| UserRefusal::NotStored.into());
                }
                Err(DispatchError::Refused(UserRefusal::NotStored)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Overloaded)
    }

    /// The command, and the rule that is recorded with what it does.
    async fn command(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        state: &User,
        reason: Option<&str>,
        also: &[Namesake],
    ) -> Result<(UserCommand, Option<String>), Refusal> {
        let setting = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        let via = rule_of(&setting.state, state).map(|(connector, rule)| {
            let via = Via::new(connector.clone(), rule, OffboardingId(self.fresh_id()));
            Via { gone: setting.state.gone(), ..via }
        });
        let rule = via.as_ref().and_then(|via| serde_json::to_string(&*via.rule).ok());
        let names = Names::find(self, workspace, user).await?;
        let found = self.namesakes(workspace, user, &names).await?;
        let mut others: Vec<_> = found.into_iter().map(|(person, _)| person).collect();
        for going in also.iter().filter(|it| it.user != user) {
            match others.iter_mut().find(|it| it.user == going.user) {
                Some(known) => known.goes_too = true,
                None => others.push(*going),
            }
        }
        let erase = Erase {
            erasure: ErasureId(self.fresh_id()),
            via,
            reason: reason.map(str::to_owned),
            devices: self.devices_of(workspace, user, state).await?,
            others,
            again: None,
        };
        Ok((UserCommand::Erase(Box::new(erase)), rule))
    }

    /// Refuses what would leave a Dashboard without an Owner. Whoever asks holds [`super::Erasures::alone`]
    /// until it is done.
    pub(crate) async fn another_owner(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        state: &User,
    ) -> Result<(), Refusal> {
        if !is_owner(state) {
            return Ok(());
        }
        let portal = Portal::Dashboard;
        self.read_models.caught_up(portal.as_str(), workspace).await?;
        let mut after = None;
        loop {
            let people = self.read_models.accounts().standing(workspace, portal, after, PAGE)?;
            for other in people.iter().filter(|other| **other != user) {
                if is_owner(&self.users.load(workspace, other.0).await?.state) {
                    return Ok(());
                }
            }
            after = people.last().copied();
            if people.len() < PAGE {
                let detail =
                    "this is the last Owner of the Dashboard: make somebody else an Owner first";
                return Err(Refusal::State(detail.to_owned()));
            }
        }
    }

    /// The devices that somebody has now.
    async fn devices_of(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        state: &User,
    ) -> Result<Vec<DeviceId>, Refusal> {
        if state.portal != Portal::Mdm {
            return Ok(Vec::new());
        }
        self.read_models.caught_up(projections::mdm::NAME, workspace).await?;
        let devices = self.read_models.devices().of_user(workspace, user)?;
        Ok(devices.into_iter().map(|row| row.id).collect())
    }

    async fn known_person(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
    ) -> Result<(UserId, Arc<domain::Es<User>>), Refusal> {
        let found = self.person_of(workspace, id).await?;
        found.ok_or_else(|| Refusal::NotFound("person".to_owned()))
    }
}

/// The connector whose rule applies to somebody who is erased, and that rule. One that was removed has the
/// rule that it had last.
fn rule_of<'u>(setting: &Workspace, user: &'u User) -> Option<(&'u ConnectorName, Arc<Rule>)> {
    let connector = user.erased_via(&setting.gone())?;
    let known = setting.connectors.get(connector).map(|it| Arc::clone(&it.rule));
    let rule = known.or_else(|| setting.removed.get(connector).map(|it| Arc::clone(&it.rule)))?;
    Some((connector, rule))
}

/// Whether somebody is an Owner of the Dashboard now, and is not about to be removed.
pub(crate) fn is_owner(user: &User) -> bool {
    let goes = |it: &Offboarding| !it.held && it.rule.removes_account();
    user.account.role == Some(Role::Owner)
        && user.account.state == AccountState::Active
        && user.erased().is_none()
        && !user.open_offboarding().is_some_and(goes)
}
