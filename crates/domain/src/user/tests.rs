//! Given facts, when a command, then facts or a refusal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cqrs_es::test::TestFramework;
use scim::{
    etag::EntityTags,
    patch,
    resource::{Changes, Resource},
    schema::{Catalogue, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{User, UserCommand, UserEvent, Via, event::RoleReason};
use crate::{
    Attempt, Claim, Decider, Es, Stamp,
    attribute_mapping::AttributeMapping,
    ids::{ActionId, ConnectorName, DeviceId, EntryId, GroupId, HoldId, OffboardingId},
    offboarding::{CancelledBecause, HeldBecause, Limit, Planned},
    portal::{Portal, Role},
    role_mapping::{Mapped, NoMatch, RoleMapping},
    rule::{OnCreate, OnDeactivate, Provisioning, Rule},
};

const ENTRY: EntryId = EntryId(Uuid::from_u128(1));
const OTHER: EntryId = EntryId(Uuid::from_u128(2));
const OFFBOARDING: OffboardingId = OffboardingId(Uuid::from_u128(9));

fn okta() -> ConnectorName {
    ConnectorName::parse("okta").unwrap()
}

fn entra() -> ConnectorName {
    ConnectorName::parse("entra").unwrap()
}

fn resource(value: Value) -> Resource {
    Resource::parse(Kind::User, value, Catalogue::standard()).unwrap().resource
}

fn ada() -> Resource {
    resource(json!({ "userName": "ada@acme.example", "active": true, "title": "Countess" }))
}

fn rule(on_create: OnCreate, on_deactivate: OnDeactivate) -> Arc<Rule> {
    let provisioning = Provisioning { on_create, on_deactivate, ..Provisioning::default() };
    Arc::new(Rule { position: 5, provisioning })
}

fn via(connector: ConnectorName, rule: Arc<Rule>) -> Via {
    Via::new(connector, rule, OFFBOARDING)
}

fn create_and_remove() -> Via {
    via(okta(), rule(OnCreate::Create, OnDeactivate::RemoveUser))
}

fn added(portal: Portal) -> UserEvent {
    UserEvent::EntryAdded { portal, connector: okta(), entry: ENTRY, resource: ada() }
}

fn granted() -> UserEvent {
    UserEvent::AccountGranted { role: None }
}

fn started(rule: OnDeactivate) -> UserEvent {
    UserEvent::OffboardingStarted {
        offboarding: OFFBOARDING,
        connector: okta(),
        rule,
        policy: None,
    }
}

fn provision(portal: Portal, via: Via, resource: Resource) -> UserCommand {
    UserCommand::Provision { portal, via, entry: ENTRY, resource }
}

fn replace(via: Via, resource: Resource) -> UserCommand {
    UserCommand::Replace { via, entry: ENTRY, resource }
}

fn active(active: bool) -> Resource {
    resource(json!({ "userName": "ada@acme.example", "active": active, "title": "Countess" }))
}

fn patch(operations: &Value) -> UserCommand {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    let request = patch::Request::parse(body, Kind::User, Catalogue::standard()).unwrap();
    UserCommand::Patch {
        via: create_and_remove(),
        entry: ENTRY,
        request,
        options: patch::Options::default(),
    }
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

fn refused(given: impl IntoIterator<Item = UserEvent>, when: UserCommand) -> String {
    TestFramework::<Es<User>>::with(())
        .given(given.into_iter().collect())
        .when(Attempt { command: Arc::new(when), now: 0 })
        .inspect_result()
        .unwrap_err()
        .to_string()
}

fn state(events: impl IntoIterator<Item = UserEvent>) -> User {
    let mut es = Es::<User>::default();
    for (event, version) in events.into_iter().zip(1..) {
        es.replay(&event, &Stamp { position: version, version, at: 1_000 });
    }
    es.state
}

#[test]
fn creation_grants_an_account_where_the_rule_says_so() {
    let create = create_and_remove();
    check([], provision(Portal::Store, create, ada()), [added(Portal::Store), granted()]);
    let nothing = via(okta(), rule(OnCreate::Nothing, OnDeactivate::Nothing));
    check([], provision(Portal::Store, nothing, ada()), [added(Portal::Store)]);
}

#[test]
fn a_collaborator_begins_with_the_default_role_or_none() {
    let with = |role| {
        let provisioning = Provisioning {
            on_create: OnCreate::Create,
            default_role: role,
            ..Provisioning::default()
        };
        via(okta(), Arc::new(Rule { position: 1, provisioning }))
    };
    for (default, role) in [(None, Role::Unassigned), (Some(Role::Viewer), Role::Viewer)] {
        let granted = UserEvent::AccountGranted { role: Some(role) };
        let command = provision(Portal::Dashboard, with(default), ada());
        check([], command, [added(Portal::Dashboard), granted]);
    }
}

#[test]
fn somebody_who_is_created_inactive_gets_no_account() {
    let entry = UserEvent::EntryAdded {
        portal: Portal::Store,
        connector: okta(),
        entry: ENTRY,
        resource: active(false),
    };
    check([], provision(Portal::Store, create_and_remove(), active(false)), [entry]);
}

#[test]
fn a_resource_that_does_not_speak_of_active_is_active() {
    let silent = resource(json!({ "userName": "ada@acme.example", "title": "Countess" }));
    let command = provision(Portal::Store, create_and_remove(), silent);
    check([], command, [added(Portal::Store), granted()]);
}

#[test]
fn a_second_entry_in_one_connector_is_refused() {
    let text =
        refused([added(Portal::Store)], provision(Portal::Store, create_and_remove(), ada()));
    assert_eq!(text, "this connector has a user with that userName already");
}

#[test]
fn repeating_a_request_records_nothing() {
    let given = [added(Portal::Store), granted()];
    check(given.clone(), replace(create_and_remove(), ada()), []);
    check(given.clone(), patch(&json!([{ "op": "replace", "path": "active", "value": true }])), []);
    check(given, patch(&json!([{ "op": "add", "path": "title", "value": "Countess" }])), []);
}

#[test]
fn a_put_records_only_what_changed() {
    let desired = resource(json!({ "userName": "ada@acme.example", "nickName": "Ada" }));
    let known = ada();
    let changes = known.diff(&{
        let mut with_active = desired.clone();
        with_active.apply(&active_changes(true));
        with_active
    });
    let changed = UserEvent::EntryChanged { connector: okta(), changes };
    check([added(Portal::Store), granted()], replace(create_and_remove(), desired), [changed]);
}

fn active_changes(active: bool) -> Changes {
    let set = [("active".to_owned(), json!(active))].into_iter().collect();
    Changes { set, unset: vec![] }
}

#[test]
fn a_put_that_does_not_speak_of_active_brings_nobody_back() {
    let deactivated = UserEvent::EntryDeactivated { connector: okta() };
    let silent = resource(json!({ "userName": "ada@acme.example", "title": "Countess" }));
    check([added(Portal::Store), deactivated], replace(create_and_remove(), silent), []);
}

#[test]
fn deactivation_opens_an_offboarding_and_suspends_at_once() {
    let given = [added(Portal::Store), granted()];
    check(
        given,
        replace(create_and_remove(), active(false)),
        [
            UserEvent::EntryDeactivated { connector: okta() },
            started(OnDeactivate::RemoveUser),
            UserEvent::AccountSuspended {},
        ],
    );
}

#[test]
fn a_rule_that_keeps_the_account_does_not_suspend_it() {
    let unassign = via(okta(), rule(OnCreate::Create, OnDeactivate::Unassign));
    check(
        [added(Portal::Mdm), granted()],
        replace(unassign, active(false)),
        [UserEvent::EntryDeactivated { connector: okta() }, started(OnDeactivate::Unassign)],
    );
}

#[test]
fn nothing_on_deactivation_opens_nothing() {
    let nothing = via(okta(), rule(OnCreate::Create, OnDeactivate::Nothing));
    check(
        [added(Portal::Store), granted()],
        replace(nothing, active(false)),
        [UserEvent::EntryDeactivated { connector: okta() }],
    );
}

#[test]
fn the_rule_waits_for_the_last_active_entry() {
    let other = UserEvent::EntryAdded {
        portal: Portal::Store,
        connector: entra(),
        entry: OTHER,
        resource: ada(),
    };
    let given = [added(Portal::Store), granted(), other];
    let gone = UserEvent::EntryDeactivated { connector: okta() };
    check(given.clone(), replace(create_and_remove(), active(false)), [gone.clone()]);

    let last = UserCommand::RemoveEntry {
        via: via(entra(), rule(OnCreate::Create, OnDeactivate::RemoveUser)),
        entry: OTHER,
    };
    let started = UserEvent::OffboardingStarted {
        offboarding: OFFBOARDING,
        connector: entra(),
        rule: OnDeactivate::RemoveUser,
        policy: None,
    };
    let removed = UserEvent::EntryRemoved { connector: entra(), entry: OTHER };
    check(
        given.into_iter().chain([gone]),
        last,
        [removed, started, UserEvent::AccountSuspended {}],
    );
}

#[test]
fn rule_8_an_entry_of_a_removed_connector_keeps_nobody_here() {
    let other = UserEvent::EntryAdded {
        portal: Portal::Store,
        connector: entra(),
        entry: OTHER,
        resource: ada(),
    };
    let given = [added(Portal::Store), granted(), other];
    let via = Via { gone: [entra()].into(), ..create_and_remove() };
    check(
        given,
        replace(via, active(false)),
        [
            UserEvent::EntryDeactivated { connector: okta() },
            started(OnDeactivate::RemoveUser),
            UserEvent::AccountSuspended {},
        ],
    );
}

#[test]
fn an_owner_is_held_for_a_person_to_decide() {
    let owner = UserEvent::AccountInvited {
        portal: Portal::Dashboard,
        user_name: "ada@acme.example".into(),
        email: None,
        role: Some(Role::Owner),
    };
    let held = UserEvent::OffboardingHeld {
        offboarding: OFFBOARDING,
        because: HeldBecause::Owner,
        hold: None,
    };
    check(
        [owner, added(Portal::Dashboard)],
        replace(create_and_remove(), active(false)),
        [
            UserEvent::EntryDeactivated { connector: okta() },
            started(OnDeactivate::RemoveUser),
            held,
        ],
    );
}

#[test]
fn rule_10_whoever_becomes_an_owner_in_the_middle_is_held_for_a_person_to_decide() {
    let offboarding = OFFBOARDING;
    let because = HeldBecause::Owner;
    let owner = || UserEvent::RoleChanged { role: Role::Owner, why: RoleReason::ByHand };
    let held = || UserEvent::OffboardingHeld { offboarding, because, hold: None };
    let approved = UserEvent::OffboardingApproved { offboarding };
    let given = vec![
        added(Portal::Dashboard),
        granted_as(Role::Viewer),
        UserEvent::EntryDeactivated { connector: okta() },
        started(OnDeactivate::RemoveUser),
        UserEvent::AccountSuspended {},
    ];
    let set = || UserCommand::SetRole { role: Role::Owner };
    let restored = || UserEvent::AccountRestored {};
    check(given.clone(), set(), [owner(), held(), restored()]);
    // What the brake holds waits already.
    let braked = [given.clone(), vec![held()]].concat();
    check(braked, set(), [owner(), restored()]);
    // A person has decided.
    check([given.clone(), vec![held(), approved]].concat(), set(), [owner()]);
    let complete = || UserCommand::CompleteOffboarding { offboarding };
    check([given, vec![owner(), held(), restored()]].concat(), complete(), []);
}

#[test]
fn rule_27_nothing_is_planned_while_a_person_has_yet_to_decide() {
    let limit = Limit { people: 50, of: None, window_minutes: 60 };
    let held = UserEvent::OffboardingHeld {
        offboarding: OFFBOARDING,
        because: HeldBecause::Brake(limit),
        hold: Some(HoldId(Uuid::from_u128(8))),
    };
    let given = [added(Portal::Mdm), granted(), started(OnDeactivate::RemoveUserAndDevices), held];
    let device = DeviceId(Uuid::from_u128(7));
    let actions = vec![Planned { action: ActionId::derive(OFFBOARDING, device), device }];
    let plan =
        || UserCommand::PlanOffboarding { offboarding: OFFBOARDING, actions: actions.clone() };
    let why = refused(given.clone(), plan());
    assert_eq!(why, "the offboarding of that person waits for a decision");
    let approved = UserEvent::OffboardingApproved { offboarding: OFFBOARDING };
    let planned =
        UserEvent::OffboardingPlanned { offboarding: OFFBOARDING, actions: actions.clone() };
    check(given.into_iter().chain([approved]), plan(), [planned]);
}

#[test]
fn reactivation_cancels_and_restores() {
    let given = [
        added(Portal::Store),
        granted(),
        UserEvent::EntryDeactivated { connector: okta() },
        started(OnDeactivate::RemoveUser),
        UserEvent::AccountSuspended {},
    ];
    check(
        given,
        replace(create_and_remove(), active(true)),
        [
            UserEvent::EntryReactivated { connector: okta() },
            UserEvent::OffboardingCancelled {
                offboarding: OFFBOARDING,
                because: CancelledBecause::Reactivated,
            },
            UserEvent::AccountRestored {},
        ],
    );
}

#[test]
fn reactivation_after_removal_grants_by_the_creation_rule() {
    let given = [
        added(Portal::Store),
        granted(),
        UserEvent::EntryDeactivated { connector: okta() },
        started(OnDeactivate::RemoveUser),
        UserEvent::AccountSuspended {},
        UserEvent::AccountRemoved {},
        UserEvent::OffboardingCompleted { offboarding: OFFBOARDING },
    ];
    let back = UserEvent::EntryReactivated { connector: okta() };
    check(given.clone(), replace(create_and_remove(), active(true)), [back.clone(), granted()]);
    let nothing = via(okta(), rule(OnCreate::Nothing, OnDeactivate::RemoveUser));
    check(given, replace(nothing, active(true)), [back]);
}

#[test]
fn scim_adopts_an_account_made_by_hand_and_keeps_its_role() {
    let invited = UserEvent::AccountInvited {
        portal: Portal::Dashboard,
        user_name: "ada@acme.example".into(),
        email: None,
        role: Some(Role::Admin),
    };
    let adopted = UserEvent::AccountAdopted { connector: okta() };
    check(
        [invited.clone()],
        provision(Portal::Dashboard, create_and_remove(), ada()),
        [added(Portal::Dashboard), adopted.clone()],
    );
    let user = state([invited, added(Portal::Dashboard), adopted]);
    assert_eq!(user.account.role, Some(Role::Admin));
}

#[test]
fn an_account_made_again_by_hand_owes_nothing_to_the_offboarding_before_it() {
    let removed = [
        added(Portal::Mdm),
        granted(),
        UserEvent::EntryDeactivated { connector: okta() },
        started(OnDeactivate::RemoveUserAndDevices),
        UserEvent::AccountSuspended {},
        UserEvent::AccountRemoved {},
        UserEvent::OffboardingCompleted { offboarding: OFFBOARDING },
    ];
    assert!(state(removed.clone()).offboarding.is_some(), "a late device gets the rule as well");
    let invited = UserEvent::AccountInvited {
        portal: Portal::Mdm,
        user_name: "ada@acme.example".into(),
        email: None,
        role: None,
    };
    assert_eq!(state(removed.into_iter().chain([invited])).offboarding, None);
}

#[test]
fn completing_is_done_once_and_not_after_a_reactivation() {
    let complete = || UserCommand::CompleteOffboarding { offboarding: OFFBOARDING };
    let open = vec![
        added(Portal::Store),
        granted(),
        UserEvent::EntryDeactivated { connector: okta() },
        started(OnDeactivate::RemoveUser),
        UserEvent::AccountSuspended {},
    ];
    let done = [
        UserEvent::AccountRemoved {},
        UserEvent::OffboardingCompleted { offboarding: OFFBOARDING },
    ];
    check(open.clone(), complete(), done.clone());
    check(open.clone().into_iter().chain(done), complete(), []);
    let back = [
        UserEvent::EntryReactivated { connector: okta() },
        UserEvent::OffboardingCancelled {
            offboarding: OFFBOARDING,
            because: CancelledBecause::Reactivated,
        },
    ];
    check(open.into_iter().chain(back), complete(), []);
}

#[test]
fn a_patch_is_all_or_nothing_and_says_which_operation_is_wrong() {
    let text = refused(
        [added(Portal::Store)],
        patch(&json!([
            { "op": "replace", "path": "title", "value": "x" },
            { "op": "replace", "path": "emails[value eq \"x@y\"].display", "value": "a" },
        ])),
    );
    assert!(text.contains('2'), "{text}");
}

#[test]
fn active_can_be_removed_from_whoever_is_active_only() {
    let gone = || json!([{"op": "remove", "path": "active"}]);
    let unset = UserEvent::EntryChanged {
        connector: okta(),
        changes: Changes { unset: vec!["active".to_owned()], ..Changes::default() },
    };
    check([added(Portal::Store), granted()], patch(&gone()), [unset.clone()]);
    // Said again, it changes nothing but what is shown.
    let said = UserEvent::EntryChanged {
        connector: okta(),
        changes: serde_json::from_value(json!({"set": {"active": true}})).unwrap(),
    };
    let again = json!([{"op": "add", "path": "active", "value": true}]);
    check([added(Portal::Store), granted(), unset], patch(&again), [said]);
    // Nobody comes back by being said nothing of.
    let deactivated = UserEvent::EntryDeactivated { connector: okta() };
    let detail = refused([added(Portal::Store), deactivated], patch(&gone()));
    assert!(detail.contains("set it to true to reactivate"), "{detail}");
}

#[test]
fn what_an_entry_holds_follows_its_user_name() {
    let user = state([added(Portal::Store), granted()]);
    let held = |name: &str| vec![Claim::entry(&okta(), name), Claim::person(Portal::Store, name)];
    assert_eq!(user.claims(), held("ada@acme.example"));
    let changes = ada().diff(&resource(json!({
        "userName": "Countess@acme.example", "active": true, "title": "Countess"
    })));
    let renamed = UserEvent::EntryChanged { connector: okta(), changes };
    let user = state([added(Portal::Store), granted(), renamed]);
    assert_eq!(user.claims(), held("countess@acme.example"));
    assert_eq!(user.account.user_name, "Countess@acme.example");
}

#[test]
fn an_account_that_stands_keeps_its_name_when_its_entry_goes() {
    let removed = UserEvent::EntryRemoved { connector: okta(), entry: ENTRY };
    let user = state([added(Portal::Store), granted(), removed.clone()]);
    assert_eq!(user.claims(), [Claim::person(Portal::Store, "ada@acme.example")]);
    let user = state([added(Portal::Store), removed]);
    assert_eq!(user.claims(), []);
}

#[test]
fn an_entry_that_did_not_begin_the_stream_can_be_found_by_its_id() {
    let removed = UserEvent::EntryRemoved { connector: okta(), entry: ENTRY };
    let again = UserEvent::EntryAdded {
        portal: Portal::Store,
        connector: okta(),
        entry: OTHER,
        resource: ada(),
    };
    let user = state([added(Portal::Store), granted(), removed, again]);
    assert!(user.claims().contains(&Claim::alias(OTHER)));
    assert!(!user.claims().contains(&Claim::alias(ENTRY)));
}

#[test]
fn whoever_is_gone_is_found_by_the_ids_that_they_had() {
    let removed = |entry| UserEvent::EntryRemoved { connector: okta(), entry };
    let again = |entry| UserEvent::EntryAdded {
        portal: Portal::Store,
        connector: okta(),
        entry,
        resource: ada(),
    };
    let name = Claim::person(Portal::Store, "ada@acme.example");
    let once =
        [added(Portal::Store), granted(), removed(ENTRY), again(OTHER), removed(OTHER)].to_vec();
    // Their own id needs no alias.
    assert_eq!(state(once.clone()).claims(), [Claim::alias(OTHER), name]);
    // Of thousands the oldest are forgotten.
    let ids = (1_000..2_001).map(|number| EntryId(Uuid::from_u128(number)));
    let often = ids.flat_map(|entry| [again(entry), removed(entry)]);
    let user = state(once.into_iter().chain(often));
    assert_eq!(user.aliases().count(), 1_000);
    assert!(!user.claims().contains(&Claim::alias(OTHER)));
    let last = EntryId(Uuid::from_u128(2_000));
    assert!(user.claims().contains(&Claim::alias(last)));
}

#[test]
fn version_and_times_of_an_entry_count_its_own_changes_only() {
    let mut es = Es::<User>::default();
    let events =
        [added(Portal::Store), granted(), UserEvent::EntryDeactivated { connector: okta() }];
    for (event, version) in events.iter().zip(1..) {
        let at = i64::try_from(version).unwrap() * 10;
        es.replay(event, &Stamp { position: version, version, at });
    }
    let entry = &es.state.entries[&okta()];
    assert_eq!((entry.version, entry.created, entry.modified), (2, 10, 30));
}

#[test]
fn a_request_for_another_version_changes_nothing() {
    let via = |tag: &str| Via { if_match: Some(EntityTags::parse(tag)), ..create_and_remove() };
    let ask = |command| {
        TestFramework::<Es<User>>::with(())
            .given(vec![added(Portal::Store), granted()])
            .when(Attempt { command: Arc::new(command), now: 0 })
    };
    let replace = |tag| UserCommand::Replace { via: via(tag), entry: ENTRY, resource: ada() };
    for stale in ["W/\"2\"", "\"x\"", "W/\"0\", W/\"3\""] {
        ask(replace(stale))
            .then_expect_error_message("the user has changed: its version is now W/\"1\"");
    }
    for current in ["W/\"1\"", "*", "\"7\", 1"] {
        ask(replace(current)).then_expect_events(vec![]);
    }
    ask(UserCommand::RemoveEntry { via: via("W/\"2\""), entry: ENTRY })
        .then_expect_error_message("the user has changed: its version is now W/\"1\"");
}

fn map_role(mapped: Option<Mapped>, mapping: RoleMapping, at: i64) -> UserCommand {
    UserCommand::MapRole { mapped, mapping: Arc::new(mapping), at }
}

fn granted_as(role: Role) -> UserEvent {
    UserEvent::AccountGranted { role: Some(role) }
}

#[test]
fn rule_14_a_role_follows_groups_until_the_window_ends_or_a_person_chooses() {
    const MINUTE: i64 = 60_000_000;
    let group = GroupId(Uuid::from_u128(7));
    let admin = || Some(Mapped { role: Role::Admin, group });
    let changed = |role, why| UserEvent::RoleChanged { role, why };
    let to_admin = || changed(Role::Admin, RoleReason::Group { group });
    let given = || vec![added(Portal::Dashboard), granted_as(Role::Viewer)];
    let hour = || RoleMapping { settle_minutes: 60, ..RoleMapping::default() };
    let follow = || RoleMapping { follow_groups: true, ..hour() };
    // In the tests of cqrs-es, everything is recorded at 0.
    check(given(), map_role(admin(), hour(), 60 * MINUTE), [to_admin()]);
    check(given(), map_role(admin(), hour(), 60 * MINUTE + 1), []);
    check(given(), map_role(admin(), follow(), 60 * MINUTE + 1), [to_admin()]);
    check([given(), vec![to_admin()]].concat(), map_role(admin(), hour(), 0), []);
    let back = changed(Role::Viewer, RoleReason::Default);
    check([given(), vec![to_admin()]].concat(), map_role(None, hour(), 0), [back]);
    let unassigned = RoleMapping { no_match: Some(NoMatch::Unassigned), ..hour() };
    check(given(), map_role(None, unassigned, 0), [changed(Role::Unassigned, RoleReason::Default)]);
    let chosen = changed(Role::Developer, RoleReason::ByHand);
    check([given(), vec![chosen]].concat(), map_role(admin(), hour(), 0), []);
    let owner = changed(Role::Owner, RoleReason::ByHand);
    check([given(), vec![owner]].concat(), map_role(admin(), follow(), 0), []);
    check(
        [given(), vec![UserEvent::AccountRemoved {}]].concat(),
        map_role(admin(), follow(), 0),
        [],
    );
    let invited = UserEvent::AccountInvited {
        portal: Portal::Dashboard,
        user_name: "ada".to_owned(),
        email: None,
        role: Some(Role::Viewer),
    };
    check([invited.clone()], map_role(admin(), follow(), 0), []);
    let adopted = UserEvent::AccountAdopted { connector: okta() };
    let both = [invited, added(Portal::Dashboard), adopted];
    check(both.clone(), map_role(admin(), hour(), 0), []);
    check(both, map_role(admin(), follow(), 0), [to_admin()]);
}

#[test]
fn rule_14_a_person_chooses_also_the_role_that_groups_have_made() {
    let given = || vec![added(Portal::Dashboard), granted_as(Role::Viewer)];
    let choose = || UserCommand::SetRole { role: Role::Viewer };
    let chosen = UserEvent::RoleChanged { role: Role::Viewer, why: RoleReason::ByHand };
    check(given(), choose(), [chosen.clone()]);
    let mut given = given();
    given.push(chosen);
    check(given.clone(), choose(), []);
    let admin = Some(Mapped { role: Role::Admin, group: GroupId(Uuid::from_u128(7)) });
    check(given, map_role(admin, RoleMapping::default(), 0), []);
    // Groups have no say in one that was made by hand.
    let invited = UserEvent::AccountInvited {
        portal: Portal::Dashboard,
        user_name: "ada".to_owned(),
        email: None,
        role: Some(Role::Viewer),
    };
    check([invited], choose(), []);
}

#[test]
fn a_reason_is_stored_like_this_for_ever() {
    let group = GroupId(Uuid::from_u128(7));
    for (why, stored) in [
        (RoleReason::ByHand, json!("by_hand")),
        (RoleReason::Default, json!("default")),
        (RoleReason::Group { group }, json!({"group": {"group": group}})),
    ] {
        assert_eq!(serde_json::to_value(&why).unwrap(), stored);
        assert_eq!(serde_json::from_value::<RoleReason>(stored).unwrap(), why);
    }
}

fn mapping(setting: Value) -> Arc<AttributeMapping> {
    Arc::new(serde_json::from_value(setting).unwrap())
}

/// Which two attributes are mapped in the tests of rule 20.
fn title_and_nick() -> Arc<AttributeMapping> {
    mapping(json!([
        {"name": "honour", "attributes": [{"key": "title"}]},
        {"name": "nick", "attributes": [{"key": "nickName"}]},
    ]))
}

fn mapped(mapping: &Arc<AttributeMapping>) -> Via {
    Via { mapping: Arc::clone(mapping), ..create_and_remove() }
}

fn metadata(set: &Value, unset: &[&str]) -> UserEvent {
    UserEvent::MetadataChanged {
        connector: okta(),
        set: serde_json::from_value(set.clone()).unwrap(),
        unset: unset.iter().map(|&name| name.to_owned()).collect(),
    }
}

#[test]
fn rule_20_a_new_person_has_the_metadata_of_mapped_attributes() {
    check(
        [],
        provision(Portal::Store, mapped(&title_and_nick()), ada()),
        [added(Portal::Store), metadata(&json!({"honour": "Countess"}), &[]), granted()],
    );
}

#[test]
fn rule_20_metadata_follows_on_the_next_sync_though_the_entry_stays() {
    let given = || vec![added(Portal::Store), granted()];
    let put = |mapping: &Arc<AttributeMapping>| replace(mapped(mapping), ada());
    let recorded = metadata(&json!({"honour": "Countess"}), &[]);
    check(given(), put(&title_and_nick()), [recorded.clone()]);
    let given = || [given(), vec![recorded.clone()]].concat();
    check(given(), put(&title_and_nick()), []);
    // The name has another source, then none.
    let moved = mapping(json!([{"name": "honour", "attributes": [{"key": "userName"}]}]));
    check(given(), put(&moved), [metadata(&json!({"honour": "ada@acme.example"}), &[])]);
    check(given(), put(&Arc::default()), [metadata(&json!({}), &["honour"])]);
}

#[test]
fn rule_20_metadata_follows_a_patch_and_goes_with_its_attribute() {
    let given =
        || vec![added(Portal::Store), metadata(&json!({"honour": "Countess"}), &[]), granted()];
    let ask = |operations: &Value| match patch(operations) {
        UserCommand::Patch { entry, request, options, .. } => {
            UserCommand::Patch { via: mapped(&title_and_nick()), entry, request, options }
        }
        other => other,
    };
    let changed = |changes: Value| UserEvent::EntryChanged {
        connector: okta(),
        changes: serde_json::from_value(changes).unwrap(),
    };
    check(
        given(),
        ask(&json!([
            {"op": "replace", "path": "title", "value": "Lady"},
            {"op": "add", "path": "nickName", "value": "A"},
        ])),
        [
            changed(json!({"set": {"title": "Lady", "nickName": "A"}})),
            metadata(&json!({"honour": "Lady", "nick": "A"}), &[]),
        ],
    );
    check(
        given(),
        ask(&json!([{"op": "remove", "path": "title"}])),
        [changed(json!({"unset": ["title"]})), metadata(&json!({}), &["honour"])],
    );
    check(given(), ask(&json!([{"op": "add", "path": "title", "value": "Countess"}])), []);
}

#[test]
fn metadata_leaves_version_and_time_of_the_entry_and_ends_with_it() {
    let user = state([added(Portal::Store), metadata(&json!({"honour": "Countess"}), &[])]);
    let entry = &user.entries[&okta()];
    assert_eq!((entry.version, entry.modified), (1, 1_000));
    assert_eq!(json!(user.metadata()), json!({"honour": "Countess"}));
    let removed = UserEvent::EntryRemoved { connector: okta(), entry: ENTRY };
    let given = [added(Portal::Store), metadata(&json!({"honour": "Countess"}), &[])];
    assert!(state(given.into_iter().chain([removed])).metadata().is_empty());
    let gone = metadata(&json!({}), &["honour"]);
    let given = [added(Portal::Store), metadata(&json!({"honour": "Countess"}), &[])];
    assert_eq!(state(given.into_iter().chain([gone])), state([added(Portal::Store)]));
}

#[test]
fn of_two_connectors_the_active_one_is_believed_then_the_later_name() {
    let of = |connector, honour: &str| UserEvent::MetadataChanged {
        connector,
        set: [("honour".to_owned(), honour.to_owned())].into_iter().collect(),
        unset: vec![],
    };
    let other = UserEvent::EntryAdded {
        portal: Portal::Store,
        connector: entra(),
        entry: OTHER,
        resource: ada(),
    };
    let both = [added(Portal::Store), other, of(okta(), "Lady"), of(entra(), "Countess")];
    assert_eq!(json!(state(both.clone()).metadata()), json!({"honour": "Lady"}));
    let gone = UserEvent::EntryDeactivated { connector: okta() };
    let one = state(both.into_iter().chain([gone]));
    assert_eq!(json!(one.metadata()), json!({"honour": "Countess"}));
}

#[test]
fn metadata_follows_the_mapping_on_request() {
    let gone = BTreeSet::new();
    let remap =
        |connector| UserCommand::Remap { connector, mapping: title_and_nick(), gone: gone.clone() };
    let recorded = metadata(&json!({"honour": "Countess"}), &[]);
    check([added(Portal::Store)], remap(okta()), [recorded.clone()]);
    check([added(Portal::Store), recorded], remap(okta()), []);
    check([added(Portal::Store)], remap(entra()), []);
    check([], remap(okta()), []);
}

#[test]
fn metadata_of_a_removed_connector_ends_when_another_one_speaks() {
    let said = UserEvent::MetadataChanged {
        connector: entra(),
        set: [("honour".to_owned(), "Lady".to_owned())].into_iter().collect(),
        unset: vec![],
    };
    let ended = UserEvent::MetadataChanged {
        connector: entra(),
        set: BTreeMap::new(),
        unset: vec!["honour".to_owned()],
    };
    let given = || [added(Portal::Store), said.clone()];
    let gone = || [entra()].into_iter().collect::<BTreeSet<_>>();
    let via = Via { gone: gone(), ..create_and_remove() };
    check(given(), replace(via.clone(), ada()), [ended.clone()]);
    check([added(Portal::Store), said.clone(), ended.clone()], replace(via, ada()), []);
    let mapping = Arc::default();
    let remap = UserCommand::Remap { connector: okta(), mapping, gone: gone() };
    check(given(), remap, [ended]);
}
