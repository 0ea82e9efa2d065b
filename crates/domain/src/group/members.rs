//! Membership: a draft on which the operations of one request act in order, and the facts in what
//! became of it.

use std::collections::BTreeSet;

use imbl::OrdSet;
use scim::filter::Filter;
use serde_json::json;

use super::{Group, GroupEvent, Living, MemberOp, MemberRef, PendingMembers};
use crate::ids::MemberId;

/// What members and pending values would be after some operations, and what differs from before.
pub(super) struct Draft {
    members: OrdSet<MemberId>,
    added: BTreeSet<MemberId>,
    removed: BTreeSet<MemberId>,
    pending: PendingMembers,
    dropped: BTreeSet<u64>,
    awaited: BTreeSet<String>,
    /// How many comparisons filters have made.
    compared: usize,
}

/// How many comparisons the filters of one command may make with members: a fraction of a second,
/// in which nobody else's requests are answered on the same thread.
pub const COMPARED_MAX: usize = 2_000_000;

impl Draft {
    pub(super) fn of(living: &Living) -> Self {
        Self {
            members: living.members.clone(),
            added: BTreeSet::new(),
            removed: BTreeSet::new(),
            pending: living.pending.clone(),
            dropped: BTreeSet::new(),
            awaited: BTreeSet::new(),
            compared: 0,
        }
    }

    /// # Errors
    /// When the filter of [`MemberOp::RemoveMatching`] cannot be evaluated on members, or costs too
    /// much.
    pub(super) fn apply(&mut self, change: &MemberOp) -> Result<(), scim::Error> {
        match change {
            MemberOp::Add(members) => members.iter().for_each(|member| self.add(member)),
            MemberOp::Remove(members) => members.iter().for_each(|member| self.remove(member)),
            MemberOp::RemoveAll => self.keep_only(&[]),
            MemberOp::Replace(members) => {
                self.keep_only(members);
                members.iter().for_each(|member| self.add(member));
            }
            MemberOp::RemoveMatching(filter) => {
                self.compare(filter)?;
                let matcher = scim::members::matcher(filter)?;
                let matching =
                    |value: &str| matcher.matches(&json!({ "value": value, "type": "User" }));
                let gone: Vec<_> =
                    self.members.iter().filter(|id| matching(&id.to_string())).copied().collect();
                gone.into_iter().for_each(|member| self.take_out(member));
                let gone: Vec<_> =
                    self.pending.iter().filter(|(_, v)| matching(v)).map(|(at, _)| at).collect();
                gone.into_iter().for_each(|at| self.drop_pending(at));
                self.awaited.retain(|value| !matching(value));
            }
        }
        Ok(())
    }

    /// Counts what a filter costs.
    fn compare(&mut self, filter: &Filter) -> Result<(), scim::Error> {
        self.compared += filter.comparisons() * (self.members.len() + self.pending.len());
        if self.compared <= COMPARED_MAX {
            return Ok(());
        }
        Err(scim::Error::too_many(format!(
            "the filters make {} comparisons with the members of this group, more than \
             {COMPARED_MAX}: name the members by their value",
            self.compared
        )))
    }

    fn add(&mut self, member: &MemberRef) {
        match member.known {
            Some(id) if !self.members.contains(&id) => {
                self.members.insert(id);
                if !self.removed.remove(&id) {
                    self.added.insert(id);
                }
            }
            Some(_) => {}
            None => {
                if self.pending.event_of(&member.value).is_none() {
                    self.awaited.insert(member.value.clone());
                }
            }
        }
    }

    fn remove(&mut self, member: &MemberRef) {
        if let Some(id) = member.known {
            self.take_out(id);
        }
        self.awaited.remove(&member.value);
        if let Some(at) = self.pending.event_of(&member.value) {
            self.drop_pending(at);
        }
    }

    fn keep_only(&mut self, members: &[MemberRef]) {
        let ids: BTreeSet<_> = members.iter().filter_map(|member| member.known).collect();
        let values: BTreeSet<_> = members.iter().map(|member| member.value.as_str()).collect();
        let gone: Vec<_> = self.members.iter().filter(|id| !ids.contains(id)).copied().collect();
        gone.into_iter().for_each(|member| self.take_out(member));
        let gone: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, value)| !values.contains(value))
            .map(|(at, _)| at)
            .collect();
        gone.into_iter().for_each(|at| self.drop_pending(at));
        self.awaited.retain(|value| values.contains(value.as_str()));
    }

    fn take_out(&mut self, member: MemberId) {
        if self.members.remove(&member).is_some() && !self.added.remove(&member) {
            self.removed.insert(member);
        }
    }

    fn drop_pending(&mut self, at: u64) {
        if self.pending.remove(at) {
            self.dropped.insert(at);
        }
    }

    /// The facts: nothing where everything is as before.
    pub(super) fn into_events(self) -> impl Iterator<Item = GroupEvent> {
        let some = |members: BTreeSet<MemberId>| -> Option<Vec<MemberId>> {
            (!members.is_empty()).then(|| members.into_iter().collect())
        };
        let removed = some(self.removed).map(|members| GroupEvent::MembersRemoved { members });
        let added = some(self.added).map(|members| GroupEvent::MembersAdded { members });
        let dropped =
            self.dropped.into_iter().map(|pending| GroupEvent::PendingDropped { pending });
        let awaited = self.awaited.into_iter().map(|value| GroupEvent::MemberPending { value });
        removed.into_iter().chain(added).chain(dropped).chain(awaited)
    }
}

impl Group {
    pub(super) fn forget(&self, members: &[MemberId]) -> Vec<GroupEvent> {
        let Some(living) = &self.0 else { return vec![] };
        let members: Vec<_> =
            members.iter().filter(|member| living.members.contains(*member)).copied().collect();
        if members.is_empty() { vec![] } else { vec![GroupEvent::MembersRemoved { members }] }
    }

    pub(super) fn drop_pending(&self, pending: &[u64]) -> Vec<GroupEvent> {
        let Some(living) = &self.0 else { return vec![] };
        pending
            .iter()
            .filter(|at| living.pending.contains(**at))
            .map(|&pending| GroupEvent::PendingDropped { pending })
            .collect()
    }

    pub(super) fn resolve(&self, pending: &[u64], member: MemberId) -> Vec<GroupEvent> {
        let Some(living) = &self.0 else { return vec![] };
        pending
            .iter()
            .filter(|at| living.pending.contains(**at))
            .map(|&pending| GroupEvent::PendingResolved { pending, member })
            .collect()
    }
}
