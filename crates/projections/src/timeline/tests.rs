//! From facts to rows, and what a timeline is made of.

use domain::{
    device::DeviceEvent,
    group::GroupEvent,
    ids::{ActionId, MemberId, OffboardingId, UserId},
    offboarding::ActionKind,
    portal::Portal,
};
use expect_test::expect;
use serde_json::json;

use super::Timeline;
use crate::testing::{Story, connector, id, resource, show, workspace};

const ADA: u128 = 1;
const BOB: u128 = 2;

fn created(name: &str) -> GroupEvent {
    let resource = resource(json!({ "displayName": name }));
    GroupEvent::Created { portal: Portal::Mdm, connector: connector("mdm"), resource }
}

fn added(members: &[u128]) -> GroupEvent {
    GroupEvent::MembersAdded { members: members.iter().map(|it| MemberId(id(*it))).collect() }
}

fn removed(members: &[u128]) -> GroupEvent {
    GroupEvent::MembersRemoved { members: members.iter().map(|it| MemberId(id(*it))).collect() }
}

fn enrolled(user: Option<u128>) -> DeviceEvent {
    DeviceEvent::Enrolled {
        serial: "S-1".to_owned(),
        platform: "ios".to_owned(),
        name: None,
        external_id: None,
        user: user.map(|user| UserId(id(user))),
        policy: None,
    }
}

fn story() -> Story {
    let action = ActionId(id(50));
    let mut story = Story::new();
    story
        .group(10, created("Sales"))
        .group(10, added(&[ADA, BOB]))
        .group(10, removed(&[BOB]))
        .group(10, GroupEvent::Deleted {})
        .device(20, enrolled(Some(ADA)))
        .device(20, DeviceEvent::Assigned { user: UserId(id(BOB)) })
        .device(20, DeviceEvent::PolicyChanged { policy: None })
        .device(
            20,
            DeviceEvent::ActionRequested {
                action,
                offboarding: OffboardingId(id(40)),
                user: UserId(id(BOB)),
                kind: ActionKind::Remove,
            },
        )
        .device(20, DeviceEvent::Assigned { user: UserId(id(ADA)) })
        .device(20, DeviceEvent::ActionConfirmed { action })
        .device(20, DeviceEvent::Removed {})
        .device(21, enrolled(None))
        .device(21, DeviceEvent::Unassigned {});
    story
}

#[test]
fn a_row_says_which_event_is_about_whom() {
    expect![[r"
        [acme mentions]
        00000000-0000-0000-0000-000000000001	2	00000000-0000-0000-0000-00000000000a	1
        00000000-0000-0000-0000-000000000001	5	\N	\N
        00000000-0000-0000-0000-000000000001	6	\N	\N
        00000000-0000-0000-0000-000000000001	9	\N	\N
        00000000-0000-0000-0000-000000000001	11	\N	\N
        00000000-0000-0000-0000-000000000002	2	00000000-0000-0000-0000-00000000000a	1
        00000000-0000-0000-0000-000000000002	3	00000000-0000-0000-0000-00000000000a	0
        00000000-0000-0000-0000-000000000002	6	\N	\N
        00000000-0000-0000-0000-000000000002	7	\N	\N
        00000000-0000-0000-0000-000000000002	8	\N	\N
        00000000-0000-0000-0000-000000000002	9	\N	\N
        00000000-0000-0000-0000-000000000002	10	\N	\N
        [acme deleted]
        00000000-0000-0000-0000-00000000000a	4
        [acme holders]
        [acme actions]
        00000000-0000-0000-0000-000000000032	00000000-0000-0000-0000-000000000002
    "]]
    .assert_eq(&story().rows(&Timeline));
}

#[test]
fn a_timeline_tells_of_groups_and_devices_in_order_and_in_parts() {
    let shown = show(&story());
    let positions = |who: &[u128], after, limit| {
        let who: Vec<_> = who.iter().map(|it| id(*it)).collect();
        shown.models.timelines().positions(&workspace(), &who, after, limit).unwrap()
    };
    // The group was deleted while Ada was in it; the device went to Bob and came back.
    assert_eq!(positions(&[ADA], 0, 100), [2, 4, 5, 6, 9, 11]);
    // Bob had left before; what was owed because of him ended after he had lost the device.
    assert_eq!(positions(&[BOB], 0, 100), [2, 3, 6, 7, 8, 9, 10]);
    assert_eq!(positions(&[ADA, BOB], 4, 3), [5, 6, 7]);
    assert_eq!(positions(&[ADA], 2, 1), [4]);
    assert!(positions(&[3], 0, 100).is_empty());
}
