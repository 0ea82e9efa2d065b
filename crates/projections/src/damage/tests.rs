//! Files that are really damaged, while they serve and before they are opened.

use std::{
    fs::{self, File},
    future::poll_fn,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
    task::Poll,
};

use domain::ids::EntryId;
use event_log::SqliteLog;

use crate::{
    Failure, Order, Purpose, ReadModels,
    damage::TRIES_MAX,
    directory::NAME,
    read_models::tests::{added, runtime},
    testing::{Story, append, connector, id, log, workspace},
};

/// Read models that show so many users, of which nobody has read anything.
fn unread(dir: &Path, users: u128) -> (Arc<SqliteLog>, Arc<ReadModels>, Story) {
    let log = log(dir);
    let mut story = Story::new();
    for number in 1..=users {
        story.user(number, added(number));
    }
    let models = ReadModels::open(&dir.join("read"), log.clone()).unwrap();
    runtime().block_on(async {
        append(&*log, &story.events).await;
        for projection in crate::ALL {
            models.caught_up(projection.name(), &workspace()).await.unwrap();
        }
    });
    (log, models, story)
}

/// Overwrites what stands in the files of a projection, from the beginning or behind it.
fn overwrite(dir: &Path, projection: &str, from: u64) {
    for entry in fs::read_dir(dir.join("read")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with(projection) && !name.ends_with("-shm") {
            let length = entry.metadata().unwrap().len().saturating_sub(from);
            let noise = vec![0xA5; usize::try_from(length).unwrap()];
            let file = File::options().write(true).open(entry.path()).unwrap();
            file.write_all_at(&noise, from).unwrap();
        }
    }
}

/// Changes the file of the directory behind everybody's back.
fn change(dir: &Path, sql: &str) {
    for entry in fs::read_dir(dir.join("read")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".db").filter(|it| it.starts_with("directory.v"));
        if let Some(name) = name {
            let path = dir.join("read").join(format!("{name}.db"));
            rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
        }
    }
}

fn ada(models: &ReadModels) -> Result<Option<EntryId>, Failure> {
    let found = models.directory().user(&workspace(), &connector("okta"), EntryId(id(1)));
    found.map(|it| it.map(|it| it.id))
}

fn people(models: &ReadModels) -> u64 {
    models.directory().people_of(&workspace(), &connector("okta")).unwrap()
}

/// Waits until another file has taken the place of the damaged one.
fn mended(models: &ReadModels) {
    while models.is_damaged() {
        std::thread::yield_now();
    }
    models.wait_for_builds();
    runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
}

#[test]
fn a_file_that_is_damaged_while_it_serves_is_built_again_by_itself() {
    for from in [0, 200] {
        let dir = tempfile::tempdir().unwrap();
        let (log, models, mut story) = unread(dir.path(), 20);
        overwrite(dir.path(), NAME, from);
        let asked = models.directory().user(&workspace(), &connector("okta"), EntryId(id(1)));
        let Err(Failure::Damaged { projection, .. }) = asked else { panic!("{asked:?}") };
        assert_eq!(projection, NAME);
        mended(&models);
        assert_eq!(people(&models), 20);
        assert_eq!(models.vacancies(), []);
        assert_eq!(models.builds()[0].purpose, Purpose::Repair);
        assert_eq!(models.damages()[0], (NAME, 1));
        assert!(models.damages()[1..].iter().all(|(_, times)| *times == 0));
        // It goes on from there.
        story.user(99, added(99));
        runtime().block_on(async {
            append(&*log, &story.events[20..]).await;
            models.caught_up(NAME, &workspace()).await.unwrap();
        });
        assert_eq!(people(&models), 21);
        assert!(models.verify(&Order::default(), &mut |_| {}).unwrap().is_sound());
    }
}

#[test]
fn whoever_waits_for_a_file_that_turns_out_damaged_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, mut story) = unread(dir.path(), 2);
    let seat = models.seat(NAME);
    // Neither the projector nor the build comes further.
    let writer = seat.writer.lock();
    story.user(3, added(3));
    let runtime = runtime();
    runtime.block_on(append(&*log, &story.events[2..]));
    let acme = workspace();
    let mut asks = std::pin::pin!(models.followed(NAME, &acme));
    let once = poll_fn(|context| Poll::Ready(asks.as_mut().poll(context).is_pending()));
    assert!(runtime.block_on(once), "it waits");
    seat.damage.found(seat.serving().number, "it was said");
    let told = runtime.block_on(asks).unwrap_err();
    assert!(told.reason.contains("the file of the view directory was damaged"), "{told}");
    assert!(told.building.is_some());
    drop(writer);
    mended(&models);
    assert_eq!(people(&models), 3);
}

#[test]
fn a_comparison_that_meets_the_damage_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (_, models, _) = unread(dir.path(), 20);
    overwrite(dir.path(), NAME, 0);
    let order = Order { projection: Some(NAME.to_owned()), workspace: None };
    let compared = models.verify(&order, &mut |_| {}).unwrap();
    assert_eq!((compared.unsound.len(), compared.is_sound()), (1, false));
    assert_eq!(compared.unsound[0].projection, NAME);
    mended(&models);
    assert!(models.verify(&order, &mut |_| {}).unwrap().is_sound());
}

#[test]
fn a_file_that_was_damaged_before_is_filled_anew() {
    for table in ["entries", "held", "checkpoints"] {
        let dir = tempfile::tempdir().unwrap();
        let (log, models, _) = unread(dir.path(), 20);
        drop(models);
        let path = dir.path().join("read").join("directory.v3.g1.db");
        let file = rusqlite::Connection::open(&path).unwrap();
        let size: i64 = file.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
        let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        let root: i64 = file.query_row(root, [table], |row| row.get(0)).unwrap();
        drop(file);
        let noise = vec![0xA5; usize::try_from(size).unwrap()];
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&noise, u64::try_from((root - 1) * size).unwrap()).unwrap();

        let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
        runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
        // Of what is not looked at when it is opened somebody finds out later.
        drop(models.directory().people_of(&workspace(), &connector("okta")));
        drop(models.directory().user(&workspace(), &connector("okta"), EntryId(id(1))));
        mended(&models);
        assert_eq!(people(&models), 20, "{table}");
        let found = models.directory().user(&workspace(), &connector("okta"), EntryId(id(1)));
        assert_eq!(found.unwrap().unwrap().id, EntryId(id(1)), "{table}");
    }
}

#[test]
fn whatever_only_a_damaged_file_can_give_is_mended() {
    for sql in [
        "UPDATE entries SET resource = CAST(x'ff' AS TEXT)",
        "UPDATE entries SET version = -1",
        "DROP TABLE entries",
        "ALTER TABLE entries RENAME COLUMN resource TO rescource",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (_, models, _) = unread(dir.path(), 20);
        change(dir.path(), sql);
        let asked = ada(&models);
        assert!(matches!(asked, Err(Failure::Damaged { .. })), "{sql}: {asked:?}");
        mended(&models);
        assert_eq!(ada(&models).unwrap(), Some(EntryId(id(1))), "{sql}");
        assert_eq!((models.builds()[0].purpose, models.held()), (Purpose::Repair, vec![]));
    }
}

#[test]
fn a_file_that_was_cut_off_before_anybody_read_it_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = unread(dir.path(), 20);
    drop(models);
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    let path = dir.path().join("read").join("directory.v3.g1.db");
    File::options().write(true).open(path).unwrap().set_len(0).unwrap();
    let asked = ada(&models);
    assert!(matches!(asked, Err(Failure::Damaged { .. })), "{asked:?}");
    mended(&models);
    assert_eq!(people(&models), 20);
}

#[test]
fn whoever_writes_mends_a_file_rather_than_holding_events() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, mut story) = unread(dir.path(), 20);
    change(dir.path(), "DROP TABLE entries");
    story.user(99, added(99));
    runtime().block_on(append(&*log, &story.events[20..]));
    while models.damages()[0].1 == 0 {
        std::thread::yield_now();
    }
    mended(&models);
    assert_eq!((people(&models), models.held()), (21, vec![]));
}

#[test]
fn what_building_does_not_mend_is_not_built_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (_, models, _) = unread(dir.path(), 20);
    let spoil = || {
        change(dir.path(), "UPDATE entries SET resource = CAST(x'ff' AS TEXT)");
        ada(&models).unwrap_err()
    };
    for _ in 0..TRIES_MAX {
        assert!(matches!(spoil(), Failure::Damaged { .. }));
        assert_eq!(models.past_mending(), [""; 0]);
        mended(&models);
    }
    let builds = models.builds().len();
    assert!(matches!(spoil(), Failure::Database(_)));
    assert_eq!((models.is_damaged(), models.past_mending()), (false, vec![NAME]));
    models.wait_for_builds();
    assert_eq!((models.builds().len(), models.vacancies()), (builds, vec![]));
    // A person can have it built, and that may mend it.
    models.rebuild(Some(NAME), &mut |_| {}).unwrap();
    assert_eq!(ada(&models).unwrap(), Some(EntryId(id(1))));
    assert_eq!(models.past_mending(), [""; 0]);
}

#[test]
fn what_was_found_damaged_is_served_by_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = unread(dir.path(), 20);
    // Nobody can build as long as somebody else does.
    let order = Order { projection: Some("mdm".to_owned()), workspace: None };
    let other = models.begin(&order).unwrap();
    change(
        dir.path(),
        "UPDATE entries SET resource = CAST(x'ff' AS TEXT) WHERE no & 0xffffffff = 1",
    );
    ada(&models).unwrap_err();
    while models.vacancies().is_empty() {
        std::thread::yield_now();
    }
    drop((other, models));
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
    models.wait_for_builds();
    assert_eq!(ada(&models).unwrap(), Some(EntryId(id(1))));
    // It was known, and is mended before anybody meets it.
    assert_eq!((models.damages()[0], models.vacancies()), ((NAME, 1), vec![]));
    assert_eq!(models.builds()[0].purpose, Purpose::Repair);
}

#[test]
fn files_that_are_removed_while_they_serve_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, mut story) = unread(dir.path(), 20);
    people(&models);
    fs::remove_dir_all(dir.path().join("read")).unwrap();
    // Nobody notices by reading.
    assert_eq!(ada(&models).unwrap(), Some(EntryId(id(1))));
    models.shop.repair.notify_one();
    while models.damages().iter().any(|(_, times)| *times == 0) {
        std::thread::yield_now();
    }
    mended(&models);
    assert_eq!((people(&models), models.vacancies()), (20, vec![]));
    // One reading of the log does for all of them.
    let purposes: Vec<_> = models.builds().iter().map(|it| it.purpose).collect();
    assert_eq!(purposes, [Purpose::Repair]);
    story.user(99, added(99));
    runtime().block_on(async {
        append(&*log, &story.events[20..]).await;
        models.caught_up(NAME, &workspace()).await.unwrap();
    });
    drop(models);
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    assert_eq!(people(&models), 21);
}

#[test]
fn a_file_that_is_gone_is_missed_by_whoever_opens_it() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = unread(dir.path(), 20);
    drop(models);
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    fs::remove_file(dir.path().join("read").join("directory.v3.g1.db")).unwrap();
    let asked = ada(&models);
    assert!(matches!(asked, Err(Failure::Damaged { .. })), "{asked:?}");
    mended(&models);
    assert_eq!(people(&models), 20);
}

#[test]
fn a_directory_in_the_place_of_a_file_is_in_nobodys_way_unless_something_is_in_it() {
    for is_empty in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (log, models, _) = unread(dir.path(), 20);
        drop(models);
        let path = dir.path().join("read").join("directory.v3.g1.db");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        if !is_empty {
            fs::write(path.join("kept"), "").unwrap();
        }
        let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
        while models.builds().is_empty() {
            std::thread::yield_now();
        }
        models.wait_for_builds();
        if is_empty {
            assert_eq!(people(&models), 20);
        } else {
            let error = models.builds()[0].error.clone().unwrap();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}

#[test]
fn who_finds_an_old_file_damaged_late_does_not_hide_that_the_one_that_serves_is() {
    let damage = super::Damage::new(NAME, &Arc::default());
    assert!(damage.found(1, "torn") && damage.found(2, "torn"));
    assert!(damage.found(1, "torn"));
    assert!(damage.is_of(2), "it is still to be built again");
    assert_eq!(damage.times(), 2);
}
