//! The planner and the deliverer over a real log, in orders that a crash or a busy server may bring.

use std::sync::Arc;

use domain::{Event, device::ActionState, rule::OnDeactivate, user::UserEvent};
use reactor::{
    deliverer::{CALLS_PER_SECOND, Deliverer},
    service::{BoxFuture, DeviceOrder, Mdm, MdmError, Only, Standing},
};

use crate::scene::Scene;

#[tokio::test]
async fn what_was_assigned_before_an_offboarding_is_left_to_its_plan() {
    let scene = Scene::set(OnDeactivate::RemoveUserAndDevices).await;
    scene.give("first").await;
    scene.set_active(false).await;
    // The assignment is heard late: by now the person is being offboarded.
    assert_eq!(scene.hears("device.enrolled").await, [""; 0]);
    assert_eq!(scene.hears("user.offboarding_started").await, ["plan 1", "request"]);
}

#[tokio::test]
async fn an_offboarding_is_not_complete_before_every_device_is_planned_for() {
    let scene = Scene::set(OnDeactivate::RemoveUserAndDevices).await;
    scene.give("first").await;
    scene.give("second").await;
    scene.set_active(false).await;
    // Assigned later, and carried out first, as after a crash.
    let late = scene.give("late").await;
    assert_eq!(scene.hears("device.enrolled").await, ["plan 1", "request"]);
    scene.deliver(late).await;
    assert_eq!(scene.hears("device.action_confirmed").await, ["plan 2", "request", "request"]);
    let Event::User(UserEvent::OffboardingPlanned { actions, .. }) =
        scene.last("user.offboarding_planned").await.event
    else {
        unreachable!("the name says so")
    };
    for planned in actions {
        scene.deliver(planned.device).await;
    }
    assert_eq!(scene.hears("device.action_confirmed").await, ["complete"]);
}

/// An MDM service that is not to be called.
struct Nobody;

impl Mdm for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        unreachable!("an order was sent for somebody who is active: {order:?}")
    }

    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        unreachable!("nothing was sent that could be asked about: {order:?}")
    }
}

#[tokio::test]
async fn what_was_requested_is_not_sent_once_the_person_is_active_again() {
    let scene = Scene::set(OnDeactivate::RemoveUserAndDevices).await;
    let id = scene.give("first").await;
    scene.set_active(false).await;
    scene.hears("user.offboarding_started").await;
    // The policy that takes the request back has not heard of it yet.
    scene.set_active(true).await;
    let services = Arc::new(Only(Arc::new(Nobody)));
    let deliverer = Deliverer::new(Arc::clone(&scene.app), services, CALLS_PER_SECOND);
    assert_eq!(deliverer.turn().await.unwrap(), None, "nothing is left to be done");
    let device = scene.app.devices().load(&scene.workspace, id.0).await.unwrap();
    assert_eq!(device.state.actions.values().next().unwrap().state, ActionState::Cancelled);
}

#[tokio::test]
async fn whoever_is_given_a_device_back_gets_the_rule_again() {
    let scene = Scene::set(OnDeactivate::Unassign).await;
    let device = scene.give("first").await;
    scene.set_active(false).await;
    assert_eq!(scene.hears("user.offboarding_started").await, ["plan 1", "request"]);
    scene.deliver(device).await;
    assert_eq!(scene.hears("device.action_confirmed").await, ["complete"]);
    for _ in 0..2 {
        scene.give_back(device).await;
        // The offboarding is over: what is requested is a fact of the device alone.
        assert_eq!(scene.hears("device.assigned").await, ["plan 1", "request"]);
        let known = scene.app.devices().load(&scene.workspace, device.0).await.unwrap();
        let open = known.state.actions.values().filter(|it| !it.state.ended());
        assert_eq!(open.count(), 1);
        scene.deliver(device).await;
        let known = scene.app.devices().load(&scene.workspace, device.0).await.unwrap();
        assert_eq!(known.state.user, None);
        // Heard again after a crash, when it is nobody's any more.
        assert_eq!(scene.hears("device.assigned").await, [""; 0]);
    }
}
