//! Microsoft Entra as a SCIM client.
//!
//! Users come first, then groups, then memberships and managers. Everything is looked up before it
//! is created; changes go by PATCH, deactivation too; memberships are deltas, a group is read
//! without its members. After Microsoft Learn, "How provisioning works" and "Develop and plan
//! provisioning for a SCIM endpoint" (2025).
//!
//! Not Entra's own: after a change the resource is read once more, and after memberships the whole
//! group, so that a lost change is found at once.

mod groups;
mod shapes;

use std::sync::Arc;

use serde_json::Value;

pub(crate) use self::shapes::Dialect;
use crate::{
    Cycle, Failure,
    cycle::{Run, get, remember, version},
    expect::{Case, Expect},
    people::{Changes, Person, Random},
    session::{Exchange, Request, equals, escaped},
};

/// How many members one PATCH adds at most. Several of one group are under way at a time.
const MEMBERS_PER_PATCH_MAX: usize = 50;

/// Runs one cycle.
pub(crate) async fn cycle(run: &Arc<Run>, dialect: Dialect) -> Result<(), Failure> {
    let entra = Entra { run: Arc::clone(run), dialect };
    if !entra.test_connection().await? {
        return Ok(());
    }
    match run.plan.cycle {
        Cycle::Initial => entra.initial().await,
        Cycle::Incremental => entra.incremental().await,
        Cycle::Repeat => entra.repeat().await,
        Cycle::Probe => Ok(()),
    }
}

#[derive(Clone)]
struct Entra {
    run: Arc<Run>,
    dialect: Dialect,
}

/// One step of a stage. Numbers are places in the directory.
enum Step {
    Provision(usize),
    ProvisionGroup(usize),
    AddMembers(usize, Vec<usize>),
    SetManager(usize),
    CheckGroup(usize),
    Update(usize, Box<Person>),
    Deactivate(usize),
    ComeBack(usize),
    Rename(usize),
    Move { group: usize, added: Vec<usize>, removed: Vec<usize> },
    RepeatUser(usize),
    RepeatGroup(usize),
    CheckUnchanged(usize),
}

impl Entra {
    async fn stage(
        &self,
        name: &'static str,
        steps: impl IntoIterator<Item = Step>,
    ) -> Result<(), Failure> {
        self.run.each(name, steps, |step| self.clone().step(step)).await
    }

    async fn step(self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Provision(index) => self.provision(index).await,
            Step::ProvisionGroup(index) => self.provision_group(index).await,
            Step::AddMembers(group, people) => self.add_members(group, &people).await,
            Step::SetManager(index) => self.set_manager(index).await,
            Step::CheckGroup(index) => self.check_group(index).await,
            Step::Update(index, before) => self.update(index, &before).await,
            Step::Deactivate(index) => self.deactivate(index).await.map(drop),
            Step::ComeBack(index) => self.come_back(index).await,
            Step::Rename(index) => self.rename(index).await,
            Step::Move { group, added, removed } => {
                self.move_members(group, &added, &removed).await
            }
            Step::RepeatUser(index) => self.repeat_user(index).await,
            Step::RepeatGroup(index) => self.repeat_group(index).await,
            Step::CheckUnchanged(index) => self.check_unchanged(index).await,
        }
    }

    /// Looks for somebody who cannot exist: 200 and an empty list show that the credentials hold.
    async fn test_connection(&self) -> Result<bool, Failure> {
        self.run.session.progress().stage("connection", 1);
        let mut random = Random::new(self.run.plan.seed, u64::MAX);
        let path = format!("/Users?filter={}", equals("userName", &random.uuid()));
        let request =
            Request::get("test connection", path).wants(Case::TestConnection, Expect::NoneFound);
        let users = self.run.send(request).await?;
        let name = equals("displayName", &random.uuid());
        let path = format!("/Groups?excludedAttributes=members&filter={name}");
        let request =
            Request::get("test connection", path).wants(Case::ListGroups, Expect::NoneFound);
        self.run.send(request).await?;
        Ok(users.good)
    }

    async fn initial(&self) -> Result<(), Failure> {
        self.stage("users", self.run.people().map(Step::Provision)).await?;
        self.stage("groups", self.run.all_groups().map(Step::ProvisionGroup)).await?;
        self.stage("memberships", self.deltas()).await?;
        self.stage("managers", self.run.people().map(Step::SetManager)).await?;
        self.stage("check", self.run.all_groups().map(Step::CheckGroup)).await
    }

    async fn incremental(&self) -> Result<(), Failure> {
        let Changes { updated, left, returned, renamed, .. } = &self.run.changes;
        let updates = updated.iter().map(|(index, before)| (*index, Box::new(before.clone())));
        self.stage("changes", updates.map(|(index, before)| Step::Update(index, before))).await?;
        self.stage("leavers", left.iter().copied().map(Step::Deactivate)).await?;
        self.stage("returners", returned.iter().copied().map(Step::ComeBack)).await?;
        self.stage("names", renamed.iter().map(|(index, _)| Step::Rename(*index))).await?;
        let moves = self.run.moves().into_iter();
        let moves = moves.map(|(group, added, removed)| Step::Move { group, added, removed });
        self.stage("memberships", moves).await
    }

    async fn repeat(&self) -> Result<(), Failure> {
        self.stage("users", self.run.people().map(Step::RepeatUser)).await?;
        self.stage("groups", self.run.all_groups().map(Step::RepeatGroup)).await?;
        self.stage("memberships", self.deltas()).await?;
        self.stage("managers", self.run.people().map(Step::SetManager)).await?;
        self.stage("check users", self.run.people().map(Step::CheckUnchanged)).await?;
        self.stage("check groups", self.run.all_groups().map(Step::CheckGroup)).await
    }

    async fn provision(&self, index: usize) -> Result<(), Failure> {
        if self.run.find_user(index, "", Case::FindUser, Expect::Lookup).await?.is_some() {
            return Ok(());
        }
        let person = self.run.person(index);
        let request = Request::post("create user", "/Users", shapes::user(person))
            .wants(Case::CreateUser, Expect::Created);
        let mut created = self.run.send(request).await?;
        self.check_user(&mut created, Case::CreateUser, person, true);
        let external_id = created.answer.body["externalId"] == person.entra_id.as_str();
        self.run.session.require(&mut created, Case::CreateUser, external_id, || {
            format!("externalId is not {}", person.entra_id)
        });
        if let Some(id) = created.answer.id() {
            remember(&self.run.users, index, id);
        }
        Ok(())
    }

    async fn update(&self, index: usize, before: &Person) -> Result<(), Failure> {
        let Some(id) = self.find_user(index).await? else { return Ok(()) };
        let person = self.run.person(index);
        let changes = shapes::changes(before, person);
        let case = match self.dialect {
            Dialect::Default => Case::PatchByPath,
            Dialect::Flag if person.title.is_none() => Case::ClearAttribute,
            Dialect::Flag => Case::PatchByKeys,
        };
        if !changes.is_empty() {
            self.patch_user("update user", &id, self.dialect.attributes(&changes), case).await?;
            let mut now = self.get_user(&id, case).await?;
            self.check_user(&mut now, case, person, true);
        }
        if person.manager != before.manager {
            self.set_manager(index).await?;
        }
        Ok(())
    }

    /// Returns the user as it was before.
    async fn deactivate(&self, index: usize) -> Result<Option<Value>, Failure> {
        let found = self.run.find_user(index, "", Case::FindUser, Expect::OneFound).await?;
        let Some(id) = get(&self.run.users, index) else { return Ok(None) };
        let case = Case::DeactivateText;
        self.patch_user("deactivate user", &id, self.dialect.active(false), case).await?;
        let mut now = self.get_user(&id, case).await?;
        self.run.check_user(&mut now, case, &[], false);
        Ok(found)
    }

    async fn come_back(&self, index: usize) -> Result<(), Failure> {
        let Some(before) = self.deactivate(index).await? else { return Ok(()) };
        let case = Case::Reactivate;
        let inactive = self.run.find_user(index, "", case, Expect::OneFound).await?;
        let Some(inactive) = inactive else { return Ok(()) };
        let id = inactive["id"].as_str().unwrap_or_default();
        self.patch_user("reactivate user", id, self.dialect.active(true), case).await?;
        let mut now = self.get_user(id, case).await?;
        self.check_user(&mut now, case, self.run.person(index), true);
        self.run.check_groups_kept(&mut now, case, &before);
        Ok(())
    }

    /// Sends what the server has, as after an answer that got lost.
    async fn repeat_user(&self, index: usize) -> Result<(), Failure> {
        let found = self.run.find_user(index, "", Case::FindUser, Expect::OneFound).await?;
        let (Some(found), Some(id)) = (found, get(&self.run.users, index)) else { return Ok(()) };
        remember(&self.run.user_versions, index, version(&found));
        let person = self.run.person(index);
        let same = self.dialect.attributes(&shapes::attributes(person));
        self.patch_user("update user", &id, same, Case::PatchByPath).await?;
        let active = self.dialect.active(person.active);
        let case = if person.active { Case::Reactivate } else { Case::DeactivateText };
        self.patch_user("repeat activation", &id, active, case).await.map(drop)
    }

    async fn check_unchanged(&self, index: usize) -> Result<(), Failure> {
        let Some(id) = get(&self.run.users, index) else { return Ok(()) };
        let mut now = self.get_user(&id, Case::PatchByPath).await?;
        let person = self.run.person(index);
        self.check_user(&mut now, Case::PatchByPath, person, person.active);
        let before = get(&self.run.user_versions, index);
        self.run.check_version(&mut now, Case::PatchByPath, before.as_ref());
        Ok(())
    }

    async fn set_manager(&self, index: usize) -> Result<(), Failure> {
        let Some(manager) = self.run.person(index).manager else { return Ok(()) };
        let (user, manager) = (self.user_id(index).await?, self.user_id(manager).await?);
        let (Some(user), Some(manager)) = (user, manager) else { return Ok(()) };
        let filter = escaped(&format!("id eq \"{user}\" and manager eq \"{manager}\""));
        let path = format!("/Users?filter={filter}&attributes=id");
        let request = Request::get("check manager", path).wants(Case::Reference, Expect::Lookup);
        let known = self.run.send(request).await?;
        if known.answer.resources().is_empty() || self.run.plan.cycle == Cycle::Repeat {
            let body = self.dialect.manager(&self.run.plan.base_url, &manager);
            self.patch_user("set manager", &user, body, Case::Manager).await?;
        }
        Ok(())
    }

    async fn patch_user(
        &self,
        kind: &'static str,
        id: &str,
        body: Value,
        case: Case,
    ) -> Result<Exchange, Failure> {
        let request = Request::patch(kind, format!("/Users/{id}"), body);
        self.run.send(request.wants(case, Expect::Changed)).await
    }

    async fn get_user(&self, id: &str, case: Case) -> Result<Exchange, Failure> {
        let request = Request::get("get user", format!("/Users/{id}"));
        self.run.send(request.wants(case, Expect::Whole)).await
    }

    async fn find_user(&self, index: usize) -> Result<Option<String>, Failure> {
        let found = self.run.find_user(index, "", Case::FindUser, Expect::OneFound).await?;
        Ok(found.and_then(|_| get(&self.run.users, index)))
    }

    async fn user_id(&self, index: usize) -> Result<Option<String>, Failure> {
        match get(&self.run.users, index) {
            Some(id) => Ok(Some(id)),
            None => self.find_user(index).await,
        }
    }

    fn check_user(&self, exchange: &mut Exchange, case: Case, person: &Person, active: bool) {
        self.run.check_user(exchange, case, &shapes::attributes(person), active);
    }
}
