//! From facts to rows, and what queries make of them.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use domain::{
    group::GroupEvent,
    ids::{EntryId, MemberId},
    portal::Portal,
    user::UserEvent,
};
use expect_test::{Expect, expect};
use scim::resource::Changes;
use serde_json::{Value, json};

use super::DirectoryProjection;
use crate::testing::{Story, connector, id, resource};

pub(super) fn added(connector_name: &str, number: u128, mut value: Value) -> UserEvent {
    value["active"] = json!(true);
    UserEvent::EntryAdded {
        portal: Portal::Store,
        connector: connector(connector_name),
        entry: EntryId(id(number)),
        resource: resource(value),
    }
}

pub(super) fn group(name: &str) -> GroupEvent {
    GroupEvent::Created {
        portal: Portal::Store,
        connector: connector("okta"),
        resource: resource(json!({ "displayName": name })),
    }
}

pub(super) fn members(numbers: &[u128]) -> Vec<MemberId> {
    numbers.iter().map(|number| MemberId(id(*number))).collect()
}

pub(super) fn changes(value: Value) -> Changes {
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn check(story: &Story, expected: &Expect) {
    expected.assert_eq(&story.rows(&DirectoryProjection));
}

#[test]
fn an_entry_counts_its_own_changes() {
    let okta = connector("okta");
    let mut story = Story::new();
    story
        .user(1, added("okta", 1, json!({ "userName": "Ada@x", "externalId": "7" })))
        .user(1, UserEvent::AccountGranted { role: None })
        .user(1, added("entra", 2, json!({ "userName": "ADA@x" })))
        .user(
            1,
            UserEvent::EntryChanged {
                connector: okta.clone(),
                changes: changes(
                    json!({ "set": { "displayName": "Ada" }, "unset": ["externalId"] }),
                ),
            },
        )
        .user(1, UserEvent::EntryDeactivated { connector: okta });
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            entra	1	0	1	0	0
            okta	1	0	1	0	0
            [acme entries]
            entra	1	00000000-0000-0000-0000-000000000002	00000000-0000-0000-0000-000000000001	ADA@x	ada@x	\N	􏿿	\N	\N	1	1767225600003000	1767225600003000	1	{"active":true,"userName":"ADA@x"}
            okta	1	00000000-0000-0000-0000-000000000001	00000000-0000-0000-0000-000000000001	Ada@x	ada@x	Ada	ada	\N	\N	0	1767225600001000	1767225600005000	3	{"active":false,"displayName":"Ada","userName":"Ada@x"}
            [acme emails]
            [acme blocks]
            entra	0	0	1	1	0
            okta	0	0	1	0	1
            [acme groups]
            [acme members]
            [acme pending]
        "#]],
    );
}

#[test]
fn a_deleted_entry_leaves_its_name_and_keeps_the_numbers_of_others() {
    let mut story = Story::new();
    for number in 1..=3 {
        story.user(number, added("okta", number, json!({ "userName": format!("u{number}") })));
    }
    let (connector, entry) = (connector("okta"), EntryId(id(2)));
    story.user(2, UserEvent::EntryRemoved { connector, entry });
    story.user(4, added("okta", 4, json!({ "userName": "u2" })));
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            okta	4	0	3	0	0
            [acme entries]
            okta	1	00000000-0000-0000-0000-000000000001	00000000-0000-0000-0000-000000000001	u1	u1	\N	􏿿	\N	\N	1	1767225600001000	1767225600001000	1	{"active":true,"userName":"u1"}
            okta	3	00000000-0000-0000-0000-000000000003	00000000-0000-0000-0000-000000000003	u3	u3	\N	􏿿	\N	\N	1	1767225600003000	1767225600003000	1	{"active":true,"userName":"u3"}
            okta	4	00000000-0000-0000-0000-000000000004	00000000-0000-0000-0000-000000000004	u2	u2	\N	􏿿	\N	\N	1	1767225600005000	1767225600005000	1	{"active":true,"userName":"u2"}
            [acme emails]
            [acme blocks]
            okta	0	0	3	3	0
            [acme groups]
            [acme members]
            [acme pending]
        "#]],
    );
}

#[test]
fn a_group_has_the_members_that_its_facts_name() {
    let mut story = Story::new();
    story
        .user(1, added("okta", 1, json!({ "userName": "ada" })))
        .group(10, group("Sales"))
        .group(10, GroupEvent::MembersAdded { members: members(&[1, 2, 3]) })
        .group(10, GroupEvent::MembersAdded { members: members(&[3, 4]) })
        .group(10, GroupEvent::MembersRemoved { members: members(&[2, 9]) })
        .group(10, GroupEvent::MemberPending { value: "Bob@x".to_owned() })
        .group(10, GroupEvent::MemberPending { value: "Eve@x".to_owned() })
        .group(10, GroupEvent::MemberPending { value: "Dan@x".to_owned() })
        .group(10, GroupEvent::PendingResolved { pending: 5, member: MemberId(id(5)) })
        .group(10, GroupEvent::PendingDropped { pending: 6 })
        .group(
            10,
            GroupEvent::Changed { changes: changes(json!({ "set": { "displayName": "EMEA" } })) },
        );
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            okta	1	1	1	1	1
            [acme entries]
            okta	1	00000000-0000-0000-0000-000000000001	00000000-0000-0000-0000-000000000001	ada	ada	\N	􏿿	\N	\N	1	1767225600001000	1767225600001000	1	{"active":true,"userName":"ada"}
            [acme emails]
            [acme blocks]
            okta	0	0	1	1	0
            okta	1	0	1	0	0
            [acme groups]
            okta	1	store	00000000-0000-0000-0000-00000000000a	EMEA	emea	\N	4	1767225600002000	1767225600011000	10	{"displayName":"EMEA"}
            [acme members]
            okta	1	00000000-0000-0000-0000-000000000001
            okta	1	00000000-0000-0000-0000-000000000003
            okta	1	00000000-0000-0000-0000-000000000004
            okta	1	00000000-0000-0000-0000-000000000005
            [acme pending]
            okta	1	7	Dan@x	dan@x
        "#]],
    );
}

#[test]
fn a_deleted_group_leaves_nothing_behind() {
    let mut story = Story::new();
    story
        .group(10, group("Sales"))
        .group(10, GroupEvent::MembersAdded { members: members(&[1, 2]) })
        .group(10, GroupEvent::MemberPending { value: "Bob@x".to_owned() })
        .group(10, GroupEvent::Deleted {})
        .group(10, GroupEvent::MembersAdded { members: members(&[3]) });
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            okta	0	1	0	0	0
            [acme entries]
            [acme emails]
            [acme blocks]
            okta	1	0	0	0	0
            [acme groups]
            [acme members]
            [acme pending]
        "#]],
    );
}
