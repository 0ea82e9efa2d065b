//! From facts to rows, for one of the portals that share them.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use domain::{
    ids::{EntryId, OffboardingId},
    portal::{Portal, Role},
    rule::OnDeactivate,
    user::{AccountState, UserEvent, event::RoleReason},
};
use expect_test::{Expect, expect};
use serde_json::json;

use crate::{
    dashboard::Dashboard,
    testing::{Story, connector, id, resource, show, workspace},
};

fn added(portal: Portal, name: &str, number: u128, user_name: &str) -> UserEvent {
    UserEvent::EntryAdded {
        portal,
        connector: connector(name),
        entry: EntryId(id(number)),
        resource: resource(json!({
            "userName": user_name, "active": true, "title": "Countess",
            "emails": [{ "value": format!("Mail.{user_name}") }],
        })),
    }
}

fn changed(name: &str, set: &serde_json::Value) -> UserEvent {
    let changes = serde_json::from_value(json!({ "set": set })).unwrap();
    UserEvent::EntryChanged { connector: connector(name), changes }
}

#[track_caller]
fn check(story: &Story, expected: &Expect) {
    expected.assert_eq(&story.rows(&Dashboard));
}

#[test]
fn an_account_follows_the_entry_that_changed_last() {
    let mut story = Story::new();
    story
        .user(1, added(Portal::Dashboard, "okta", 1, "Ada@x"))
        .user(1, UserEvent::AccountGranted { role: Some(Role::Viewer) })
        .user(1, added(Portal::Dashboard, "entra", 2, "ada@y"))
        .user(1, changed("okta", &json!({ "title": "Enchantress" })));
    check(
        &story,
        &expect![[r#"
            [acme accounts]
            00000000-0000-0000-0000-000000000001	1	active	ada@x	mail.ada@x	1767225600001000	{"portal":"dashboard","entries":{"entra":{"id":"00000000-0000-0000-0000-000000000002","resource":{"active":true,"emails":[{"value":"Mail.ada@y"}],"userName":"ada@y"},"created":1767225600003000,"modified":1767225600003000,"version":1},"okta":{"id":"00000000-0000-0000-0000-000000000001","resource":{"active":true,"emails":[{"value":"Mail.Ada@x"}],"userName":"Ada@x"},"created":1767225600001000,"modified":1767225600004000,"version":2}},"account":{"state":"active","source":"scim","role":"viewer","user_name":"Ada@x","email":"Mail.Ada@x","standing":{"provisioned":1767225600002000,"default_role":"viewer","by_hand":false}},"offboarding":null,"first":"00000000-0000-0000-0000-000000000001"}
            [acme account_entries]
            00000000-0000-0000-0000-000000000001	00000000-0000-0000-0000-000000000001
            00000000-0000-0000-0000-000000000002	00000000-0000-0000-0000-000000000001
        "#]],
    );
}

#[test]
fn the_people_of_other_portals_leave_no_row() {
    let mut story = Story::new();
    story
        .user(1, added(Portal::Store, "store", 1, "ada"))
        .user(1, UserEvent::AccountGranted { role: None })
        .user(1, changed("store", &json!({ "userName": "ida" })));
    check(
        &story,
        &expect![[r#"
        [acme accounts]
        [acme account_entries]
    "#]],
    );
}

#[test]
fn a_person_without_account_keeps_a_row() {
    let mut story = Story::new();
    story
        .user(1, added(Portal::Dashboard, "okta", 1, "ada"))
        .user(1, UserEvent::EntryRemoved { connector: connector("okta"), entry: EntryId(id(1)) });
    check(
        &story,
        &expect![[r#"
            [acme accounts]
            00000000-0000-0000-0000-000000000001	0	none	ada	mail.ada	1767225600001000	{"portal":"dashboard","entries":{},"account":{"state":"none","source":"scim","role":null,"user_name":"ada","email":"Mail.ada","standing":{"provisioned":null,"default_role":null,"by_hand":false}},"offboarding":null,"first":"00000000-0000-0000-0000-000000000001"}
            [acme account_entries]
        "#]],
    );
}

#[test]
fn an_account_made_by_hand_is_adopted_suspended_and_removed() {
    let offboarding = OffboardingId(id(77));
    let mut story = Story::new();
    story
        .user(
            1,
            UserEvent::AccountInvited {
                portal: Portal::Dashboard,
                user_name: "Ada@x".to_owned(),
                email: None,
                role: Some(Role::Unassigned),
            },
        )
        .user(1, UserEvent::RoleChanged { role: Role::Admin, why: RoleReason::ByHand })
        .user(1, added(Portal::Dashboard, "okta", 2, "ada@X"))
        .user(1, UserEvent::AccountAdopted { connector: connector("okta") })
        .user(1, UserEvent::EntryDeactivated { connector: connector("okta") })
        .user(
            1,
            UserEvent::OffboardingStarted {
                offboarding,
                connector: connector("okta"),
                rule: OnDeactivate::RemoveUser,
                policy: None,
            },
        )
        .user(1, UserEvent::AccountSuspended {});
    check(
        &story,
        &expect![[r#"
            [acme accounts]
            00000000-0000-0000-0000-000000000001	1	suspended	ada@x	mail.ada@x	1767225600001000	{"portal":"dashboard","entries":{"okta":{"id":"00000000-0000-0000-0000-000000000002","resource":{"active":false,"emails":[{"value":"Mail.ada@X"}],"userName":"ada@X"},"created":1767225600003000,"modified":1767225600005000,"version":2}},"account":{"state":"suspended","source":"scim","role":"admin","user_name":"ada@X","email":"Mail.ada@X","standing":{"provisioned":null,"default_role":null,"by_hand":true}},"offboarding":{"id":"00000000-0000-0000-0000-00000000004d","started":6,"connector":"okta","rule":"remove_user","policy":null,"held":false,"planned":[],"completed":false,"began":1767225600006000},"first":null}
            [acme account_entries]
            00000000-0000-0000-0000-000000000002	00000000-0000-0000-0000-000000000001
        "#]],
    );
    story
        .user(1, UserEvent::AccountRemoved {})
        .user(1, UserEvent::OffboardingCompleted { offboarding });
    check(
        &story,
        &expect![[r#"
            [acme accounts]
            00000000-0000-0000-0000-000000000001	0	removed	ada@x	mail.ada@x	1767225600001000	{"portal":"dashboard","entries":{"okta":{"id":"00000000-0000-0000-0000-000000000002","resource":{"active":false,"emails":[{"value":"Mail.ada@X"}],"userName":"ada@X"},"created":1767225600003000,"modified":1767225600005000,"version":2}},"account":{"state":"removed","source":"scim","role":"admin","user_name":"ada@X","email":"Mail.ada@X","standing":{"provisioned":null,"default_role":null,"by_hand":true}},"offboarding":{"id":"00000000-0000-0000-0000-00000000004d","started":6,"connector":"okta","rule":"remove_user","policy":null,"held":false,"planned":[],"completed":true,"began":1767225600006000,"ended":1767225600009000},"first":null}
            [acme account_entries]
            00000000-0000-0000-0000-000000000002	00000000-0000-0000-0000-000000000001
        "#]],
    );
}

/// Forty people of the Dashboard: three of four have an account, every eighth lost it.
fn people() -> Story {
    let mut story = Story::new();
    for number in 1..=40 {
        let name = format!("Person{number:02}@x");
        story.user(number, added(Portal::Dashboard, "okta", number, &name));
        if number % 4 != 0 {
            story.user(number, UserEvent::AccountGranted { role: Some(Role::Viewer) });
        }
    }
    for number in [1, 9, 17] {
        story.user(number, UserEvent::AccountRemoved {});
    }
    story.user(2, UserEvent::AccountSuspended {});
    story.user(3, added(Portal::Dashboard, "entra", 300, "person03@x"));
    story
}

#[test]
fn people_are_listed_by_name_page_by_page() {
    let shown = show(&people());
    let list = |q: Option<&str>, states: &[AccountState], limit| {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let accounts = shown.models.accounts();
            let page =
                accounts.list(&workspace(), Portal::Dashboard, q, states, limit, after.as_ref());
            let (rows, next) = page.unwrap();
            assert!(rows.len() <= limit);
            names.extend(rows.into_iter().map(|row| row.user_name[6..8].to_owned()));
            let Some(next) = next else { return names };
            after = Some(next.to_string().parse().unwrap());
        }
    };
    let standing = [AccountState::Active, AccountState::Suspended];
    let any =
        [AccountState::None, AccountState::Removed, AccountState::Active, AccountState::Suspended];
    let expected: Vec<_> = (1..=40)
        .filter(|it| it % 4 != 0 && ![1, 9, 17].contains(it))
        .map(|it| format!("{it:02}"))
        .collect();
    for limit in [1, 7, 27, 100] {
        assert_eq!(list(None, &standing, limit), expected);
    }
    assert_eq!(list(None, &any, 7).len(), 40);
    assert_eq!(list(None, &[AccountState::Removed], 2), ["01", "09", "17"]);
    assert_eq!(list(None, &[AccountState::Suspended], 2), ["02"]);
    assert_eq!(list(Some("PERSON1"), &any, 3).len(), 10);
    assert_eq!(
        list(Some("mail.person2"), &standing, 3),
        ["21", "22", "23", "25", "26", "27", "29"]
    );
    assert!(list(Some("nobody"), &any, 3).is_empty());
}

#[test]
fn a_person_is_found_by_any_of_their_ids() {
    let shown = show(&people());
    let get =
        |number| shown.models.accounts().get(&workspace(), Portal::Dashboard, id(number)).unwrap();
    let ada = get(3).unwrap();
    assert_eq!(
        (ada.id.0, ada.account, ada.role),
        (id(3), AccountState::Active, Some(Role::Viewer))
    );
    assert_eq!(ada.email.as_deref(), Some("Mail.person03@x"));
    let entries: Vec<_> = ada.scim.iter().map(|it| (it.connector.as_str(), it.id.0)).collect();
    assert_eq!(entries, [("entra", id(300)), ("okta", id(3))]);
    assert_eq!(get(300).unwrap(), ada);
    assert_eq!(get(4).unwrap().account, AccountState::None);
    assert_eq!(get(999), None);
    let elsewhere = shown.models.accounts().get(&workspace(), Portal::Store, id(3)).unwrap();
    assert_eq!(elsewhere, None);
}

#[test]
fn metadata_is_shown_while_its_entry_is_there() {
    let metadata = |set: &serde_json::Value, unset: &[&str]| UserEvent::MetadataChanged {
        connector: connector("okta"),
        set: serde_json::from_value(set.clone()).unwrap(),
        unset: unset.iter().map(|&name| name.to_owned()).collect(),
    };
    let of_ada = |story: &Story| {
        let found = show(story).models.accounts().get(&workspace(), Portal::Dashboard, id(1));
        json!(found.unwrap().unwrap().metadata)
    };
    let mut story = Story::new();
    story
        .user(1, added(Portal::Dashboard, "okta", 1, "ada"))
        .user(1, metadata(&json!({ "honour": "Countess", "floor": "3" }), &[]))
        .user(1, metadata(&json!({ "honour": "Lady" }), &["floor"]));
    assert_eq!(of_ada(&story), json!({ "honour": "Lady" }));
    story.user(1, UserEvent::EntryRemoved { connector: connector("okta"), entry: EntryId(id(1)) });
    assert_eq!(of_ada(&story), json!({}));
}
