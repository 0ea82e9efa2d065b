//! Files in which every row is as the log says, and which are damaged all the same.

use std::{fs, path::Path, sync::Arc};

use event_log::SqliteLog;

use crate::{
    NoBuild, Order, Purpose, ReadModels, RebuildError, Unsound,
    directory::NAME,
    read_models::tests::{added, runtime},
    testing::{Story, append, log, workspace},
};

const FILE: &str = "read/directory.v3.g1.db";

/// A closed file that shows twenty people, and its log.
fn closed(dir: &Path) -> Arc<SqliteLog> {
    let log = log(dir);
    let mut story = Story::new();
    for number in 1..=20 {
        story.user(number, added(number));
    }
    let models = ReadModels::open(&dir.join("read"), log.clone()).unwrap();
    runtime().block_on(async {
        append(&*log, &story.events).await;
        models.caught_up(NAME, &workspace()).await.unwrap();
    });
    log
}

/// Changes one letter of a name in an index, and leaves the row as it is.
fn misspell(dir: &Path, name: &str) {
    let path = dir.join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let mut starts = 0..bytes.len() - name.len();
    let in_index =
        |at: &usize| bytes[at / page * page] == 10 && bytes[*at..].starts_with(name.as_bytes());
    let at = starts.rfind(in_index).unwrap();
    bytes[at + 1] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn verify(models: &ReadModels) -> (Vec<Unsound>, bool, usize) {
    let found = models.verify(&Order::default(), &mut |_| {}).unwrap();
    (found.unsound.clone(), found.is_sound(), found.contents.len())
}

#[test]
fn an_index_that_has_somebody_under_another_name_is_found_and_mended() {
    let dir = tempfile::tempdir().unwrap();
    let log = closed(dir.path());
    misspell(dir.path(), "user7@acme.example");
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    let (unsound, is_sound, compared) = verify(&models);
    let [Unsound { projection: NAME, says }] = &*unsound else { panic!("{unsound:?}") };
    assert!(says.contains("missing from index"), "{says}");
    assert_eq!((is_sound, compared), (false, crate::ALL.len() - 1));
    while models.is_damaged() {
        std::thread::yield_now();
    }
    models.wait_for_builds();
    assert_eq!(verify(&models), (vec![], true, crate::ALL.len()));
    assert_eq!(models.builds()[1].purpose, Purpose::Repair);
    assert_eq!(models.damages()[0], (NAME, 1));
}

#[test]
fn an_index_that_is_not_there_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let log = closed(dir.path());
    let file = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    file.execute_batch("DROP INDEX entries_by_user_name").unwrap();
    drop(file);
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    let says = "there is no entries_by_user_name".to_owned();
    assert_eq!(verify(&models).0, [Unsound { projection: NAME, says }]);
}

#[test]
fn what_a_look_has_found_is_served_by_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = closed(dir.path());
    misspell(dir.path(), "user7@acme.example");
    let open = || ReadModels::open(&dir.path().join("read"), log.clone()).unwrap();
    let models = open();
    assert_eq!(verify(&models).0.len(), 1);
    // Whoever looks without a server ends before anything is built.
    drop(models);
    let models = open();
    runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
    models.wait_for_builds();
    assert_eq!((models.damages()[0], verify(&models).1), ((NAME, 1), true));
}

#[test]
fn a_look_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let log = closed(dir.path());
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    let builds = &models.shop.builds;
    let ticket = builds.begin(Purpose::Verify, vec![NAME], None).unwrap();
    let seat = models.seat(NAME);
    assert_eq!(seat.check(&ticket).unwrap(), None);
    models.cancel_build(ticket.id()).unwrap();
    assert!(ticket.watch()());
    assert!(matches!(seat.check(&ticket), Err(RebuildError::Cancelled)));
    ticket.end(&Err::<(), _>(RebuildError::Cancelled));
    assert_eq!(models.cancel_build(ticket.id()).unwrap_err(), NoBuild::Ended);
}

#[test]
fn files_that_were_removed_are_missed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = closed(dir.path());
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    // One by one: they may be built again before the last one is gone.
    for entry in fs::read_dir(dir.path().join("read")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    match models.verify(&Order::default(), &mut |_| {}) {
        Ok(found) => assert!(!found.is_sound(), "{found:?}"),
        // They are being built again already.
        Err(error) => assert!(matches!(error, RebuildError::Busy), "{error}"),
    }
    while !models.vacancies().is_empty() || models.is_damaged() {
        std::thread::yield_now();
    }
    models.wait_for_builds();
    assert_eq!(verify(&models), (vec![], true, crate::ALL.len()));
}
