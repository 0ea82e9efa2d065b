//! Building again: the same rows, while the old ones serve, and whatever happens in between.

use std::{path::Path, sync::Arc};

use domain::stored::Encoded;
use event_log::SqliteLog;

use super::*;
use crate::{
    ALL, BuildState, BuildView, Difference, NoBuild, Projection, Remedy,
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

fn of(name: &str) -> Order {
    Order { projection: Some(name.to_owned()), workspace: None }
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
    assert_eq!(told.last().unwrap(), &Progress { done: 40, total: 40 });
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
fn a_build_holds_what_it_cannot_apply_as_the_projector_does() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, [mut story, _]) = filled(dir.path());
    story.user(50, added(50));
    let encoded =
        Encoded { name: "user.unheard_of".to_owned(), schema_version: 1, payload: b"{}".to_vec() };
    runtime().block_on(async {
        append_raw(&*log, &story.events[20], encoded).await;
        models.followed(NAME, &workspace()).await.unwrap();
    });
    let held = || models.held().into_iter().filter(|it| it.projection == NAME).collect::<Vec<_>>();
    let before = held();
    models.rebuild(Some(NAME), &mut |_| {}).unwrap();
    assert_eq!(held(), before);
    assert_eq!(before[0].position, 21);
    assert!(before[0].reason.contains("position 21 cannot be decoded"), "{}", before[0].reason);
    assert_eq!(models.verify(&of(NAME), &mut |_| {}).unwrap().differences, []);
    assert_eq!(models.directory().people_of(&workspace(), &connector("okta")).unwrap(), 20);
}

#[test]
fn verification_names_the_first_row_that_is_not_what_the_log_says() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = filled(dir.path());
    assert_eq!(models.verify(&Order::default(), &mut |_| {}).unwrap().differences, []);
    drop(models);
    let file = dir.path().join("read").join("directory.v3.g1.db");
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .execute("DELETE FROM entries WHERE user_name = 'user7@acme.example' AND connector = 2", [])
        .unwrap();
    drop(connection);
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    let differences = models.verify(&Order::default(), &mut |_| {}).unwrap().differences;
    let [Difference { projection, workspace, table, live, rebuilt }] = &*differences else {
        panic!("there is one: {differences:?}")
    };
    assert_eq!((*projection, workspace.as_str(), *table), ("directory", "other", "entries"));
    assert!(live.as_ref().unwrap().contains("user8@acme.example"));
    assert!(rebuilt.as_ref().unwrap().contains("user7@acme.example"));
    assert_eq!(files(dir.path()).len(), ALL.len(), "what it built is gone");
}

#[test]
fn a_held_event_goes_in_once_what_was_in_its_way_is_rebuilt() {
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
        let held = models.followed(NAME, &workspace()).await.unwrap();
        assert_eq!((held.len(), held[0].position), (1, 22), "the others went in");
        assert!(held[0].reason.contains("position 22 does not fit"), "{held:?}");
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
    assert_eq!(models.verify(&Order::default(), &mut |_| {}).unwrap().differences, []);
}

#[test]
fn a_rebuild_may_be_asked_for_by_a_task() {
    let dir = tempfile::tempdir().unwrap();
    let (_, models, _) = filled(dir.path());
    runtime().block_on(async {
        models.rebuild(None, &mut |_| {}).unwrap();
        assert_eq!(models.verify(&Order::default(), &mut |_| {}).unwrap().differences, []);
    });
    let unknown = models.rebuild(Some("nothing"), &mut |_| {}).unwrap_err();
    assert_eq!(unknown.to_string(), "there is nothing named \"nothing\"");
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
}

/// A copy of the files as they lie there at this moment: what a kill would leave.
fn killed(dir: &Path) -> std::path::PathBuf {
    let copy = dir.join("killed");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(dir.join("read")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    copy
}

#[test]
fn a_build_that_was_killed_is_taken_up_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = filled(dir.path());
    let before = dump(&models);
    let seat = models.shop.seats.first().unwrap();
    let mut making = [Making::next(&models.shop.dir, seat, None).unwrap()];
    let source = models.shop.source().unwrap();
    let ticket = models.shop.builds.begin(Purpose::Rebuild, vec![NAME], None).unwrap();
    let acme = [(workspace(), 20)];
    fill(&source, &ticket, &mut making, &acme, &mut |_, _| {}).unwrap();
    let copy = killed(dir.path());
    let [making] = making;
    drop(making);
    assert_eq!(files(dir.path()).len(), ALL.len(), "given up, it takes its file along");

    let path = copy.join("directory.v3.g2.db");
    let left = generation::unfinished(&path, seat.projection).unwrap();
    assert_eq!(left.workspace, None);
    let writer = crate::writer::Writer::new(seat.projection, left.connection, None).unwrap();
    assert_eq!(writer.saved()[&workspace()], 20, "that far it had come");
    drop(writer);
    let again = ReadModels::open(&copy, log).unwrap();
    while again.status()[0].generation == 1 {
        std::thread::yield_now();
    }
    again.wait_for_builds();
    assert_same(&dump(&again), &before);
    let [build, ..] = &*again.builds() else { panic!("it was taken up by itself") };
    assert_eq!((build.state, build.done, build.total), (BuildState::Done, 40, 40));
}

#[test]
fn a_build_that_is_stopped_at_its_end_is_taken_up_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (_, models, _) = filled(dir.path());
    let (seat, source) = (models.seat(NAME), models.shop.source().unwrap());
    let mut making = Making::next(&models.shop.dir, seat, None).unwrap();
    making.follow(&source, &[(workspace(), 15)]).unwrap();
    models.shop.stop.send_replace(true);
    let stopped = models.shop.serve(making, &source).unwrap_err();
    assert!(matches!(stopped, RebuildError::Closed), "{stopped}");
    assert!(seat.unfinished(&models.shop.dir).is_some());
    let making = Making::next(&models.shop.dir, seat, None).unwrap();
    assert_eq!(making.position(&workspace()), 15);
}

#[test]
fn a_build_is_paused_resumed_and_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let (_, models, _) = filled(dir.path());
    let begun = models.begin(&Order::default()).unwrap();
    let id = begun.id();
    assert!(matches!(models.begin(&Order::default()), Err(RebuildError::Busy)));
    assert_eq!(models.pause_build(id).unwrap().state, BuildState::Paused);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| begun.run(&mut |_| {}));
        // It cannot end before it is let go on.
        assert_eq!(models.builds()[0].state, BuildState::Paused);
        models.resume_build(id).unwrap();
        run.join().unwrap().unwrap();
    });
    assert_eq!(models.builds()[0].state, BuildState::Done);
    assert_eq!(models.cancel_build(id).unwrap_err(), NoBuild::Ended);
    assert_eq!(models.cancel_build(99).unwrap_err(), NoBuild::Unknown);

    let begun = models.begin(&Order::default()).unwrap();
    assert_eq!(models.cancel_build(begun.id()).unwrap().state, BuildState::Cancelling);
    assert!(matches!(begun.run(&mut |_| {}), Err(RebuildError::Cancelled)));
    assert_eq!(models.builds()[0].state, BuildState::Cancelled);
    assert_eq!(files(dir.path()).len(), ALL.len());
    assert_eq!(models.status()[0].generation, 2, "the first was done, the second was not");
}

#[test]
fn one_workspace_is_built_again_and_the_others_are_left_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = filled(dir.path());
    let before = dump(&models);
    drop(models);
    for (file, table) in [
        ("directory.v3.g1.db", "entries"),
        ("store.v501.g1.db", "accounts"),
        ("mdm.v502.g1.db", "accounts"),
    ] {
        let file = rusqlite::Connection::open(dir.path().join("read").join(file)).unwrap();
        let _ = file.execute(&format!("DELETE FROM {table} WHERE no % 5 = 2"), []).unwrap();
    }
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    let different = |models: &ReadModels| {
        let found = models.verify(&Order::default(), &mut |_| {}).unwrap();
        let found = found.differences.iter().map(|it| (it.projection, it.workspace.to_string()));
        found.collect::<std::collections::BTreeSet<_>>()
    };
    let acme = "acme".to_owned();
    assert!(different(&models).contains(&(NAME, acme.clone())));
    let order = Order { projection: None, workspace: Some(workspace()) };
    models.begin(&order).unwrap().run(&mut |_| {}).unwrap();
    let left = different(&models);
    assert!(left.contains(&(NAME, "other".to_owned())), "{left:?}");
    assert!(left.iter().all(|(_, workspace)| *workspace != acme), "{left:?}");
    let found = models.verify(&order, &mut |_| {}).unwrap();
    assert_eq!((found.differences.len(), found.contents.len()), (0, ALL.len()));
    models.rebuild(None, &mut |_| {}).unwrap();
    assert_same(&dump(&models), &before);
    let unknown = Order { workspace: WorkspaceId::parse("nobody").ok(), ..Order::default() };
    assert!(matches!(models.begin(&unknown), Err(RebuildError::Unknown(_))));
}

#[test]
fn a_build_that_would_fill_the_disk_does_not_begin() {
    let dir = tempfile::tempdir().unwrap();
    let (_, models, _) = filled(dir.path());
    // As large as no disk is; nothing of it is written.
    let path = models.shop.seats[0].serving().path().to_owned();
    std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 43).unwrap();
    let error = models.rebuild(Some(NAME), &mut |_| {}).unwrap_err();
    assert!(error.to_string().ends_with("MiB are missing"), "{error}");
    models.rebuild(Some("store"), &mut |_| {}).unwrap();
}

/// A projection as another version of this program has it.
struct Version {
    of: &'static dyn Projection,
    number: u32,
    since: u32,
    /// Held by a test that wants nothing to be applied.
    gate: parking_lot::Mutex<()>,
}

impl Projection for Version {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn version(&self) -> u32 {
        self.number
    }

    fn serves_since(&self) -> u32 {
        self.since
    }

    fn schema(&self) -> &'static str {
        self.of.schema()
    }

    fn tables(&self) -> &'static [crate::Table] {
        self.of.tables()
    }

    fn hears(&self, event: &domain::Event) -> bool {
        self.of.hears(event)
    }

    fn follows(&self, kind: &str) -> bool {
        self.of.follows(kind)
    }

    fn apply(
        &self,
        tx: &rusqlite::Transaction<'_>,
        event: &crate::Recorded,
    ) -> rusqlite::Result<()> {
        drop(self.gate.lock());
        self.of.apply(tx, event)
    }
}

fn version(number: u32, since: u32) -> &'static Version {
    let of = &crate::directory::DirectoryProjection;
    Box::leak(Box::new(Version { of, number, since, gate: parking_lot::Mutex::default() }))
}

fn only(version: &'static Version) -> &'static [&'static dyn Projection] {
    Box::leak(vec![version as &dyn Projection].into_boxed_slice())
}

#[test]
fn at_an_upgrade_a_new_file_is_built_and_reads_are_told_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = filled(dir.path());
    drop(models);
    let read = dir.path().join("read");
    let new = version(4, 4);
    let gate = new.gate.lock();
    let models = ReadModels::with(&read, log, only(new)).unwrap();
    let stale = runtime().block_on(models.followed(NAME, &workspace())).unwrap_err();
    assert!(stale.building.is_some(), "{stale}");
    assert_eq!(models.vacancies().len(), 1);
    let BuildView { id, purpose, .. } = models.builds()[0].clone();
    assert_eq!(purpose, Purpose::Upgrade);
    // Taken back, it would leave nothing that serves.
    assert_eq!(models.cancel_build(id).unwrap_err(), NoBuild::Needed);
    assert_eq!(models.vacancies()[0].remedy, Remedy::Runs);
    models.pause_build(id).unwrap();
    let stale = runtime().block_on(models.followed(NAME, &workspace())).unwrap_err();
    assert!(stale.reason.contains("paused until an operator resumes it"), "{stale}");
    models.resume_build(id).unwrap();
    drop(gate);
    models.wait_for_builds();
    runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
    assert_eq!(models.vacancies(), []);
    assert_eq!(models.directory().people_of(&workspace(), &connector("okta")).unwrap(), 20);
    assert!(files(dir.path()).contains(&"directory.v4.g1.db".to_owned()));
}

#[test]
fn where_no_read_model_is_left_the_log_is_read_once_for_all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, _) = filled(dir.path());
    let before = dump(&models);
    drop(models);
    let read = dir.path().join("read");
    std::fs::remove_dir_all(&read).unwrap();
    let models = ReadModels::open(&read, log).unwrap();
    for projection in ALL {
        runtime().block_on(models.caught_up(projection.name(), &workspace())).unwrap();
    }
    models.wait_for_builds();
    assert_same(&dump(&models), &before);
    let builds = models.builds();
    let names: Vec<_> = ALL.iter().map(|projection| projection.name()).collect();
    assert_eq!((builds.len(), &builds[0].projections), (1, &names));
}

#[test]
fn a_file_of_an_older_version_serves_until_the_new_one_is_built_where_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let (log, models, [mut story, _]) = filled(dir.path());
    drop(models);
    let read = dir.path().join("read");
    let new = version(4, 3);
    let gate = new.gate.lock();
    let models = ReadModels::with(&read, log.clone(), only(new)).unwrap();
    // The new one cannot get anywhere, and reads are answered.
    runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
    let people = || models.directory().people_of(&workspace(), &connector("okta")).unwrap();
    assert_eq!(people(), 20);
    drop(gate);
    story.user(77, added(77));
    runtime().block_on(async {
        append(&*log, &story.events[20..]).await;
        models.caught_up(NAME, &workspace()).await.unwrap();
    });
    assert_eq!(people(), 21, "it is as new as any");
    models.wait_for_builds();
    assert_eq!(people(), 21);
    let left: Vec<_> = files(dir.path()).into_iter().filter(|it| it.starts_with("dir")).collect();
    assert_eq!(left, ["directory.v4.g2.db"]);
}
