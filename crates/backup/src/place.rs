//! Where a backup lies, and the small files in it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The first file that a backup has: whoever makes it, or adds to it, keeps others away by it.
pub(crate) const LOCK: &str = "lock";

/// The directories of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The log, what lies beside it, and the manifest.
    pub dir: PathBuf,
    /// Keys and signing keys, where they are kept apart: without them nobody reads what is personal in
    /// the log.
    pub keys: Option<PathBuf>,
}

impl Place {
    /// Where the keys are.
    pub fn keys_dir(&self) -> &Path {
        self.keys.as_deref().unwrap_or(&self.dir)
    }

    /// Makes the directories and keeps others away until the file is closed.
    pub(crate) fn take(&self) -> io::Result<File> {
        make_dir(&self.dir)?;
        make_dir(self.keys_dir())?;
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(self.dir.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "another backup is at work there"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Makes a directory that only its owner can read.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A file's bytes; `None` when there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a file in the place of the one before, readable by its owner only. It is on disk when this
/// returns.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_parent(path)
}

/// A name is durable, or gone for good, only once its directory is on disk.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Copies a small file, if there is one.
pub(crate) fn copy(from: &Path, into: &Path) -> io::Result<()> {
    match read(from)? {
        Some(bytes) => replace(into, &bytes),
        None => Ok(()),
    }
}
