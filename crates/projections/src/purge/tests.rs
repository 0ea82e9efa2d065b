//! What is erased is in no file of the read models afterwards.

use std::{fs, path::Path};

use domain::{
    ids::{EntryId, ErasureId},
    portal::Portal,
    user::{AccountState, Remains, Source, UserEvent},
};
use event_log::WorkspaceId;
use proptest::prelude::*;
use scim::resource::Changes;
use serde_json::{Value, json};

use crate::{
    ALL, Order, ReadModels, RebuildError, generation,
    testing::{Story, append, connector, id, log, resource, workspace},
};

/// What everything that is said of the erased begins with.
const NEEDLE: &str = "zq7xneedle";

/// Whether any file below a directory has the needle.
fn holds(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().map(Result::unwrap).any(|entry| {
        if entry.file_type().unwrap().is_dir() {
            return holds(&entry.path());
        }
        let bytes = fs::read(entry.path()).unwrap_or_default();
        bytes.windows(NEEDLE.len()).any(|window| window == NEEDLE.as_bytes())
    })
}

fn added(who: u128, value: Value) -> UserEvent {
    let (portal, connector) = (Portal::Store, connector("store"));
    UserEvent::EntryAdded { portal, connector, entry: EntryId(id(who)), resource: resource(value) }
}

fn person(name: &str, padding: usize) -> Value {
    json!({
        "userName": format!("{name}@x"), "displayName": name, "externalId": format!("{name}-x"),
        "emails": [{ "value": format!("{name}-mail@x") }], "title": "x".repeat(padding),
        "active": true,
    })
}

fn changed(name: &str, padding: usize) -> UserEvent {
    let Value::Object(set) = person(name, padding) else { unreachable!() };
    let set = set.into_iter().filter(|(name, _)| name != "active").collect();
    UserEvent::EntryChanged {
        connector: connector("store"),
        changes: Changes { set, unset: vec![] },
    }
}

fn erased(who: u128) -> UserEvent {
    let entries = [(connector("store"), EntryId(id(who)))].into_iter().collect();
    let (portal, account, source) = (Portal::Store, AccountState::None, Source::Scim);
    let (aliases, role, offboarding) = (Vec::new(), None, None);
    let remains = Remains { portal, entries, aliases, account, source, role, offboarding };
    UserEvent::Erased {
        erasure: ErasureId(id(who)),
        remains: Box::new(remains),
        reason: None,
        devices: Vec::new(),
        others: Vec::new(),
        all_portals: false,
        again: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Rows of all sizes come, grow, shrink and go around the ones of the erased, so that pages are split,
    /// joined, and left for others.
    #[test]
    fn an_erased_row_leaves_nothing_whatever_happened_around_it(
        steps in prop::collection::vec((0..40_u128, 0..4_000_usize, any::<u8>()), 100..400)
    ) {
        let mut story = Story::new();
        let mut there = [false; 40];
        for (number, (who, padding, how)) in steps.into_iter().enumerate() {
            let is_needle = who.is_multiple_of(10);
            let name = if is_needle { NEEDLE } else { "other" };
            let name = format!("{name}-{}-{number}", how % 16);
            let index = usize::try_from(who).unwrap();
            let event = match (there[index], how % 8) {
                (false, _) => added(who + 1, person(&name, padding)),
                (true, 0) if !is_needle => erased(who + 1),
                (true, _) => changed(&name, padding),
            };
            // Somebody who went does not come again.
            if there[index] && matches!(event, UserEvent::Erased { .. }) {
                there[index] = false;
                story.user(who + 1, event);
                continue;
            }
            there[index] = true;
            story.user(who + 1 , event);
        }
        let dir = tempfile::tempdir().unwrap();
        let read = dir.path().join("read");
        let log = log(dir.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let models = ReadModels::open(&read, log.clone()).unwrap();
        let caught_up = || runtime.block_on(async {
            for projection in ALL {
                models.caught_up(projection.name(), &workspace()).await.unwrap();
            }
        });
        let known = story.events.len();
        runtime.block_on(append(&*log, &story.events));
        caught_up();
        if there[0] || there[10] || there[20] || there[30] {
            prop_assert!(holds(&read), "it was not there before");
        }
        for who in [0, 10, 20, 30] {
            story.user(who + 1, erased(who + 1));
        }
        runtime.block_on(append(&*log, &story.events[known..]));
        caught_up();
        models.purge().unwrap();
        prop_assert!(!holds(&read), "something is left");
        // Nor in what is built from the record as it was while it could be read.
        models.rebuild(None, &mut |_| {}).unwrap();
        models.purge().unwrap();
        prop_assert!(!holds(&read), "a rebuild has left something");
    }
}

#[test]
fn what_is_half_built_is_taken_back_and_waited_for_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let read = dir.path().join("read");
    let log = log(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut story = Story::new();
    story.user(1, added(1, person("other", 1)));
    runtime.block_on(append(&*log, &story.events));
    let models = ReadModels::open(&read, log.clone()).unwrap();
    for projection in ALL {
        runtime.block_on(models.caught_up(projection.name(), &workspace())).unwrap();
    }
    // The files were built at the start, and reads went on before the last of these builds had ended.
    models.wait_for_builds();
    let begun = models.begin(&Order::default()).unwrap();
    models.pause_build(begun.id()).unwrap();
    // As a build leaves it that was killed, and that nobody has taken up again.
    fs::write(read.join("directory.v1.g7.db"), NEEDLE).unwrap();
    std::thread::scope(|scope| {
        let build = scope.spawn(|| begun.run(&mut |_| {}));
        models.purge().unwrap();
        assert!(matches!(build.join().unwrap(), Err(RebuildError::Cancelled)));
    });
    assert!(!holds(&read));
    models.rebuild(None, &mut |_| {}).unwrap();
}

#[test]
fn a_copy_that_was_cut_off_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let read = dir.path().join("read");
    let log = log(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut story = Story::new();
    story.user(1, added(1, person(NEEDLE, 1)));
    runtime.block_on(append(&*log, &story.events));
    let models = ReadModels::open(&read, log.clone()).unwrap();
    for projection in ALL {
        runtime.block_on(models.caught_up(projection.name(), &workspace())).unwrap();
    }
    models.wait_for_builds();
    // Something stands where the next file of the directory is to be.
    let directory = models.seat(crate::directory::NAME);
    let next = directory.serving().number + 1;
    let in_the_way = generation::path(&read, directory.projection, next).join("in-the-way");
    fs::create_dir_all(&in_the_way).unwrap();
    let projection = Some(crate::directory::NAME.to_owned());
    let order = Order { projection, workspace: Some(workspace()) };
    models.begin(&order).unwrap().run(&mut |_| {}).unwrap_err();
    story.user(1, erased(1));
    runtime.block_on(append(&*log, &story.events[1..]));
    for projection in ALL {
        runtime.block_on(models.caught_up(projection.name(), &workspace())).unwrap();
    }
    models.purge().unwrap();
    assert!(!holds(&read), "the copy is left");
    // As a process leaves it that is killed while it copies.
    let copy = generation::copy_path(&read, directory.projection);
    fs::write(&copy, NEEDLE).unwrap();
    models.purge().unwrap();
    assert!(!holds(&read), "purging has left it");
    models.close();
    fs::write(&copy, NEEDLE).unwrap();
    let _models = ReadModels::open(&read, log).unwrap();
    assert!(!copy.exists(), "the next start has left it");
}

#[test]
fn what_was_taken_out_of_a_copy_is_nowhere_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let read = dir.path().join("read");
    let log = log(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Their rows share pages.
    let mut story = Story::new();
    let mut others = Story::of(WorkspaceId::parse("other").unwrap());
    story.user(1, added(1, person(NEEDLE, 1_000))).user(1, changed(NEEDLE, 1));
    others.user(2, added(2, person("other", 1)));
    runtime.block_on(append(&*log, &story.events));
    runtime.block_on(append(&*log, &others.events));
    let models = ReadModels::open(&read, log.clone()).unwrap();
    let caught_up = || {
        for projection in ALL {
            runtime.block_on(models.caught_up(projection.name(), &workspace())).unwrap();
        }
    };
    caught_up();
    models.wait_for_builds();
    let order = Order { projection: None, workspace: Some(workspace()) };
    models.begin(&order).unwrap().run(&mut |_| {}).unwrap();
    story.user(1, erased(1));
    runtime.block_on(append(&*log, &story.events[2..]));
    caught_up();
    models.purge().unwrap();
    assert!(!holds(&read));
}
