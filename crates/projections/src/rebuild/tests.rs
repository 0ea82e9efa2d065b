//! Building again: the same rows, while the old ones serve, and whatever happens in between.

use std::{path::Path, sync::Arc};

use domain::stored::Encoded;
use event_log::SqliteLog;

use super::*;
use crate::Difference;
use crate::{
    ALL,
    directory::NAME,
    read_models::tests::{added, runtime},
    testing::{Story, append, append_raw, assert_same, connector, log, workspace},
};

/// Two workspaces whose events took turns, read models that have caught up, and the log.
fn filled(dir: &Path) -> (Arc<SqliteLog>, Arc<ReadModels>, [Story; 2]) {
    let log = log(dir);
    let other = WorkspaceId::parse("other").unwrap();
    let mut stories = [Story::new(), Story::of(other.clone())];
    for number in 1..=20 {
        for story in &mut stories {
            story.user(number, added(number));
        }
    }
    let models = ReadModels::open(&dir.join("read"), log.clone()).unwrap();
    runtime().block_on(async {
        for number in 0..20 {
            for story in &stories {
                append(&*log, &story.events[number..=number]).await;
                models.caught_up(NAME, &story.events[0].workspace).await.unwrap();
            }
        }
        for (projection, story) in ALL.iter().flat_map(|it| stories.iter().map(move |s| (it, s))) {
            let workspace = &story.events[0].workspace;
            models.caught_up(projection.name(), workspace).await.unwrap();
        }
    });
    (log, models, stories)
}

fn dump(models: &ReadModels) -> String {
    let mut text = Vec::new();
    for projection in ALL {
        models.dump(projection.name(), None, &mut text).unwrap();
    }
    String::from_utf8(text).unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("read")).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "db"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_rebuilt_file_has_the_same_rows_and_takes_the_place_of_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, [mut story, _]) = filled(dir.path());
    let before = dump(&models);
    let mut told = Vec::new();
    models.rebuild(None, &mut |progress| told.push(progress)).unwrap();
    assert_same(&dump(&models), &before);
    assert_eq!(told.last().unwrap(), &Progress { projection: "timeline", done: 40, total: 40 });
    let [directory, ..] = &*files(dir.path()) else { panic!("there are files") };
    assert_eq!(directory, "dashboard.v5.g2.db");
    assert_eq!(files(dir.path()).len(), ALL.len());

    // It goes on from there, and is found again.
    story.user(99, added(99));
    runtime().block_on(async {
        append(&*log, &story.events[20..]).await;
        models.caught_up(NAME, &workspace()).await.unwrap();
    });
    let people = |models: &ReadModels| {
        models.directory().people_of(&workspace(), &connector("okta")).unwrap()
    };
    assert_eq!(people(&models), 21);
    drop(models);
    let again = ReadModels::open(&dir.path().join("read"), log).unwrap();
    assert_eq!(people(&again), 21);
    assert_eq!(again.status()[0].generation, 2);
}

#[test]
fn a_build_that_was_killed_leaves_what_served() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = filled(dir.path());
    let before = dump(&models);
    let mut builds = models.builds(None).unwrap();
    let heads = models.projector.log.heads();
    fill(models.source().unwrap(), &mut builds, &heads, &mut |_| {}).unwrap();
    // As far as a build can come without being complete.
    let builds: Vec<_> =
        builds.into_iter().map(|build| build.onto_disk(&models.copier).unwrap()).collect();
    assert_eq!(files(dir.path()).len(), 2 * ALL.len());
    builds.into_iter().for_each(std::mem::forget);
    drop(models);
    let again = ReadModels::open(&dir.path().join("read"), log).unwrap();
    assert_eq!(files(dir.path()).len(), ALL.len());
    assert_eq!(again.status()[0].generation, 1);
    assert_same(&dump(&again), &before);
}

#[test]
fn a_build_that_is_given_up_takes_its_file_along() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, [mut story, _]) = filled(dir.path());
    story.user(50, added(50));
    let encoded =
        Encoded { name: "user.unheard_of".to_owned(), schema_version: 1, payload: b"{}".to_vec() };
    runtime().block_on(append_raw(&*log, &story.events[20], encoded));
    let error = models.rebuild(Some(NAME), &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().starts_with(
            "workspace acme: after position 20: the event at position 21 cannot be decoded"
        ),
        "{error}"
    );
    assert_eq!(files(dir.path()).len(), ALL.len());
    assert_eq!(models.directory().people_of(&workspace(), &connector("okta")).unwrap(), 20);
}

#[test]
fn verification_names_the_first_row_that_is_not_what_the_log_says() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = filled(dir.path());
    assert_eq!(models.verify(None, &mut |_| {}).unwrap(), []);
    drop(models);
    let file = dir.path().join("read").join("directory.v3.g1.db");
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .execute("DELETE FROM entries WHERE user_name = 'user7@acme.example' AND connector = 2", [])
        .unwrap();
    drop(connection);
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    let differences = models.verify(None, &mut |_| {}).unwrap();
    let [Difference { projection, workspace, table, live, rebuilt }] = &*differences else {
        panic!("there is one: {differences:?}")
    };
    assert_eq!((*projection, workspace.as_str(), *table), ("directory", "other", "entries"));
    assert!(live.as_ref().unwrap().contains("user8@acme.example"));
    assert!(rebuilt.as_ref().unwrap().contains("user7@acme.example"));
    assert_eq!(files(dir.path()).len(), ALL.len(), "what it built is gone");
}

#[test]
fn a_stopped_projection_goes_on_once_it_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, [mut story, _]) = filled(dir.path());
    let models = {
        // Somebody puts a row in the way of an event to come.
        drop(models);
        let file = dir.path().join("read").join("directory.v3.g1.db");
        let connection = rusqlite::Connection::open(file).unwrap();
        connection
            .execute(
                "UPDATE entries SET id = ?1 WHERE no = (SELECT min(no) FROM entries)",
                [crate::testing::id(77).as_bytes()],
            )
            .unwrap();
        ReadModels::open(&dir.path().join("read"), log.clone()).unwrap()
    };
    story.user(76, added(76)).user(77, added(77)).user(78, added(78));
    runtime().block_on(async {
        append(&*log, &story.events[20..]).await;
        let stale = models.caught_up(NAME, &workspace()).await.unwrap_err();
        assert_eq!(stale.position, 21, "what came before it went in");
        assert!(stale.reason.contains("position 22 does not fit"), "{stale}");
        models.caught_up("store", &workspace()).await.unwrap();
    });
    models.rebuild(Some(NAME), &mut |_| {}).unwrap();
    runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
    assert_eq!(models.directory().people_of(&workspace(), &connector("okta")).unwrap(), 23);
}

#[test]
fn reads_and_writes_go_on_during_a_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, [mut story, _]) = filled(dir.path());
    for number in 100..=300 {
        story.user(number, added(number));
    }
    std::thread::scope(|scope| {
        let events = &story.events[20..];
        let (models, writer) = (&*models, &log);
        let written = scope.spawn(move || {
            runtime().block_on(async {
                for event in events {
                    append(&**writer, std::slice::from_ref(event)).await;
                    models.caught_up(NAME, &workspace()).await.unwrap();
                    let people =
                        models.directory().people_of(&workspace(), &connector("okta")).unwrap();
                    assert_eq!(people, event.position);
                }
            });
        });
        while !written.is_finished() {
            models.rebuild(None, &mut |_| {}).unwrap();
        }
        written.join().unwrap();
    });
    assert_eq!(models.verify(None, &mut |_| {}).unwrap(), []);
}

#[test]
fn a_rebuild_may_be_asked_for_by_a_task() {
    let dir = tempfile::tempdir().unwrap();
    let (_, models, _) = filled(dir.path());
    runtime().block_on(async {
        models.rebuild(None, &mut |_| {}).unwrap();
        assert_eq!(models.verify(None, &mut |_| {}).unwrap(), []);
    });
    let unknown = models.rebuild(Some("nothing"), &mut |_| {}).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no projection named \"nothing\"");
}

#[test]
fn closing_ends_a_build() {
    let dir = tempfile::tempdir().unwrap();
    let (_, models, _) = filled(dir.path());
    let close = |progress: Progress| {
        if progress.done == 0 {
            models.close();
        }
    };
    let result = models.rebuild(None, &mut { close });
    // It may have been done with so little before it heard of it.
    assert!(matches!(result, Err(RebuildError::Closed) | Ok(())), "{result:?}");
    let closed = models.rebuild(None, &mut |_| {}).unwrap_err();
    assert!(matches!(closed, RebuildError::Closed), "{closed}");
    assert_eq!(files(dir.path()).len(), ALL.len());
}
