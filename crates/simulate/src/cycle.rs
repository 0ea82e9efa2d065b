//! One cycle: the directory of the provider, what it knows of the server, and the stages it takes.
//!
//! A stage hands its items to a bounded number of tasks at a time. What the providers have in
//! common in what they check of users and groups is here; what they send is in their own files.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Mutex,
};

use serde_json::Value;
use tokio::task::{JoinError, JoinSet};

use crate::{
    Cycle, Failure, Idp, Plan, Progress, Summary,
    expect::{Case, Expect, attribute},
    people::{Changes, Directory, Group, Person},
    session::{Exchange, Manners, Request, Session, equals, lock},
};

/// What a provider remembers of the server: the text it found for a place in the directory.
pub(crate) type Known = Mutex<HashMap<usize, String>>;

/// A cycle under way.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) session: Session,
    /// The state that the cycle leads to.
    pub(crate) directory: Directory,
    /// What led there; nothing unless the cycle is incremental.
    pub(crate) changes: Changes,
    /// Ids of users.
    pub(crate) users: Known,
    /// Ids of groups.
    pub(crate) groups: Known,
    /// Versions of users before something was sent that must change nothing.
    pub(crate) user_versions: Known,
    /// Versions of groups before something was sent that must change nothing.
    pub(crate) group_versions: Known,
}

impl Run {
    pub(crate) fn new(plan: Plan, progress: Progress) -> Result<Self, Failure> {
        let mut directory = Directory::new(plan.seed, plan.users, plan.groups);
        let mut changes = Changes::default();
        match plan.cycle {
            Cycle::Initial | Cycle::Probe => {}
            Cycle::Incremental => {
                let last = plan.round.max(1);
                (1..last).for_each(|round| drop(directory.advance(round)));
                changes = directory.advance(last);
            }
            Cycle::Repeat => (1..=plan.round).for_each(|round| drop(directory.advance(round))),
        }
        Ok(Self {
            session: Session::new(&plan, manners(plan.idp), progress)?,
            plan,
            directory,
            changes,
            users: Known::default(),
            groups: Known::default(),
            user_versions: Known::default(),
            group_versions: Known::default(),
        })
    }

    /// Ends the run and returns what it noted.
    pub(crate) fn summary(&self) -> Summary {
        let Plan { idp, cycle, users, groups, .. } = self.plan;
        self.session.take_tally().end(idp, cycle, users, groups)
    }

    /// Takes the steps of a stage, a few at a time, in their order.
    pub(crate) async fn each<S, F>(
        &self,
        stage: &'static str,
        steps: impl IntoIterator<Item = S>,
        step: impl Fn(S) -> F,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let steps: Vec<S> = steps.into_iter().collect();
        self.session.progress().stage(stage, steps.len());
        let mut tasks = JoinSet::new();
        for next in steps {
            if tasks.len() >= self.plan.concurrency.max(1)
                && let Some(done) = tasks.join_next().await
            {
                self.finished(done)?;
            }
            tasks.spawn(step(next));
        }
        while let Some(done) = tasks.join_next().await {
            self.finished(done)?;
        }
        Ok(())
    }

    fn finished(&self, done: Result<Result<(), Failure>, JoinError>) -> Result<(), Failure> {
        match done {
            Ok(outcome) => outcome?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {} // Cancelled together with the run: nobody looks.
        }
        self.session.progress().step();
        Ok(())
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Exchange, Failure> {
        self.session.send(request).await
    }

    /// Looks a user up by userName and remembers the id. `tail` follows the filter in the query.
    pub(crate) async fn find_user(
        &self,
        index: usize,
        tail: &str,
        case: Case,
        expect: Expect,
    ) -> Result<Option<Value>, Failure> {
        let user_name = &self.person(index).user_name;
        let path = format!("/Users?filter={}{tail}", equals("userName", user_name));
        let mut exchange = self.send(Request::get("find user", path).wants(case, expect)).await?;
        let Some(user) = exchange.answer.resources().first().cloned() else { return Ok(None) };
        self.session.require(&mut exchange, case, user["userName"] == user_name.as_str(), || {
            format!("userName is {} instead of {user_name}", user["userName"])
        });
        let id = user["id"].as_str().unwrap_or_default();
        if let Some(known) = get(&self.users, index) {
            self.session.require(&mut exchange, case, known == id, || {
                format!("the id was {known} and is {id}")
            });
        }
        remember(&self.users, index, id);
        Ok(Some(user))
    }

    /// Returns the places of all people.
    pub(crate) fn people(&self) -> Range<usize> {
        0..self.directory.people.len()
    }

    /// Returns the places of all groups.
    pub(crate) fn all_groups(&self) -> Range<usize> {
        0..self.directory.groups.len()
    }

    pub(crate) fn person(&self, index: usize) -> &Person {
        &self.directory.people[index]
    }

    pub(crate) fn group(&self, index: usize) -> &Group {
        &self.directory.groups[index]
    }

    /// Returns the names a group may have on the server, the likelier one first.
    pub(crate) fn group_names(&self, index: usize) -> Vec<&str> {
        let before = self.changes.renamed.iter().find(|(renamed, _)| *renamed == index);
        let names = before.map(|(_, name)| name.as_str()).into_iter();
        names.chain([self.group(index).display_name.as_str()]).collect()
    }

    /// Returns the people and the groups that have a place in both lists of memberships, each
    /// group with those who join it and those who leave it.
    pub(crate) fn moves(&self) -> Vec<(usize, Vec<usize>, Vec<usize>)> {
        let Changes { added, removed, .. } = &self.changes;
        let touched: BTreeSet<usize> =
            added.iter().chain(removed).map(|(group, _)| *group).collect();
        let of = |moves: &[(usize, usize)], group: usize| {
            moves.iter().filter(|(own, _)| *own == group).map(|(_, person)| *person).collect()
        };
        touched.into_iter().map(|group| (group, of(added, group), of(removed, group))).collect()
    }

    /// Checks that a resource of a user carries the attributes it should, `active` included.
    pub(crate) fn check_user(
        &self,
        exchange: &mut Exchange,
        case: Case,
        wanted: &[(String, Option<String>)],
        active: bool,
    ) {
        let body = exchange.answer.body.clone();
        if exchange.answer.status == 204 || body.is_null() {
            return;
        }
        for (path, wanted) in wanted {
            let found = attribute(&body, path);
            self.session.require(exchange, case, found == wanted.as_deref(), || {
                format!("{path} is {found:?} instead of {wanted:?}")
            });
        }
        self.session.require(exchange, case, body["active"] == active, || {
            format!("active is {} instead of {active}", body["active"])
        });
    }

    /// Checks that a user is in the same groups as in `before`, if the server tells.
    pub(crate) fn check_groups_kept(&self, exchange: &mut Exchange, case: Case, before: &Value) {
        let groups = |user: &Value| -> BTreeSet<String> {
            let groups = user["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
            groups.iter().filter_map(|group| group["value"].as_str().map(str::to_owned)).collect()
        };
        let (before, now) = (groups(before), groups(&exchange.answer.body));
        self.session.require(exchange, case, before == now, || {
            format!("the user was in {} groups and is in {}", before.len(), now.len())
        });
    }

    /// Checks that a resource of a group has the members it should, and nobody else.
    pub(crate) fn check_members(
        &self,
        exchange: &mut Exchange,
        case: Case,
        wanted: &BTreeSet<String>,
    ) {
        let members = members(&exchange.answer.body);
        let (lost, strange) = (wanted.difference(&members), members.difference(wanted));
        let (lost, strange) = (lost.count(), strange.count());
        self.session.require(exchange, case, lost + strange == 0, || {
            format!("{lost} members are missing and {strange} are there that should not be")
        });
    }

    /// Checks that a resource has the version it had before, if that is known.
    pub(crate) fn check_version(
        &self,
        exchange: &mut Exchange,
        case: Case,
        before: Option<&String>,
    ) {
        let now = version(&exchange.answer.body);
        if let Some(before) = before
            && exchange.answer.status == 200
        {
            self.session.require(exchange, case, now == *before, || {
                format!("a request that changes nothing moved the version from {before} to {now}")
            });
        }
    }

    /// Returns the ids of the people, of those whose ids are known.
    pub(crate) fn ids<'b>(&self, people: impl IntoIterator<Item = &'b usize>) -> Vec<String> {
        let users = lock(&self.users);
        people.into_iter().filter_map(|person| users.get(person).cloned()).collect()
    }
}

/// Returns the ids in the attribute `members`.
pub(crate) fn members(group: &Value) -> BTreeSet<String> {
    let members = group["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    members.iter().filter_map(|member| member["value"].as_str().map(str::to_owned)).collect()
}

/// Returns what must stay the same when nothing changes: the version and the time of the change.
pub(crate) fn version(resource: &Value) -> String {
    format!("{} {}", resource["meta"]["version"], resource["meta"]["lastModified"])
}

pub(crate) fn get(known: &Known, index: usize) -> Option<String> {
    lock(known).get(&index).cloned()
}

pub(crate) fn remember(known: &Known, index: usize, text: impl Into<String>) {
    lock(known).insert(index, text.into());
}

fn manners(idp: Idp) -> Manners {
    match idp {
        Idp::Entra => Manners { user_agent: None, parameter: None },
        Idp::EntraFlag => Manners { user_agent: None, parameter: Some("aadOptscim062020") },
        Idp::OktaNative | Idp::OktaTemplate => {
            Manners { user_agent: Some("Okta SCIM Client 1.0.0"), parameter: None }
        }
    }
}
