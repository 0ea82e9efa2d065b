//! What Entra does to groups and memberships.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Entra, MEMBERS_PER_PATCH_MAX, Step, shapes};
use crate::{
    Cycle, Failure,
    cycle::{get, members, remember, version},
    expect::{Case, Expect},
    session::{Request, equals, escaped},
};

impl Entra {
    pub(super) async fn provision_group(&self, index: usize) -> Result<(), Failure> {
        if self.find_group(index, Expect::Lookup).await?.is_some() {
            return Ok(());
        }
        let body = shapes::group(self.run.group(index));
        let request = Request::post("create group", "/Groups", body)
            .wants(Case::CreateGroup, Expect::Created);
        let mut created = self.run.send(request).await?;
        let schemas = created.answer.body["schemas"].as_array().map_or(0, Vec::len);
        self.run.session.require(&mut created, Case::CreateGroup, schemas <= 1, || {
            "an unknown schema is among the schemas of the group".to_owned()
        });
        if let Some(id) = created.answer.id() {
            remember(&self.run.groups, index, id);
        }
        Ok(())
    }

    pub(super) async fn rename(&self, index: usize) -> Result<(), Failure> {
        let Some(id) = self.group_id(index).await? else { return Ok(()) };
        let body = self.dialect.rename(&self.run.group(index).display_name);
        self.patch_group("rename group", &id, body, Case::RenameGroup).await
    }

    /// Looks the group up, reads it, and names it as it is named.
    pub(super) async fn repeat_group(&self, index: usize) -> Result<(), Failure> {
        if self.find_group(index, Expect::OneFound).await?.is_none() {
            return Ok(());
        }
        let Some(id) = get(&self.run.groups, index) else { return Ok(()) };
        let path = format!("/Groups/{id}?excludedAttributes=members");
        let request = Request::get("get group", path).wants(Case::GetGroup, Expect::Whole);
        let mut found = self.run.send(request).await?;
        let bare = found.answer.body.get("members").is_none();
        self.run.session.require(&mut found, Case::GetGroup, bare, || {
            "members although they are excluded".to_owned()
        });
        if found.good {
            remember(&self.run.group_versions, index, version(&found.answer.body));
        }
        let body = self.dialect.rename(&self.run.group(index).display_name);
        self.patch_group("rename group", &id, body, Case::RenameGroup).await
    }

    /// Returns the steps that add everybody to their groups, several of them for a large group.
    pub(super) fn deltas(&self) -> Vec<Step> {
        let groups = self.run.directory.groups.iter().enumerate();
        let deltas = groups.flat_map(|(index, group)| {
            let members: Vec<usize> = group.members.iter().copied().collect();
            let parts = members.chunks(MEMBERS_PER_PATCH_MAX).map(<[usize]>::to_vec);
            parts.map(|part| Step::AddMembers(index, part)).collect::<Vec<_>>()
        });
        deltas.collect()
    }

    pub(super) async fn move_members(
        &self,
        group: usize,
        added: &[usize],
        removed: &[usize],
    ) -> Result<(), Failure> {
        let Some(id) = self.group_id(group).await? else { return Ok(()) };
        for person in added.iter().chain(removed) {
            self.user_id(*person).await?;
        }
        let gone = self.run.ids(removed);
        if !gone.is_empty() {
            let case = match self.dialect {
                shapes::Dialect::Default => Case::RemoveMembersByValue,
                shapes::Dialect::Flag => Case::RemoveMembersByFilter,
            };
            self.patch_group("remove members", &id, self.dialect.remove_members(&gone), case)
                .await?;
        }
        if !added.is_empty() {
            self.add_members(group, added).await?;
        }
        self.check_moves(&id, added, &gone).await
    }

    /// Reads the group and checks that it has everybody it should have, and nobody else.
    pub(super) async fn check_group(&self, index: usize) -> Result<(), Failure> {
        let Some(id) = get(&self.run.groups, index) else { return Ok(()) };
        let request = Request::get("check group", format!("/Groups/{id}"))
            .wants(Case::ParallelMembers, Expect::Whole);
        let mut exchange = self.run.send(request).await?;
        let wanted = self.run.ids(&self.run.group(index).members).into_iter().collect();
        self.run.check_members(&mut exchange, Case::ParallelMembers, &wanted);
        let before = get(&self.run.group_versions, index);
        self.run.check_version(&mut exchange, Case::AddMembers, before.as_ref());
        Ok(())
    }

    async fn check_moves(&self, id: &str, added: &[usize], gone: &[String]) -> Result<(), Failure> {
        let case = Case::RemoveMembersByValue;
        let request =
            Request::get("check group", format!("/Groups/{id}")).wants(case, Expect::Whole);
        let mut exchange = self.run.send(request).await?;
        let now = members(&exchange.answer.body);
        let come: BTreeSet<String> = self.run.ids(added).into_iter().collect();
        let gone: BTreeSet<String> = gone.iter().cloned().collect();
        let (lost, kept) = (come.difference(&now).count(), gone.intersection(&now).count());
        self.run.session.require(&mut exchange, case, lost + kept == 0, || {
            format!("{lost} new members are missing and {kept} former ones are still there")
        });
        Ok(())
    }

    /// Checks one reference, as Entra does before it sends a delta, and sends the delta.
    pub(super) async fn add_members(&self, group: usize, people: &[usize]) -> Result<(), Failure> {
        let (id, ids) = (get(&self.run.groups, group), self.run.ids(people));
        let (Some(id), Some(first)) = (id, ids.first()) else { return Ok(()) };
        let filter = escaped(&format!("id eq \"{id}\" and members eq \"{first}\""));
        let path = format!("/Groups?excludedAttributes=members&filter={filter}");
        let expect = match self.run.plan.cycle {
            Cycle::Repeat => Expect::OneFound,
            _ => Expect::Lookup,
        };
        let request = Request::get("check member", path).wants(Case::Reference, expect);
        self.run.send(request).await?;
        let body = self.dialect.add_members(&ids);
        self.patch_group("add members", &id, body, Case::AddMembers).await
    }

    async fn patch_group(
        &self,
        kind: &'static str,
        id: &str,
        body: Value,
        case: Case,
    ) -> Result<(), Failure> {
        let request = Request::patch(kind, format!("/Groups/{id}"), body);
        self.run.send(request.wants(case, Expect::NoContent)).await.map(drop)
    }

    async fn group_id(&self, index: usize) -> Result<Option<String>, Failure> {
        match get(&self.run.groups, index) {
            Some(id) => Ok(Some(id)),
            None => self.find_group(index, Expect::OneFound).await,
        }
    }

    /// Looks the group up by its name, or by the one it had before, and remembers the id.
    async fn find_group(&self, index: usize, expect: Expect) -> Result<Option<String>, Failure> {
        let names = self.run.group_names(index);
        for (position, name) in names.iter().enumerate() {
            let last = position + 1 == names.len();
            let filter = equals("displayName", name);
            let path = format!("/Groups?excludedAttributes=members&filter={filter}");
            let expect = if last { expect } else { Expect::Lookup };
            let request = Request::get("find group", path).wants(Case::FindGroup, expect);
            let mut exchange = self.run.send(request).await?;
            let Some(group) = exchange.answer.resources().first().cloned() else { continue };
            let bare = group.get("members").is_none();
            self.run.session.require(&mut exchange, Case::FindGroup, bare, || {
                "members although they are excluded".to_owned()
            });
            let id = group["id"].as_str().unwrap_or_default();
            remember(&self.run.groups, index, id);
            return Ok(Some(id.to_owned()));
        }
        Ok(None)
    }
}
