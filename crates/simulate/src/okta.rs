//! Okta as a SCIM client.
//!
//! A new user is looked up and created with a password; an update reads the user, merges, and PUTs
//! the copy. Nobody is ever deleted. Groups are pushed with all their members. The native way knows
//! PUT only, the template changes `active` and groups by PATCH. After Okta's SCIM 2.0 reference, its FAQ and
//! captured traffic.
//!
//! Not Okta's own: in a repeated cycle the group is read once more after it was sent, so that a
//! lost or a needless change is found at once.

mod groups;
mod shapes;

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use crate::{
    Cycle, Failure,
    cycle::{Run, get, remember, version},
    expect::{Case, Expect},
    people::{Changes, Person},
    session::{Exchange, Request},
};

/// How many resources a page holds.
const PAGE_SIZE: usize = 100;

/// Which kind of application is connected. It cannot be switched in Okta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// An application made by hand, with SCIM switched on.
    Native,
    /// An application from the catalogue.
    Template,
}

/// Runs one cycle.
pub(crate) async fn cycle(run: &Arc<Run>, way: Way) -> Result<(), Failure> {
    let names = run.all_groups().flat_map(|index| {
        run.group_names(index).into_iter().map(move |name| (name.to_owned(), index))
    });
    let okta = Okta { run: Arc::clone(run), way, names: Arc::new(names.collect()) };
    if !okta.test_connector().await? {
        return Ok(());
    }
    match run.plan.cycle {
        Cycle::Initial => okta.initial().await,
        Cycle::Incremental => okta.incremental().await,
        Cycle::Repeat => okta.repeat().await,
        Cycle::Probe => Ok(()),
    }
}

#[derive(Clone)]
struct Okta {
    run: Arc<Run>,
    way: Way,
    /// The places of groups by the names they may have on the server.
    names: Arc<HashMap<String, usize>>,
}

/// One step of a stage. Numbers are places in the directory.
enum Step {
    Provision(usize),
    PushGroup(usize),
    Update(usize),
    Deactivate(usize),
    ComeBack(usize),
    Rename(usize),
    Move { group: usize, added: Vec<usize>, removed: Vec<usize> },
    RepeatUser(usize),
    RepeatGroup(usize),
}

impl Okta {
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
            Step::PushGroup(index) => self.push_group(index).await,
            Step::Update(index) => self.update(index).await,
            Step::Deactivate(index) => self.deactivate(index).await.map(drop),
            Step::ComeBack(index) => self.come_back(index).await,
            Step::Rename(index) => self.rename(index).await,
            Step::Move { group, added, removed } => {
                self.move_members(group, &added, &removed).await
            }
            Step::RepeatUser(index) => self.repeat_user(index).await,
            Step::RepeatGroup(index) => self.repeat_group(index).await,
        }
    }

    /// Test Connector Configuration, and the list of groups that is read when it is saved.
    async fn test_connector(&self) -> Result<bool, Failure> {
        self.run.session.progress().stage("connection", 1);
        let request = Request::get("test connector", "/Users?startIndex=1&count=2");
        let users = self.run.send(request.wants(Case::TestConnector, Expect::Page)).await?;
        if users.good {
            self.list_groups().await?;
        }
        Ok(users.good)
    }

    async fn initial(&self) -> Result<(), Failure> {
        self.stage("users", self.run.people().map(Step::Provision)).await?;
        self.stage("groups", self.run.all_groups().map(Step::PushGroup)).await
    }

    async fn incremental(&self) -> Result<(), Failure> {
        let Changes { updated, left, returned, renamed, .. } = &self.run.changes;
        self.stage("changes", updated.iter().map(|(index, _)| Step::Update(*index))).await?;
        self.stage("leavers", left.iter().copied().map(Step::Deactivate)).await?;
        self.stage("returners", returned.iter().copied().map(Step::ComeBack)).await?;
        self.stage("names", renamed.iter().map(|(index, _)| Step::Rename(*index))).await?;
        let moves = self.run.moves().into_iter();
        let moves = moves.map(|(group, added, removed)| Step::Move { group, added, removed });
        self.stage("memberships", moves).await
    }

    async fn repeat(&self) -> Result<(), Failure> {
        self.stage("users", self.run.people().map(Step::RepeatUser)).await?;
        self.stage("groups", self.run.all_groups().map(Step::RepeatGroup)).await
    }

    async fn provision(&self, index: usize) -> Result<(), Failure> {
        if let Some(found) = self.find_user(index, Case::FindUser, Expect::Lookup).await? {
            // Somebody who is there is assigned again rather than created.
            return self.activate(&found, true, Case::Reactivate).await.map(drop);
        }
        let person = self.run.person(index);
        let body = shapes::user(person, self.run.plan.seed, index);
        let mut request = Request::post("create user", "/Users", body)
            .wants(Case::CreateUserWithPassword, Expect::Created);
        if self.way == Way::Template {
            // Templates of the catalogue still send the older media type.
            request.media = "application/json";
        }
        let mut created = self.run.send(request).await?;
        self.check_user(&mut created, Case::CreateUserWithPassword, person, true);
        if let Some(id) = created.answer.id() {
            remember(&self.run.users, index, id);
        }
        Ok(())
    }

    async fn update(&self, index: usize) -> Result<(), Failure> {
        let case = Case::PutUser;
        let Some(found) = self.find_user(index, case, Expect::OneFound).await? else {
            return Ok(());
        };
        let person = self.run.person(index);
        let copy = self.get_user(&found, case).await?;
        let body = shapes::merged(&copy.answer.body, person);
        let mut now = self.put_user("update user", &found, body, case).await?;
        self.check_user(&mut now, case, person, true);
        Ok(())
    }

    /// Returns the user as it was before.
    async fn deactivate(&self, index: usize) -> Result<Option<Value>, Failure> {
        let found = self.find_user(index, Case::FindUser, Expect::OneFound).await?;
        if let Some(found) = &found {
            let case = match self.way {
                Way::Native => Case::PutUser,
                Way::Template => Case::DeactivateWithoutPath,
            };
            self.activate(found, false, case).await?;
        }
        Ok(found)
    }

    async fn come_back(&self, index: usize) -> Result<(), Failure> {
        let Some(before) = self.deactivate(index).await? else { return Ok(()) };
        let case = Case::Reactivate;
        let Some(found) = self.find_user(index, case, Expect::OneFound).await? else {
            return Ok(());
        };
        // Captured traffic shows the reactivation twice.
        self.activate(&found, true, case).await?;
        self.activate(&found, true, case).await?;
        let mut now = self.get_user(&found, case).await?;
        self.check_user(&mut now, case, self.run.person(index), true);
        self.run.check_groups_kept(&mut now, case, &before);
        Ok(())
    }

    async fn activate(&self, found: &Value, active: bool, case: Case) -> Result<(), Failure> {
        let copy = self.get_user(found, case).await?;
        let kind = if active { "reactivate user" } else { "deactivate user" };
        let mut now = match self.way {
            Way::Native => {
                let body = shapes::activated(&copy.answer.body, active);
                self.put_user(kind, found, body, case).await?
            }
            Way::Template => {
                let request = Request::patch(kind, path(found), shapes::active(active));
                self.run.send(request.wants(case, Expect::Changed)).await?
            }
        };
        self.run.check_user(&mut now, case, &[], active);
        Ok(())
    }

    /// Puts back what the server has: a push of a profile in which nothing changed.
    async fn repeat_user(&self, index: usize) -> Result<(), Failure> {
        let case = Case::PutUser;
        let Some(found) = self.find_user(index, case, Expect::OneFound).await? else {
            return Ok(());
        };
        let person = self.run.person(index);
        let mut copy = self.get_user(&found, case).await?;
        self.check_user(&mut copy, case, person, person.active);
        let before = version(&copy.answer.body);
        let body = shapes::merged(&copy.answer.body, person);
        let mut now = self.put_user("update user", &found, body, case).await?;
        self.run.check_version(&mut now, case, Some(&before));
        if self.way == Way::Template {
            self.activate(&found, person.active, Case::DeactivateWithoutPath).await?;
            let mut now = self.get_user(&found, case).await?;
            self.run.check_version(&mut now, Case::DeactivateWithoutPath, Some(&before));
        }
        Ok(())
    }

    async fn get_user(&self, found: &Value, case: Case) -> Result<Exchange, Failure> {
        self.run.send(Request::get("get user", path(found)).wants(case, Expect::Whole)).await
    }

    async fn put_user(
        &self,
        kind: &'static str,
        found: &Value,
        body: Value,
        case: Case,
    ) -> Result<Exchange, Failure> {
        self.run.send(Request::put(kind, path(found), body).wants(case, Expect::Whole)).await
    }

    async fn find_user(
        &self,
        index: usize,
        case: Case,
        expect: Expect,
    ) -> Result<Option<Value>, Failure> {
        let tail = format!("&startIndex=1&count={PAGE_SIZE}");
        self.run.find_user(index, &tail, case, expect).await
    }

    /// Returns the ids of people, those found by a filter that are not known yet.
    async fn require_ids(&self, people: &[usize]) -> Result<(), Failure> {
        for &person in people {
            if get(&self.run.users, person).is_none() {
                self.find_user(person, Case::FindUser, Expect::OneFound).await?;
            }
        }
        Ok(())
    }

    fn check_user(&self, exchange: &mut Exchange, case: Case, person: &Person, active: bool) {
        self.run.check_user(exchange, case, &shapes::attributes(person), active);
    }
}

fn path(user: &Value) -> String {
    format!("/Users/{}", user["id"].as_str().unwrap_or_default())
}
