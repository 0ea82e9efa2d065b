//! Erasures that were decided, and then cut off.

use app::{Order, admin::accounts::Invitation};
use domain::{
    Decider as _,
    device::DeviceState,
    ids::{ErasureId, UserId},
    portal::Portal,
    rule::OnDeactivate,
    user::{AccountState, Erase, Namesake, User, UserCommand},
};
use event_log::{Erasure, Meta, StreamId};
use uuid::Uuid;

use crate::{
    fake::{Doing, Fake},
    running::{START, Scene, person},
};

/// What is left where a server dies right after the decision: nobody asks for the others any more.
#[tokio::test]
async fn an_erasure_for_all_portals_goes_on_to_the_others_by_itself() {
    let scene = Scene::set(OnDeactivate::RemoveUser).await;
    let (app, workspace) = (&scene.app, &scene.workspace);
    let mut others = Vec::new();
    for portal in [Portal::Store, Portal::Dashboard] {
        // Of another name, so that only the first one knows of both.
        let user_name = format!("ada-{}@acme.example", portal.as_str());
        let invitation = Invitation { user_name, email: None, role: None };
        let other = app.invite(&person(), workspace, portal, invitation).await.unwrap();
        others.push(Namesake::going(portal, other.id));
    }
    let erasure = ErasureId(Uuid::from_u128(4711));
    let erase = Erase {
        erasure,
        via: None,
        reason: Some("4711".into()),
        devices: Vec::new(),
        others: others.clone(),
        again: None,
    };
    let meta = Meta { actor: "owner".into(), ..Meta::default() };
    let command = UserCommand::Erase(Box::new(erase));
    let order = Order { workspace: workspace.clone(), id: scene.user.0, command, meta };
    app.users().dispatch(order).await.unwrap();
    let first = app.certificate(workspace, erasure).await.unwrap();
    assert!(first.completed, "{first:?}");
    for other in first.others {
        let second = app.certificate(workspace, other.erasure.unwrap()).await.unwrap();
        assert_eq!((second.user, second.reason.as_deref()), (other.person.user, Some("4711")));
        assert!(second.completed && second.by == first.by, "{second:?}");
        assert!(
            second.others.iter().any(|it| it.person.user == UserId(scene.user.0)),
            "{second:?}"
        );
    }
}

/// As a log is opened that is older than an erasure of the ledger: keys are gone, and no event says so.
#[tokio::test]
async fn an_erasure_that_a_restored_log_lacks_is_recorded_again_and_loses_no_wipe() {
    for open in [true, false] {
        let mut scene = Scene::set(OnDeactivate::RemoveUserAndDevices).await;
        let devices = [scene.give("1", "ios").await, scene.give("2", "ios").await];
        if open {
            scene.set_active(false).await;
        }
        let erasure = ErasureId(Uuid::from_u128(4711));
        let workspace = scene.workspace.clone();
        let stream = StreamId::new(User::KIND, scene.user.0);
        let events = scene.app.log().read_stream(&workspace, &stream, 0, 100).await.unwrap();
        let keys = events.iter().filter_map(|event| event.key).collect();
        let (user, entries) = (scene.user.0, vec![scene.user.0]);
        let lost = Erasure { id: erasure.0, workspace, user, entries, keys, at: START };
        scene.app.log().erase(lost).await.unwrap();
        let fake = Fake::new("fake", &scene.clock, Doing::Fine);
        scene.start_again();
        let certificate = scene.app.certificate(&scene.workspace, erasure).await.unwrap();
        assert!(certificate.completed && certificate.again.is_some(), "{certificate:?}");
        assert_eq!((certificate.remains.portal, certificate.at), (Portal::Mdm, START));
        assert_eq!(
            (&certificate.devices[..], certificate.remains.entries.len()),
            (&devices[..], 1)
        );
        scene.run(&scene.deliverer(fake.alone())).await;
        for id in devices {
            let device = scene.device(id).await;
            let wiped = device.state == DeviceState::Removed;
            assert!(wiped == open && (wiped || device.user.is_none()), "{device:?}");
        }
        assert_eq!(fake.sends(), if open { 2 } else { 0 });
        assert_eq!(scene.person().await.account.state, AccountState::Removed);
    }
}
