//! Given facts, when somebody is erased, then what is left and what goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use cqrs_es::test::TestFramework;
use scim::{Resource, schema::Catalogue, schema::Kind};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    Attempt, Claim, Decider, Es, Stamp,
    ids::{ActionId, HoldId, OffboardingId, PolicyId},
    offboarding::{HeldBecause, Limit, Planned},
    role_mapping::RoleMapping,
    rule::{OnCreate, Provisioning, Rule},
    user::{UserCommand, event::RoleReason},
};

const ENTRY: EntryId = EntryId(Uuid::from_u128(1));
const OFFBOARDING: OffboardingId = OffboardingId(Uuid::from_u128(9));
const ERASURE: ErasureId = ErasureId(Uuid::from_u128(10));

fn connector(name: &str) -> ConnectorName {
    ConnectorName::parse(name).unwrap()
}

fn via(rule: OnDeactivate) -> Via {
    let provisioning = Provisioning {
        on_create: OnCreate::Create,
        on_deactivate: rule,
        policy: (rule == OnDeactivate::ChangePolicy).then_some(PolicyId(Uuid::nil())),
        ..Provisioning::default()
    };
    Via::new(connector("okta"), Arc::new(Rule { position: 3, provisioning }), OFFBOARDING)
}

fn added(portal: Portal, name: &str, entry: EntryId) -> UserEvent {
    let body = json!({ "userName": "ada@acme.example", "active": true, "title": "Countess" });
    let resource = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap().resource;
    UserEvent::EntryAdded { portal, connector: connector(name), entry, resource }
}

fn ada(portal: Portal) -> Vec<UserEvent> {
    vec![added(portal, "okta", ENTRY), UserEvent::AccountGranted { role: None }]
}

fn started(rule: OnDeactivate) -> UserEvent {
    let policy = via(rule).rule.provisioning.policy;
    let (offboarding, connector) = (OFFBOARDING, connector("okta"));
    UserEvent::OffboardingStarted { offboarding, connector, rule, policy }
}

fn asked(via: Option<Via>) -> Erase {
    let devices = vec![DeviceId(Uuid::from_u128(4))];
    Erase { erasure: ERASURE, via, reason: None, devices, others: Vec::new(), again: None }
}

fn erase(rule: OnDeactivate) -> UserCommand {
    UserCommand::Erase(Box::new(asked(Some(via(rule)))))
}

fn gone(name: &str, entry: EntryId) -> UserEvent {
    UserEvent::EntryRemoved { connector: connector(name), entry }
}

/// The state after events, with their places in the record.
fn state(events: &[UserEvent]) -> User {
    let mut es = Es::<User>::default();
    for (event, version) in events.iter().zip(1..) {
        es.replay(event, &Stamp { position: 100 + version, version, at: 1_000 });
    }
    es.state
}

/// What follows from erasing whom these events have made.
fn erased(given: &[UserEvent], command: &UserCommand) -> Vec<UserEvent> {
    state(given).decide(command).unwrap()
}

/// The state of whoever reads the record after the key is destroyed: what came before cannot be read.
fn later(given: &[UserEvent], facts: &[UserEvent]) -> User {
    let mut es = Es::<User>::default();
    for (event, version) in facts.iter().zip(given.len() as u64 + 1..) {
        es.replay(event, &Stamp { position: 100 + version, version, at: 1_000 });
    }
    es.state
}

fn check(
    given: impl IntoIterator<Item = UserEvent>,
    when: UserCommand,
    then: impl IntoIterator<Item = UserEvent>,
) {
    TestFramework::<Es<User>>::with(())
        .given(given.into_iter().collect())
        .when(Attempt { command: Arc::new(when), now: 0 })
        .then_expect_events(then.into_iter().collect());
}

fn refused(given: Vec<UserEvent>, when: UserCommand) -> String {
    TestFramework::<Es<User>>::with(())
        .given(given)
        .when(Attempt { command: Arc::new(when), now: 0 })
        .inspect_result()
        .unwrap_err()
        .to_string()
}

fn erased_event(account: AccountState, offboarding: Option<Offboarding>) -> UserEvent {
    let entries = [(connector("okta"), ENTRY)].into_iter().collect();
    let (portal, source, role, aliases) = (Portal::Store, Source::Scim, None, Vec::new());
    let remains = Remains { portal, entries, aliases, account, source, role, offboarding };
    UserEvent::Erased {
        erasure: ERASURE,
        remains: Box::new(remains),
        reason: None,
        devices: vec![DeviceId(Uuid::from_u128(4))],
        others: Vec::new(),
        all_portals: false,
        again: None,
    }
}

#[test]
fn whoever_is_erased_goes_as_whoever_is_deactivated_does() {
    let erased = || erased_event(AccountState::Active, None);
    check(
        ada(Portal::Store),
        erase(OnDeactivate::RemoveUser),
        [
            erased(),
            gone("okta", ENTRY),
            started(OnDeactivate::RemoveUser),
            UserEvent::AccountSuspended {},
        ],
    );
    check(
        ada(Portal::Store),
        erase(OnDeactivate::Nothing),
        [erased(), gone("okta", ENTRY), UserEvent::AccountRemoved {}],
    );
}

#[test]
fn a_rule_that_keeps_the_account_does_not_keep_it_for_nobody() {
    let events = erased(&ada(Portal::Mdm), &erase(OnDeactivate::ChangePolicy));
    assert_eq!(events[2..], [started(OnDeactivate::ChangePolicy), UserEvent::AccountRemoved {}]);
}

#[test]
fn an_account_by_hand_and_somebody_without_one_are_erased_too() {
    let invited = UserEvent::AccountInvited {
        portal: Portal::Store,
        user_name: "ada@acme.example".into(),
        email: None,
        role: None,
    };
    let by_hand = UserCommand::Erase(Box::new(asked(None)));
    let facts = erased(&[invited], &by_hand);
    assert_eq!(facts[1..], [UserEvent::AccountRemoved {}]);
    let entry_only = [added(Portal::Store, "okta", ENTRY)];
    let facts = erased(&entry_only, &erase(OnDeactivate::RemoveUser));
    assert_eq!(facts[1..], [gone("okta", ENTRY)]);
}

#[test]
fn an_offboarding_in_the_middle_goes_on_from_what_is_left() {
    let limit = Limit { people: 1, of: None, window_minutes: 60 };
    let actions = vec![Planned {
        action: ActionId(Uuid::from_u128(3)),
        device: DeviceId(Uuid::from_u128(4)),
    }];
    let begin = [
        ada(Portal::Mdm),
        vec![
            UserEvent::EntryDeactivated { connector: connector("okta") },
            started(OnDeactivate::RemoveUserAndDevices),
            UserEvent::AccountSuspended {},
        ],
    ]
    .concat();
    let held = UserEvent::OffboardingHeld {
        offboarding: OFFBOARDING,
        because: HeldBecause::Brake(limit),
        hold: Some(HoldId(OFFBOARDING.0)),
    };
    let planned = UserEvent::OffboardingPlanned { offboarding: OFFBOARDING, actions };
    for next in [None, Some(held), Some(planned)] {
        let given: Vec<_> = begin.iter().cloned().chain(next).collect();
        let facts = erased(&given, &erase(OnDeactivate::RemoveUser));
        // Neither another offboarding, nor an end of this one.
        assert_eq!(facts[1..], [gone("okta", ENTRY)]);
        let (before, after) = (state(&given), later(&given, &facts));
        assert_eq!(after.offboarding, before.offboarding);
        assert_eq!(after.account.state, AccountState::Suspended);
        assert_eq!(after, state(&[given, facts].concat()), "the key is there, or it is not");
    }
}

#[test]
fn every_scim_id_leads_to_whom_is_erased() {
    let [second, third] = [2, 3].map(|number| EntryId(Uuid::from_u128(number)));
    let again = vec![gone("okta", ENTRY), added(Portal::Store, "okta", second)];
    let elsewhere = vec![added(Portal::Store, "entra", third), gone("entra", third)];
    let given = [ada(Portal::Store), again, elsewhere].concat();
    let facts = erased(&given, &erase(OnDeactivate::Nothing));
    let UserEvent::Erased { remains, .. } = &facts[0] else { panic!("{facts:?}") };
    assert_eq!(remains.aliases, [third, second]);
    let after = later(&given, &facts);
    assert_eq!(after.claims(), [Claim::alias(second), Claim::alias(third)]);
    assert_eq!(after, state(&[given, facts].concat()), "the key is there, or it is not");
}

#[test]
fn nothing_that_names_the_person_is_left() {
    let given = ada(Portal::Store);
    assert!(!state(&given).claims().is_empty());
    let facts = erased(&given, &erase(OnDeactivate::RemoveUser));
    let after = state(&[given, facts.clone()].concat());
    assert_eq!(after.claims(), Vec::<Claim>::new());
    for text in [serde_json::to_string(&after), serde_json::to_string(&facts)] {
        let text = text.unwrap();
        assert!(!text.contains("ada") && !text.contains("Countess"), "{text}");
    }
}

#[test]
fn an_erased_person_is_erased_once_and_never_comes_back() {
    let given = ada(Portal::Dashboard);
    let facts = erased(&given, &erase(OnDeactivate::RemoveUser));
    let all = [given, facts].concat();
    check(all.clone(), erase(OnDeactivate::RemoveUser), []);
    let UserEvent::EntryAdded { resource, .. } = added(Portal::Dashboard, "okta", ENTRY) else {
        unreachable!()
    };
    let undo = UserCommand::UndoOffboarding { offboarding: OFFBOARDING };
    let invite = UserCommand::Invite {
        portal: Portal::Dashboard,
        user_name: "ada@acme.example".into(),
        email: None,
        role: None,
    };
    let provision = UserCommand::Provision {
        portal: Portal::Dashboard,
        via: via(OnDeactivate::RemoveUser),
        entry: EntryId(Uuid::from_u128(7)),
        resource: resource.clone(),
    };
    let role = UserCommand::SetRole { role: Role::Admin };
    for command in [undo, invite, provision, role] {
        assert_eq!(refused(all.clone(), command), "that person was erased");
    }
    let replace = UserCommand::Replace { via: via(OnDeactivate::Nothing), entry: ENTRY, resource };
    assert_eq!(refused(all.clone(), replace), "this connector has no user with that id");
    let mapping = Arc::new(RoleMapping { follow_groups: true, ..RoleMapping::default() });
    check(all.clone(), UserCommand::MapRole { mapped: None, mapping, at: 0 }, []);
    let complete = UserCommand::CompleteOffboarding { offboarding: OFFBOARDING };
    let completed = UserEvent::OffboardingCompleted { offboarding: OFFBOARDING };
    check(all, complete, [UserEvent::AccountRemoved {}, completed]);
}

#[test]
fn an_owner_is_not_held_since_a_person_asks() {
    let owner = UserEvent::RoleChanged { role: Role::Owner, why: RoleReason::ByHand };
    let given: Vec<_> = ada(Portal::Dashboard).into_iter().chain([owner]).collect();
    let facts = erased(&given, &erase(OnDeactivate::RemoveUser));
    assert_eq!(facts.last(), Some(&UserEvent::AccountSuspended {}));
}

#[test]
fn what_is_not_stored_yet_is_not_carried_over() {
    let given = ada(Portal::Store);
    let mut draft = state(&given);
    draft.evolve(&started(OnDeactivate::RemoveUser), &Stamp::default());
    let refusal = draft.decide(&erase(OnDeactivate::RemoveUser)).unwrap_err();
    assert!(matches!(refusal, UserRefusal::NotStored));
}

#[test]
fn the_rule_is_that_of_the_last_connector_that_calls_them_active() {
    let other = EntryId(Uuid::from_u128(2));
    let both = [ada(Portal::Store), vec![added(Portal::Store, "entra", other)]].concat();
    let none = BTreeSet::new();
    let of = |events: &[UserEvent], gone: &BTreeSet<_>| {
        state(events).erased_via(gone).map(ToString::to_string)
    };
    assert_eq!(of(&both, &none).as_deref(), Some("okta"));
    assert_eq!(of(&both, &[connector("okta")].into()).as_deref(), Some("entra"));
    let deactivated = UserEvent::EntryDeactivated { connector: connector("okta") };
    assert_eq!(of(&[both, vec![deactivated]].concat(), &none).as_deref(), Some("entra"));
    assert_eq!(of(&[], &none), None);
    let facts = erased(
        &[ada(Portal::Store), vec![added(Portal::Store, "entra", other)]].concat(),
        &erase(OnDeactivate::RemoveUser),
    );
    assert_eq!(facts[1..3], [gone("entra", other), gone("okta", ENTRY)]);
}
