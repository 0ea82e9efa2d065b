//! What Okta does to groups: Push Groups.

use serde_json::Value;

use super::{Okta, PAGE_SIZE, Way, shapes};
use crate::{
    Failure,
    cycle::{get, remember, version},
    expect::{Case, Expect},
    session::{Exchange, Request},
};

impl Okta {
    /// Reads all pages of groups, and remembers the ids of those that the directory has.
    pub(super) async fn list_groups(&self) -> Result<(), Failure> {
        let mut start = 1;
        loop {
            let path = format!("/Groups?startIndex={start}&count={PAGE_SIZE}");
            let request = Request::get("list groups", path).wants(Case::ListGroups, Expect::Page);
            let exchange = self.run.send(request).await?;
            let page = exchange.answer.resources();
            for group in page {
                self.remember_group(group);
            }
            start += page.len();
            let total = exchange.answer.body["totalResults"].as_u64().unwrap_or_default();
            if page.is_empty() || start as u64 > total {
                return Ok(());
            }
        }
    }

    fn remember_group(&self, group: &Value) {
        let (name, id) = (group["displayName"].as_str(), group["id"].as_str());
        if let (Some(name), Some(id)) = (name, id)
            && let Some(index) = self.names.get(name)
        {
            remember(&self.run.groups, *index, id);
        }
    }

    /// Links the group to the one of that name, or creates it, and sends it once more.
    pub(super) async fn push_group(&self, index: usize) -> Result<(), Failure> {
        let members = self.members(index, true);
        let group = self.run.group(index);
        let id = if let Some(id) = get(&self.run.groups, index) {
            id
        } else {
            let body = shapes::group(&group.display_name, &members);
            let request = Request::post("push group", "/Groups", body)
                .wants(Case::PushGroup, Expect::Created);
            let created = self.run.send(request).await?;
            let Some(id) = created.answer.id() else { return Ok(()) };
            remember(&self.run.groups, index, id);
            id.to_owned()
        };
        let mut now = self.get_group(&id, Case::PushGroup).await?;
        self.check_members(&mut now, Case::PushGroup, index);
        self.send_whole(index, &id).await?;
        let mut now = self.get_group(&id, self.whole_case()).await?;
        self.check_members(&mut now, self.whole_case(), index);
        Ok(())
    }

    pub(super) async fn rename(&self, index: usize) -> Result<(), Failure> {
        let Some(id) = get(&self.run.groups, index) else { return Ok(()) };
        match self.way {
            Way::Native => {
                self.require_members(index).await?;
                self.get_group(&id, Case::PutGroup).await?;
                self.send_whole(index, &id).await
            }
            Way::Template => {
                let operation = shapes::rename(&id, &self.run.group(index).display_name);
                self.patch_group("rename group", &id, vec![operation], Case::RenameGroup).await
            }
        }
    }

    pub(super) async fn move_members(
        &self,
        index: usize,
        added: &[usize],
        removed: &[usize],
    ) -> Result<(), Failure> {
        let Some(id) = get(&self.run.groups, index) else { return Ok(()) };
        let group = self.run.group(index);
        if self.way == Way::Native {
            self.require_members(index).await?;
            self.get_group(&id, Case::PutGroup).await?;
            self.send_whole(index, &id).await?;
            let mut now = self.get_group(&id, Case::PutGroup).await?;
            self.check_members(&mut now, Case::PutGroup, index);
            return Ok(());
        }
        self.require_ids(added).await?;
        self.require_ids(removed).await?;
        let mut operations = vec![shapes::rename(&id, &group.display_name)];
        operations.extend(self.run.ids(removed).iter().map(|id| shapes::remove_member(id)));
        let added = self.named(added.iter().copied(), true);
        if !added.is_empty() {
            operations.push(shapes::add_members(&added));
        }
        self.patch_group("move members", &id, operations, Case::RemoveMembersByFilter).await
    }

    async fn require_members(&self, index: usize) -> Result<(), Failure> {
        let members: Vec<usize> = self.run.group(index).members.iter().copied().collect();
        self.require_ids(&members).await
    }

    /// Sends what the server has, in another order, and checks that this changed nothing.
    pub(super) async fn repeat_group(&self, index: usize) -> Result<(), Failure> {
        let Some(id) = get(&self.run.groups, index) else { return Ok(()) };
        let case = self.whole_case();
        let mut before = self.get_group(&id, case).await?;
        self.check_members(&mut before, case, index);
        self.send_whole(index, &id).await?;
        let mut now = self.get_group(&id, case).await?;
        self.check_members(&mut now, case, index);
        self.run.check_version(&mut now, case, Some(&version(&before.answer.body)));
        Ok(())
    }

    /// Sends all members, the last one first and without names. The template names the group in a
    /// request of its own before.
    async fn send_whole(&self, index: usize, id: &str) -> Result<(), Failure> {
        let name = &self.run.group(index).display_name;
        let mut members = self.members(index, false);
        members.reverse();
        match self.way {
            Way::Native => {
                let body = shapes::whole_group(id, name, &members);
                let request = Request::put("put group", format!("/Groups/{id}"), body)
                    .wants(Case::PutGroup, Expect::Whole);
                let mut exchange = self.run.send(request).await?;
                let renamed = exchange.answer.body["displayName"] == name.as_str();
                self.run.session.require(&mut exchange, Case::PutGroup, renamed, || {
                    format!("the group is not called {name}")
                });
                Ok(())
            }
            Way::Template => {
                let rename = vec![shapes::rename(id, name)];
                self.patch_group("rename group", id, rename, Case::RenameGroup).await?;
                let replace = vec![shapes::replace_members(&members)];
                self.patch_group("replace members", id, replace, Case::ReplaceMembers).await
            }
        }
    }

    async fn patch_group(
        &self,
        kind: &'static str,
        id: &str,
        operations: Vec<Value>,
        case: Case,
    ) -> Result<(), Failure> {
        let body = shapes::patch(operations);
        let request = Request::patch(kind, format!("/Groups/{id}"), body);
        self.run.send(request.wants(case, Expect::Changed)).await.map(drop)
    }

    async fn get_group(&self, id: &str, case: Case) -> Result<Exchange, Failure> {
        let request = Request::get("get group", format!("/Groups/{id}"));
        self.run.send(request.wants(case, Expect::Whole)).await
    }

    fn check_members(&self, exchange: &mut Exchange, case: Case, index: usize) {
        let wanted = self.run.ids(&self.run.group(index).members).into_iter().collect();
        self.run.check_members(exchange, case, &wanted);
    }

    fn whole_case(&self) -> Case {
        match self.way {
            Way::Native => Case::PutGroup,
            Way::Template => Case::ReplaceMembers,
        }
    }

    fn members(&self, index: usize, named: bool) -> Vec<shapes::Member> {
        self.named(self.run.group(index).members.iter().copied(), named)
    }

    fn named(&self, people: impl Iterator<Item = usize>, named: bool) -> Vec<shapes::Member> {
        people
            .filter_map(|person| {
                let display = named.then(|| self.run.person(person).user_name.clone());
                Some((get(&self.run.users, person)?, display))
            })
            .collect()
    }
}
