//! Events that fail for a while, in read models that follow a log.

use domain::{
    stored::encode,
    workspace::{Skip, WorkspaceEvent},
};
use event_log::EventLog;

use super::*;
use crate::{
    Projection,
    directory::{DirectoryProjection, NAME},
    mdm::Mdm,
    read_models::tests::{added, runtime},
    store::Store,
    testing::{
        START, Story, append, append_raw, assert_same, connector, failing::Failing, id, log,
        workspace,
    },
};

/// A log of three people, and read models to which the second cannot be shown.
struct Scene {
    dir: tempfile::TempDir,
    log: Arc<event_log::SqliteLog>,
    story: Story,
    failing: Failing,
    models: Option<Arc<ReadModels>>,
    projections: &'static [&'static dyn Projection],
}

impl Scene {
    fn new(failing: Failing) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        let mut story = Story::new();
        story.user(1, added(1)).user(2, added(2)).user(3, added(3));
        let projections = vec![failing.leaked(), &Mdm as &dyn Projection];
        let projections = Box::leak(projections.into_boxed_slice());
        let mut scene = Self { dir, log, story, failing, models: None, projections };
        scene.open();
        runtime().block_on(append(&*scene.log, &scene.story.events));
        scene
    }

    fn open(&mut self) {
        self.models = None;
        let (dir, log) = (self.dir.path().join("read"), Arc::clone(&self.log));
        self.models = Some(ReadModels::with(&dir, log, self.projections).unwrap());
    }

    fn models(&self) -> &ReadModels {
        self.models.as_ref().unwrap()
    }

    fn followed(&self, name: &str) -> Arc<[HeldStream]> {
        runtime().block_on(self.models().followed(name, &workspace())).unwrap()
    }

    fn skip(&mut self, held: &HeldStream) {
        let skip = Skip {
            projection: held.projection.into(),
            kind: held.kind.clone(),
            stream: held.stream,
            position: held.position,
        };
        let skipped = WorkspaceEvent::EventSkipped { skip, reason: "it is damaged".to_owned() };
        self.story.setting(skipped.clone());
        let event = self.story.events.last().unwrap();
        runtime().block_on(append_raw(&*self.log, event, encode(&skipped)));
    }
}

fn of(name: &str) -> Order {
    Order { projection: Some(name.to_owned()), workspace: None }
}

fn people(models: &ReadModels) -> u64 {
    models.directory().people_of(&workspace(), &connector("okta")).unwrap()
}

#[test]
fn a_hold_is_known_to_whoever_asks_and_everything_else_goes_on() {
    let scene = Scene::new(Failing::at(&DirectoryProjection, [2]));
    let held = scene.followed(NAME);
    let [one] = &*held else { panic!("one is held: {held:?}") };
    assert_eq!((one.stream, one.position, one.since), (id(2), 2, START));
    assert_eq!(one.id().to_string(), format!("directory.acme.user.{}", id(2)));
    assert_eq!(people(scene.models()), 2, "the first and the third are there");
    assert_eq!(&*scene.followed("mdm"), []);
    assert_eq!(scene.models().stale_in(&workspace()), [NAME]);
    // Whoever decides by what it shows is told instead.
    let stale = runtime().block_on(scene.models().caught_up(NAME, &workspace())).unwrap_err();
    assert_eq!(stale.position, 1);
    assert!(stale.reason.contains("position 2 does not fit"), "{stale}");
}

#[test]
fn while_a_file_takes_over_a_hold_is_known_to_whoever_asks() {
    let scene = Scene::new(Failing::at(&DirectoryProjection, [2]));
    assert_eq!(scene.followed(NAME).len(), 1);
    let (models, index) = (scene.models(), scene.models().seat(NAME).index);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(models.shop.marks.held(index, &workspace()).len(), 1);
            }
        });
        for _ in 0..20 {
            models.rebuild(Some(NAME), &mut |_| {}).unwrap();
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        asks.join().unwrap();
    });
}

#[test]
fn a_fix_ends_a_hold_by_itself_at_the_next_start() {
    let mut scene = Scene::new(Failing::at(&Store, [2]));
    assert_eq!(scene.followed("store").len(), 1);
    scene.open();
    // It was tried, in vain, or is about to be; it is not forgotten.
    assert_eq!(scene.followed("store").len(), 1);
    scene.models = None;
    scene.failing.mended();
    scene.open();
    let models = Arc::clone(scene.models.as_ref().unwrap());
    // Closing waits for what the mender does; it did that first.
    while !scene.followed("store").is_empty() {
        std::thread::yield_now();
    }
    drop(models);
    runtime().block_on(scene.models().caught_up("store", &workspace())).unwrap();
}

#[test]
fn a_person_has_it_tried_again() {
    for (projection, name) in
        [(&Store as &'static dyn Projection, "store"), (&DirectoryProjection, NAME)]
    {
        let scene = Scene::new(Failing::at(projection, [2]));
        let held = scene.followed(name)[0].id();
        let left = scene.models().retry(&held).unwrap().unwrap();
        assert!(left.attempts >= 2);
        scene.failing.mended();
        assert_eq!(scene.models().retry(&held).unwrap(), None);
        runtime().block_on(scene.models().caught_up(name, &workspace())).unwrap();
        assert_eq!(scene.models().verify(&of(name), &mut |_| {}).unwrap().differences, []);
        let gone = scene.models().retry(&held).unwrap_err();
        assert!(matches!(gone, RebuildError::Unknown(_)), "{gone}");
    }
}

#[test]
fn what_a_person_skips_stays_out_of_rebuilds_too() {
    for (projection, name) in
        [(&Store as &'static dyn Projection, "store"), (&DirectoryProjection, NAME)]
    {
        let mut scene = Scene::new(Failing::at(projection, [2]));
        let held = scene.followed(name)[0].clone();
        scene.skip(&held);
        // The mender hears of it as well; whoever comes second finds nothing to do.
        let _ = scene.models().retry(&held.id());
        while !scene.followed(name).is_empty() {
            std::thread::yield_now();
        }
        let dump = |scene: &Scene| {
            let mut text = Vec::new();
            scene.models().dump(name, None, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        let before = dump(&scene);
        assert!(!before.contains("user2@acme.example") && before.contains("user3@acme.example"));
        // Even where it could be applied by now.
        scene.failing.mended();
        scene.models().rebuild(Some(name), &mut |_| {}).unwrap();
        assert_same(&dump(&scene), &before);
        assert_eq!(scene.models().verify(&of(name), &mut |_| {}).unwrap().differences, []);
    }
}

#[test]
fn a_missing_key_holds_its_stream_and_no_other() {
    let mut scene = Scene::new(Failing::at(&Store, []));
    scene.models = None;
    scene.story.user(4, added(4));
    let event = scene.story.events.last().unwrap().clone();
    // What the log gives back where a key is lost: an event, and nothing of what it says.
    runtime().block_on(append(&*scene.log, std::slice::from_ref(&event)));
    let stored = runtime().block_on(scene.log.read(&workspace(), 3, 1)).unwrap();
    let mut stored = stored.into_iter().next().unwrap();
    stored.payload = event_log::Payload::Missing { key: 9 };
    let batch = crate::batch::Batch::of(3, vec![stored.clone()]);
    let file = crate::generation::scratch(&scene.dir.path().join("one"), &Store).unwrap();
    let mut writer = crate::writer::Writer::new(&Store, file, None).unwrap();
    let held = writer.apply(&workspace(), batch.items.iter(), &Skipped::default(), 4).unwrap();
    assert_eq!(held[0].stream, id(4));
    assert_eq!(&*held[0].reason, "the data key 9 of the event at position 4 is missing");
    // What is damaged is not said to lack its key: another mends it.
    let damaged =
        event_log::StoredEvent { payload: event_log::Payload::Damaged { key: 9 }, ..stored };
    let item = items(vec![damaged]).pop().unwrap();
    assert_eq!(
        item.seen().unwrap_err(),
        "the event at position 4 is damaged: its data key 9 is there and does not open it"
    );
}

/// A directory that can be shown the second event behind others only.
struct Late;

impl Projection for Late {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        DirectoryProjection.version()
    }

    fn schema(&self) -> &'static str {
        DirectoryProjection.schema()
    }

    fn tables(&self) -> &'static [crate::Table] {
        DirectoryProjection.tables()
    }

    fn hears(&self, event: &domain::Event) -> bool {
        DirectoryProjection.hears(event)
    }

    fn follows(&self, kind: &str) -> bool {
        DirectoryProjection.follows(kind)
    }

    fn apply(
        &self,
        tx: &rusqlite::Transaction<'_>,
        event: &crate::Recorded,
    ) -> rusqlite::Result<()> {
        let others: i64 = tx.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
        if event.position == 2 && others < 2 {
            return Err(rusqlite::Error::InvalidQuery);
        }
        DirectoryProjection.apply(tx, event)
    }
}

#[test]
fn what_every_build_holds_again_is_built_again_at_longer_and_longer_intervals() {
    let mut scene = Scene::new(Failing::at(&DirectoryProjection, []));
    scene.projections = &[&Late, &Mdm];
    scene.models = None;
    std::fs::remove_dir_all(scene.dir.path().join("read")).unwrap();
    scene.open();
    assert_eq!(scene.followed(NAME).len(), 1);
    let (shop, mut due) = (&scene.models().shop, HashMap::new());
    shop.mend_what_is_due(&mut due);
    let builds = scene.models().builds().len();
    let mut next = None;
    for _ in 0..3 {
        scene.models().wait_for_builds();
        due.values_mut().for_each(|it| it.when = Instant::now());
        next = shop.mend_what_is_due(&mut due);
    }
    assert_eq!(scene.followed(NAME)[0].position, 2);
    assert!(scene.models().builds().len() > builds, "it could be applied where it was tried");
    assert!(next.unwrap() > Instant::now() + pause(2));
}

#[test]
fn what_cannot_be_applied_is_left_alone_for_longer_and_longer() {
    let seconds: Vec<_> = [1, 2, 3, 7, 8, 60].map(pause).iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [30, 60, 120, 1_920, 3_600, 3_600]);
}
