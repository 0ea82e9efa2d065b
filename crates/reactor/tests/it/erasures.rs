//! Erasures that were decided, and then cut off.

use app::{Order, admin::accounts::Invitation};
use domain::{
    ids::{ErasureId, UserId},
    portal::Portal,
    rule::OnDeactivate,
    user::{Erase, Namesake, UserCommand},
};
use event_log::Meta;
use uuid::Uuid;

use crate::running::{Scene, person};

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
        others.push(Namesake { portal, user: other.id });
    }
    let erasure = ErasureId(Uuid::from_u128(4711));
    let erase = Erase {
        erasure,
        via: None,
        reason: Some("4711".into()),
        devices: Vec::new(),
        others: others.clone(),
        all_portals: true,
    };
    let meta = Meta { actor: "owner".into(), ..Meta::default() };
    let command = UserCommand::Erase(Box::new(erase));
    let order = Order { workspace: workspace.clone(), id: scene.user.0, command, meta };
    app.users().dispatch(order).await.unwrap();
    let first = app.certificate(workspace, erasure).await.unwrap();
    assert!(first.completed, "{first:?}");
    for (other, erased) in first.others {
        let second = app.certificate(workspace, erased.unwrap()).await.unwrap();
        assert_eq!((second.user, second.reason.as_deref()), (other.user, Some("4711")));
        assert!(second.completed && second.by == first.by, "{second:?}");
        assert!(second.others.iter().any(|it| it.0.user == UserId(scene.user.0)), "{second:?}");
    }
}
