//! Ledgers of erasures in backups: put together and never cut, and known by the manifest.
//!
//! A line that is lost brings somebody back who was erased. So a backup keeps each that it ever had, adds
//! those that are new behind them, and its manifest says how many there were and what they were.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use event_log::{OpenError, ledger};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::place::{Place, read, replace};
use crate::{Manifest, Restore, RestoreError};

/// What a manifest says of the ledger beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// How many lines it has. More may follow, of a backup that was cut off.
    pub lines: u64,
    /// The SHA-256 of these lines with their line breaks, in hexadecimal.
    pub sha256: String,
}

/// The lines of a ledger, each once.
#[derive(Default)]
struct Ledger {
    lines: Vec<Vec<u8>>,
    known: HashSet<Vec<u8>>,
}

impl Ledger {
    /// Adds the lines of a file. What is behind the last line break was not written to its end.
    fn add(&mut self, bytes: &[u8]) {
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for line in bytes[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if self.known.insert(line.to_vec()) {
                self.lines.push(line.to_vec());
            }
        }
    }

    fn read(path: &Path) -> io::Result<Option<Self>> {
        let read = read(path)?.map(|bytes| {
            let mut ledger = Self::default();
            ledger.add(&bytes);
            ledger
        });
        Ok(read)
    }

    /// The first lines of it, as they stand in the file.
    fn text(&self, lines: usize) -> Vec<u8> {
        self.lines.iter().take(lines).flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
    }

    fn described(&self, lines: usize) -> Lines {
        let mut sha256 = String::new();
        for byte in Sha256::digest(self.text(lines)) {
            let _ = write!(sha256, "{byte:02x}");
        }
        Lines { lines: lines as u64, sha256 }
    }

    /// Whether it begins with what a manifest says.
    fn begins_with(&self, said: &Lines) -> bool {
        let lines = usize::try_from(said.lines).unwrap_or(usize::MAX);
        lines <= self.lines.len() && self.described(lines) == *said
    }
}

/// Adds to a backup's ledger what that of the installation has and it lacks. Returns what it is then.
pub(crate) fn keep(ours: &Path, place: &Place) -> Result<Lines, OpenOrFile> {
    let path = place.dir.join(ledger::FILE);
    ledger::check(&path, &place.dir)?;
    ledger::check(ours, &place.dir)?;
    let mut kept = Ledger::read(&path)?.unwrap_or_default();
    let ours = read(ours)?.unwrap_or_default();
    let mut known = Ledger::default();
    known.add(&ours);
    let lost = kept.lines.iter().filter(|line| !known.known.contains(*line)).count();
    if lost > 0 {
        tracing::warn!(
            lines = lost,
            "the ledger of erasures lacks what the backup has: it was kept"
        );
    }
    kept.add(&ours);
    let lines = kept.lines.len();
    replace(&path, &kept.text(lines))?;
    Ok(kept.described(lines))
}

/// Why a ledger was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenOrFile {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    File(#[from] io::Error),
}

/// All ledgers of a restore, put together. Nothing is written.
pub(crate) fn gather(order: &Restore, manifest: &Manifest) -> Result<Vec<u8>, RestoreError> {
    let own = order.from.dir.join(ledger::FILE);
    let said = manifest.ledger.as_ref();
    let (mut all, mut fits) = (Ledger::default(), said.is_none());
    for path in [&own].into_iter().chain(&order.ledgers) {
        let ledger = match Ledger::read(path)? {
            Some(ledger) => ledger,
            None if path == &own => continue,
            None => {
                let what = format!("there is no ledger {}", path.display());
                return Err(io::Error::new(io::ErrorKind::NotFound, what).into());
            }
        };
        if path != &own && ledger.lines.is_empty() && said.is_some_and(|said| said.lines > 0) {
            return Err(RestoreError::EmptyLedger(path.clone()));
        }
        fits |= said.is_some_and(|said| said.lines == 0 || ledger.begins_with(said));
        all.add(&ledger.text(ledger.lines.len()));
    }
    if !fits && let Some(said) = said.filter(|said| said.lines > 0) {
        return Err(RestoreError::LedgerLost(own, said.lines));
    }
    Ok(all.text(all.lines.len()))
}

/// Makes the ledger of a restored installation and destroys what it names.
pub(crate) fn apply(text: &[u8], into: &Path) -> Result<(), RestoreError> {
    if !text.is_empty() {
        let path = into.join(ledger::FILE);
        replace(&path, text)?;
        ledger::apply(&path, into)?;
    }
    Ok(())
}
