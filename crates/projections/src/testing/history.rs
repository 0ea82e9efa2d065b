//! Random histories that could have happened: each event was decided by its aggregate.

use std::{collections::HashMap, sync::Arc};

use domain::{
    Decider, Es,
    device::{Changes, Device, DeviceCommand, FailedBecause, Steering},
    group::{self, Group, GroupCommand, MemberOp, MemberRef, Operation},
    group_filter::GroupFilter,
    ids::{
        ActionId, DeviceId, EntryId, ErasureId, HoldId, MemberId, OffboardingId, PolicyId, UserId,
    },
    offboarding::{ActionKind, Limit, Planned},
    portal::{Portal, Role},
    publication::{Publication, PublicationCommand},
    rule::{OnCreate, OnDeactivate, Provisioning, Rule},
    user::{Erase, User, UserCommand, Via},
    workspace::WorkspaceEvent,
};
use event_log::WorkspaceId;
use proptest::prelude::*;
use scim::{patch, resource::Resource};
use serde_json::json;

use super::{Story, connector, id, resource};

/// Something that somebody asks for; the numbers choose whom and what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) workspace: bool,
    what: u8,
    who: u8,
    how: u8,
}

/// Up to `len` steps of two workspaces.
pub(crate) fn steps(len: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<bool>(), 0..26_u8, 0..4_u8, any::<u8>())
        .prop_map(|(workspace, what, who, how)| Step { workspace, what, who, how });
    prop::collection::vec(step, 1..len)
}

/// A history that is being made.
pub(crate) struct History {
    pub(crate) story: Story,
    users: HashMap<u128, Es<User>>,
    groups: HashMap<u128, Es<Group>>,
    devices: HashMap<u128, Es<Device>>,
    publications: HashMap<u128, Es<Publication>>,
    made: u128,
}

impl History {
    pub(crate) fn new(workspace: &str) -> Self {
        let mut story = Story::of(WorkspaceId::parse(workspace).unwrap());
        for (name, portal) in CONNECTORS {
            story.setting(WorkspaceEvent::ConnectorAdded {
                connector: connector(name),
                portal,
                idp: domain::workspace::Idp::Okta,
            });
        }
        let (users, groups, devices, publications) = Default::default();
        Self { story, users, groups, devices, publications, made: 1_000 }
    }

    /// Lets a step happen; what is refused does not.
    pub(crate) fn take(&mut self, step: Step) {
        let Step { what, who, how, .. } = step;
        let who = u128::from(who);
        match what {
            0..12 => self.user(what, who + 1, how),
            12..17 => self.group(what, who + 20, how),
            17..23 => self.device(what, who % 2 + 30, how),
            23..25 => self.publication(who % 2 + 50, how),
            _ if how.is_multiple_of(3) => {
                let policy = PolicyId(id(who + 40));
                self.story.setting(WorkspaceEvent::PolicyRemoved { policy });
            }
            _ => {
                let policy = PolicyId(id(who + 40));
                let name = format!("policy {how}").into();
                self.story.setting(WorkspaceEvent::PolicyAdded { policy, name });
            }
        }
    }

    fn fresh(&mut self) -> u128 {
        self.made += 1;
        self.made
    }

    fn user(&mut self, what: u8, who: u128, how: u8) {
        let new = !self.users.contains_key(&who);
        let fresh = self.fresh();
        let state = self.users.get(&who).map(|es| es.state.clone()).unwrap_or_default();
        let portal = Portal::ALL[usize::try_from(who).unwrap() % 3];
        let name = match portal {
            Portal::Dashboard if how.is_multiple_of(2) => "okta",
            Portal::Dashboard => "dashboard",
            Portal::Store => "store",
            Portal::Mdm => "mdm",
        };
        let via = via(name, portal, how, fresh);
        let known = state.entries.get(&connector(name));
        let entry = known.map_or(EntryId(id(fresh)), |known| known.id);
        let open = state.offboarding.as_ref().map_or(OffboardingId(id(0)), |open| open.id);
        let command = match what {
            0..3 => {
                let entry = EntryId(id(if new { who } else { fresh }));
                UserCommand::Provision { portal, via, entry, resource: person(who, how) }
            }
            3..6 => UserCommand::Replace { via, entry, resource: person(who, how) },
            6 => UserCommand::RemoveEntry { via, entry },
            7 => UserCommand::Invite {
                portal,
                user_name: format!("invited{who}"),
                email: (how.is_multiple_of(2)).then(|| "In@vited".to_owned()),
                role: (portal == Portal::Dashboard).then_some(Role::Owner),
            },
            8 => UserCommand::SetRole { role: [Role::Owner, Role::Admin][usize::from(how % 2)] },
            9 => UserCommand::RemoveAccount,
            10 if how.is_multiple_of(5) => {
                let hold = HoldId(id(700 + u128::from(how / 5 % 2)));
                let limit = Limit { people: 1, of: None, window_minutes: 60 };
                UserCommand::HoldOffboarding { offboarding: open, hold, limit }
            }
            10 if how % 5 == 1 => UserCommand::ApproveOffboarding { offboarding: open },
            10 => {
                let device = DeviceId(id(30 + u128::from(how % 4)));
                let actions = vec![Planned { action: ActionId::derive(open, device), device }];
                UserCommand::PlanOffboarding { offboarding: open, actions }
            }
            _ if how.is_multiple_of(3) => UserCommand::Erase(Box::new(Erase {
                erasure: ErasureId(id(fresh)),
                via: (how.is_multiple_of(2)).then_some(via),
                reason: None,
                devices: Vec::new(),
                others: Vec::new(),
                again: None,
            })),
            _ => UserCommand::CompleteOffboarding { offboarding: open },
        };
        for event in state.decide(&command).unwrap_or_default() {
            self.story.user(who, event.clone());
            keep(self.users.entry(who).or_default(), &event, &self.story);
        }
    }

    fn group(&mut self, what: u8, who: u128, how: u8) {
        let state = self.groups.get(&who).map(|es| es.state.clone()).unwrap_or_default();
        let okta = connector("okta");
        let members = vec![MemberRef {
            value: format!("someone{}", how % 8),
            known: (!how.is_multiple_of(3)).then(|| MemberId(id(u128::from(how % 8)))),
        }];
        let attributes = resource(json!({ "displayName": format!("group {who} {}", how % 3) }));
        let options = patch::Options::LENIENT;
        let patch = |operation| GroupCommand::Patch {
            via: group::Via::new(okta.clone()),
            operations: vec![Operation::Members(operation)],
            options,
        };
        let command = match (what, &state.0) {
            (_, None) => {
                let (connector, resource) = (okta, attributes);
                GroupCommand::Create { portal: Portal::Dashboard, connector, resource, members }
            }
            (12, _) => GroupCommand::Replace {
                via: group::Via::new(okta),
                resource: attributes,
                members: (how.is_multiple_of(2)).then_some(members),
            },
            (13, _) => patch(MemberOp::Add(members)),
            (14, _) => patch(MemberOp::Remove(members)),
            (15, Some(living)) => GroupCommand::Resolve {
                pending: living.pending.iter().map(|(event, _)| event).collect(),
                member: MemberId(id(u128::from(how % 8))),
            },
            (_, Some(_)) if how.is_multiple_of(4) => {
                GroupCommand::Delete { via: group::Via::new(okta) }
            }
            (_, Some(_)) => {
                GroupCommand::Forget { members: vec![MemberId(id(u128::from(how % 8)))] }
            }
        };
        for event in state.decide(&command).unwrap_or_default() {
            self.story.group(who, event.clone());
            keep(self.groups.entry(who).or_default(), &event, &self.story);
        }
    }

    fn device(&mut self, what: u8, who: u128, how: u8) {
        let state = self.devices.get(&who).map(|es| es.state.clone()).unwrap_or_default();
        let user = UserId(id(u128::from(how % 4) + 1));
        let policy = Some(PolicyId(id(40 + u128::from(how % 4))));
        let action = ActionId(id(500 + who * 4 + u128::from(how / 16 % 2)));
        let reason = "busy".to_owned();
        let command = match what {
            _ if !self.devices.contains_key(&who) => DeviceCommand::Enrol {
                serial: format!("S{who}"),
                platform: "ios".to_owned(),
                name: how.is_multiple_of(2).then(|| format!("Phone {who}")),
                external_id: None,
                user: Some(user),
                policy,
            },
            17 => DeviceCommand::Change(Changes {
                user: Some((how.is_multiple_of(2)).then_some(user)),
                ..Changes::default()
            }),
            18 if how < 40 => DeviceCommand::Remove,
            18 if how < 60 => DeviceCommand::Unname,
            18 => DeviceCommand::Change(Changes { policy: Some(policy), ..Changes::default() }),
            19 => DeviceCommand::Request {
                action,
                offboarding: OffboardingId(id(600)),
                user,
                kind: [ActionKind::Remove, ActionKind::Unassign][usize::from(how % 2)],
            },
            20 => DeviceCommand::Send { action },
            21 if how.is_multiple_of(2) => DeviceCommand::Acknowledge { action },
            21 => DeviceCommand::Confirm { action },
            _ if how.is_multiple_of(3) => {
                let because = [FailedBecause::Answer, FailedBecause::Unanswered];
                let because = because[usize::from(how / 3 % 2)];
                DeviceCommand::Fail { action, reason, because, retry_at: i64::from(how) }
            }
            _ if how % 3 == 1 => DeviceCommand::Park { action, reason },
            _ if how.is_multiple_of(7) => {
                let to = Steering::Retry { reason: None };
                DeviceCommand::Steer { action, to }
            }
            _ if how % 7 == 1 => {
                let to = Steering::GiveUp { reason };
                DeviceCommand::Steer { action, to }
            }
            _ => DeviceCommand::Cancel { action },
        };
        for event in state.decide(&command).unwrap_or_default() {
            self.story.device(who, event.clone());
            keep(self.devices.entry(who).or_default(), &event, &self.story);
        }
    }

    fn publication(&mut self, who: u128, how: u8) {
        let state = self.publications.get(&who).map(|es| es.state.clone()).unwrap_or_default();
        let name = |number: u8| format!("group {number}");
        let line = |number| vec![name(number), name(how % 5)];
        let groups = GroupFilter { lines: (0..how % 3).map(line).collect() };
        let command = match (&state.0, how % 4) {
            (None, _) => PublicationCommand::Publish { name: format!("App {how}"), groups },
            (Some(_), 0) => PublicationCommand::Withdraw,
            (Some(_), 1) => {
                PublicationCommand::Change { name: Some(format!("App {how}")), groups: None }
            }
            (Some(_), _) => PublicationCommand::Change { name: None, groups: Some(groups) },
        };
        for event in state.decide(&command).unwrap_or_default() {
            self.story.publication(who, event.clone());
            keep(self.publications.entry(who).or_default(), &event, &self.story);
        }
    }
}

const CONNECTORS: [(&str, Portal); 4] = [
    ("dashboard", Portal::Dashboard),
    ("okta", Portal::Dashboard),
    ("store", Portal::Store),
    ("mdm", Portal::Mdm),
];

fn keep<D: Decider>(es: &mut Es<D>, event: &D::Event, story: &Story) {
    let recorded = &story.events[story.events.len() - 1];
    es.replay(event, &recorded.stamp());
}

fn person(who: u128, how: u8) -> Resource {
    let mut value = json!({
        "userName": format!("Person{who}@{}", how % 3),
        "emails": [{ "value": format!("mail{who}.{}@x", how % 5), "type": "work" }],
        "active": !how.is_multiple_of(4),
    });
    if how.is_multiple_of(2) {
        value["externalId"] = json!(format!("{}", how % 7));
        value["displayName"] = json!(format!("Person {how}"));
    }
    resource(value)
}

fn via(name: &str, portal: Portal, how: u8, fresh: u128) -> Via {
    let on_deactivate = match how % 3 {
        0 => OnDeactivate::Nothing,
        1 => OnDeactivate::RemoveUser,
        _ if portal == Portal::Mdm => OnDeactivate::RemoveUserAndDevices,
        _ => OnDeactivate::RemoveUser,
    };
    let on_create = if how.is_multiple_of(5) { OnCreate::Nothing } else { OnCreate::Create };
    let provisioning = Provisioning { on_create, on_deactivate, ..Provisioning::default() };
    let via = Via::new(
        connector(name),
        Arc::new(Rule { position: 1, provisioning }),
        OffboardingId(id(fresh + 100_000)),
    );
    let key = ["displayName", "emails.value", "active"][usize::from(how / 8 % 3)];
    let mapping = json!([{ "name": "x", "attributes": [{ "key": key }] }]);
    Via { mapping: Arc::new(serde_json::from_value(mapping).unwrap()), ..via }
}
