//! What the brake counts, in orders that a crash or a busy server may bring (rule 27).

use std::time::Duration;

use domain::{
    ids::EntryId,
    rule::{Brake, BrakeLimit, OnDeactivate},
};

use crate::scene::Scene;

const STARTED: &str = "user.offboarding_started";

/// So many people in an hour, whatever share that is.
fn at_most(count: u32) -> Brake {
    Brake::Limit(BrakeLimit { count, share: 1.0, share_from: 1, window_minutes: 60 })
}

/// A scene with more people than the first one.
async fn scene(brake: Brake, more: usize) -> (Scene, Vec<EntryId>) {
    let scene = Scene::braked(OnDeactivate::RemoveUserAndDevices, brake).await;
    let mut users = vec![scene.user];
    for number in 0..more {
        users.push(scene.bring(&format!("user-{number}@acme.example")).await);
    }
    (scene, users)
}

#[tokio::test]
async fn rule_27_what_was_offboarded_before_the_window_does_not_count() {
    let (scene, users) = scene(at_most(1), 3).await;
    let minutes = |count: u64| Duration::from_secs(60 * count);
    scene.set_active_of(users[0], false).await;
    assert_eq!(scene.hears(STARTED).await, ["complete"]);
    scene.clock.advance(minutes(59));
    scene.set_active_of(users[1], false).await;
    let held = scene.hears(STARTED).await;
    assert!(held[0].starts_with("hold "), "{held:?}");
    // Of the hour before, only the one that is held is left; that one counts, nothing was decided.
    scene.clock.advance(minutes(2));
    scene.set_active_of(users[2], false).await;
    assert_eq!(scene.hears(STARTED).await, held, "it joins the hold that is open");
    scene.clock.advance(minutes(61));
    scene.set_active_of(users[3], false).await;
    assert_eq!(scene.hears(STARTED).await, ["complete"]);
}

#[tokio::test]
async fn rule_27_one_person_who_comes_and_goes_is_one_person() {
    let (scene, users) = scene(at_most(1), 1).await;
    for _ in 0..3 {
        scene.set_active_of(users[0], false).await;
        assert_eq!(scene.hears(STARTED).await, ["complete"]);
        scene.set_active_of(users[0], true).await;
    }
    scene.set_active_of(users[1], false).await;
    assert!(scene.hears(STARTED).await[0].starts_with("hold "), "what was removed counts");
}

/// A device may be heard of before the offboarding that it falls under.
#[tokio::test]
async fn rule_27_a_late_device_does_not_get_past_the_brake() {
    let (scene, users) = scene(at_most(1), 1).await;
    scene.set_active_of(users[0], false).await;
    scene.hears(STARTED).await;
    scene.set_active_of(users[1], false).await;
    scene.give_to(users[1], "late").await;
    let held = scene.hears("device.enrolled").await;
    assert!(held[0].starts_with("hold "), "{held:?}");
    assert_eq!(scene.hears(STARTED).await, [""; 0], "asked again, nothing more follows");
    assert_eq!(scene.hears("device.enrolled").await, [""; 0]);
    let events = scene.app.log().read(&scene.workspace, 0, 1_000).await.unwrap();
    assert_eq!(events.iter().filter(|it| it.name == "user.offboarding_held").count(), 1);
}

#[tokio::test]
async fn rule_27_whoever_was_approved_is_planned_for_whatever_the_brake_says() {
    let (scene, users) = scene(at_most(0), 0).await;
    scene.give_to(users[0], "first").await;
    scene.set_active_of(users[0], false).await;
    let held = scene.hears(STARTED).await;
    let hold = held[0].strip_prefix("hold ").unwrap().parse().unwrap();
    scene.approve(hold).await;
    assert_eq!(scene.hears("user.offboarding_approved").await, ["plan 1", "request"]);
    let late = scene.give_to(users[0], "late").await;
    assert_eq!(scene.hears("device.enrolled").await, ["plan 1", "request"]);
    scene.deliver(late).await;
}
