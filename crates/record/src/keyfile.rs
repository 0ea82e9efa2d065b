//! The file of the signing keys: a JSON object, readable by its owner only.
//!
//! It lies beside the log and outside of it, or wherever the operator says, so that a copy of the
//! log does not carry what signs for it. It is replaced as a whole, so that a power cut leaves the
//! one before or the one after.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use data_encoding::BASE64;
use ed25519_dalek::{SigningKey, VerifyingKey};
use event_log::MasterKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::NotaryError;

/// What is in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    /// What the origin of every checkpoint begins with. Random, and for ever.
    pub(crate) installation: String,
    /// Oldest first. The last one signs.
    pub(crate) keys: Vec<Key>,
}

/// A key that signs, or has signed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// 32 bytes, base64.
    public: String,
    /// RFC 3339.
    pub(crate) made: String,
    /// 32 bytes in base64, longer when it is wrapped; destroyed once another key signs.
    secret: Option<String>,
    /// Whether the secret is wrapped with the master key.
    wrapped: bool,
    /// When another key took over; RFC 3339.
    pub(crate) retired: Option<String>,
    /// The last checkpoint of each workspace, signed by this key and the next one.
    #[serde(default)]
    pub(crate) last: BTreeMap<String, String>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("public", &self.public).finish_non_exhaustive()
    }
}

impl KeyFile {
    /// A file with one key, which is made now.
    pub(crate) fn new(made: String, master: Option<&MasterKey>) -> Result<Self, NotaryError> {
        let mut name = [0; 4];
        getrandom::fill(&mut name).map_err(NotaryError::Random)?;
        let installation = format!("muster-{:08x}", u32::from_be_bytes(name));
        Ok(Self { installation, keys: vec![Key::make(made, master)?] })
    }

    /// `None` when there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, NotaryError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(NotaryError::File(path.into(), error)),
        };
        let file: Self = serde_json::from_slice(&bytes)
            .map_err(|error| NotaryError::File(path.into(), error.into()))?;
        if file.keys.is_empty() {
            Err(NotaryError::Damaged("it holds no key"))
        } else {
            Ok(Some(file))
        }
    }

    /// Replaces the file. It is on disk when this returns.
    pub(crate) fn write(&self, path: &Path) -> Result<(), NotaryError> {
        self.replace(path).map_err(|error| NotaryError::File(path.into(), error))
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        let mut bytes = Zeroizing::new(serde_json::to_vec_pretty(self)?);
        bytes.push(b'\n');
        let beside = path.with_extension("new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        // The new name is durable only once its directory is.
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// The key that signs now.
    pub(crate) fn current(&self) -> Result<&Key, NotaryError> {
        self.keys.last().ok_or(NotaryError::Damaged("it holds no key"))
    }
}

impl Key {
    /// A fresh key.
    pub(crate) fn make(made: String, master: Option<&MasterKey>) -> Result<Self, NotaryError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(NotaryError::Random)?;
        let public = BASE64.encode(SigningKey::from_bytes(&seed).verifying_key().as_bytes());
        let (secret, retired, last) = (None, None, BTreeMap::new());
        let mut key = Self { public, made, secret, wrapped: false, retired, last };
        key.keep(&*seed, master);
        Ok(key)
    }

    fn keep(&mut self, seed: &[u8], master: Option<&MasterKey>) {
        self.wrapped = master.is_some();
        self.secret = Some(match master {
            Some(master) => BASE64.encode(&master.wrap(&self.name(), seed)),
            None => BASE64.encode(seed),
        });
    }

    /// The name it is wrapped under.
    fn name(&self) -> String {
        format!("signing|{}", self.public)
    }

    /// The key that signs.
    pub(crate) fn open(&self, master: Option<&MasterKey>) -> Result<SigningKey, NotaryError> {
        let secret = self.secret.as_ref().ok_or(NotaryError::Damaged("its last key is retired"))?;
        let damaged = NotaryError::Damaged("its last key does not read");
        let bytes = BASE64.decode(secret.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| NotaryError::Damaged("its last key is not base64"))?;
        let seed = match (self.wrapped, master) {
            (false, _) => bytes,
            (true, None) => return Err(NotaryError::MasterKeyNeeded),
            (true, Some(master)) => {
                master.unwrap(&self.name(), &bytes).ok_or(NotaryError::MasterKeyWrong)?
            }
        };
        let Ok(seed) = <&[u8; 32]>::try_from(seed.as_slice()) else { return Err(damaged) };
        let key = SigningKey::from_bytes(seed);
        if BASE64.encode(key.verifying_key().as_bytes()) == self.public {
            Ok(key)
        } else {
            Err(damaged)
        }
    }

    /// Wraps what was kept before there was a master key. Whether it did.
    pub(crate) fn wrap(&mut self, key: &SigningKey, master: Option<&MasterKey>) -> bool {
        let needed = !self.wrapped && master.is_some();
        if needed {
            self.keep(key.as_bytes(), master);
        }
        needed
    }

    /// Destroys the secret: from now on another key signs.
    pub(crate) fn retire(&mut self, at: String, last: BTreeMap<String, String>) {
        self.secret = None;
        self.wrapped = false;
        self.retired = Some(at);
        self.last = last;
    }

    pub(crate) fn public(&self) -> Result<VerifyingKey, NotaryError> {
        let bytes = BASE64.decode(self.public.as_bytes()).ok().and_then(|it| it.try_into().ok());
        let key = bytes.and_then(|it: [u8; 32]| VerifyingKey::from_bytes(&it).ok());
        key.ok_or(NotaryError::Damaged("one of its public keys does not read"))
    }
}
