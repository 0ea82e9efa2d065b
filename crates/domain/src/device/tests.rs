//! Given facts, when a command, then facts or a refusal.

use std::sync::Arc;

use cqrs_es::test::TestFramework;
use uuid::Uuid;

use super::{Changes, Device, DeviceCommand, DeviceEvent, DeviceState, FailedBecause, Steering};
use crate::{
    Attempt, Decider, Es, Stamp,
    ids::{ActionId, OffboardingId, PolicyId, UserId},
    offboarding::ActionKind,
    stored::{Fact, Sealing},
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

fn cancelled() -> DeviceEvent {
    DeviceEvent::ActionCancelled { action: ACTION, reason: None }
}

fn failed(because: FailedBecause) -> DeviceEvent {
    DeviceEvent::ActionFailed { action: ACTION, reason: "busy".into(), because, retry_at: 7 }
}

fn parked() -> DeviceEvent {
    DeviceEvent::ActionParked { action: ACTION, reason: "no".into() }
}

fn acknowledged() -> DeviceEvent {
    DeviceEvent::ActionAcknowledged { action: ACTION }
}

fn retried(reason: Option<&str>) -> DeviceEvent {
    DeviceEvent::ActionRetried { action: ACTION, reason: reason.map(str::to_owned) }
}

fn given_up() -> DeviceEvent {
    DeviceEvent::ActionGivenUp { action: ACTION, reason: "lost".into() }
}

fn steer(to: Steering) -> DeviceCommand {
    DeviceCommand::Steer { action: ACTION, to }
}

fn give_up() -> DeviceCommand {
    steer(Steering::GiveUp { reason: "lost".into() })
}

/// The facts of a device with an action, up to here.
fn after(kind: ActionKind, then: &[DeviceEvent]) -> Vec<DeviceEvent> {
    [&[enrolled(), requested(kind)], then].concat()
}

fn refused(given: Vec<DeviceEvent>, when: DeviceCommand, why: &str) {
    TestFramework::<Es<Device>>::with(())
        .given(given)
        .when(Attempt { command: Arc::new(when), now: 0 })
        .then_expect_error_message(why);
}

fn folded(given: &[DeviceEvent]) -> Device {
    let mut device = Es::<Device>::default();
    for (event, version) in given.iter().zip(1..) {
        device.replay(event, &Stamp { position: version, version, at: 0 });
    }
    device.state
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
    let assigned = DeviceEvent::Assigned { user: BOB };
    let requested = requested(ActionKind::Remove);
    check([enrolled(), requested.clone()], to_bob(), [assigned.clone(), cancelled()]);
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
        .then_expect_error_message(&super::DeviceRefusal::BeingRemoved(ACTION).to_string());
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
    let failed = failed(FailedBecause::Answer);
    let given = [enrolled(), requested(ActionKind::Remove), sent(1)];
    check(
        given.clone(),
        DeviceCommand::Fail {
            action: ACTION,
            reason: "busy".into(),
            because: FailedBecause::Answer,
            retry_at: 7,
        },
        [failed.clone()],
    );
    let again = given.clone().into_iter().chain([failed]);
    check(again, DeviceCommand::Send { action: ACTION }, [sent(2)]);
    check(given, DeviceCommand::Cancel { action: ACTION }, []);
    check(
        [enrolled(), requested(ActionKind::Remove)],
        DeviceCommand::Cancel { action: ACTION },
        [cancelled()],
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

#[test]
fn what_has_gone_to_the_service_is_asked_about_under_the_name_under_which_it_went() {
    let change = |external_id: &str| {
        let external_id = Some(Some(external_id.to_owned()));
        DeviceCommand::Change(Changes { external_id, ..Changes::default() })
    };
    let called = DeviceEvent::ExternalIdChanged { external_id: Some("UDID-1".to_owned()) };
    for told in [
        vec![sent(1)],
        vec![sent(1), acknowledged()],
        vec![sent(1), failed(FailedBecause::Unanswered)],
    ] {
        let why = format!(
            "effect {ACTION} may have gone to the MDM service of that device, and is asked about under the \
             external_id that the device has: wait for it, or give it up first"
        );
        refused(after(ActionKind::Remove, &told), change("UDID-1"), &why);
        let ended = [told, vec![given_up()]].concat();
        check(after(ActionKind::Remove, &ended), change("UDID-1"), [called.clone()]);
    }
    // A wrong one may be why it did not go, or why a person has to look.
    for waits in [
        vec![],
        vec![sent(1), failed(FailedBecause::Down)],
        vec![sent(1), acknowledged(), parked()],
    ] {
        check(after(ActionKind::Remove, &waits), change("UDID-1"), [called.clone()]);
    }
}

#[test]
fn a_person_has_what_failed_or_is_parked_tried_again() {
    let retry = |reason: Option<&str>| steer(Steering::Retry { reason: reason.map(str::to_owned) });
    for waits in [parked(), failed(FailedBecause::Answer), failed(FailedBecause::Unanswered)] {
        let given = after(ActionKind::Remove, &[sent(1), waits]);
        check(given.clone(), retry(Some("mended")), [retried(Some("mended"))]);
        let again = [given, vec![retried(None)]].concat();
        check(again.clone(), retry(None), []);
        check(again, DeviceCommand::Send { action: ACTION }, [sent(2)]);
    }
    for (so_far, why) in [
        (vec![sent(1)], "that effect is with the MDM service: wait for it, or give it up"),
        (vec![sent(1), confirmed()], "that effect is done"),
        (vec![cancelled()], "that effect was cancelled, and nothing more will come of it"),
    ] {
        refused(after(ActionKind::Unassign, &so_far), retry(None), why);
    }
    let unknown = steer(Steering::Retry { reason: None });
    refused(vec![enrolled()], unknown, "there is no effect with that id");
}

#[test]
fn tries_are_counted_anew_once_a_person_has_retried_and_outages_never() {
    let (answer, down) = (failed(FailedBecause::Answer), failed(FailedBecause::Down));
    let so_far = [sent(1), down, sent(2), answer.clone(), sent(3), answer];
    let device = folded(&after(ActionKind::Remove, &so_far));
    assert_eq!((device.actions[&ACTION].attempts, device.actions[&ACTION].answers), (3, 2));
    let device = folded(&after(ActionKind::Remove, &[&so_far[..], &[retried(None)]].concat()));
    assert_eq!((device.actions[&ACTION].attempts, device.actions[&ACTION].answers), (3, 0));
}

#[test]
fn only_what_the_service_cannot_have_is_cancelled() {
    let by_hand = || steer(Steering::Cancel { reason: Some("a mistake".into()), leaves: false });
    let policy = || DeviceCommand::Cancel { action: ACTION };
    let why = "the MDM service may have that effect already, and it cannot be taken back: wait for \
               it, or give it up";
    let by_person =
        DeviceEvent::ActionCancelled { action: ACTION, reason: Some("a mistake".into()) };
    for unsent in [
        vec![],
        vec![sent(1), failed(FailedBecause::Answer)],
        vec![sent(1), failed(FailedBecause::Down)],
        vec![sent(1), parked()],
    ] {
        let given = after(ActionKind::Remove, &unsent);
        check(given.clone(), by_hand(), [by_person.clone()]);
        check(given.clone(), policy(), [cancelled()]);
        let given = [given, vec![cancelled()]].concat();
        assert_eq!(folded(&given).state, DeviceState::Enrolled, "it is not being removed any more");
        check(given, by_hand(), []);
    }
    let unanswered = failed(FailedBecause::Unanswered);
    for received in [
        vec![sent(1)],
        vec![sent(1), acknowledged()],
        vec![sent(1), unanswered.clone()],
        vec![sent(1), unanswered.clone(), sent(2), parked()],
        vec![sent(1), acknowledged(), parked()],
        vec![sent(1), unanswered.clone(), retried(None)],
    ] {
        refused(after(ActionKind::Remove, &received), by_hand(), why);
        check(after(ActionKind::Remove, &received), policy(), []);
    }
    let never = DeviceCommand::NeverCame { action: ACTION };
    check(after(ActionKind::Remove, &[sent(1), unanswered]), never, [cancelled()]);
}

#[test]
fn a_person_gives_up_what_does_not_end_and_nobody_keeps_the_device() {
    let unanswered = failed(FailedBecause::Unanswered);
    for so_far in [
        vec![sent(1)],
        vec![sent(1), acknowledged()],
        vec![sent(1), unanswered],
        vec![sent(1), parked()],
    ] {
        let given = after(ActionKind::Remove, &so_far);
        check(given.clone(), give_up(), [given_up(), DeviceEvent::Unassigned {}]);
        let ended = [given, vec![given_up(), DeviceEvent::Unassigned {}]].concat();
        let device = folded(&ended);
        assert_eq!((device.state, device.user), (DeviceState::Enrolled, None));
        assert!(!device.owes(ACTION, ADA));
        check(ended.clone(), give_up(), []);
        check(ended, DeviceCommand::Confirm { action: ACTION }, []);
    }
    let policy = after(ActionKind::ChangePolicy { policy: POLICY }, &[sent(1)]);
    check(policy, give_up(), [given_up()]);
    let unsent = "that effect has not been sent: cancel it if it is not wanted";
    refused(after(ActionKind::Remove, &[]), give_up(), unsent);
    let done = after(ActionKind::Unassign, &[sent(1), confirmed()]);
    refused(done, give_up(), "that effect is done");
}

#[test]
fn what_the_service_has_taken_can_be_parked_and_what_was_lost_can_turn_out_taken() {
    let park = DeviceCommand::Park { action: ACTION, reason: "no".into() };
    check(after(ActionKind::Remove, &[sent(1), acknowledged()]), park, [parked()]);
    let lost = after(ActionKind::Remove, &[sent(1), failed(FailedBecause::Unanswered)]);
    check(lost, DeviceCommand::Acknowledge { action: ACTION }, [acknowledged()]);
}

#[test]
fn a_removal_by_hand_ends_what_is_owed() {
    let removed = DeviceEvent::Removed {};
    let remove = || DeviceCommand::Remove;
    check(after(ActionKind::Unassign, &[]), remove(), [removed.clone(), cancelled()]);
    let reason = "the device was removed by hand".to_owned();
    let ended = DeviceEvent::ActionGivenUp { action: ACTION, reason };
    let lost = after(ActionKind::Unassign, &[sent(1), failed(FailedBecause::Unanswered)]);
    let under_way = [&[sent(1)][..], &[sent(1), acknowledged()]];
    let under_way = under_way.map(|then| after(ActionKind::Unassign, then));
    for given in [lost].into_iter().chain(under_way) {
        check(given, remove(), [removed.clone(), ended.clone()]);
    }
}

#[test]
fn a_removal_by_hand_does_not_lose_one_that_is_owed() {
    let owed = format!("effect {ACTION} is to remove that device at its MDM service");
    let owed = format!("{owed}, and would be lost: wait for it, or cancel it first");
    for then in [&[][..], &[sent(1), failed(FailedBecause::Down)], &[sent(1), parked()]] {
        refused(after(ActionKind::Remove, then), DeviceCommand::Remove, &owed);
    }
    let under_way =
        format!("effect {ACTION} removes that device at its MDM service, and the service");
    let under_way = format!("{under_way} may have it: wait for it, or give it up first");
    let lost = failed(FailedBecause::Unanswered);
    for then in [&[sent(1)][..], &[sent(1), acknowledged()], &[sent(1), lost]] {
        refused(after(ActionKind::Remove, then), DeviceCommand::Remove, &under_way);
    }
    for end in [cancelled(), given_up()] {
        let ended = after(ActionKind::Remove, &[sent(1), parked(), end]);
        check(ended, DeviceCommand::Remove, [DeviceEvent::Removed {}]);
    }
}

/// Its answer was lost, a person had it tried again, and the person it is about is active again before it is
/// sent: it must not hang.
#[test]
fn what_may_have_been_received_and_is_to_be_tried_again_can_end() {
    let unanswered = failed(FailedBecause::Unanswered);
    let given = after(ActionKind::Remove, &[sent(1), unanswered, retried(None)]);
    check(given.clone(), DeviceCommand::Acknowledge { action: ACTION }, [acknowledged()]);
    let give_up = steer(Steering::GiveUp { reason: "it is lost".into() });
    let given_up = DeviceEvent::ActionGivenUp { action: ACTION, reason: "it is lost".into() };
    check(given, give_up, [given_up, DeviceEvent::Unassigned {}]);
    let never_sent = after(ActionKind::Remove, &[]);
    check(never_sent, DeviceCommand::Acknowledge { action: ACTION }, []);
}

#[test]
fn nobody_whose_account_will_be_removed_keeps_a_device_of_which_an_action_was_cancelled() {
    let given = after(ActionKind::Remove, &[sent(1), parked()]);
    let cancel = steer(Steering::Cancel { reason: None, leaves: true });
    let cancelled = DeviceEvent::ActionCancelled { action: ACTION, reason: None };
    check(given, cancel, [cancelled, DeviceEvent::Unassigned {}]);
}

fn named(name: Option<&str>) -> DeviceEvent {
    DeviceEvent::Named { name: name.map(str::to_owned) }
}

#[test]
fn a_name_is_a_fact_of_its_own_under_a_key_of_its_own() {
    let enrol = DeviceCommand::Enrol {
        serial: "S-1".into(),
        platform: "ios".into(),
        name: Some("Ada's phone".into()),
        external_id: None,
        user: Some(ADA),
        policy: None,
    };
    let recorded = vec![enrolled(), named(Some("Ada's phone"))];
    assert_eq!(
        recorded.iter().map(Fact::sealing).collect::<Vec<_>>(),
        [Sealing::Stream, Sealing::Own]
    );
    TestFramework::<Es<Device>>::with(())
        .given_no_previous_events()
        .when(Attempt { command: Arc::new(enrol), now: 0 })
        .then_expect_events(recorded);
}

#[test]
fn a_name_that_goes_goes_from_whatever_a_device_is_and_once() {
    let called = |name: Option<&str>| {
        let name = Some(name.map(str::to_owned));
        DeviceCommand::Change(Changes { name, ..Changes::default() })
    };
    let phone = || vec![enrolled(), named(Some("phone"))];
    check(phone(), called(Some("phone")), vec![]);
    check(phone(), called(Some("tablet")), vec![named(Some("tablet"))]);
    check(phone(), called(None), vec![named(None)]);
    check(phone(), DeviceCommand::Unname, vec![named(None)]);
    let gone = [phone(), vec![DeviceEvent::Removed {}]].concat();
    check(gone.clone(), DeviceCommand::Unname, vec![named(None)]);
    check([gone, vec![named(None)]].concat(), DeviceCommand::Unname, vec![]);
}
