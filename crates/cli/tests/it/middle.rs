//! What happens in the middle of an offboarding, through SCIM and the API: each decided in
//! `docs/offboarding.md`.
//!
//! In the middle means: of two devices the service of the one has taken its order and is not done, and the
//! service of the other takes none. What else happens there, without a server, stands in `middle` of
//! `crates/reactor/tests/it`.

mod scene;

use serde_json::json;
use testkit::scim;

use self::scene::{Brake, Scene};

const WIPES: &str = "remove_user_and_devices";

#[tokio::test]
async fn a_deletion_in_the_middle_changes_nothing() {
    let mut scene = Scene::in_the_middle(WIPES).await;
    scene.delete().await;
    assert_eq!(scene.effects().await, ["acknowledged", "failed"]);
    scene.go_on_to_the_end().await;
    assert_eq!(scene.offboardings().await, ["completed"], "one deactivation, one offboarding");
    assert_eq!(scene.account().await, "removed");
    assert_eq!(scene.devices().await, ["removed", "removed"]);
    assert_eq!(scene.orders(), [1, 2]);
}

#[tokio::test]
async fn an_arrival_in_the_middle_is_a_reactivation_with_another_id() {
    let mut scene = Scene::in_the_middle(WIPES).await;
    scene.delete().await;
    let again = scene.bring("ada@acme.example").await;
    assert_ne!(again, scene.ada);
    scene.is_taken_back_as_far_as_it_goes("reactivated").await;
}

#[tokio::test]
async fn a_reactivation_in_the_middle_takes_back_what_was_not_sent() {
    let mut scene = Scene::in_the_middle(WIPES).await;
    scene.set_active(true).await;
    scene.is_taken_back_as_far_as_it_goes("reactivated").await;
}

#[tokio::test]
async fn another_rule_in_the_middle_is_for_later_deactivations() {
    let mut scene = Scene::in_the_middle(WIPES).await;
    scene.rule("nothing", Brake::Off).await;
    assert_eq!(scene.effects().await, ["acknowledged", "failed"]);
    scene.go_on_to_the_end().await;
    assert_eq!(scene.offboardings().await, ["completed"]);
    assert_eq!(scene.account().await, "removed");
    assert_eq!(scene.devices().await, ["removed", "removed"]);
}

#[tokio::test]
async fn a_device_that_moves_in_the_middle_is_spared() {
    let mut scene = Scene::in_the_middle("remove_user").await;
    for device in scene.device_ids.clone() {
        scene.give_to_bob(&device).await.expect(200).unwrap();
    }
    assert_eq!(scene.effects().await, ["acknowledged", "cancelled"]);
    scene.go_on_to_the_end().await;
    assert_eq!(scene.offboardings().await, ["completed"]);
    assert_eq!(scene.account().await, "removed");
    // The service that had taken its order has acted on it; the record is about whoever has the device.
    assert_eq!(scene.effects().await, ["confirmed", "cancelled"]);
    assert_eq!(scene.owners().await, [Some(scene.bob.clone()), Some(scene.bob.clone())]);
    assert_eq!(scene.orders(), [1, 1]);
}

#[tokio::test]
async fn a_device_that_is_being_removed_does_not_move() {
    let mut scene = Scene::in_the_middle(WIPES).await;
    for device in scene.device_ids.clone() {
        let refused = scene.give_to_bob(&device).await.expect(409).unwrap();
        assert!(refused["detail"].as_str().unwrap().contains("being removed"), "{refused}");
    }
    scene.go_on_to_the_end().await;
    assert_eq!(scene.devices().await, ["removed", "removed"]);
}

#[tokio::test]
async fn nobody_loses_a_wipe_by_tidying_up() {
    let mut scene = Scene::in_the_middle(WIPES).await;
    let [taken, waiting] = scene.effect_ids().await;
    for (place, effect, way_out) in [(0, &taken, "give it up"), (1, &waiting, "cancel it")] {
        let refused = scene.remove_device(place).await.expect(409).unwrap();
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(effect.as_str()) && detail.contains(way_out), "{detail}");
    }
    assert_eq!(scene.effects().await, ["acknowledged", "failed"]);
    scene.steer(&taken, "give-up", json!({ "reason": "it is at the bottom of a lake" })).await;
    scene.steer(&waiting, "cancel", json!({})).await;
    for place in 0..2 {
        scene.remove_device(place).await.expect(204).unwrap();
    }
    scene.ended().await;
    assert_eq!(scene.offboardings().await, ["completed"]);
    assert_eq!(scene.orders(), [1, 1]);
}

#[tokio::test]
async fn a_removal_by_hand_tells_nobody_where_no_wipe_is_owed() {
    let mut scene = Scene::in_the_middle("remove_user").await;
    for place in 0..2 {
        scene.remove_device(place).await.expect(204).unwrap();
    }
    scene.go_on_to_the_end().await;
    assert_eq!(scene.effects().await, ["given_up", "cancelled"]);
    assert_eq!((scene.account().await.as_str(), scene.orders()), ("removed", [1, 1]));
}

#[tokio::test]
async fn rule_27_whoever_is_deleted_while_held_is_undone_like_anybody() {
    let mut scene = Scene::held(WIPES).await;
    scene.delete().await;
    assert_eq!(scene.offboardings().await, ["held"]);
    let refused = scene.remove_device(0).await.expect(409).unwrap();
    assert!(refused["detail"].as_str().unwrap().contains("undo it"), "{refused}");
    scene.undo().await.expect(200).unwrap();
    scene.nothing_has_happened("undone").await;
    // The entry is gone all the same; whoever comes under the name takes up the account.
    scene.entry_is_gone().await;
    scene.bring("ada@acme.example").await;
    assert_eq!((scene.account().await.as_str(), scene.accounts().await), ("active", 2));
    // In the middle of what was approved it is the same, as far as it goes.
    let mut scene = Scene::approved(WIPES).await;
    scene.delete().await;
    scene.undo().await.expect(200).unwrap();
    scene.is_taken_back_as_far_as_it_goes("undone").await;
}

#[tokio::test]
async fn rule_27_whoever_has_come_back_leaves_nothing_to_undo() {
    for approved in [false, true] {
        for arrives in [false, true] {
            let mut scene = Scene::held(WIPES).await;
            if approved {
                scene.is_approved().await;
            }
            if arrives {
                scene.delete().await;
                scene.bring("ada@acme.example").await;
            } else {
                scene.set_active(true).await;
            }
            let refused = scene.undo().await.expect(409).unwrap();
            assert!(refused["detail"].as_str().unwrap().contains("cancelled already"), "{refused}");
            if approved {
                scene.is_taken_back_as_far_as_it_goes("reactivated").await;
            } else {
                scene.nothing_has_happened("reactivated").await;
            }
        }
    }
}

#[tokio::test]
async fn rule_27_another_rule_does_not_decide_about_whom_is_held() {
    let mut scene = Scene::held(WIPES).await;
    scene.rule("nothing", Brake::Off).await;
    assert_eq!(scene.offboardings().await, ["held"]);
    scene.undo().await.expect(200).unwrap();
    scene.nothing_has_happened("undone").await;
    // Another deactivation follows the rule that there is then.
    scene.set_active(true).await;
    scene.set_active(false).await;
    assert_eq!((scene.account().await.as_str(), scene.offboardings().await.len()), ("active", 1));

    let mut scene = Scene::approved(WIPES).await;
    scene.rule("nothing", Brake::Off).await;
    scene.undo().await.expect(200).unwrap();
    scene.is_taken_back_as_far_as_it_goes("undone").await;
}

#[tokio::test]
async fn rule_27_a_device_that_moved_stays_where_it_is_when_the_hold_is_undone() {
    for approved in [false, true] {
        let mut scene = Scene::held("remove_user").await;
        if approved {
            scene.is_approved().await;
        }
        let device = scene.device_ids[1].clone();
        scene.give_to_bob(&device).await.expect(200).unwrap();
        scene.undo().await.expect(200).unwrap();
        assert_eq!(
            (scene.account().await, scene.offboardings().await),
            ("active".into(), vec!["cancelled".to_owned()])
        );
        if approved {
            scene.go_on_to_the_end().await;
            assert_eq!(scene.effects().await, ["confirmed", "cancelled"]);
            // What the service had taken is done and recorded.
            assert_eq!(scene.owners().await, [None, Some(scene.bob.clone())]);
        } else {
            assert_eq!(scene.owners().await, [Some(scene.ada.clone()), Some(scene.bob.clone())]);
            assert_eq!(scene.orders(), [0, 0]);
        }
    }
}

#[tokio::test]
async fn what_is_active_again_may_be_deactivated_again() {
    let mut scene = Scene::in_the_middle("remove_user").await;
    scene.set_active(true).await;
    scene.set_active(false).await;
    scene.go_on_to_the_end().await;
    assert_eq!(scene.offboardings().await, ["completed", "cancelled"]);
    assert_eq!(scene.owners().await, [None, None]);
    let mut client = scene.client();
    let path = format!("/Users/{}", scene.ada);
    let entry = client.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(entry["active"], false);
    client.patch(&path, scim::active(false)).await.unwrap().expect(200).unwrap();
    assert_eq!(scene.offboardings().await.len(), 2);
}
