//! Given facts, when a command, then facts or a refusal.

use std::sync::Arc;

use cqrs_es::test::TestFramework;
use uuid::Uuid;

use super::{Changes, Device, DeviceCommand, DeviceEvent, DeviceState};
use crate::{
    Attempt, Decider, Es, Stamp,
    ids::{ActionId, OffboardingId, PolicyId, UserId},
    offboarding::ActionKind,
};

const ADA: UserId = UserId(Uuid::from_u128(1));
const BOB: UserId = UserId(Uuid::from_u128(2));
const ACTION: ActionId = ActionId(Uuid::from_u128(3));
const OFFBOARDING: OffboardingId = OffboardingId(Uuid::from_u128(4));
const POLICY: PolicyId = PolicyId(Uuid::from_u128(5));

fn enrolled() -> DeviceEvent {
    DeviceEvent::Enrolled {
        serial: "S-1".into(),
        platform: "ios".into(),
        name: None,
        external_id: None,
        user: Some(ADA),
        policy: None,
    }
}

fn requested(kind: ActionKind) -> DeviceEvent {
    DeviceEvent::ActionRequested { action: ACTION, offboarding: OFFBOARDING, user: ADA, kind }
}

fn sent(attempt: u32) -> DeviceEvent {
    DeviceEvent::ActionSent { action: ACTION, attempt }
}

fn confirmed() -> DeviceEvent {
    DeviceEvent::ActionConfirmed { action: ACTION }
}

fn to(user: Option<UserId>) -> Changes {
    Changes { user: Some(user), ..Changes::default() }
}

fn check(
    given: impl IntoIterator<Item = DeviceEvent>,
    when: DeviceCommand,
    then: impl IntoIterator<Item = DeviceEvent>,
) {
    TestFramework::<Es<Device>>::with(())
        .given(given.into_iter().collect())
        .when(Attempt { command: Arc::new(when), now: 0 })
        .then_expect_events(then.into_iter().collect());
}

#[test]
fn an_action_is_requested_once() {
    let request = || DeviceCommand::Request {
        action: ACTION,
        offboarding: OFFBOARDING,
        user: ADA,
        kind: ActionKind::Unassign,
    };
    check([enrolled()], request(), [requested(ActionKind::Unassign)]);
    check([enrolled(), requested(ActionKind::Unassign)], request(), []);
    check([enrolled(), DeviceEvent::Removed {}], request(), []);
}

#[test]
fn each_step_is_noted_once() {
    let given = [enrolled(), requested(ActionKind::Unassign)];
    let send = || DeviceCommand::Send { action: ACTION };
    check(given.clone(), send(), [sent(1)]);
    check(given.clone().into_iter().chain([sent(1)]), send(), []);
    let confirm = || DeviceCommand::Confirm { action: ACTION };
    check(given.clone(), confirm(), []);
    let done = [confirmed(), DeviceEvent::Unassigned {}];
    check(given.clone().into_iter().chain([sent(1)]), confirm(), done.clone());
    check(given.into_iter().chain([sent(1)]).chain(done), confirm(), []);
}

#[test]
fn a_device_that_somebody_else_has_by_now_stays_with_them() {
    let policy = ActionKind::ChangePolicy { policy: POLICY };
    for kind in [ActionKind::Unassign, policy] {
        let given = [enrolled(), requested(kind), sent(1), DeviceEvent::Assigned { user: BOB }];
        check(given, DeviceCommand::Confirm { action: ACTION }, [confirmed()]);
    }
}

#[test]
fn whoever_gets_a_device_does_not_get_what_the_one_before_was_owed() {
    let to_bob = || DeviceCommand::Change(to(Some(BOB)));
    let cancelled = DeviceEvent::ActionCancelled { action: ACTION };
    let assigned = DeviceEvent::Assigned { user: BOB };
    let requested = requested(ActionKind::Remove);
    check([enrolled(), requested.clone()], to_bob(), [assigned.clone(), cancelled]);
    let request = DeviceCommand::Request {
        action: ACTION,
        offboarding: OFFBOARDING,
        user: ADA,
        kind: ActionKind::Remove,
    };
    check([enrolled(), assigned], request, []);
    TestFramework::<Es<Device>>::with(())
        .given(vec![enrolled(), requested, sent(1)])
        .when(Attempt { command: Arc::new(to_bob()), now: 0 })
        .then_expect_error_message("that device is being removed, and nobody can get it any more");
}

#[test]
fn confirming_does_what_was_asked() {
    let policy = ActionKind::ChangePolicy { policy: POLICY };
    let changed = DeviceEvent::PolicyChanged { policy: Some(POLICY) };
    let confirm = || DeviceCommand::Confirm { action: ACTION };
    check([enrolled(), requested(policy), sent(1)], confirm(), [confirmed(), changed]);
    let given = [enrolled(), requested(ActionKind::Remove), sent(1)];
    check(given, confirm(), [confirmed(), DeviceEvent::Removed {}]);
}

#[test]
fn a_failed_action_is_sent_again_and_what_was_sent_cannot_be_cancelled() {
    let failed = DeviceEvent::ActionFailed { action: ACTION, reason: "busy".into(), retry_at: 7 };
    let given = [enrolled(), requested(ActionKind::Remove), sent(1)];
    check(
        given.clone(),
        DeviceCommand::Fail { action: ACTION, reason: "busy".into(), retry_at: 7 },
        [failed.clone()],
    );
    let again = given.clone().into_iter().chain([failed]);
    check(again, DeviceCommand::Send { action: ACTION }, [sent(2)]);
    check(given, DeviceCommand::Cancel { action: ACTION }, []);
    check(
        [enrolled(), requested(ActionKind::Remove)],
        DeviceCommand::Cancel { action: ACTION },
        [DeviceEvent::ActionCancelled { action: ACTION }],
    );
}

#[test]
fn a_removed_device_gives_its_serial_back_and_cannot_be_changed() {
    let mut device = Es::<Device>::default();
    device.replay(&enrolled(), &Stamp { position: 1, version: 1, at: 0 });
    assert_eq!(device.state.claims().len(), 1);
    device.replay(&requested(ActionKind::Remove), &Stamp { position: 2, version: 2, at: 0 });
    device.replay(&sent(1), &Stamp { position: 3, version: 3, at: 0 });
    assert_eq!(device.state.state, DeviceState::Removing);
    device.replay(&DeviceEvent::Removed {}, &Stamp { position: 4, version: 4, at: 0 });
    assert_eq!((device.state.claims().len(), device.state.user), (0, None));
    TestFramework::<Es<Device>>::with(())
        .given(vec![enrolled(), DeviceEvent::Removed {}])
        .when(Attempt { command: Arc::new(DeviceCommand::Change(to(Some(BOB)))), now: 0 })
        .then_expect_error_message("that device has been removed; enrol it again to manage it");
}

#[test]
fn assigning_to_the_same_person_records_nothing() {
    let change = |user| DeviceCommand::Change(to(user));
    check([enrolled()], change(Some(ADA)), []);
    check([enrolled()], change(Some(BOB)), [DeviceEvent::Assigned { user: BOB }]);
    check([enrolled()], change(None), [DeviceEvent::Unassigned {}]);
}

#[test]
fn what_its_service_calls_a_device_can_be_changed_and_taken_away() {
    let change = |external_id: Option<&str>| {
        let external_id = Some(external_id.map(str::to_owned));
        DeviceCommand::Change(Changes { external_id, ..Changes::default() })
    };
    let called = |external_id: Option<&str>| {
        let external_id = external_id.map(str::to_owned);
        DeviceEvent::ExternalIdChanged { external_id }
    };
    check([enrolled()], change(None), []);
    check([enrolled()], change(Some("UDID-1")), [called(Some("UDID-1"))]);
    check([enrolled(), called(Some("UDID-1"))], change(Some("UDID-1")), []);
    check([enrolled(), called(Some("UDID-1"))], change(None), [called(None)]);
}
