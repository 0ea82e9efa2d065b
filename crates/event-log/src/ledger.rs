//! The ledger of erasures: which data keys of which person were destroyed, kept apart from log and keys.
//!
//! A backup that is older than an erasure still has the keys. So each erasure is a line of a file of its
//! own, on disk before the first key goes, and whoever opens a log, or restores one, destroys again what
//! the ledger names: the copy then says no more than the original. The file lies in the data directory
//! unless the operator keeps it elsewhere, which is what a restore of a lost machine needs.
//!
//! A copy that is older may also lack the event by which the person gave back their names. Nobody could
//! read any more whose they were, so they are given back where the keys are destroyed again.
//!
//! A line is a JSON object: `installation` (whose keys they are, in hexadecimal), `id` of the erasure,
//! `workspace`, `user`, `entries` (the SCIM ids that the person had), `keys` (numbers) and `at`
//! (microseconds since the Unix epoch). A line whose `id` and `user` are the nil UUID is of nobody in particular:
//! its keys were those of bodies of requests, or a ledger that was lost had named them. Nothing in a line is personal. Lines are added and never changed; an
//! erasure that was interrupted may have several, and all of them hold.
//!
//! A line counts only in the file that bears the name: a file that was removed, replaced or cut while it is
//! open takes no line any more, and without a line no key is destroyed.
//!
//! Invariant: numbers of keys mean something in one installation only, so a ledger with a line of
//! another one is refused and destroys nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::sync::lock;
use crate::{Failure, Hash, Keyring, Micros, OpenError, WorkspaceId, keyfile, schema};

/// The kind of the streams of persons.
const KIND: &str = "user";

const ADDING: &str = "adding to the ledger of erasures";

/// The name of the file in a data directory.
pub const FILE: &str = "erasures.ledger";

/// One erasure of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Its id.
    pub id: Uuid,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Whose stream it was.
    pub user: Uuid,
    /// The SCIM ids that the person had, by which the journal knows them.
    pub entries: Vec<Uuid>,
    /// The numbers of the keys that are destroyed.
    pub keys: Vec<u64>,
    /// When it was asked for.
    pub at: Micros,
}

impl Erasure {
    /// Keys that were destroyed because of erasures, and are not of one person.
    pub fn of_nobody(workspace: WorkspaceId, keys: Vec<u64>, at: Micros) -> Self {
        let (id, user) = (Uuid::nil(), Uuid::nil());
        Self { id, workspace, user, entries: Vec::new(), keys, at }
    }

    /// Whether it is of no person.
    pub fn is_of_nobody(&self) -> bool {
        self.user.is_nil()
    }
}

/// An erasure as a line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    installation: String,
    id: Uuid,
    workspace: String,
    user: Uuid,
    entries: Vec<Uuid>,
    keys: Vec<u64>,
    at: Micros,
}

/// The ledger of an installation, open to be added to.
pub struct Ledger {
    path: PathBuf,
    installation: String,
    is_new: bool,
    written: Mutex<Written>,
}

struct Written {
    file: File,
    /// How long it is, in bytes.
    length: u64,
    erasures: Vec<Erasure>,
}

/// A line that no ledger has.
#[derive(Debug, thiserror::Error)]
#[error("line {0} is not one of a ledger")]
struct NoLine(usize);

/// The file is not the one that was opened.
#[derive(Debug, thiserror::Error)]
#[error("the ledger {} is gone or was changed by somebody else: put it back, or start again", .0.display())]
struct Lost(PathBuf);

impl Ledger {
    /// Opens the file, and makes it when it is missing. What a crash left of a last line goes: nothing was
    /// destroyed because of it.
    pub(crate) fn open(path: &Path, installation: &Hash) -> Result<Self, OpenError> {
        let doing = "opening the ledger of erasures";
        let is_new = !path.exists();
        let open = || -> io::Result<(File, Vec<u8>)> {
            let mut options = File::options();
            options.read(true).append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let whole = whole_lines(&bytes);
            if whole.len() < bytes.len() {
                file.set_len(whole.len() as u64)?;
                file.seek(io::SeekFrom::End(0))?;
                file.sync_all()?;
            }
            bytes.truncate(whole.len());
            // The name is durable only once its directory is.
            let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(Failure::storage(doing))?;
        let installation = hex(installation);
        let erasures = parse(path, &bytes, &installation)?;
        let written = Mutex::new(Written { file, length: bytes.len() as u64, erasures });
        Ok(Self { path: path.to_owned(), installation, is_new, written })
    }

    /// Destroys what it names and the keys still have: files that were copied back may be older than an
    /// erasure. This comes before any key is made, so that no number of the ledger is given to anybody
    /// else.
    pub(crate) fn destroy_again(&self, log: &Path, keyring: &Keyring) -> Result<(), OpenError> {
        let erasures = self.erasures();
        for (workspace, keys) in keys_of(&erasures) {
            let gone: BTreeSet<_> = keyring.erased(&workspace)?.into_iter().collect();
            let again: BTreeSet<_> = keys.difference(&gone).copied().collect();
            if again.is_empty() {
                continue;
            }
            let concerns = |it: &&Erasure| {
                it.workspace == workspace && it.keys.iter().any(|key| again.contains(key))
            };
            let concerned: Vec<_> = erasures.iter().filter(concerns).cloned().collect();
            release_claims(&schema::LOG.open(log)?, &concerned)?;
            let keys = keyring.erase_all(&workspace, &again)?;
            tracing::warn!(workspace.id = %workspace, keys, "erasures of the ledger were applied again");
        }
        Ok(())
    }

    /// Adds what another file of this installation says; one that is missing says nothing.
    pub(crate) fn take_over(&self, path: &Path) -> Result<(), OpenError> {
        for erasure in parse(path, whole_lines(&read(path)?), &self.installation)? {
            self.add(&erasure)?;
        }
        Ok(())
    }

    /// Everything that is in it, oldest first.
    pub fn erasures(&self) -> Vec<Erasure> {
        lock(&self.written).erasures.clone()
    }

    /// Whether opening has made the file, so that it knows of no erasure before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the file that has its name is still the one that was opened, with what was written to it.
    ///
    /// # Errors
    /// [`Failure::Storage`] when it is not: nobody can be erased then.
    pub fn check(&self) -> Result<(), Failure> {
        self.is_there(&lock(&self.written))
    }

    fn is_there(&self, written: &Written) -> Result<(), Failure> {
        let doing = "looking at the ledger of erasures";
        let lost = || Failure::storage(doing)(Lost(self.path.clone()));
        let named = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(lost()),
            named => named.map_err(Failure::storage(doing))?,
        };
        let open = written.file.metadata().map_err(Failure::storage(doing))?;
        let is_one = is_same(&named, &open) && open.len() == written.length;
        if is_one { Ok(()) } else { Err(lost()) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an erasure. It is on disk when this returns. One that is there already, with these keys among
    /// others, is not added again.
    pub(crate) fn add(&self, erasure: &Erasure) -> Result<(), Failure> {
        let mut written = lock(&self.written);
        self.is_there(&written)?;
        // What is of nobody has the same id in every workspace, and numbers of keys mean others in each.
        let is_one = |it: &&Erasure| (it.id, &it.workspace) == (erasure.id, &erasure.workspace);
        let lines: Vec<_> = written.erasures.iter().filter(is_one).collect();
        let known: BTreeSet<_> = lines.iter().flat_map(|it| &it.keys).collect();
        if !lines.is_empty() && erasure.keys.iter().all(|key| known.contains(key)) {
            return Ok(());
        }
        let bytes = line(erasure, &self.installation)?;
        let added = written.file.write_all(&bytes).and_then(|()| written.file.sync_all());
        if let Err(error) = added {
            // Half a line would make the next one unreadable; where this fails too, opening sees to it.
            let _ = written.file.set_len(written.length);
            return Err(Failure::storage(ADDING)(error));
        }
        written.length += bytes.len() as u64;
        self.is_there(&written)?;
        written.erasures.push(erasure.clone());
        Ok(())
    }
}

/// Whether these are of one file.
#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether these are of one file, as far as can be told.
#[cfg(not(unix))]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    one.len() == other.len()
}

/// Whether a ledger is of the installation whose log is in a directory. One that is missing is.
///
/// # Errors
/// [`OpenError::OtherLedger`] when it is not, and what the files say.
pub fn check(ledger: &Path, dir: &Path) -> Result<(), OpenError> {
    let log = schema::open_reader(&dir.join("log.db"));
    let log = log.map_err(Failure::storage("finding out whose log it is"))?;
    of_log(ledger, &log).map(drop)
}

/// What a ledger says, which has to be of a log's installation.
fn of_log(ledger: &Path, log: &Connection) -> Result<Vec<Erasure>, OpenError> {
    let bytes = read(ledger)?;
    parse(ledger, whole_lines(&bytes), &hex(&installation(log)?))
}

/// The bytes of a file; none when it is missing.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(Failure::storage("reading the ledger of erasures")),
    }
}

/// Whose log it is.
fn installation(log: &Connection) -> Result<Hash, Failure> {
    log.query_row("SELECT claims FROM installation", [], |row| row.get(0))
        .map_err(Failure::storage("finding out whose log it is"))
}

/// What a ledger says of one workspace. It has to be of the installation whose log is in a directory.
///
/// # Errors
/// [`OpenError::OtherLedger`] when it is not, and what the files say.
pub fn of_workspace(
    ledger: &Path,
    dir: &Path,
    workspace: &WorkspaceId,
) -> Result<Vec<Erasure>, OpenError> {
    let log = schema::open_reader(&dir.join("log.db"));
    let log = log.map_err(Failure::storage("finding out whose log it is"))?;
    let all = of_log(ledger, &log)?;
    Ok(all.into_iter().filter(|it| it.workspace == *workspace).collect())
}

/// The lines of erasures in a ledger of the installation whose log is in a directory.
///
/// # Errors
/// What the file says.
pub fn lines(erasures: &[Erasure], dir: &Path) -> Result<Vec<u8>, OpenError> {
    let log = schema::open_reader(&dir.join("log.db"));
    let log = log.map_err(Failure::storage("finding out whose log it is"))?;
    let installation = hex(&installation(&log)?);
    let mut text = Vec::new();
    for erasure in erasures {
        text.extend(line(erasure, &installation)?);
    }
    Ok(text)
}

/// An erasure as a line, with its line break.
fn line(erasure: &Erasure, installation: &str) -> Result<Vec<u8>, Failure> {
    let line = Line {
        installation: installation.to_owned(),
        id: erasure.id,
        workspace: erasure.workspace.to_string(),
        user: erasure.user,
        entries: erasure.entries.clone(),
        keys: erasure.keys.clone(),
        at: erasure.at,
    };
    let mut bytes = serde_json::to_vec(&line).map_err(Failure::storage(ADDING))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Destroys in the `keys.db` of a data directory what a ledger names, as a restore does. Nobody may have the
/// directory open. Asked twice, the second time does nothing; returns how many keys it destroyed.
///
/// No master key is needed: what is destroyed needs not be read. A ledger that is missing names nothing.
///
/// # Errors
/// [`OpenError::OtherLedger`] when the ledger is not of this installation, and what the files say; keys may
/// then be left: apply again.
pub fn apply(ledger: &Path, data_dir: &Path) -> Result<usize, OpenError> {
    let log = schema::LOG.open(&data_dir.join("log.db"))?;
    let erasures = of_log(ledger, &log)?;
    release_claims(&log, &erasures)?;
    keyfile::destroy(&data_dir.join("keys.db"), &keys_of(&erasures))
}

/// The scope of claims by which a person is found by another id of theirs. An id is no name.
pub const IDS: &str = "alias";

/// Gives back what the persons of erasures hold, but for [`IDS`]: whoever has one finds out that the person
/// was erased.
pub(crate) fn release_claims(log: &Connection, erasures: &[Erasure]) -> Result<(), Failure> {
    let release = |erasure: &Erasure| {
        log.prepare_cached(
            "DELETE FROM claims WHERE scope <> ?4 AND stream =
                 (SELECT s.no FROM streams s JOIN workspaces w ON w.no = s.workspace
                  WHERE w.id = ?1 AND s.kind = ?2 AND s.id = ?3)",
        )?
        .execute(params![erasure.workspace.as_str(), KIND, erasure.user.as_bytes(), IDS])
        .map(drop)
    };
    erasures.iter().try_for_each(release).map_err(Failure::storage("giving back names"))
}

/// The keys that erasures name, workspace by workspace.
pub(crate) fn keys_of(erasures: &[Erasure]) -> BTreeMap<WorkspaceId, BTreeSet<u64>> {
    let mut keys: BTreeMap<WorkspaceId, BTreeSet<u64>> = BTreeMap::new();
    for erasure in erasures {
        keys.entry(erasure.workspace.clone()).or_default().extend(&erasure.keys);
    }
    keys
}

/// What is left without a last line that was not written to its end.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    &bytes[..end]
}

fn parse(path: &Path, bytes: &[u8], installation: &str) -> Result<Vec<Erasure>, OpenError> {
    let doing = "reading the ledger of erasures";
    let lines = bytes.split(|&byte| byte == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
    lines
        .map(|(line, number)| {
            let line: Line = serde_json::from_slice(line)
                .map_err(|_| Failure::storage(doing)(NoLine(number)))?;
            if line.installation != installation {
                return Err(OpenError::OtherLedger(path.to_owned()));
            }
            let workspace = WorkspaceId::parse(&line.workspace)
                .map_err(|_| Failure::storage(doing)(NoLine(number)))?;
            let Line { id, user, entries, keys, at, .. } = line;
            Ok(Erasure { id, workspace, user, entries, keys, at })
        })
        .collect()
}

/// The beginning of a fingerprint, which is enough to tell installations apart.
fn hex(installation: &Hash) -> String {
    let first = installation.first_chunk().map_or(0, |first| u128::from_be_bytes(*first));
    format!("{first:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const OURS: Hash = [7; 32];

    fn erasure(id: u128, keys: &[u64]) -> Erasure {
        Erasure {
            id: Uuid::from_u128(id),
            workspace: WorkspaceId::parse("acme").unwrap(),
            user: Uuid::from_u128(9),
            entries: vec![Uuid::from_u128(9)],
            keys: keys.to_vec(),
            at: 1_000,
        }
    }

    fn dir() -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        (dir, path)
    }

    #[test]
    fn what_was_added_is_there_after_a_restart_and_once() {
        let (_dir, path) = dir();
        let ledger = Ledger::open(&path, &OURS).unwrap();
        ledger.add(&erasure(1, &[3, 4])).unwrap();
        ledger.add(&erasure(1, &[4])).unwrap();
        ledger.add(&erasure(1, &[4, 5])).unwrap();
        ledger.add(&erasure(2, &[])).unwrap();
        ledger.add(&erasure(2, &[])).unwrap();
        let all = [erasure(1, &[3, 4]), erasure(1, &[4, 5]), erasure(2, &[])];
        assert_eq!(ledger.erasures(), all);
        drop(ledger);
        assert_eq!(Ledger::open(&path, &OURS).unwrap().erasures(), all);
    }

    #[test]
    fn what_is_of_nobody_in_one_workspace_is_not_what_is_of_nobody_in_another() {
        let (_dir, path) = dir();
        let ledger = Ledger::open(&path, &OURS).unwrap();
        let of_nobody = |workspace, keys: &[u64]| {
            Erasure::of_nobody(WorkspaceId::parse(workspace).unwrap(), keys.to_vec(), 1_000)
        };
        let all = [of_nobody("acme", &[3, 4]), of_nobody("other", &[3]), of_nobody("third", &[])];
        for erasure in all.iter().chain(&all) {
            ledger.add(erasure).unwrap();
        }
        assert_eq!(ledger.erasures(), all);
    }

    #[test]
    fn half_a_line_is_cut_off_and_the_next_one_is_whole() {
        let (_dir, path) = dir();
        Ledger::open(&path, &OURS).unwrap().add(&erasure(1, &[3])).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in [1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, [&whole, &whole[..length]].concat()).unwrap();
            let ledger = Ledger::open(&path, &OURS).unwrap();
            assert_eq!(ledger.erasures(), [erasure(1, &[3])]);
            ledger.add(&erasure(2, &[4])).unwrap();
            drop(ledger);
            let all = [erasure(1, &[3]), erasure(2, &[4])];
            assert_eq!(Ledger::open(&path, &OURS).unwrap().erasures(), all);
        }
    }

    #[test]
    fn a_file_that_is_gone_replaced_or_cut_takes_no_line() {
        let (dir, path) = dir();
        let other = dir.path().join("other");
        let ledger = Ledger::open(&path, &OURS).unwrap();
        assert!(ledger.is_new());
        ledger.add(&erasure(1, &[3])).unwrap();
        let whole = fs::read(&path).unwrap();
        let refused = || {
            for of in [erasure(1, &[3]), erasure(2, &[4])] {
                assert!(matches!(ledger.add(&of), Err(Failure::Storage { .. })));
            }
            assert!(ledger.check().is_err());
        };
        fs::rename(&path, &other).unwrap();
        refused();
        fs::write(&path, &whole).unwrap();
        refused();
        fs::rename(&other, &path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        refused();
        fs::write(&path, &whole).unwrap();
        ledger.add(&erasure(2, &[4])).unwrap();
        drop(ledger);
        let again = Ledger::open(&path, &OURS).unwrap();
        assert_eq!(again.erasures(), [erasure(1, &[3]), erasure(2, &[4])]);
        assert!(!again.is_new());
    }

    #[test]
    fn a_ledger_of_another_installation_or_a_damaged_one_is_refused() {
        let (_dir, path) = dir();
        Ledger::open(&path, &OURS).unwrap().add(&erasure(1, &[3])).unwrap();
        let other = Ledger::open(&path, &[8; 32]).err();
        assert!(matches!(other, Some(OpenError::OtherLedger(named)) if named == path));
        fs::write(&path, "{}\n").unwrap();
        assert!(matches!(Ledger::open(&path, &OURS), Err(OpenError::Failure(_))));
    }
}
