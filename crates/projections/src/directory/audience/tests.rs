//! Audiences against a look at everybody, over random workspaces, and who has a place in a page of one.

use std::collections::BTreeMap;

use domain::{group::GroupEvent, user::UserEvent};
use proptest::prelude::*;
use scim::resource::Changes;
use serde_json::json;

use super::*;
use crate::{
    directory::{
        DirectoryProjection,
        tests::{added, group, members},
    },
    testing::{Story, connector, id, workspace},
};

/// Who stands at which entry, in parts of `limit`.
fn found(story: &Story, lines: &[&[&str]], limit: usize) -> Vec<(u128, u128)> {
    let file = story.filled(&DirectoryProjection);
    let set = |line: &&[&str]| line.iter().map(|name| (*name).to_owned()).collect();
    let lines: Vec<BTreeSet<String>> = lines.iter().map(set).collect();
    let workspace = workspace();
    let (mut all, mut after) = (Vec::<(EntryId, UserId)>::new(), None);
    loop {
        let filter = Filter::new(&file, &workspace, Portal::Store, &lines).unwrap();
        // Few members at a time, so that parts end early, too.
        let part = filter.people(after, limit, 3, |_| Ok(true)).unwrap();
        assert!(part.people.len() <= limit);
        all.extend(part.people);
        after = part.next;
        if after.is_none() {
            let number = |id: Uuid| id.as_u128();
            return all.into_iter().map(|(e, u)| (number(e.0), number(u.0))).collect();
        }
    }
}

fn join(numbers: &[u128]) -> GroupEvent {
    GroupEvent::MembersAdded { members: members(numbers) }
}

#[test]
fn rule_17_lines_are_alternatives_and_groups_within_groups_count() {
    let mut story = Story::new();
    for number in 1..=5 {
        story.user(number, added("okta", number, json!({ "userName": format!("u{number}") })));
    }
    story
        .group(20, group("Sales"))
        .group(21, group("EMEA"))
        .group(22, group("Berlin"))
        .group(23, group("Board"))
        .group(20, join(&[1, 2, 3]))
        .group(22, join(&[2, 4, 21]))
        .group(21, join(&[3, 22])) // A loop.
        .group(23, join(&[2, 5]));
    for limit in [1, 2, 100] {
        let seen = found(&story, &[&["sales", "emea"], &["board"]], limit);
        assert_eq!(seen, [(2, 2), (3, 3), (5, 5)]);
        assert_eq!(found(&story, &[&["sales", "unknown"]], limit), []);
        assert_eq!(found(&story, &[&["unknown"], &["emea"]], limit), [(2, 2), (3, 3), (4, 4)]);
    }
    let inactive = UserEvent::EntryDeactivated { connector: connector("okta") };
    story.user(3, inactive);
    assert_eq!(found(&story, &[&["emea"]], 100), [(2, 2), (4, 4)]);
}

#[test]
fn who_does_not_count_takes_no_place() {
    let mut story = Story::new();
    story.group(20, group("Sales"));
    for number in 1..=5 {
        story.user(number, added("okta", number, json!({ "userName": format!("u{number}") })));
    }
    story.group(20, join(&[1, 2, 3, 4, 5]));
    let file = story.filled(&DirectoryProjection);
    let (workspace, lines) = (workspace(), [BTreeSet::from(["sales".to_owned()])]);
    let filter = Filter::new(&file, &workspace, Portal::Store, &lines).unwrap();
    let odd = |user: UserId| Ok(user.0.as_u128() % 2 == 1);
    let part = |after: Option<u128>, limit, members| {
        let after = after.map(|number| EntryId(id(number)));
        let Audience { people, next } = filter.people(after, limit, members, odd).unwrap();
        let people: Vec<_> = people.iter().map(|(_, user)| user.0.as_u128()).collect();
        (people, next.map(|entry| entry.0.as_u128()))
    };
    assert_eq!(part(None, 2, 100), (vec![1, 3], Some(4)));
    assert_eq!(part(Some(4), 2, 100), (vec![5], None));
    assert_eq!(part(Some(1), 2, 1), (vec![], Some(2)), "nobody, and still more");
    assert_eq!(part(None, 3, 100), (vec![1, 3, 5], None));
}

#[test]
fn somebody_whom_two_connectors_know_stands_once_and_their_groups_count_together() {
    let mut story = Story::new();
    let of_entra = |name: &str| match group(name) {
        GroupEvent::Created { portal, resource, .. } => {
            GroupEvent::Created { portal, connector: connector("entra"), resource }
        }
        other => other,
    };
    story
        .user(1, added("okta", 1, json!({ "userName": "ada" })))
        .user(1, added("entra", 2, json!({ "userName": "ada" })))
        .group(20, group("Sales"))
        .group(20, join(&[1]))
        .group(21, of_entra("EMEA"))
        .group(21, join(&[2]))
        .group(22, of_entra("Sales"))
        .group(22, join(&[2]));
    assert_eq!(found(&story, &[&["sales", "emea"]], 1), [(2, 1)], "led by EMEA");
    assert_eq!(found(&story, &[&["sales"]], 1), [(1, 1)]);
    assert_eq!(found(&story, &[&["emea"], &["sales"]], 1), [(1, 1)]);
    let renamed = Changes {
        set: json!({ "displayName": "x" }).as_object().unwrap().clone(),
        unset: BTreeSet::default().into_iter().collect(),
    };
    story.group(20, GroupEvent::Changed { changes: renamed });
    assert_eq!(found(&story, &[&["emea"], &["sales"]], 1), [(2, 1)]);
}

/// What everybody's groups are, by going through everybody.
fn by_hand(
    entries: &BTreeMap<u128, (u128, bool)>,
    groups: &BTreeMap<u128, (&'static str, Vec<u128>)>,
    lines: &[&[&str]],
) -> BTreeSet<u128> {
    let above = |entry: u128| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![entry]);
        while let Some(member) = waiting.pop() {
            for (group, (_, members)) in groups {
                if members.contains(&member) && seen.insert(*group) {
                    waiting.push(*group);
                }
            }
        }
        seen
    };
    let mut names: BTreeMap<u128, BTreeSet<&str>> = BTreeMap::new();
    for (entry, (user, active)) in entries {
        if *active {
            names.entry(*user).or_default().extend(above(*entry).iter().map(|it| groups[it].0));
        }
    }
    let passes = |names: &BTreeSet<&str>| {
        lines.iter().any(|line| line.iter().all(|name| names.contains(name)))
    };
    names.into_iter().filter(|(_, names)| passes(names)).map(|(user, _)| user).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn rule_17_an_audience_is_what_a_look_at_everybody_gives(
        active in prop::collection::vec(any::<bool>(), 12),
        memberships in prop::collection::vec(
            (0..6_u128, prop_oneof![0..12_u128, 20..26_u128]), 0..40),
        limit in 1..8_usize,
    ) {
        const NAMES: [&str; 6] = ["a", "b", "c", "a", "d", "b"];
        let lines: &[&[&str]] = &[&["a", "b"], &["c"], &["d", "e"], &["d", "a", "c"]];
        let mut story = Story::new();
        let (mut entries, mut groups) = (BTreeMap::new(), BTreeMap::new());
        // The first six people have a second entry each, the others one.
        for (number, active) in (0..12_u128).zip(active) {
            let (user, name) = if number < 6 { (number, "okta") } else { (number - 6, "entra") };
            let user = if number > 9 { number } else { user };
            story.user(user, added(name, number, json!({ "userName": format!("u{user}") })));
            if !active {
                let connector = connector(name);
                story.user(user, UserEvent::EntryDeactivated { connector });
            }
            entries.insert(number, (user, active));
        }
        for (number, name) in (20..26_u128).zip(NAMES) {
            let portal = Portal::Store;
            let connector = connector(if number < 23 { "okta" } else { "entra" });
            let resource = crate::testing::resource(json!({ "displayName": name }));
            story.group(number, GroupEvent::Created { portal, connector, resource });
            groups.insert(number, (name, Vec::new()));
        }
        for (group, member) in memberships {
            // Members are of the group's connector.
            let of_okta = matches!(member, 0..6 | 20..23);
            if of_okta == (group < 3) {
                story.group(group + 20, join(&[member]));
                groups.get_mut(&(group + 20)).unwrap().1.push(member);
            }
        }
        let seen = found(&story, lines, limit);
        let users: BTreeSet<_> = seen.iter().map(|(_, user)| *user).collect();
        prop_assert_eq!(users.len(), seen.len(), "each once");
        prop_assert_eq!(users, by_hand(&entries, &groups, lines));
        prop_assert!(seen.is_sorted_by_key(|(entry, _)| id(*entry)));
    }
}
