//! From facts of devices to rows.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use domain::{
    device::DeviceEvent,
    ids::{ActionId, OffboardingId, PolicyId, UserId},
    offboarding::ActionKind,
    workspace::{Plan, WorkspaceEvent},
};
use expect_test::{Expect, expect};

use super::Mdm;
use crate::testing::{Story, id};

#[track_caller]
fn check(story: &Story, expected: &Expect) {
    expected.assert_eq(&story.rows(&Mdm));
}

pub(crate) fn enrolled(serial: &str, user: Option<u128>, policy: Option<u128>) -> DeviceEvent {
    DeviceEvent::Enrolled {
        serial: serial.to_owned(),
        platform: "ios".to_owned(),
        name: Some(format!("{serial}'s phone")),
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
        00000000-0000-0000-0000-000000000001	a1	a1's phone	removing	00000000-0000-0000-0000-000000000007	\N	{"state":"removing","serial":"A1","platform":"ios","name":"A1's phone","user":"00000000-0000-0000-0000-000000000007","policy":null,"actions":{"00000000-0000-0000-0000-000000000063":{"offboarding":"00000000-0000-0000-0000-00000000004d","user":"00000000-0000-0000-0000-000000000007","kind":{"action":"remove"},"state":"sent","attempts":1,"requested":1767225600005000}}}
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
        00000000-0000-0000-0000-000000000001	a1	a1's phone	removed	\N	\N	{"state":"removed","serial":"A1","platform":"ios","name":"A1's phone","user":null,"policy":null,"actions":{"00000000-0000-0000-0000-000000000063":{"offboarding":"00000000-0000-0000-0000-00000000004d","user":"00000000-0000-0000-0000-000000000007","kind":{"action":"remove"},"state":"confirmed","attempts":1,"requested":1767225600005000}}}
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
    story.setting(WorkspaceEvent::Closed {});
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
