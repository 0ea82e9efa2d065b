//! What read models have to fear: that the system goes down, and with it what it has not put on the disk yet.
//!
//! They can be made from the log again, which is on the disk before anybody is told of it. So nothing of them
//! is forced there: each page that was would keep the log's next sync waiting, and everybody with it
//! ([decision 17](../../../docs/decisions/0017-read-models-are-not-forced-to-disk.md)). A process that is killed loses nothing by
//! that, since the system has it. If the system goes down their files may be half old and half new, without
//! looking so. So a *mark* beside them names the start of the system under which they are written, and is gone
//! once they were closed and forced. Whoever finds the mark of another start throws them away.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{Failure, generation::remove_others, private};

/// The name of the mark.
const MARK: &str = "unforced";

/// The start of the system: a name that no other one has.
///
/// # Source
/// random(4): `boot_id` was generated once (2026-11-26).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Under which start of the system this is; `None` where that is not known.
fn boot() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || fs::read_to_string(BOOT_ID).ok().map(|id| id.trim().to_owned());
    BOOT.get_or_init(read).as_deref().filter(|id| !id.is_empty())
}

/// How SQLite writes a read model: forced to the disk only where nothing tells that the system went down.
pub(crate) fn synchronous() -> &'static str {
    if boot().is_some() { "OFF" } else { "NORMAL" }
}

/// Before a directory is used: what a system that went down has left there is thrown away.
///
/// # Errors
/// When the directory refuses.
pub(crate) fn discard(dir: &Path) -> Result<(), Failure> {
    let mark = dir.join(MARK);
    match fs::read(&mark) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if Some(&*found) == boot().map(str::as_bytes) => return Ok(()),
        // What is no mark of this start is one of another.
        Ok(_) | Err(_) => {}
    }
    tracing::error!(
        dir = %dir.display(),
        "the system went down while read models were written: they are made anew from the log"
    );
    remove_others(dir, &[])?;
    let removed = fs::remove_file(&mark).or_else(|_| fs::remove_dir_all(&mark));
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", mark.display()));
    Ok(removed.map_err(named)?)
}

/// Before a file is written: the mark is beside it.
///
/// # Errors
/// When the directory refuses.
pub(crate) fn mark(file: &Path) -> io::Result<()> {
    let (Some(boot), Some(dir)) = (boot(), file.parent()) else { return Ok(()) };
    let mark = dir.join(MARK);
    if mark.exists() {
        return Ok(());
    }
    private::write(&mark, boot)?;
    sync(&mark)?;
    sync(dir)
}

/// After the last writing, once none of the files that serve has a log any more: all of them are forced to the
/// disk. `false`, and the mark stays, where there is another one: it is being built, or was not ended.
///
/// # Errors
/// When the directory refuses; then the mark stays, too.
pub(crate) fn end(dir: &Path, serving: &[PathBuf]) -> io::Result<bool> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "db") {
            if !serving.contains(&path) {
                return Ok(false);
            }
            files.push(path);
        }
    }
    files.iter().try_for_each(|file| sync(file))?;
    sync(dir)?;
    match fs::remove_file(dir.join(MARK)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    sync(dir).map(|()| true)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event_log::SqliteLog;

    use super::*;
    use crate::{
        ReadModels, directory,
        read_models::tests::{added, runtime},
        testing::{Story, append, log, workspace},
    };

    /// Read models that have seen a user.
    fn seen(dir: &Path, log: &Arc<SqliteLog>) -> Arc<ReadModels> {
        let models = ReadModels::open(&dir.join("read"), log.clone()).unwrap();
        runtime().block_on(models.caught_up(directory::NAME, &workspace())).unwrap();
        models
    }

    /// One user in a log.
    fn one_user(dir: &Path) -> Arc<SqliteLog> {
        let log = log(dir);
        let mut story = Story::new();
        story.user(1, added(1));
        runtime().block_on(append(&*log, &story.events));
        log
    }

    /// The file of the directory.
    fn file(read: &Path) -> PathBuf {
        let mut files = fs::read_dir(read).unwrap().map(|entry| entry.unwrap().path());
        let is_directory = |path: &PathBuf| {
            path.file_name().unwrap().to_str().unwrap().starts_with("directory")
                && path.extension().is_some_and(|it| it == "db")
        };
        files.find(is_directory).unwrap()
    }

    #[test]
    fn the_mark_is_there_while_anything_may_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let log = one_user(dir.path());
        let mark = dir.path().join("read").join(MARK);
        let models = seen(dir.path(), &log);
        assert_eq!(fs::read_to_string(&mark).unwrap(), boot().unwrap());
        models.close();
        assert!(!mark.exists());
        // A reader in the way: its file has a log still, of which nobody has forced anything.
        let models = seen(dir.path(), &log);
        let mut story = Story::new();
        story.user(2, added(2));
        let reader = models.seat(directory::NAME).reader().unwrap();
        reader.execute_batch("SELECT * FROM entries").unwrap();
        runtime().block_on(append(&*log, &story.events));
        runtime().block_on(models.caught_up(directory::NAME, &workspace())).unwrap();
        models.close();
        assert!(mark.exists());
    }

    #[test]
    fn what_a_system_that_went_down_has_left_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let log = one_user(dir.path());
        let read = dir.path().join("read");
        seen(dir.path(), &log).close();
        // Sound as a database, but half of what was written to it is not there.
        let lose = || {
            let file = rusqlite::Connection::open(file(&read)).unwrap();
            file.execute_batch("DELETE FROM entries").unwrap();
        };
        let entries = |models: &ReadModels| -> i64 {
            let reader = models.seat(directory::NAME).reader().unwrap();
            reader.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).unwrap()
        };
        let marks: [(&[u8], i64); 4] =
            [(boot().unwrap().as_bytes(), 0), (b"another-start", 1), (b"", 1), (b"\xff\xfe", 1)];
        for (mark, left) in marks {
            lose();
            fs::write(read.join(MARK), mark).unwrap();
            let models = seen(dir.path(), &log);
            assert_eq!(entries(&models), left, "{mark:?}");
            models.close();
        }
        // Whatever it is, it is no mark of this start.
        lose();
        fs::create_dir(read.join(MARK)).unwrap();
        assert_eq!(entries(&seen(dir.path(), &log)), 1);
    }

    #[test]
    fn the_mark_stays_while_anything_is_built() {
        let dir = tempfile::tempdir().unwrap();
        let log = one_user(dir.path());
        let read = dir.path().join("read");
        let models = seen(dir.path(), &log);
        let next = crate::generation::path(&read, &directory::DirectoryProjection, 2);
        drop(crate::generation::create(&next, &directory::DirectoryProjection, None).unwrap());
        models.close();
        assert!(read.join(MARK).exists());
    }
}
