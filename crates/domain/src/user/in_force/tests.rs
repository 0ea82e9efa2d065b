//! Given facts, the rule in force is applied, then facts; and twice is once.

use std::sync::Arc;

use scim::{
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::json;
use uuid::Uuid;

use super::Outcome;
use crate::{
    Decider, Stamp,
    ids::{ConnectorName, EntryId, OffboardingId, PolicyId},
    offboarding::{CancelledBecause, HeldBecause},
    portal::{Portal, Role},
    rule::{OnCreate, OnDeactivate, Provisioning, Rule},
    user::{User, UserCommand, UserEvent, Via},
};

const ENTRY: EntryId = EntryId(Uuid::from_u128(1));
const EARLIER: OffboardingId = OffboardingId(Uuid::from_u128(9));

fn okta() -> ConnectorName {
    ConnectorName::parse("okta").unwrap()
}

fn entra() -> ConnectorName {
    ConnectorName::parse("entra").unwrap()
}

fn added(portal: Portal, connector: ConnectorName, active: bool) -> UserEvent {
    let body = json!({ "userName": "ada@acme.example", "active": active });
    let resource = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap().resource;
    UserEvent::EntryAdded { portal, connector, entry: ENTRY, resource }
}

fn granted() -> UserEvent {
    UserEvent::AccountGranted { role: None }
}

fn invited(portal: Portal) -> UserEvent {
    let user_name = "ada@acme.example".to_owned();
    UserEvent::AccountInvited { portal, user_name, email: None, role: None }
}

fn deactivated() -> UserEvent {
    UserEvent::EntryDeactivated { connector: okta() }
}

fn reactivated() -> UserEvent {
    UserEvent::EntryReactivated { connector: okta() }
}

fn started(rule: OnDeactivate) -> UserEvent {
    UserEvent::OffboardingStarted { offboarding: EARLIER, connector: okta(), rule, policy: None }
}

fn completed() -> UserEvent {
    UserEvent::OffboardingCompleted { offboarding: EARLIER }
}

/// An employee whom Okta brought, and who was deactivated while that did nothing.
fn left_over() -> Vec<UserEvent> {
    vec![added(Portal::Store, okta(), true), granted(), deactivated()]
}

fn user(events: &[UserEvent]) -> User {
    let mut user = User::default();
    for (event, version) in events.iter().zip(1..) {
        user.evolve(event, &Stamp { position: version, version, at: 1_000 });
    }
    user
}

fn apply(user: &User, provisioning: Provisioning) -> Vec<UserEvent> {
    let via = Via::new(okta(), Arc::new(Rule { position: 7, provisioning }), EARLIER);
    user.decide(&UserCommand::ApplyRule { via }).unwrap()
}

fn rule(on_create: OnCreate, on_deactivate: OnDeactivate) -> Provisioning {
    Provisioning { on_create, on_deactivate, ..Provisioning::default() }
}

/// What becomes of somebody under the rule that gives and takes accounts.
fn outcome(given: &[UserEvent]) -> Option<Outcome> {
    let user = user(given);
    let events = apply(&user, rule(OnCreate::Create, OnDeactivate::RemoveUser));
    // Twice is once.
    let mut after = user;
    events.iter().for_each(|event| after.evolve(event, &Stamp::default()));
    let again = apply(&after, rule(OnCreate::Create, OnDeactivate::RemoveUser));
    assert_eq!(again, [], "asked again after {events:?}");
    if events.is_empty() { None } else { Outcome::shown_by(&after) }
}

#[track_caller]
fn is_offboarded(given: &[UserEvent]) {
    let outcome = outcome(given);
    let rule = OnDeactivate::RemoveUser;
    assert!(
        matches!(outcome, Some(Outcome::Offboarded { rule: it, held: false, .. }) if it == rule),
        "{outcome:?}"
    );
}

#[test]
fn rule_11_who_is_active_without_an_account_is_given_one_where_creation_gives_one() {
    let waiting = [added(Portal::Dashboard, okta(), true)];
    let role = Some(Role::Unassigned);
    assert_eq!(outcome(&waiting), Some(Outcome::Granted { role }));
    let viewer = Provisioning {
        default_role: Some(Role::Viewer),
        ..rule(OnCreate::Create, OnDeactivate::Nothing)
    };
    let role = Some(Role::Viewer);
    assert_eq!(apply(&user(&waiting), viewer), [UserEvent::AccountGranted { role }]);
    let nothing = rule(OnCreate::Nothing, OnDeactivate::RemoveUser);
    assert_eq!(apply(&user(&waiting), nothing), []);
    assert_eq!(outcome(&[added(Portal::Store, okta(), false)]), None, "inactive");
    assert_eq!(outcome(&[added(Portal::Store, entra(), true)]), None, "of another connector");
    assert_eq!(outcome(&[added(Portal::Store, okta(), true), granted()]), None);
    // Gone, then back while creation did nothing.
    let back = [left_over(), vec![started(OnDeactivate::RemoveUser)]].concat();
    let back = [back, vec![UserEvent::AccountRemoved {}, completed(), reactivated()]].concat();
    assert_eq!(outcome(&back), Some(Outcome::Granted { role: None }));
}

#[test]
fn rule_11_whom_nobody_calls_active_is_offboarded_where_deactivation_does_anything() {
    is_offboarded(&left_over());
    let events = apply(&user(&left_over()), rule(OnCreate::Nothing, OnDeactivate::RemoveUser));
    let offboarding = OffboardingId::derive(ENTRY, 2, 7);
    let (connector, rule_) = (okta(), OnDeactivate::RemoveUser);
    let started =
        UserEvent::OffboardingStarted { offboarding, connector, rule: rule_, policy: None };
    assert_eq!(events, [started, UserEvent::AccountSuspended {}]);
    assert_eq!(apply(&user(&left_over()), rule(OnCreate::Create, OnDeactivate::Nothing)), []);
    // Another connector keeps them.
    let kept = [left_over(), vec![added(Portal::Store, entra(), true)]].concat();
    assert_eq!(outcome(&kept), None);
    // Unless it was removed.
    let gone = [entra()].into_iter().collect();
    let provisioning = rule(OnCreate::Nothing, OnDeactivate::RemoveUser);
    let rule = Arc::new(Rule { position: 7, provisioning });
    let via = Via { gone, ..Via::new(okta(), rule, EARLIER) };
    assert_ne!(user(&kept).decide(&UserCommand::ApplyRule { via }).unwrap(), []);
}

#[test]
fn rule_11_an_entry_that_came_back_and_went_again_gets_another_offboarding() {
    let provisioning = || rule(OnCreate::Nothing, OnDeactivate::RemoveUser);
    let opened = |given: &[UserEvent]| {
        let mut user = user(given);
        let events = apply(&user, provisioning());
        events.iter().for_each(|event| user.evolve(event, &Stamp::default()));
        user.open_offboarding().unwrap().id
    };
    let again = [left_over(), vec![reactivated(), deactivated()]].concat();
    assert_ne!(opened(&left_over()), opened(&again));
}

#[test]
fn rule_11_an_owner_is_held() {
    let owner = UserEvent::AccountGranted { role: Some(Role::Owner) };
    let given = [added(Portal::Dashboard, okta(), true), owner, deactivated()];
    assert!(matches!(outcome(&given), Some(Outcome::Offboarded { held: true, .. })));
    let events = apply(&user(&given), rule(OnCreate::Nothing, OnDeactivate::RemoveUser));
    let offboarding = OffboardingId::derive(ENTRY, 2, 7);
    let held = UserEvent::OffboardingHeld { offboarding, because: HeldBecause::Owner, hold: None };
    assert_eq!(events.last(), Some(&held));
}

#[test]
fn rule_11_what_was_done_to_devices_is_not_done_again_by_the_same_rule() {
    let given = [
        added(Portal::Mdm, okta(), true),
        granted(),
        deactivated(),
        started(OnDeactivate::Unassign),
        completed(),
    ];
    assert_eq!(apply(&user(&given), rule(OnCreate::Create, OnDeactivate::Unassign)), []);
    is_offboarded(&given);
    let policy = Some(PolicyId(Uuid::from_u128(3)));
    let change = Provisioning { policy, ..rule(OnCreate::Create, OnDeactivate::ChangePolicy) };
    assert_ne!(apply(&user(&given), change), []);
    // Nor while it goes on.
    assert_eq!(outcome(&given[..4]), None);
}

#[test]
fn rule_11_an_account_made_by_hand_is_left_alone_until_scim_adopts_it() {
    let by_hand = [added(Portal::Store, okta(), true), invited(Portal::Store), deactivated()];
    assert_eq!(outcome(&by_hand), None);
    let again = [left_over(), vec![UserEvent::AccountRemoved {}, invited(Portal::Store)]].concat();
    assert_eq!(outcome(&again), None, "a person wants them here again");
    let adopted = UserEvent::AccountAdopted { connector: okta() };
    is_offboarded(&[again, vec![reactivated(), adopted, deactivated()]].concat());
}

#[test]
fn rule_11_who_was_kept_stays_until_they_go_again() {
    let kept =
        UserEvent::OffboardingCancelled { offboarding: EARLIER, because: CancelledBecause::Undone };
    let kept = [
        left_over(),
        vec![started(OnDeactivate::RemoveUser), UserEvent::AccountSuspended {}],
        vec![kept, UserEvent::AccountRestored {}],
    ]
    .concat();
    assert_eq!(outcome(&kept), None);
    is_offboarded(&[kept, vec![reactivated(), deactivated()]].concat());
}

#[test]
fn rule_11_an_account_removed_by_hand_is_not_given_back_until_the_connector_says_so() {
    let removed = vec![added(Portal::Store, okta(), true), granted(), UserEvent::AccountRemoved {}];
    assert_eq!(outcome(&removed), None);
    // That another connector lets go of them says nothing for them.
    let inactive = [removed.clone(), vec![added(Portal::Store, entra(), false)]].concat();
    assert_eq!(outcome(&inactive), None);
    // Under a rule that gave nothing, they came back without an account.
    let back = [removed, vec![deactivated(), reactivated()]].concat();
    assert_eq!(outcome(&back), Some(Outcome::Granted { role: None }));
}
