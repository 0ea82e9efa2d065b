//! What is asked of a past is built, and nothing else; what nobody asks for goes.

use std::path::Path;

use domain::ids::EntryId;
use event_log::{AsOf, EventLog};

use super::*;
use crate::{
    ALL, directory,
    read_models::tests::{added, runtime},
    testing::{Story, append, connector, id, log, workspace},
};

/// How many people there are, each brought by one event.
const PEOPLE: u64 = 20;
const STORE: &str = "store";

/// Today's read models of a log with these people.
fn today(dir: &Path) -> (Arc<ReadModels>, Arc<dyn EventLog>) {
    let log = log(dir);
    let mut story = Story::new();
    for number in 1..=PEOPLE {
        story.user(number.into(), added(number.into()));
    }
    runtime().block_on(append(&*log, &story.events));
    (ReadModels::open(&dir.join("read"), log.clone()).unwrap(), log)
}

fn at(log: &Arc<dyn EventLog>, position: u64) -> Arc<AsOf> {
    Arc::new(AsOf::new(Arc::clone(log), workspace(), position))
}

/// The files of which something serves.
fn files(models: &ReadModels) -> Vec<String> {
    let entries = std::fs::read_dir(&models.shop.dir).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|it| it.ends_with(".g1.db")).collect();
    names.sort();
    names
}

/// Waits until nothing of it is there, and nothing is being built.
async fn absent(models: &ReadModels, name: &str) {
    let past = models.past.as_ref().unwrap();
    let mut stage = past.stages[models.seat(name).index].subscribe();
    stage.wait_for(|stage| matches!(stage, Stage::Absent)).await.unwrap();
}

/// Whether somebody is in the directory.
fn knows(models: &ReadModels, number: u128) -> bool {
    let okta = connector("okta");
    models.directory().user(&workspace(), &okta, EntryId(id(number))).unwrap().is_some()
}

#[test]
fn only_what_is_asked_for_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let (models, log) = today(dir.path());
    let past = models.past(id(1), at(&log, 12)).unwrap();
    assert_eq!(files(&past), [""; 0], "nobody has asked yet");
    runtime().block_on(past.caught_up(directory::NAME, &workspace())).unwrap();
    let built = files(&past);
    assert!(built.len() == 1 && built[0].starts_with("directory."), "{built:?}");
    assert!(knows(&past, 12) && !knows(&past, 13));
    assert_eq!(past.position(directory::NAME, &workspace()), 12);
    let place = past.shop.dir.clone();
    drop(past);
    assert!(!place.exists(), "it goes with its files");
}

#[test]
fn what_is_asked_for_at_the_same_time_is_built_together_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let (models, log) = today(dir.path());
    let past = models.past(id(1), at(&log, 12)).unwrap();
    runtime().block_on(async {
        let (directory, store) = (directory::NAME, STORE);
        let here = workspace();
        for _ in 0..2 {
            let all = tokio::join!(
                past.followed(directory, &here),
                past.followed(store, &here),
                past.followed(store, &here)
            );
            assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
        }
    });
    assert_eq!(files(&past).len(), 2);
    let built: Vec<_> = past.builds().into_iter().flat_map(|build| build.projections).collect();
    assert_eq!(built.len(), 2, "each once: {built:?}");
}

#[test]
fn what_nobody_asks_for_any_more_goes_and_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let (models, log) = today(dir.path());
    // Long enough for whoever has asked to see it, on a busy machine too.
    let terms = Terms { keep: Duration::from_secs(1), ..Terms::default() };
    let past = models.past_on(id(1), at(&log, PEOPLE), terms).unwrap();
    runtime().block_on(async {
        past.followed(directory::NAME, &workspace()).await.unwrap();
        absent(&past, directory::NAME).await;
        assert!(past.is_forgotten());
    });
    // The file goes right after.
    drop(past);
    let past = models.past(id(2), at(&log, PEOPLE)).unwrap();
    runtime().block_on(async {
        past.followed(directory::NAME, &workspace()).await.unwrap();
        past.shop.forget_past(past.past.as_ref().unwrap());
        assert_eq!(files(&past), [""; 0]);
        assert!(!past.is_forgotten(), "somebody has asked a moment ago");
        past.followed(directory::NAME, &workspace()).await.unwrap();
    });
    assert_eq!(files(&past).len(), 1);
}

#[test]
fn a_build_ends_that_nobody_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let (models, log) = today(dir.path());
    let terms = Terms { wait: Duration::ZERO, give_up: Duration::ZERO, ..Terms::default() };
    let past = models.past_on(id(1), at(&log, 12), terms).unwrap();
    runtime().block_on(async {
        let error = past.followed(directory::NAME, &workspace()).await.unwrap_err();
        assert!(matches!(error.building, Some(Building::Past { of: 12, .. })), "{error:?}");
        absent(&past, directory::NAME).await;
    });
    assert_eq!(files(&past), [""; 0]);
    assert!(!past.is_building());
}

#[test]
fn a_past_that_does_not_fit_the_disk_is_not_begun() {
    let dir = tempfile::tempdir().unwrap();
    let (models, log) = today(dir.path());
    let sizes = ALL.iter().map(|_| u64::MAX / 4).collect();
    let past = Past::new(sizes, Turns::default(), Terms::default());
    let place = dir.path().join("read/past/huge");
    let past = ReadModels::opened(&place, at(&log, 12), ALL, Some(past)).unwrap();
    for _ in 0..2 {
        let error = runtime().block_on(past.followed(directory::NAME, &workspace())).unwrap_err();
        assert_eq!(error.building, Some(Building::NoPast));
        assert!(error.reason.contains("free disk space"), "{error}");
    }
    assert_eq!(files(&past), [""; 0]);
    drop((models, past));
}

#[test]
fn how_large_it_will_be_follows_from_what_serves_today() {
    let dir = tempfile::tempdir().unwrap();
    let (models, _log) = today(dir.path());
    for name in ALL.iter().map(|it| it.name()) {
        runtime().block_on(models.followed(name, &workspace())).unwrap();
    }
    let all: u64 = models.sizes_of(PEOPLE).iter().sum();
    assert_eq!(all, models.bytes());
    let half: u64 = models.sizes_of(PEOPLE / 2).iter().sum();
    assert!(half >= all / 2 - 8 && half <= all / 2, "{half} of {all}");
}

#[test]
fn a_past_that_is_ended_is_read_to_the_end_and_goes_with_whoever_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let (models, log) = today(dir.path());
    let past = models.past(id(1), at(&log, 12)).unwrap();
    let (place, mut departure) = (past.shop.dir.clone(), past.departure());
    runtime().block_on(past.followed(directory::NAME, &workspace())).unwrap();
    past.end();
    assert!(knows(&past, 12));
    let error = runtime().block_on(past.followed(STORE, &workspace())).unwrap_err();
    assert!(matches!(error.building, Some(Building::Past { .. })), "ask again: {error:?}");
    assert!(knows(&past, 12) && !departure.is_over());
    drop(past);
    runtime().block_on(departure.over());
    assert!(departure.is_over() && !place.exists());
}

#[test]
fn what_was_left_of_pasts_is_removed_and_those_that_live_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (models, log) = today(dir.path());
    let past = models.past(id(1), at(&log, 12)).unwrap();
    let left = past.shop.dir.with_file_name(id(2).to_string());
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("store.g1.db"), "somebody").unwrap();
    models.remove_pasts_but(&[id(1)]).unwrap();
    assert!(!left.exists() && past.shop.dir.exists());
    runtime().block_on(past.followed(directory::NAME, &workspace())).unwrap();
    assert!(knows(&past, 12));
}
