//! What happens in the middle of an offboarding: each decided in `docs/offboarding.md`.

use domain::{
    device::{ActionState, DeviceState},
    ids::{ActionId, DeviceId, UserId},
    offboarding::ActionKind,
    rule::OnDeactivate,
    user::AccountState,
};
use projections::effects::OffboardingState;
use reactor::service::Received;

use crate::{
    fake::{Crash, Doing, Fake, HOUR, minutes},
    running::{START, Scene, person},
};

/// Somebody with two devices, deactivated, and a service that does this.
async fn deactivated(rule: OnDeactivate, doing: Doing) -> (Scene, [DeviceId; 2], Fakes) {
    let scene = Scene::set(rule).await;
    let devices = [scene.give("1", "ios").await, scene.give("2", "ios").await];
    let fake = Fake::new("fake", &scene.clock, doing);
    scene.set_active(false).await;
    (scene, devices, fake)
}

type Fakes = std::sync::Arc<Fake>;

impl Scene {
    async fn id_of_action(&self, device: DeviceId) -> ActionId {
        *self.device(device).await.actions.keys().next().unwrap()
    }

    async fn give_up(&self, device: DeviceId) {
        let id = self.id_of_action(device).await;
        self.app.give_up_effect(&person(), &self.workspace, id, "it is lost").await.unwrap();
        self.settled().await;
    }
}

#[tokio::test]
async fn an_offboarding_completes_once_a_person_has_given_up_what_does_not_end() {
    let (scene, devices, fake) =
        deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Refusing).await;
    let deliverer = scene.deliverer(fake.alone());
    scene.run(&deliverer).await;
    scene.give_up(devices[0]).await;
    scene.offboarding_is(OffboardingState::Started).await;
    let row = scene.offboarding().await.unwrap();
    assert_eq!((row.ended, row.planned), (1, 2));
    scene.give_up(devices[1]).await;
    scene.offboarding_is(OffboardingState::Completed).await;
    assert_eq!(scene.person().await.account.state, AccountState::Removed);
    for id in devices {
        let device = scene.device(id).await;
        assert_eq!((device.state, device.user), (DeviceState::Enrolled, None));
    }
    scene.run(&deliverer).await;
    assert_eq!(fake.sends(), 2, "nothing more is sent");
}

#[tokio::test]
async fn what_is_retried_by_a_person_is_sent_under_the_same_key() {
    let (scene, devices, fake) =
        deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Refusing).await;
    let deliverer = scene.deliverer(fake.alone());
    scene.run(&deliverer).await;
    fake.does(Doing::Fine);
    for device in devices {
        let id = scene.id_of_action(device).await;
        scene.app.retry_effect(&person(), &scene.workspace, id, None).await.unwrap();
    }
    scene.run(&deliverer).await;
    scene.offboarding_is(OffboardingState::Completed).await;
    let mut keys: Vec<_> = fake.orders().into_iter().map(|order| order.action).collect();
    keys.sort_unstable();
    assert_eq!((keys.len(), keys[0], keys[2]), (4, keys[1], keys[3]));
}

#[tokio::test]
async fn an_order_that_is_not_taken_twelve_times_waits_for_a_person() {
    let (scene, devices, fake) = deactivated(OnDeactivate::Unassign, Doing::Busy).await;
    let deliverer = scene.deliverer(fake.alone());
    scene.run(&deliverer).await;
    assert_eq!(fake.sends(), 24);
    for device in devices {
        let action = scene.action(device).await;
        assert_eq!((action.state, action.attempts), (ActionState::Parked, 12));
    }
}

#[tokio::test]
async fn a_reactivation_takes_back_what_was_not_sent_and_keeps_what_was_done() {
    let (scene, devices, fake) =
        deactivated(OnDeactivate::RemoveUserAndDevices, Doing::DownUntil(START + HOUR)).await;
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    assert_eq!((fake.sends(), fake.acted()), (2, 0), "it was down");
    scene.set_active(true).await;
    scene.clock.set(START + 2 * HOUR);
    scene.run(&deliverer).await;
    assert_eq!(fake.sends(), 2, "nothing is sent for somebody who is active again");
    scene.offboarding_is(OffboardingState::Cancelled).await;
    assert_eq!(scene.person().await.account.state, AccountState::Active);
    for id in devices {
        assert_eq!(scene.action(id).await.state, ActionState::Cancelled);
        let device = scene.device(id).await;
        let theirs = Some(UserId(scene.user.0));
        assert_eq!((device.state, device.user), (DeviceState::Enrolled, theirs));
    }
}

#[tokio::test]
async fn what_the_service_has_taken_goes_on_after_a_reactivation() {
    let (scene, devices, fake) = deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Slow).await;
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    scene.set_active(true).await;
    scene.run(&deliverer).await;
    scene.offboarding_is(OffboardingState::Cancelled).await;
    assert_eq!(scene.person().await.account.state, AccountState::Active);
    for id in devices {
        assert_eq!(scene.action(id).await.state, ActionState::Confirmed);
        assert_eq!(scene.device(id).await.state, DeviceState::Removed, "the record says so");
    }
}

/// After a lost answer and a reactivation: what the service says of it, and what follows.
async fn lost(received: Received) -> (ActionState, DeviceState, usize) {
    let (scene, devices, fake) =
        deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Losing).await;
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    fake.says_of_lost_ones(received);
    scene.set_active(true).await;
    assert_eq!(scene.action(devices[0]).await.state, ActionState::Failed, "not taken back blindly");
    scene.run(&deliverer).await;
    let ends = scene.action(devices[0]).await.state;
    (ends, scene.device(devices[0]).await.state, fake.sends())
}

#[tokio::test]
async fn an_order_whose_answer_was_lost_is_asked_after_and_not_sent_again_after_a_reactivation() {
    assert_eq!(lost(Received::No).await, (ActionState::Cancelled, DeviceState::Enrolled, 2));
    assert_eq!(lost(Received::Yes).await, (ActionState::Confirmed, DeviceState::Removed, 2));
    assert_eq!(lost(Received::Unsure).await, (ActionState::Parked, DeviceState::Removing, 2));
}

#[tokio::test]
async fn what_a_crash_left_half_sent_is_not_sent_after_a_reactivation() {
    let (scene, devices, fake) = deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Fine).await;
    let deliverer = scene.deliverer(fake.alone());
    fake.hangs(Some(Crash::BeforeSend));
    tokio::select! {
        _ = deliverer.turn() => panic!("it did not die"),
        () = fake.hung(2) => {}
    }
    fake.hangs(None);
    fake.says_of_lost_ones(Received::No);
    assert_eq!(scene.action(devices[0]).await.state, ActionState::Sent);
    scene.set_active(true).await;
    scene.run(&scene.deliverer(fake.alone())).await;
    assert_eq!((scene.action(devices[0]).await.state, fake.sends()), (ActionState::Cancelled, 0));
}

/// The deliverer dies after the service has taken the orders, and whoever comes after it hears that the service
/// does this. How the action stands then, and after a reactivation.
async fn cut_off_and_then(doing: Doing) -> [ActionState; 2] {
    let (scene, devices, fake) = deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Fine).await;
    let deliverer = scene.deliverer(fake.alone());
    fake.hangs(Some(Crash::AfterSend));
    tokio::select! {
        _ = deliverer.turn() => panic!("it did not die"),
        () = fake.hung(2) => {}
    }
    fake.hangs(None);
    fake.does(doing);
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    assert_eq!((fake.sends(), fake.acted()), (4, 2), "it was told again");
    let before = scene.action(devices[0]).await.state;
    fake.does(Doing::Fine);
    fake.says_of_lost_ones(Received::Yes);
    scene.set_active(true).await;
    scene.clock.set(START + 2 * HOUR);
    scene.run(&deliverer).await;
    assert_eq!(fake.sends(), 4, "nothing is sent for somebody who is active again");
    [before, scene.action(devices[0]).await.state]
}

#[tokio::test]
async fn what_reached_the_service_before_a_crash_is_not_taken_back_over_what_it_says_of_the_repeat()
{
    let down = Doing::DownUntil(START + HOUR);
    assert_eq!(cut_off_and_then(down).await, [ActionState::Failed, ActionState::Confirmed]);
    let later = Doing::Busy;
    assert_eq!(cut_off_and_then(later).await, [ActionState::Failed, ActionState::Confirmed]);
    let no = Doing::Refusing;
    assert_eq!(cut_off_and_then(no).await, [ActionState::Parked; 2], "a person has to look");
}

#[tokio::test]
async fn what_a_crash_left_half_sent_cannot_be_taken_back_where_nobody_knows_of_it() {
    let (scene, devices, fake) = deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Fine).await;
    let deliverer = scene.deliverer(fake.alone());
    fake.hangs(Some(Crash::BeforeSend));
    tokio::select! {
        _ = deliverer.turn() => panic!("it did not die"),
        () = fake.hung(2) => {}
    }
    fake.hangs(None);
    fake.says_of_lost_ones(Received::Unsure);
    scene.set_active(true).await;
    scene.run(&scene.deliverer(fake.alone())).await;
    let action = scene.action(devices[0]).await;
    assert_eq!((action.state, fake.sends()), (ActionState::Parked, 0));
    assert!(!action.unsent(), "it may have been sent");
}

#[tokio::test]
async fn a_deletion_in_the_middle_changes_nothing_and_a_new_arrival_is_another_reactivation() {
    let (scene, devices, fake) =
        deactivated(OnDeactivate::RemoveUserAndDevices, Doing::DownUntil(START + HOUR)).await;
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    scene.app.delete_user(&scene.caller, scene.user, None).await.unwrap();
    scene.settled().await;
    scene.offboarding_is(OffboardingState::Started).await;
    assert_eq!(
        scene.count("user.offboarding_started").await,
        1,
        "one deactivation, one offboarding"
    );
    let again = scene.provision("ada@acme.example").await;
    assert_ne!(again, scene.user);
    scene.settled().await;
    scene.offboarding_is(OffboardingState::Cancelled).await;
    scene.run(&deliverer).await;
    assert_eq!((fake.acted(), scene.action(devices[0]).await.state), (0, ActionState::Cancelled));
    assert_eq!(scene.person().await.account.state, AccountState::Active);
}

#[tokio::test]
async fn somebody_who_is_deleted_is_offboarded_to_the_end() {
    let (scene, devices, fake) =
        deactivated(OnDeactivate::RemoveUserAndDevices, Doing::DownUntil(START + HOUR)).await;
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    scene.app.delete_user(&scene.caller, scene.user, None).await.unwrap();
    scene.run(&deliverer).await;
    scene.offboarding_is(OffboardingState::Completed).await;
    assert_eq!(scene.person().await.account.state, AccountState::Removed);
    assert_eq!(scene.device(devices[0]).await.state, DeviceState::Removed);
}

#[tokio::test]
async fn a_change_of_the_rule_in_the_middle_changes_no_offboarding_that_began() {
    let (mut scene, devices, fake) =
        deactivated(OnDeactivate::Unassign, Doing::DownUntil(START + HOUR)).await;
    scene.rule(OnDeactivate::RemoveUserAndDevices).await;
    // Neither for what is under way, nor for a device that comes late.
    let late = scene.give("late", "ios").await;
    scene.settled().await;
    scene.run(&scene.deliverer(fake.alone())).await;
    for id in [devices[0], devices[1], late] {
        assert_eq!(scene.action(id).await.kind, ActionKind::Unassign);
        assert_eq!(scene.device(id).await.state, DeviceState::Enrolled);
    }
    assert_eq!(scene.person().await.account.state, AccountState::Active);
}

#[tokio::test]
async fn a_device_that_somebody_else_gets_in_the_middle_is_spared() {
    let (scene, devices, fake) =
        deactivated(OnDeactivate::Unassign, Doing::DownUntil(START + HOUR)).await;
    let bob = scene.provision("bob@acme.example").await;
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    scene.move_to(devices[0], bob).await.unwrap();
    scene.run(&deliverer).await;
    assert_eq!(scene.action(devices[0]).await.state, ActionState::Cancelled);
    assert_eq!(scene.device(devices[0]).await.user, Some(UserId(bob.0)));
    assert_eq!(fake.acted(), 1, "the other one's only");
    scene.offboarding_is(OffboardingState::Completed).await;
}

#[tokio::test]
async fn a_device_that_is_being_removed_goes_to_nobody_until_its_removal_is_given_up() {
    let (scene, devices, fake) = deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Slow).await;
    let bob = scene.provision("bob@acme.example").await;
    scene.deliverer(fake.alone()).turn().await.unwrap();
    let refused = scene.move_to(devices[0], bob).await.unwrap_err();
    assert!(refused.contains("being removed"), "{refused}");
    scene.give_up(devices[0]).await;
    scene.move_to(devices[0], bob).await.unwrap();
}

#[tokio::test]
async fn an_order_whose_answer_was_lost_is_not_sent_to_whom_the_device_belongs_now() {
    let (scene, devices, fake) = deactivated(OnDeactivate::Unassign, Doing::Losing).await;
    let bob = scene.provision("bob@acme.example").await;
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    scene.move_to(devices[0], bob).await.unwrap();
    scene.run(&deliverer).await;
    assert_eq!(scene.action(devices[0]).await.state, ActionState::Parked, "a person has to look");
    assert_eq!(scene.device(devices[0]).await.user, Some(UserId(bob.0)));
    assert_eq!(fake.sends(), 3, "only the other one was sent again");
    scene.give_up(devices[0]).await;
    assert_eq!(scene.device(devices[0]).await.user, Some(UserId(bob.0)), "it stays theirs");
    scene.offboarding_is(OffboardingState::Completed).await;
}

#[tokio::test]
async fn a_removal_by_hand_ends_what_is_owed_to_the_device() {
    let (scene, devices, fake) =
        deactivated(OnDeactivate::Unassign, Doing::DownUntil(START + HOUR)).await;
    scene.app.remove_device(&person(), &scene.workspace, devices[0]).await.unwrap();
    scene.run(&scene.deliverer(fake.alone())).await;
    assert_eq!(scene.action(devices[0]).await.state, ActionState::Cancelled);
    assert_eq!(fake.acted(), 1);
    scene.offboarding_is(OffboardingState::Completed).await;
}

#[tokio::test]
async fn a_policy_that_is_gone_when_the_order_is_due_waits_for_a_person() {
    let (mut scene, devices, fake) = deactivated(OnDeactivate::ChangePolicy, Doing::Fine).await;
    scene.rule(OnDeactivate::Nothing).await;
    scene.app.remove_policy(&person(), &scene.workspace, scene.policy).await.unwrap();
    scene.run(&scene.deliverer(fake.alone())).await;
    let ends = (scene.action(devices[0]).await.state, fake.sends());
    assert_eq!(ends, (ActionState::Parked, 0));
}

#[tokio::test]
async fn a_rebuild_of_the_read_models_sends_nothing() {
    let (scene, _, fake) = deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Slow).await;
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    scene.clock.advance(minutes(1));
    let models = scene.app.read_models();
    models.rebuild(Some(projections::effects::NAME), &mut |_| {}).unwrap();
    scene.run(&deliverer).await;
    // A deliverer that knows nothing finds nothing to send either.
    scene.run(&scene.deliverer(fake.alone())).await;
    assert_eq!((fake.sends(), fake.acted()), (2, 2));
    scene.offboarding_is(OffboardingState::Completed).await;
}

#[tokio::test]
async fn while_deliveries_are_suspended_nothing_is_sent_or_asked_and_then_everything_once() {
    let (scene, devices, fake) = deactivated(OnDeactivate::RemoveUserAndDevices, Doing::Slow).await;
    let deliverer = scene.deliverer(fake.alone());
    let (app, workspace) = (&scene.app, &scene.workspace);
    app.suspend_deliveries(&person(), workspace).await.unwrap();
    scene.clock.advance(minutes(60));
    assert_eq!(deliverer.turn().await.unwrap(), None, "there is nothing to wake up for");
    assert_eq!(fake.sends(), 0);
    app.resume_deliveries(&person(), workspace).await.unwrap();
    deliverer.turn().await.unwrap();
    assert_eq!(fake.sends(), 2);

    // What the service has already is not asked about either.
    app.suspend_deliveries(&person(), workspace).await.unwrap();
    scene.clock.advance(minutes(60));
    assert_eq!(deliverer.turn().await.unwrap(), None);
    // Nor when it reports something.
    for device in devices {
        deliverer.hear(workspace.clone(), scene.id_of_action(device).await);
    }
    assert_eq!(deliverer.turn().await.unwrap(), None);
    scene.offboarding_is(OffboardingState::Started).await;
    app.resume_deliveries(&person(), workspace).await.unwrap();
    scene.run(&deliverer).await;
    assert_eq!((fake.sends(), fake.acted()), (2, 2));
    scene.offboarding_is(OffboardingState::Completed).await;
}
