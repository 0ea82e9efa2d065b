//! From facts of users and devices to what is owed.

use domain::{
    device::{ActionState, DeviceEvent, FailedBecause},
    ids::{ActionId, DeviceId, HoldId, OffboardingId, UserId},
    offboarding::{ActionKind, CancelledBecause, HeldBecause, Limit, Planned},
    portal::Portal,
    rule::OnDeactivate,
    user::UserEvent,
    workspace::{Idp, WorkspaceEvent},
};
use expect_test::{Expect, expect};
use rusqlite::params;

use super::{ActionRow, EffectsProjection, OffboardingState, Queue, actions};
use crate::testing::{START, Story, connector, id, show, workspace};

#[track_caller]
fn check(story: &Story, expected: &Expect) {
    expected.assert_eq(&story.rows(&EffectsProjection));
}

fn action(number: u128) -> ActionId {
    ActionId(id(number))
}

fn started(number: u128, rule: OnDeactivate) -> UserEvent {
    UserEvent::OffboardingStarted {
        offboarding: OffboardingId(id(number)),
        connector: connector("mdm"),
        rule,
        policy: None,
    }
}

fn requested(number: u128, offboarding: u128, kind: ActionKind) -> DeviceEvent {
    DeviceEvent::ActionRequested {
        action: action(number),
        offboarding: OffboardingId(id(offboarding)),
        user: UserId(id(1)),
        kind,
    }
}

fn cancelled(number: u128) -> DeviceEvent {
    DeviceEvent::ActionCancelled { action: action(number), reason: None }
}

fn failed(number: u128, because: FailedBecause, retry_at: i64) -> DeviceEvent {
    let (action, reason) = (action(number), "busy".to_owned());
    DeviceEvent::ActionFailed { action, reason, because, retry_at }
}

/// The last digits of the ids of the actions that are due.
fn due(story: &Story, now: i64) -> Vec<u8> {
    let connection = story.filled(&EffectsProjection);
    let mut statement = connection.prepare(actions::DUE).unwrap();
    let queue = params!["acme", "", now, 100];
    let ids = statement.query_map(queue, |row| row.get::<_, [u8; 16]>(2)).unwrap();
    ids.map(|id| id.unwrap()[15]).collect()
}

#[test]
fn an_offboarding_is_followed_to_its_end() {
    let offboarding = OffboardingId(id(70));
    let mut story = Story::new();
    story
        .setting(WorkspaceEvent::ConnectorAdded {
            connector: connector("mdm"),
            portal: Portal::Mdm,
            idp: Idp::Okta,
        })
        .user(1, started(70, OnDeactivate::Unassign))
        .user(
            1,
            UserEvent::OffboardingHeld { offboarding, because: HeldBecause::Owner, hold: None },
        );
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            mdm	mdm
            [acme offboardings]
            2	00000000-0000-0000-0000-000000000046	00000000-0000-0000-0000-000000000001	mdm	mdm	unassign	\N	held	1767225600002000	\N	0	00000000-0000-0000-0000-000000000046	3	1767225600003000	"owner"	0	\N
            [acme holds]
            3	00000000-0000-0000-0000-000000000046	mdm	"owner"	1767225600003000	0	1
            [acme devices]
            [acme actions]
            [acme suspended]
            [acme counts]
        "#]],
    );
    let actions = vec![
        Planned { action: action(11), device: DeviceId(id(5)) },
        Planned { action: action(12), device: DeviceId(id(6)) },
    ];
    story
        .user(1, UserEvent::OffboardingPlanned { offboarding, actions })
        .device(5, requested(11, 70, ActionKind::Unassign))
        .device(5, DeviceEvent::ActionSent { action: action(11), attempt: 1 })
        .device(5, DeviceEvent::ActionConfirmed { action: action(11) })
        .user(1, UserEvent::OffboardingCompleted { offboarding })
        .user(2, started(71, OnDeactivate::RemoveUser))
        .user(
            2,
            UserEvent::OffboardingCancelled {
                offboarding: OffboardingId(id(71)),
                because: CancelledBecause::Reactivated,
            },
        );
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            mdm	mdm
            [acme offboardings]
            2	00000000-0000-0000-0000-000000000046	00000000-0000-0000-0000-000000000001	mdm	mdm	unassign	\N	completed	1767225600002000	1767225600008000	2	00000000-0000-0000-0000-000000000046	3	1767225600003000	"owner"	0	\N
            9	00000000-0000-0000-0000-000000000047	00000000-0000-0000-0000-000000000002	mdm	mdm	remove_user	\N	cancelled	1767225600009000	1767225600010000	0	\N	\N	\N	\N	\N	reactivated
            [acme holds]
            3	00000000-0000-0000-0000-000000000046	mdm	"owner"	1767225600003000	0	0
            [acme devices]
            [acme actions]
            5	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000005		00000000-0000-0000-0000-000000000046	00000000-0000-0000-0000-000000000001	{"action":"unassign"}	confirmed	0	0	\N	0	1	1767225600005000	\N	request-5
            [acme suspended]
            [acme counts]
            	confirmed	1
            	requested	0
            	sent	0
        "#]],
    );
}

#[test]
fn an_action_says_how_far_it_has_come() {
    let (one, two) = (action(11), action(12));
    let mut story = Story::new();
    story
        .device(5, requested(11, 70, ActionKind::Remove))
        .device(5, DeviceEvent::ActionSent { action: one, attempt: 1 })
        .device(5, failed(11, FailedBecause::Answer, START + 60_000_000))
        .device(6, requested(12, 70, ActionKind::Unassign))
        .device(6, DeviceEvent::ActionSent { action: two, attempt: 1 })
        .device(6, DeviceEvent::ActionAcknowledged { action: two });
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            [acme offboardings]
            [acme holds]
            [acme devices]
            [acme actions]
            1	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000005		00000000-0000-0000-0000-000000000046	00000000-0000-0000-0000-000000000001	{"action":"remove"}	failed	1	1	1767225660000000	0	1	1767225600001000	busy	request-1
            4	00000000-0000-0000-0000-00000000000c	00000000-0000-0000-0000-000000000006		00000000-0000-0000-0000-000000000046	00000000-0000-0000-0000-000000000001	{"action":"unassign"}	acknowledged	1	1	\N	1	1	1767225600004000	\N	request-4
            [acme suspended]
            [acme counts]
            	acknowledged	1
            	failed	1
            	requested	0
            	sent	0
        "#]],
    );
    story
        .device(5, DeviceEvent::ActionParked { action: one, reason: "gone".to_owned() })
        .device(6, cancelled(12));
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            [acme offboardings]
            [acme holds]
            [acme devices]
            [acme actions]
            1	00000000-0000-0000-0000-00000000000b	00000000-0000-0000-0000-000000000005		00000000-0000-0000-0000-000000000046	00000000-0000-0000-0000-000000000001	{"action":"remove"}	parked	1	1	\N	0	1	1767225600001000	gone	request-1
            4	00000000-0000-0000-0000-00000000000c	00000000-0000-0000-0000-000000000006		00000000-0000-0000-0000-000000000046	00000000-0000-0000-0000-000000000001	{"action":"unassign"}	cancelled	0	0	\N	1	1	1767225600004000	\N	request-4
            [acme suspended]
            [acme counts]
            	acknowledged	0
            	cancelled	1
            	failed	0
            	parked	1
            	requested	0
            	sent	0
        "#]],
    );
}

#[test]
fn a_device_is_acted_on_one_step_at_a_time() {
    let later = START + 3_600_000_000;
    let mut story = Story::new();
    story
        .device(5, requested(11, 70, ActionKind::Unassign))
        .device(6, requested(12, 70, ActionKind::Unassign))
        .device(5, requested(13, 71, ActionKind::Unassign))
        .device(5, requested(14, 72, ActionKind::Unassign));
    assert_eq!(due(&story, later), [11, 12]);
    assert!(due(&story, START).is_empty(), "nothing is due before it was requested");

    story.device(5, DeviceEvent::ActionSent { action: action(11), attempt: 1 });
    assert_eq!(due(&story, later), [12, 11], "one that was sent has to be looked after");

    let retry_at = later + 1;
    story.device(5, failed(11, FailedBecause::Answer, retry_at));
    assert_eq!(due(&story, later), [12], "what waits to be tried again holds up its device");
    assert_eq!(due(&story, retry_at), [12, 11]);

    let reason = "gone".to_owned();
    story.device(5, DeviceEvent::ActionParked { action: action(11), reason });
    assert_eq!(due(&story, retry_at), [12], "so does what waits for a person");

    story.device(5, cancelled(11));
    assert_eq!(due(&story, retry_at), [12, 13]);
    story.device(5, cancelled(14));
    assert_eq!(due(&story, retry_at), [12, 13], "one may end before its turn");
    story.device(5, DeviceEvent::ActionConfirmed { action: action(13) });
    assert_eq!(due(&story, retry_at), [12]);
}

#[test]
fn what_is_owed_is_found_and_counted() {
    let offboarding = OffboardingId(id(70));
    let mut story = Story::new();
    let planned = |number| Planned { action: action(number), device: DeviceId(id(number - 6)) };
    let actions = vec![planned(11), planned(12), planned(13)];
    story
        .user(1, started(70, OnDeactivate::RemoveUserAndDevices))
        .user(1, UserEvent::OffboardingPlanned { offboarding, actions });
    for number in 11..=13 {
        story.device(number - 6, requested(number, 70, ActionKind::Remove));
    }
    story
        .device(5, DeviceEvent::ActionSent { action: action(11), attempt: 1 })
        .device(5, DeviceEvent::ActionConfirmed { action: action(11) })
        .device(6, DeviceEvent::ActionParked { action: action(12), reason: "gone".to_owned() })
        .user(2, started(71, OnDeactivate::RemoveUser));
    let shown = show(&story);
    let effects = shown.models.effects();
    let numbers = |rows: Vec<ActionRow>| -> Vec<_> {
        rows.into_iter().map(|row| row.id.0.as_u128()).collect()
    };

    let queue = Queue { workspace: workspace(), platform: String::new() };
    let due = effects.due(&queue, i64::MAX, 10).unwrap();
    assert_eq!((due[0].kind, due[0].user), (ActionKind::Remove, UserId(id(1))));
    assert_eq!(effects.queues().unwrap(), [(queue, due[0].due_at.unwrap())]);
    assert_eq!(numbers(due), [13]);
    assert_eq!(numbers(effects.actions_of(&workspace(), offboarding).unwrap()), [11, 12, 13]);
    assert_eq!(numbers(effects.open_actions(&workspace(), offboarding).unwrap()), [12, 13]);
    let parked = effects.actions(&workspace(), Some(ActionState::Parked), 0, 10).unwrap();
    assert_eq!(parked[0].reason.as_deref(), Some("gone"));
    assert_eq!(effects.action(&workspace(), action(12)).unwrap().as_ref(), parked.first());
    let all = effects.actions(&workspace(), None, 0, 2).unwrap();
    let rest = effects.actions(&workspace(), None, all[1].position, 2).unwrap();
    assert_eq!((numbers(all), numbers(rest)), (vec![11, 12], vec![13]));
    let counted: u64 = effects.counts().unwrap().into_iter().map(|(.., count)| count).sum();
    assert_eq!(counted, 3);

    let row = effects.offboarding(&workspace(), offboarding).unwrap().unwrap();
    assert_eq!((row.ended, row.planned, row.portal), (1, 3, None));
    let listed = effects.offboardings(&workspace(), None, None, 10).unwrap();
    assert_eq!(listed.iter().map(|it| it.id.0).collect::<Vec<_>>(), [id(71), id(70)]);
    let older = effects.offboardings(&workspace(), None, Some(listed[0].position), 10).unwrap();
    assert_eq!(older.iter().collect::<Vec<_>>(), [&row]);
    let held = effects.offboardings(&workspace(), Some(OffboardingState::Held), None, 10).unwrap();
    assert_eq!(held, []);
    assert_eq!(effects.offboardings_of(&workspace(), UserId(id(1))).unwrap(), [row]);
}

#[test]
fn what_is_held_together_is_decided_one_by_one() {
    let limit = Limit { people: 1, of: Some(7), window_minutes: 60 };
    let held = |number: u128| UserEvent::OffboardingHeld {
        offboarding: OffboardingId(id(number)),
        because: HeldBecause::Brake(limit),
        hold: Some(HoldId(id(71))),
    };
    let approved = UserEvent::OffboardingApproved { offboarding: OffboardingId(id(71)) };
    let undone = UserEvent::OffboardingCancelled {
        offboarding: OffboardingId(id(72)),
        because: CancelledBecause::Undone,
    };
    let mut story = Story::new();
    for number in 70..=73 {
        story.user(number - 69, started(number, OnDeactivate::RemoveUser));
    }
    story.user(2, held(71)).user(3, held(72)).user(4, held(73));
    story.user(2, approved).user(3, undone);
    check(
        &story,
        &expect![[r#"
            [acme connectors]
            [acme offboardings]
            1	00000000-0000-0000-0000-000000000046	00000000-0000-0000-0000-000000000001	\N	mdm	remove_user	\N	started	1767225600001000	\N	0	\N	\N	\N	\N	\N	\N
            2	00000000-0000-0000-0000-000000000047	00000000-0000-0000-0000-000000000002	\N	mdm	remove_user	\N	started	1767225600002000	\N	0	00000000-0000-0000-0000-000000000047	5	1767225600005000	{"brake":{"people":1,"of":7,"window_minutes":60}}	1	\N
            3	00000000-0000-0000-0000-000000000048	00000000-0000-0000-0000-000000000003	\N	mdm	remove_user	\N	cancelled	1767225600003000	1767225600009000	0	00000000-0000-0000-0000-000000000047	6	1767225600006000	{"brake":{"people":1,"of":7,"window_minutes":60}}	1	undone
            4	00000000-0000-0000-0000-000000000049	00000000-0000-0000-0000-000000000004	\N	mdm	remove_user	\N	held	1767225600004000	\N	0	00000000-0000-0000-0000-000000000047	7	1767225600007000	{"brake":{"people":1,"of":7,"window_minutes":60}}	1	\N
            [acme holds]
            5	00000000-0000-0000-0000-000000000047	mdm	{"brake":{"people":1,"of":7,"window_minutes":60}}	1767225600005000	1	1
            [acme devices]
            [acme actions]
            [acme suspended]
            [acme counts]
        "#]],
    );
}

#[test]
fn the_next_queue_is_found_behind_all_of_the_last_one() {
    let mut story = Story::new();
    for (device, platform) in [(5, "ios"), (6, "ios"), (7, "ios2"), (8, "iot"), (9, "")] {
        let mut enrolled = crate::mdm::tests::enrolled(&format!("S{device}"), Some(1), None);
        if let DeviceEvent::Enrolled { platform: its, .. } = &mut enrolled {
            platform.clone_into(its);
        }
        story.device(device, enrolled);
        story.device(device, requested(device + 6, 70, ActionKind::Unassign));
    }
    let shown = show(&story);
    let queues = shown.models.effects().queues().unwrap();
    let platforms: Vec<_> = queues.iter().map(|(queue, _)| queue.platform.as_str()).collect();
    assert_eq!(platforms, ["", "ios", "ios2", "iot"]);
}

#[test]
fn what_is_due_is_found_queue_by_queue() {
    let mut story = Story::new();
    for (device, platform) in [(5, "ios"), (6, "android"), (7, "ios"), (8, "windows")] {
        let mut enrolled = crate::mdm::tests::enrolled(&format!("S{device}"), Some(1), None);
        if let DeviceEvent::Enrolled { platform: its, .. } = &mut enrolled {
            platform.clone_into(its);
        }
        story.device(device, enrolled);
        story.device(device, requested(device + 6, 70, ActionKind::Unassign));
    }
    story
        .device(6, DeviceEvent::ActionSent { action: action(12), attempt: 1 })
        .device(6, DeviceEvent::ActionAcknowledged { action: action(12) })
        .device(7, DeviceEvent::ActionSent { action: action(13), attempt: 1 })
        .device(7, failed(13, FailedBecause::Unanswered, START + 60_000_000))
        .device(8, DeviceEvent::ActionParked { action: action(14), reason: "gone".to_owned() });
    let shown = show(&story);
    let effects = shown.models.effects();
    let queue = |platform: &str| Queue { workspace: workspace(), platform: platform.to_owned() };
    assert_eq!(effects.queues().unwrap(), [(queue("ios"), START)]);
    assert_eq!(effects.queues_taken().unwrap(), [queue("android")]);
    let due = effects.due(&queue("ios"), i64::MAX, 9).unwrap();
    let seen: Vec<_> = due.iter().map(|row| (row.id.0.as_u128(), row.received)).collect();
    assert_eq!(seen, [(11, false), (13, true)]);
    let taken = effects.taken(&queue("android"), 0, 9).unwrap();
    assert_eq!((taken[0].id, taken[0].due_at, taken[0].received), (action(12), None, true));
    assert_eq!(effects.taken(&queue("android"), taken[0].position, 9).unwrap(), []);

    let owed = effects.owed().unwrap();
    let oldest: Vec<_> = owed.iter().map(|it| (&*it.queue.platform, it.oldest)).collect();
    assert_eq!(oldest, [("android", Some(START)), ("ios", Some(START)), ("windows", None)]);
    let left: Vec<_> = owed[1].counts.iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(left, [&(ActionState::Failed, 1), &(ActionState::Requested, 1)]);
}

#[test]
fn what_a_person_makes_of_an_action_is_shown_with_their_reason() {
    let parked = DeviceEvent::ActionParked { action: action(11), reason: "gone".to_owned() };
    let mut story = Story::new();
    story.device(5, requested(11, 70, ActionKind::Unassign)).device(5, parked);
    assert!(due(&story, i64::MAX).is_empty());
    let reason = Some("mended".to_owned());
    story.device(5, DeviceEvent::ActionRetried { action: action(11), reason });
    assert_eq!(due(&story, i64::MAX), [11]);
    let reason = "lost".to_owned();
    story
        .device(5, requested(12, 71, ActionKind::Unassign))
        .device(5, DeviceEvent::ActionSent { action: action(11), attempt: 1 })
        .device(5, DeviceEvent::ActionGivenUp { action: action(11), reason });
    assert_eq!(due(&story, i64::MAX), [12], "what is given up holds up nobody");
    let row = show(&story).models.effects().action(&workspace(), action(11)).unwrap().unwrap();
    assert_eq!((row.state, row.reason.as_deref()), (ActionState::GivenUp, Some("lost")));
}
