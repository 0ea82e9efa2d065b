//! Following the log, and waiting for it.

use std::sync::Arc;

use domain::{ids::EntryId, portal::Portal, stored::Encoded, user::UserEvent};
use serde_json::json;

use super::*;
use crate::{
    directory::NAME,
    testing::{Story, append, append_raw, connector, id, log, resource, workspace},
};

pub(crate) fn added(number: u128) -> UserEvent {
    UserEvent::EntryAdded {
        portal: Portal::Store,
        connector: connector("okta"),
        entry: EntryId(id(number)),
        resource: resource(
            json!({ "userName": format!("user{number}@acme.example"), "active": true }),
        ),
    }
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_read_waits_for_what_was_committed_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let models = ReadModels::open(&dir.path().join("read"), log.clone()).unwrap();
    let mut story = Story::new();
    runtime().block_on(async {
        models.caught_up(NAME, &workspace()).await.unwrap();
        for number in 1..=50 {
            story.user(number, added(number));
            append(&*log, &story.events[story.events.len() - 1..]).await;
            models.caught_up(NAME, &workspace()).await.unwrap();
            let okta = connector("okta");
            let found = models.directory().user(&workspace(), &okta, EntryId(id(number)));
            assert_eq!(found.unwrap().unwrap().id, EntryId(id(number)));
            assert_eq!(models.position(NAME, &workspace()), u64::try_from(number).unwrap());
        }
    });
}

#[test]
fn what_was_applied_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let mut story = Story::new();
    for number in 1..=10 {
        story.user(number, added(number));
    }
    runtime().block_on(append(&*log, &story.events));
    let open = || ReadModels::open(&dir.path().join("read"), log.clone()).unwrap();
    let models = open();
    runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
    models.close();
    let again = open();
    assert_eq!(again.position(NAME, &workspace()), 10);
    let okta = connector("okta");
    assert_eq!(again.directory().people_of(&workspace(), &okta).unwrap(), 10);
}

#[test]
fn an_event_that_cannot_be_read_is_held_with_its_stream_and_everything_else_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let models = ReadModels::open(&dir.path().join("read"), log.clone()).unwrap();
    let mut story = Story::new();
    story.user(1, added(1)).user(2, added(2)).user(3, added(3));
    let other = WorkspaceId::parse("other").unwrap();
    let mut sound = Story::of(other.clone());
    sound.user(1, added(1));
    runtime().block_on(async {
        append(&*log, &story.events[..1]).await;
        let encoded = Encoded {
            name: "user.unheard_of".to_owned(),
            schema_version: 1,
            payload: b"{}".to_vec(),
        };
        append_raw(&*log, &story.events[1], encoded).await;
        append(&*log, &story.events[2..]).await;
        append(&*log, &sound.events).await;
        models.caught_up(NAME, &other).await.unwrap();
        let stale = models.caught_up(NAME, &workspace()).await.unwrap_err();
        assert_eq!(stale.position, 1);
        assert!(stale.reason.contains("position 2 cannot be decoded"), "{stale}");
        // What is sound is shown, before it and after it.
        let okta = connector("okta");
        assert_eq!(models.directory().people_of(&workspace(), &okta).unwrap(), 2);
        assert_eq!(models.position(NAME, &workspace()), 3);
    });
}

#[test]
fn nobody_waits_for_read_models_that_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let models = ReadModels::open(&dir.path().join("read"), log.clone()).unwrap();
    models.close();
    let mut story = Story::new();
    story.user(1, added(1));
    runtime().block_on(async {
        append(&*log, &story.events).await;
        let stale = models.caught_up(NAME, &workspace()).await.unwrap_err();
        assert_eq!(&*stale.reason, "the read models are closed");
    });
}

#[test]
fn a_projection_whose_disk_was_full_goes_on_by_itself_though_nothing_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    // Alone, since it is tried again at once where others move.
    let models = ReadModels::with(&dir.path().join("read"), log.clone(), &ALL[..1]).unwrap();
    let pages = |most: i64| {
        let writer = models.seat(NAME).writer.lock();
        writer.connection().pragma_update(None, "max_page_count", most).unwrap();
    };
    pages(1);
    let mut story = Story::new();
    let mut large = added(1);
    if let UserEvent::EntryAdded { resource: it, .. } = &mut large {
        *it = resource(json!({ "userName": "ada@acme.example", "title": "x".repeat(100_000) }));
    }
    story.user(1, large);
    runtime().block_on(async {
        append(&*log, &story.events).await;
        let stale = models.caught_up(NAME, &workspace()).await.unwrap_err();
        assert_eq!(&*stale.reason, "its file cannot be written: database or disk is full");
        pages(1_000_000);
        while models.caught_up(NAME, &workspace()).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(models.position(NAME, &workspace()), 1);
    });
}

#[test]
fn a_file_that_is_ahead_of_its_log_is_filled_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::new();
    story.user(1, added(1)).user(2, added(2));
    {
        let log = log(dir.path());
        let models = ReadModels::open(&dir.path().join("read"), log.clone()).unwrap();
        runtime().block_on(async {
            append(&*log, &story.events).await;
            models.caught_up(NAME, &workspace()).await.unwrap();
        });
    }
    let restored = log(&dir.path().join("restored"));
    runtime().block_on(append(&*restored, &story.events[..1]));
    let models = ReadModels::open(&dir.path().join("read"), restored).unwrap();
    runtime().block_on(models.caught_up(NAME, &workspace())).unwrap();
    let okta = connector("okta");
    assert_eq!(models.directory().people_of(&workspace(), &okta).unwrap(), 1);
}

#[test]
fn closing_leaves_nobody_behind() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let models = ReadModels::open(&dir.path().join("read"), log).unwrap();
    let projector = Arc::downgrade(&models.shop);
    drop(models);
    assert!(projector.upgrade().is_none());
}
