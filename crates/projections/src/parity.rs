//! What must hold for every projection, on random histories.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Event,
    device::Device,
    group::{Group, Living},
    portal::Portal,
    user::User,
};
use proptest::{prelude::*, strategy::ValueTree};
use rusqlite::Connection;
use uuid::Uuid;

use crate::{
    ALL, Projection,
    directory::DirectoryProjection,
    mdm::Mdm,
    testing::{
        Story, after_erasures, apply, apply_seen, assert_same, empty,
        history::{History, Step, steps},
        rows,
    },
};

/// The events of two workspaces in the order in which they happened.
fn take(steps: &[Step]) -> ([History; 2], Vec<(usize, usize)>) {
    let mut histories = [History::new("acme"), History::new("other")];
    let mut order = Vec::new();
    for (which, history) in histories.iter().enumerate() {
        order.extend((0..history.story.events.len()).map(|number| (which, number)));
    }
    for step in steps {
        let which = usize::from(step.workspace);
        let before = histories[which].story.events.len();
        histories[which].take(*step);
        order.extend((before..histories[which].story.events.len()).map(|number| (which, number)));
    }
    (histories, order)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_rebuild_gives_the_same_rows_at_every_position(steps in steps(40)) {
        let (histories, order) = take(&steps);
        for projection in ALL {
            let mut followed = empty(*projection);
            let mut seen = [0, 0];
            for (which, number) in &order {
                let events = &histories[*which].story.events;
                apply(&mut followed, *projection, &events[*number..=*number]);
                seen[*which] = number + 1;
                // One workspace after the other, in one batch each, the last one first.
                let mut rebuilt = empty(*projection);
                for which in [1, 0] {
                    let events = &histories[which].story.events[..seen[which]];
                    // Who was erased by then is not seen any more, as far as nothing says it again.
                    apply_seen(&mut rebuilt, *projection, &after_erasures(events));
                }
                for history in &histories {
                    let workspace = &history.story.events[0].workspace;
                    let dump = |file: &Connection| rows(file, *projection, workspace);
                    assert_same(&dump(&followed), &dump(&rebuilt));
                }
            }
        }
    }

    #[test]
    fn the_directory_holds_what_the_aggregates_are(steps in steps(120)) {
        let (histories, _) = take(&steps);
        for History { story, .. } in &histories {
            let file = story.filled(&DirectoryProjection);
            assert_eq!(entries_of(&file), entries_that_are(story));
            assert_eq!(groups_of(&file), groups_that_are(story));
        }
    }

    #[test]
    fn accounts_and_devices_are_what_the_aggregates_are(steps in steps(120)) {
        let (histories, _) = take(&steps);
        for History { story, .. } in &histories {
            let users = story.states::<User>(|event| match event {
                Event::User(fact) => Some(fact),
                Event::Workspace(_) | Event::Group(_) | Event::Device(_) | Event::Publication(_) | Event::Segments(_) => None,
            });
            for portal in Portal::ALL {
                let projection = projection_of(portal);
                let rows = texts(&story.filled(projection), "SELECT user, state FROM accounts");
                let shown = |user: &User| user.portal == portal && user.erased().is_none();
                let of_portal = users.iter().filter(|(_, es)| shown(&es.state));
                assert_eq!(rows.len(), of_portal.clone().count());
                for (id, es) in of_portal {
                    let kept: User = serde_json::from_str(&rows[id]).unwrap();
                    assert_eq!(kept.account, es.state.account);
                    assert_eq!(kept.offboarding, es.state.offboarding);
                    let entries = |user: &User| -> BTreeMap<_, _> {
                        let entries = user.entries.iter();
                        entries.map(|(name, it)| (name.clone(), (it.id, it.active()))).collect()
                    };
                    assert_eq!(entries(&kept), entries(&es.state));
                }
            }
            let devices = story.states::<Device>(|event| match event {
                Event::Device(fact) => Some(fact),
                Event::Workspace(_) | Event::Group(_) | Event::User(_) | Event::Publication(_) | Event::Segments(_) => None,
            });
            let devices = devices.into_iter().map(|(id, es)| (id, es.state)).collect();
            let kept: BTreeMap<Uuid, Device> =
                texts(&story.filled(&Mdm), "SELECT id, device FROM devices")
                    .into_iter()
                    .map(|(id, text)| (id, serde_json::from_str(&text).unwrap()))
                    .collect();
            assert_eq!(kept, devices);
        }
    }
}

fn projection_of(portal: Portal) -> &'static dyn Projection {
    let named = ALL.iter().find(|projection| projection.name() == portal.as_str());
    *named.unwrap()
}

/// A column of ids and one of text.
fn texts(file: &Connection, sql: &str) -> BTreeMap<Uuid, String> {
    let mut statement = file.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((Uuid::from_bytes(row.get(0)?), row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn entries_of(file: &Connection) -> BTreeSet<String> {
    let mut statement = file
        .prepare(
            "SELECT c.name, e.id, e.user, e.user_name, e.external_id, e.active, e.created,
                    e.modified, e.version, e.resource
             FROM entries e JOIN connectors c ON c.no = e.connector",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok(format!(
            "{:?}",
            (
                row.get::<_, String>(0)?,
                Uuid::from_bytes(row.get(1)?),
                Uuid::from_bytes(row.get(2)?),
                row.get::<_, String>(3)?,
                row.get::<_, Option<String>>(4)?,
                row.get::<_, Option<bool>>(5)?,
                [row.get::<_, i64>(6)?, row.get(7)?, row.get(8)?],
                row.get::<_, String>(9)?,
            )
        ))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn entries_that_are(story: &Story) -> BTreeSet<String> {
    let users = story.states::<User>(|event| match event {
        Event::User(fact) => Some(fact),
        Event::Workspace(_)
        | Event::Group(_)
        | Event::Device(_)
        | Event::Publication(_)
        | Event::Segments(_) => None,
    });
    let entries = users.iter().flat_map(|(user, es)| {
        es.state.entries.iter().map(move |(connector, entry)| {
            format!(
                "{:?}",
                (
                    connector.as_str().to_owned(),
                    entry.id.0,
                    user,
                    entry.user_name().to_owned(),
                    entry.resource.external_id().map(str::to_owned),
                    entry.resource.active(),
                    [entry.created, entry.modified, entry.version.cast_signed()],
                    serde_json::to_string(&entry.resource).unwrap(),
                )
            )
        })
    });
    entries.collect()
}

type Group1 = (u64, i64, i64, String, BTreeSet<Uuid>, BTreeMap<u64, String>, usize);

fn groups_of(file: &Connection) -> BTreeMap<Uuid, Group1> {
    let mut groups = file
        .prepare("SELECT id, version, created, modified, resource, members, no FROM groups")
        .unwrap();
    let mut members = file.prepare("SELECT member FROM members WHERE group_no = ?1").unwrap();
    let mut pending = file.prepare("SELECT at, value FROM pending WHERE group_no = ?1").unwrap();
    let mut rows = groups.query([]).unwrap();
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next().unwrap() {
        let no: i64 = row.get(6).unwrap();
        let members = members.query_map([no], |row| Ok(Uuid::from_bytes(row.get(0)?))).unwrap();
        let pending = pending
            .query_map([no], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))
            .unwrap();
        let group = (
            row.get::<_, i64>(1).unwrap().cast_unsigned(),
            row.get(2).unwrap(),
            row.get(3).unwrap(),
            row.get(4).unwrap(),
            members.map(Result::unwrap).collect(),
            pending.map(Result::unwrap).collect(),
            usize::try_from(row.get::<_, i64>(5).unwrap()).unwrap(),
        );
        found.insert(Uuid::from_bytes(row.get(0).unwrap()), group);
    }
    found
}

fn groups_that_are(story: &Story) -> BTreeMap<Uuid, Group1> {
    let groups = story.states::<Group>(|event| match event {
        Event::Group(fact) => Some(fact),
        Event::Workspace(_)
        | Event::User(_)
        | Event::Device(_)
        | Event::Publication(_)
        | Event::Segments(_) => None,
    });
    let shown = |version, living: Living| {
        (
            version,
            living.created,
            living.modified,
            serde_json::to_string(&living.resource).unwrap(),
            living.members.iter().map(|member| member.0).collect(),
            living.pending.iter().map(|(at, value)| (at, value.to_owned())).collect(),
            living.members.len(),
        )
    };
    let living = groups.into_iter().filter_map(|(id, es)| Some((id, es.version, es.state.0?)));
    living.map(|(id, version, living)| (id, shown(version, living))).collect()
}

/// Guards the tests above against histories in which nothing happens.
#[test]
fn random_histories_are_full_of_facts() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut names = BTreeSet::new();
    for _ in 0..40 {
        let steps = steps(200).new_tree(&mut runner).unwrap().current();
        for History { story, .. } in take(&steps).0 {
            names.extend(story.events.into_iter().map(|event| event.name.to_string()));
        }
    }
    let names: Vec<_> = names.into_iter().collect();
    expect_test::expect![[r#"
        device.action_acknowledged
        device.action_cancelled
        device.action_given_up
        device.action_parked
        device.action_requested
        device.action_sent
        device.assigned
        device.enrolled
        device.named
        device.policy_changed
        device.removed
        device.unassigned
        group.changed
        group.created
        group.deleted
        group.member_pending
        group.members_added
        group.members_removed
        group.pending_dropped
        group.pending_resolved
        publication.published
        publication.renamed
        publication.visibility_set
        publication.withdrawn
        user.account_adopted
        user.account_granted
        user.account_invited
        user.account_removed
        user.account_restored
        user.account_suspended
        user.entry_added
        user.entry_changed
        user.entry_deactivated
        user.entry_reactivated
        user.entry_removed
        user.erased
        user.metadata_changed
        user.offboarding_cancelled
        user.offboarding_completed
        user.offboarding_held
        user.offboarding_planned
        user.offboarding_started
        user.role_changed
        workspace.connector_added
        workspace.policy_added
        workspace.policy_removed"#]]
    .assert_eq(&names.join("\n"));
}
