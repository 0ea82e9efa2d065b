//! Files and directories that nobody but the server's user can read: they are about people.
//!
//! SQLite gives what it lays beside a file the rights of that file.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Makes a directory, and what it lies in. One that is there is closed to others from now on.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    if fs::metadata(dir)?.permissions().mode() & 0o077 != 0
        && let Err(error) = fs::set_permissions(dir, Permissions::from_mode(0o700))
    {
        tracing::warn!(dir = %dir.display(), %error, "others can read the read models");
    }
    Ok(())
}

/// Makes an empty file for SQLite to fill. One that is there stays as it is.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    open(path).map(drop)
}

/// Writes a small file anew.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = open(path)?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

fn open(path: &Path) -> io::Result<File> {
    let opened = File::options().write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        Order, ReadModels,
        read_models::tests::{added, runtime},
        testing::{Story, append, log, workspace},
    };

    /// What others may do with a directory and what lies in it, where that is anything.
    fn open_to_others(dir: &Path) -> Vec<PathBuf> {
        let inside = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let all = inside.chain([dir.to_owned()]);
        all.filter(|it| fs::metadata(it).unwrap().permissions().mode() & 0o077 != 0).collect()
    }

    #[test]
    fn nobody_else_can_read_the_read_models() {
        let dir = tempfile::tempdir().unwrap();
        let read = dir.path().join("read");
        // As versions before have made it.
        fs::create_dir(&read).unwrap();
        fs::set_permissions(&read, Permissions::from_mode(0o755)).unwrap();
        let log = log(dir.path());
        let models = ReadModels::open(&read, log.clone()).unwrap();
        let mut story = Story::new();
        story.user(1, added(1));
        runtime().block_on(async {
            append(&*log, &story.events).await;
            models.caught_up(crate::directory::NAME, &workspace()).await.unwrap();
        });
        assert_eq!(open_to_others(&read), [""; 0].map(PathBuf::from));
        for workspace in [None, Some(workspace())] {
            models.begin(&Order { projection: None, workspace }).unwrap().run(&mut |_| {}).unwrap();
            assert_eq!(open_to_others(&read), [""; 0].map(PathBuf::from));
        }
    }
}
