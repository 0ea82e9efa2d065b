//! The key that an export's keys are wrapped with: 32 random bytes in a file of its own, in base64.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use event_log::MasterKey;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::place::sync_parent;

/// A transfer key. It is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct TransferKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for TransferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferKey")
    }
}

/// Why there is no transfer key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoTransferKey {
    /// Each export has its own.
    #[error("{} is there already: each export makes a transfer key of its own", .0.display())]
    Exists(PathBuf),
    /// The file is not one.
    #[error("{} is no transfer key: it must hold 32 bytes in base64", .0.display())]
    Unreadable(PathBuf),
    /// The file does not read or cannot be written.
    #[error("the transfer key {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The system has no random numbers to give.
    #[error("making a transfer key")]
    Random(#[source] getrandom::Error),
}

impl TransferKey {
    /// Makes one, and the file that holds it, readable by its owner only. It is on disk when this returns.
    ///
    /// # Errors
    /// [`NoTransferKey`].
    pub fn make(path: &Path) -> Result<Self, NoTransferKey> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(NoTransferKey::Random)?;
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = || -> io::Result<()> {
            let mut file = options.open(path)?;
            let text = Zeroizing::new(BASE64.encode(&*key));
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            sync_parent(path)
        };
        match written() {
            Ok(()) => Ok(Self(key)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(NoTransferKey::Exists(path.to_owned()))
            }
            Err(error) => Err(NoTransferKey::File(path.to_owned(), error)),
        }
    }

    /// Reads the file of one.
    ///
    /// # Errors
    /// [`NoTransferKey`].
    pub fn read(path: &Path) -> Result<Self, NoTransferKey> {
        let text = fs::read(path).map(Zeroizing::new);
        let text = text.map_err(|error| NoTransferKey::File(path.to_owned(), error))?;
        let bytes = BASE64.decode(text.trim_ascii()).ok().map(Zeroizing::new);
        let key = bytes.and_then(|it| <[u8; 32]>::try_from(it.as_slice()).ok());
        key.map(|key| Self(Zeroizing::new(key)))
            .ok_or_else(|| NoTransferKey::Unreadable(path.to_owned()))
    }

    /// What wraps the keys of the export.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells one key from another without giving it away: 16 hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        let hash =
            Sha256::new().chain_update(b"muster transfer key\0").chain_update(*self.0).finalize();
        hex(&hash[..8])
    }

    /// Vouches for some bytes under a name.
    pub(crate) fn seal(&self, name: &str, bytes: &[u8]) -> String {
        BASE64.encode(&MasterKey::new(&self.0).wrap(name, &Sha256::digest(bytes)))
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_is_never_made_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("transfer.key");
        let made = TransferKey::make(&path).unwrap();
        assert_eq!(TransferKey::read(&path).unwrap().fingerprint(), made.fingerprint());
        assert!(matches!(TransferKey::make(&path), Err(NoTransferKey::Exists(_))));
        let other = TransferKey::make(&dir.path().join("other.key")).unwrap();
        assert_ne!(made.fingerprint(), other.fingerprint());
        assert_ne!(made.seal("acme", b"text"), other.seal("acme", b"text"));
        assert_ne!(made.seal("acme", b"text"), made.seal("acme", b"next"));
        fs::write(&path, "c2hvcnQ=\n").unwrap();
        assert!(matches!(TransferKey::read(&path), Err(NoTransferKey::Unreadable(_))));
    }
}
