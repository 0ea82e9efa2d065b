//! From facts of devices to rows.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use domain::{
    device::DeviceEvent,
    ids::{ActionId, DeviceId, OffboardingId, PolicyId, UserId},
    offboarding::ActionKind,
    workspace::{Plan, WorkspaceEvent},
};
use expect_test::{Expect, expect};

use super::Mdm;
use crate::testing::{Story, id, show, workspace};

#[track_caller]
fn check(story: &Story, expected: &Expect) {
    expected.assert_eq(&story.rows(&Mdm));
}

pub(crate) fn enrolled(serial: &str, user: Option<u128>, policy: Option<u128>) -> DeviceEvent {
    DeviceEvent::Enrolled {
        serial: serial.to_owned(),
        platform: "ios".to_owned(),
        name: Some(format!("{serial}'s phone")),
        external_id: None,
        user: user.map(|user| UserId(id(user))),
        policy: policy.map(|policy| PolicyId(id(policy))),
    }
}

#[test]
fn a_device_is_what_its_facts_make_of_it() {
    let action = ActionId(id(99));
    let mut story = Story::new();
    story
        .device(1, enrolled("A1", Some(7), None))
        .device(2, enrolled("B2", None, Some(50)))
        .device(2, DeviceEvent::Assigned { user: UserId(id(8)) })
        .device(2, DeviceEvent::PolicyChanged { policy: Some(PolicyId(id(51))) })
        .device(
            1,
            DeviceEvent::ActionRequested {
                action,
                offboarding: OffboardingId(id(77)),
                user: UserId(id(7)),
                kind: ActionKind::Remove,
            },
        )
        .device(1, DeviceEvent::ActionSent { action, attempt: 1 });
    check(
        &story,
        &expect![[r#"
        [acme accounts]
        [acme account_entries]
        [acme devices]
        00000000-0000-0000-0000-000000000001	a1	a1's phone	removing	00000000-0000-0000-0000-000000000007	\N	{"state":"removing","serial":"A1","platform":"ios","name":"A1's phone","user":"00000000-0000-0000-0000-000000000007","policy":null,"actions":{"00000000-0000-0000-0000-000000000063":{"offboarding":"00000000-0000-0000-0000-00000000004d","user":"00000000-0000-0000-0000-000000000007","kind":{"action":"remove"},"state":"sent","attempts":1,"answers":0,"received":false,"requested":1767225600005000}}}
        00000000-0000-0000-0000-000000000002	b2	b2's phone	enrolled	00000000-0000-0000-0000-000000000008	00000000-0000-0000-0000-000000000033	{"state":"enrolled","serial":"B2","platform":"ios","name":"B2's phone","user":"00000000-0000-0000-0000-000000000008","policy":"00000000-0000-0000-0000-000000000033","actions":{}}
        [acme policies]
    "#]],
    );
    story
        .device(1, DeviceEvent::ActionConfirmed { action })
        .device(1, DeviceEvent::Removed {})
        .device(2, DeviceEvent::Unassigned {});
    check(
        &story,
        &expect![[r#"
        [acme accounts]
        [acme account_entries]
        [acme devices]
        00000000-0000-0000-0000-000000000001	a1	a1's phone	removed	\N	\N	{"state":"removed","serial":"A1","platform":"ios","name":"A1's phone","user":null,"policy":null,"actions":{"00000000-0000-0000-0000-000000000063":{"offboarding":"00000000-0000-0000-0000-00000000004d","user":"00000000-0000-0000-0000-000000000007","kind":{"action":"remove"},"state":"confirmed","attempts":1,"answers":0,"received":false,"requested":1767225600005000}}}
        00000000-0000-0000-0000-000000000002	b2	b2's phone	enrolled	\N	00000000-0000-0000-0000-000000000033	{"state":"enrolled","serial":"B2","platform":"ios","name":"B2's phone","user":null,"policy":"00000000-0000-0000-0000-000000000033","actions":{}}
        [acme policies]
    "#]],
    );
}

#[test]
fn policies_are_those_of_the_workspace() {
    let mut story = Story::new();
    let policy = PolicyId(id(50));
    story
        .setting(WorkspaceEvent::Created { name: "Acme".to_owned(), plan: Plan::Enterprise })
        .setting(WorkspaceEvent::PolicyAdded { policy, name: "Locked".into() })
        .setting(WorkspaceEvent::PolicyAdded { policy: PolicyId(id(51)), name: "Open".into() })
        .setting(WorkspaceEvent::PolicyRemoved { policy });
    check(
        &story,
        &expect![[r#"
        [acme accounts]
        [acme account_entries]
        [acme devices]
        [acme policies]
        00000000-0000-0000-0000-000000000033	Open
    "#]],
    );
    story.setting(WorkspaceEvent::Closed { gave_up: None });
    check(
        &story,
        &expect![[r#"
        [acme accounts]
        [acme account_entries]
        [acme devices]
        [acme policies]
    "#]],
    );
}

#[test]
fn devices_are_found_by_id_person_policy_and_name() {
    let mut story = Story::new();
    for number in 1..=9 {
        let policy = (number % 2 == 0).then_some(50);
        story.device(number, enrolled(&format!("S{number}"), Some(number % 3), policy));
    }
    story.device(4, DeviceEvent::Removed {});
    let shown = show(&story);
    let devices = shown.models.devices();
    let ids = |rows: Vec<super::DeviceRow>| -> Vec<_> {
        rows.into_iter().map(|row| row.id.0.as_u128()).collect()
    };
    let got = devices.get(&workspace(), DeviceId(id(5))).unwrap().unwrap();
    assert_eq!((got.serial.as_str(), got.platform.as_str()), ("S5", "ios"));
    assert_eq!((got.name.as_deref(), got.user), (Some("S5's phone"), Some(UserId(id(2)))));
    assert_eq!(devices.get(&workspace(), DeviceId(id(10))).unwrap(), None);
    assert_eq!(ids(devices.of_user(&workspace(), UserId(id(1))).unwrap()), [1, 7]);
    assert_eq!(devices.under_policy(&workspace(), PolicyId(id(50))).unwrap(), 3);
    let (first, next) = devices.list(&workspace(), None, 5, None).unwrap();
    let (rest, end) = devices.list(&workspace(), None, 5, next.as_ref()).unwrap();
    assert_eq!((ids(first), ids(rest)), (vec![1, 2, 3, 4, 5], vec![6, 7, 8, 9]));
    assert_eq!(end, None);
    let (named, _) = devices.list(&workspace(), Some("S7'S"), 5, None).unwrap();
    assert_eq!(ids(named), [7]);
}
