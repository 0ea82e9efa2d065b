//! Random histories: what was decided is what a replay of the stored bytes gives, and asking for
//! the same thing again adds nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::{fmt::Debug, sync::Arc};

use cqrs_es::{Aggregate, event_sink::EventSink};
use domain::{
    Attempt, Decider, Es, Stamp,
    attribute_mapping::AttributeMapping,
    group::{Group, GroupCommand, MemberOp, MemberRef, Operation},
    ids::{ConnectorName, EntryId, MemberId, OffboardingId},
    portal::Portal,
    rule::{OnCreate, OnDeactivate, Provisioning, Rule},
    stored::{decode, encode},
    user::{AccountState, User, UserCommand, Via},
};
use futures_util::FutureExt;
use proptest::prelude::*;
use scim::{
    patch,
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::json;
use uuid::Uuid;

/// An aggregate that lives twice: as it decides, and as its stored events say.
struct Twice<D: Decider> {
    decided: Es<D>,
    replayed: Es<D>,
}

impl<D: Decider> Twice<D> {
    fn new() -> Self {
        Self { decided: Es::default(), replayed: Es::default() }
    }

    /// Decides, stores, replays, compares; returns how many facts there were.
    fn ask(&mut self, command: D::Command) -> Result<usize, D::Refusal>
    where
        D::Command: Debug,
    {
        let sink = EventSink::default();
        let attempt = Attempt { command: Arc::new(command), now: 0 };
        self.decided.handle(attempt, &(), &sink).now_or_never().unwrap()?;
        let events = sink.collect().now_or_never().unwrap();
        for event in &events {
            let stored = encode(event);
            let event: D::Event = decode(&stored.name, 1, &stored.payload).unwrap();
            let version = self.replayed.version + 1;
            self.replayed.replay(&event, &Stamp { position: 0, version, at: 0 });
        }
        assert_eq!(self.replayed.state, self.decided.state);
        assert_eq!(self.replayed.version, self.decided.version);
        Ok(events.len())
    }
}

#[derive(Clone, Debug)]
enum Act {
    Post { connector: u8, name: u8, active: bool },
    Put { connector: u8, name: u8, active: Option<bool> },
    Delete { connector: u8 },
    Complete,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..2u8, 0..2u8, any::<bool>()).prop_map(|(connector, name, active)| Act::Post {
            connector,
            name,
            active
        }),
        (0..2u8, 0..2u8, any::<Option<bool>>()).prop_map(|(connector, name, active)| Act::Put {
            connector,
            name,
            active
        }),
        (0..2u8).prop_map(|connector| Act::Delete { connector }),
        Just(Act::Complete),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let on_create = prop_oneof![Just(OnCreate::Nothing), Just(OnCreate::Create)];
    let on_deactivate = prop_oneof![
        Just(OnDeactivate::Nothing),
        Just(OnDeactivate::RemoveUser),
        Just(OnDeactivate::Unassign),
        Just(OnDeactivate::RemoveUserAndDevices),
    ];
    (on_create, on_deactivate).prop_map(|(on_create, on_deactivate)| Rule {
        position: 1,
        provisioning: Provisioning { on_create, on_deactivate, ..Provisioning::default() },
    })
}

fn resource(name: u8, active: Option<bool>) -> Resource {
    let mut body = json!({ "userName": format!("person{name}@acme.example") });
    if let Some(active) = active {
        body["active"] = json!(active);
    }
    Resource::parse(Kind::User, body, Catalogue::standard()).unwrap().resource
}

/// A mapping that changes from time to time, so that metadata has to follow.
fn mapping(step: usize) -> Arc<AttributeMapping> {
    let key = ["userName", "active", "title"][step / 4 % 3];
    let mapping = json!([{ "name": "x", "attributes": [{ "key": key }] }]);
    Arc::new(serde_json::from_value(mapping).unwrap())
}

fn command(act: &Act, rule: &Rule, step: usize, user: &User) -> UserCommand {
    let name = |connector: u8| ConnectorName::parse(["okta", "entra"][usize::from(connector)]);
    let via = |connector: u8| {
        let offboarding = OffboardingId(Uuid::from_u128(1_000 + step as u128));
        let via = Via::new(name(connector).unwrap(), Arc::new(rule.clone()), offboarding);
        Via { mapping: mapping(step), ..via }
    };
    let known = |connector: u8| {
        user.entries.get(&name(connector).unwrap()).map_or(EntryId::default(), |entry| entry.id)
    };
    match *act {
        Act::Post { connector, name, active } => UserCommand::Provision {
            portal: Portal::Mdm,
            via: via(connector),
            entry: EntryId(Uuid::from_u128(1 + step as u128)),
            resource: resource(name, Some(active)),
        },
        Act::Put { connector, name, active } => UserCommand::Replace {
            via: via(connector),
            entry: known(connector),
            resource: resource(name, active),
        },
        Act::Delete { connector } => {
            UserCommand::RemoveEntry { via: via(connector), entry: known(connector) }
        }
        Act::Complete => UserCommand::CompleteOffboarding {
            offboarding: user.offboarding.as_ref().map(|it| it.id).unwrap_or_default(),
        },
    }
}

proptest! {
    #[test]
    fn a_user_is_what_its_stored_events_say(acts in prop::collection::vec((act(), rule()), 1..24)) {
        let mut user = Twice::<User>::new();
        for (step, (act, rule)) in acts.iter().enumerate() {
            let before = user.decided.clone();
            let asked = command(act, rule, step, &user.decided.state);
            if user.ask(asked.clone()).is_err() {
                prop_assert_eq!(&user.decided.state, &before.state, "a refusal changes nothing");
            } else if matches!(act, Act::Put { .. } | Act::Complete) {
                prop_assert_eq!(user.ask(asked).unwrap(), 0, "asked again, nothing is new");
            }
            let state = &user.decided.state;
            let suspended = state.account.state == AccountState::Suspended;
            prop_assert_eq!(
                suspended,
                state.open_offboarding().is_some_and(|open| open.rule.removes_account()),
                "an account is suspended exactly while a removing offboarding is open"
            );
            prop_assert!(!(suspended && state.is_active()), "nobody active is suspended");
            // Ids lead to whoever had them; names are given back.
            let names = state.claims().iter().filter(|claim| claim.scope != "alias").count();
            prop_assert_eq!(names == 0, state.entries.is_empty() && !state.account.stands());
        }
    }

    #[test]
    fn a_groups_members_are_the_set_that_was_asked_for(
        acts in prop::collection::vec((0..3u8, prop::collection::vec(0..8u128, 0..6)), 1..20)
    ) {
        let okta = ConnectorName::parse("okta").unwrap();
        let body = json!({ "displayName": "Sales" });
        let resource = Resource::parse(Kind::Group, body, Catalogue::standard()).unwrap().resource;
        let mut group = Twice::<Group>::new();
        group
            .ask(GroupCommand::Create {
                portal: Portal::Store,
                connector: okta.clone(),
                resource,
                members: vec![],
            })
            .unwrap();
        let mut model = std::collections::BTreeSet::new();
        for (kind, numbers) in acts {
            let members = refs(&numbers);
            let change = match kind {
                0 => { model.extend(numbers); MemberOp::Add(members) }
                1 => { model.retain(|it| !numbers.contains(it)); MemberOp::Remove(members) }
                _ => { model = numbers.into_iter().collect(); MemberOp::Replace(members) }
            };
            let patch = GroupCommand::Patch {
                via: domain::group::Via::new(okta.clone()),
                operations: vec![Operation::Members(change)],
                options: patch::Options::default(),
            };
            group.ask(patch.clone()).unwrap();
            prop_assert_eq!(group.ask(patch).unwrap(), 0, "asked again, nothing is new");
            let living = group.decided.state.living(&okta).unwrap();
            let members: Vec<_> = living.members.iter().map(|it| it.0.as_u128()).collect();
            prop_assert_eq!(members, model.iter().copied().collect::<Vec<_>>());
        }
    }
}

fn refs(numbers: &[u128]) -> Vec<MemberRef> {
    let of = |&number: &u128| {
        let id = Uuid::from_u128(number);
        MemberRef { value: id.to_string(), known: Some(MemberId(id)) }
    };
    numbers.iter().map(of).collect()
}
