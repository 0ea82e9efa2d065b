//! The key that signs checkpoints, and those that did before.
//!
//! An installation has one key, made at its first start. It signs for each workspace under the
//! name `<installation>/<workspace>`. When it is replaced, its secret is destroyed, and for each
//! workspace one last checkpoint is kept, signed by it and by the key that follows.
//!
//! A key beside the data proves nothing against whoever owns the machine: they can sign another
//! history with it. What proves something is a checkpoint that somebody else has kept.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ed25519_dalek::SigningKey;
use event_log::{MasterKey, Micros, TreeHead, WorkspaceId};

use crate::keyfile::{Key, KeyFile};
use crate::{Checkpoint, Note, Verifier, export};

/// Signs checkpoints.
pub struct Notary {
    /// `None` in tests: nothing is kept.
    path: Option<PathBuf>,
    master: Option<MasterKey>,
    state: Mutex<State>,
    made_now: bool,
}

struct State {
    file: KeyFile,
    signing: SigningKey,
}

/// A key, as one workspace sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// What verifies the workspace's checkpoints.
    pub verifier: Verifier,
    /// When it was made; RFC 3339.
    pub made: String,
    /// Whether it still signs.
    pub state: KeyState,
}

/// Whether a key signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// It does.
    Signs,
    /// Another one has taken over.
    Retired {
        /// When; RFC 3339.
        at: String,
        /// Its last checkpoint, which names the next key and is signed by both. `None` for a
        /// workspace that was not there yet.
        last: Option<String>,
    },
}

impl PublicKey {
    /// By which it has handed over to the key that follows; `None` while it signs.
    pub fn last_checkpoint(&self) -> Option<Note> {
        match &self.state {
            KeyState::Retired { last, .. } => Note::parse(last.as_deref()?).ok(),
            KeyState::Signs => None,
        }
    }
}

/// What a change of the key did.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The last checkpoints of the key before, one for each workspace.
    pub last: BTreeMap<String, String>,
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotaryError {
    /// The file does not read or cannot be written.
    #[error("the file of the signing keys, {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The file was changed by somebody.
    #[error("the file of the signing keys is damaged: {0}")]
    Damaged(&'static str),
    /// The key is wrapped, and nothing to open it with is configured.
    #[error("the signing key is wrapped with a master key, and none is configured")]
    MasterKeyNeeded,
    /// The key is wrapped with another master key.
    #[error("the master key is not the one that the signing key was wrapped with")]
    MasterKeyWrong,
    /// The system has no random numbers to give.
    #[error("making a signing key")]
    Random(#[source] getrandom::Error),
}

impl fmt::Debug for Notary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notary").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Notary {
    /// Opens the file of the keys; makes it, with a key, when there is none.
    ///
    /// # Errors
    /// [`NotaryError`].
    pub fn open(
        path: &Path,
        master_key: Option<&[u8; 32]>,
        now: Micros,
    ) -> Result<Self, NotaryError> {
        let master = master_key.map(MasterKey::new);
        let found = KeyFile::read(path)?;
        let made_now = found.is_none();
        let mut file = match found {
            Some(file) => file,
            None => KeyFile::new(export::show_time(now), master.as_ref())?,
        };
        let signing = file.current()?.open(master.as_ref())?;
        let wrapped = file.keys.last_mut().is_some_and(|key| key.wrap(&signing, master.as_ref()));
        if made_now || wrapped {
            file.write(path)?;
        }
        let state = Mutex::new(State { file, signing });
        Ok(Self { path: Some(path.into()), master, state, made_now })
    }

    /// A key that is kept nowhere, for tests.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn temporary() -> Result<Self, NotaryError> {
        let file = KeyFile::new(export::show_time(0), None)?;
        let signing = file.current()?.open(None)?;
        let state = Mutex::new(State { file, signing });
        Ok(Self { path: None, master: None, state, made_now: true })
    }

    /// Whether the key was made just now: everybody who keeps checkpoints needs its public part.
    pub fn is_made_now(&self) -> bool {
        self.made_now
    }

    /// Signs what a workspace's tree is.
    pub fn sign(&self, workspace: &WorkspaceId, head: TreeHead) -> Note {
        self.sign_leaving(workspace, head, None)
    }

    /// The name of the installation, with which the origin of every checkpoint begins.
    pub fn installation(&self) -> String {
        self.state().file.installation.clone()
    }

    /// The last checkpoint of a workspace that leaves the installation. Where the key is known that signs for it
    /// from then on, of any workspace of the installation that it goes to, this one names it: whoever trusts
    /// this installation's key learns which one to trust.
    pub fn sign_leaving(
        &self,
        workspace: &WorkspaceId,
        head: TreeHead,
        next_key: Option<&Verifier>,
    ) -> Note {
        let state = self.state();
        let origin = state.file.origin(workspace);
        let next_key = next_key.map(|key| {
            let there = key.name().rsplit_once('/').map_or(key.name(), |(there, _)| there);
            key.named(&format!("{there}/{workspace}"))
        });
        let checkpoint = Checkpoint { origin: origin.clone(), head, next_key };
        let mut note = Note::unsigned(checkpoint.to_text());
        note.sign(&origin, &state.signing);
        note
    }

    /// Signs as well what another installation has signed.
    pub fn sign_too(&self, workspace: &WorkspaceId, note: &mut Note) {
        let state = self.state();
        note.sign(&state.file.origin(workspace), &state.signing);
    }

    /// Every key that has signed for a workspace, oldest first. The last one does now.
    ///
    /// # Errors
    /// [`NotaryError::Damaged`].
    pub fn keys(&self, workspace: &WorkspaceId) -> Result<Vec<PublicKey>, NotaryError> {
        let state = self.state();
        let name = state.file.origin(workspace);
        let show = |key: &Key| {
            let verifier = Verifier::new(name.clone(), key.public()?);
            let last = key.last.get(workspace.as_str()).cloned();
            let retired = key.retired.clone().map(|at| KeyState::Retired { at, last });
            let (made, state) = (key.made.clone(), retired.unwrap_or(KeyState::Signs));
            Ok(PublicKey { verifier, made, state })
        };
        state.file.keys.iter().map(show).collect()
    }

    /// Makes a new key, lets both sign one last checkpoint for each workspace, and destroys the
    /// secret of the old one. All of it is on disk when this returns, or none.
    ///
    /// # Errors
    /// [`NotaryError`]: the key is the one before.
    pub fn rotate(
        &self,
        heads: &[(WorkspaceId, TreeHead)],
        now: Micros,
    ) -> Result<Rotated, NotaryError> {
        let mut state = self.state();
        let at = export::show_time(now);
        let next = Key::make(at.clone(), self.master.as_ref())?;
        let signing = next.open(self.master.as_ref())?;
        let mut last = BTreeMap::new();
        for (workspace, head) in heads {
            let origin = state.file.origin(workspace);
            let next_key = Some(Verifier::new(origin.clone(), signing.verifying_key()));
            let checkpoint = Checkpoint { origin: origin.clone(), head: *head, next_key };
            let mut note = Note::unsigned(checkpoint.to_text());
            note.sign(&origin, &state.signing);
            note.sign(&origin, &signing);
            last.insert(workspace.to_string(), note.to_string());
        }
        let mut file = state.file.clone();
        if let Some(key) = file.keys.last_mut() {
            key.retire(at, last.clone());
        }
        file.keys.push(next);
        if let Some(path) = &self.path {
            file.write(path)?;
        }
        *state = State { file, signing };
        Ok(Rotated { last })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is replaced as a whole, so that a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyFile {
    fn origin(&self, workspace: &WorkspaceId) -> String {
        format!("{}/{workspace}", self.installation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> WorkspaceId {
        WorkspaceId::parse("acme").unwrap()
    }

    fn head(size: u64) -> TreeHead {
        TreeHead { size, root: [7; 32] }
    }

    fn verifiers(notary: &Notary) -> Vec<Verifier> {
        notary.keys(&acme()).unwrap().into_iter().map(|key| key.verifier).collect()
    }

    #[test]
    fn what_is_signed_verifies_after_a_restart_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.keys");
        let notary = Notary::open(&path, None, 0).unwrap();
        assert!(notary.is_made_now());
        let note = notary.sign(&acme(), head(3));
        let again = Notary::open(&path, None, 0).unwrap();
        assert!(!again.is_made_now());
        assert_eq!(again.sign(&acme(), head(3)), note);
        let text = note.verify(&verifiers(&again)).unwrap();
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!((checkpoint.head, checkpoint.workspace()), (head(3), "acme"));
        // Another workspace's key is not this one's.
        let other = again.keys(&WorkspaceId::parse("other").unwrap()).unwrap().remove(0);
        assert!(note.verify(&[other.verifier]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.keys");
        let notary = Notary::open(&path, None, 0).unwrap();
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        notary.rotate(&[], 1).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn a_new_key_is_vouched_for_by_the_old_one_whose_secret_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.keys");
        let notary = Notary::open(&path, None, 0).unwrap();
        let old = verifiers(&notary).remove(0);
        let before = std::fs::read_to_string(&path).unwrap();
        let secret = before.split("\"secret\": \"").nth(1).unwrap().split('"').next().unwrap();
        notary.rotate(&[(acme(), head(5))], 1_000_000).unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(secret));

        let notary = Notary::open(&path, None, 0).unwrap();
        let keys = notary.keys(&acme()).unwrap();
        let KeyState::Retired { at, last: Some(last) } = &keys[0].state else { panic!("{keys:?}") };
        assert_eq!(at, "1970-01-01T00:00:01.000000Z");
        let last = Note::parse(last).unwrap();
        for key in &keys {
            last.verify(std::slice::from_ref(&key.verifier)).unwrap();
        }
        let text = last.verify(std::slice::from_ref(&old)).unwrap();
        let next = Checkpoint::parse(text).unwrap().next_key.unwrap();
        let note = notary.sign(&acme(), head(6));
        assert!(note.verify(&[old]).is_err() && note.verify(&[next]).is_ok());
    }

    #[test]
    fn a_workspace_that_leaves_names_the_key_that_signs_where_it_goes() {
        let (here, there) = (Notary::temporary().unwrap(), Notary::temporary().unwrap());
        let other = WorkspaceId::parse("other").unwrap();
        let theirs = there.keys(&other).unwrap().remove(0).verifier;
        let mut note = here.sign_leaving(&acme(), head(5), Some(&theirs));
        let text = note.verify(&verifiers(&here)).unwrap();
        let next = Checkpoint::parse(text).unwrap().next_key.unwrap();
        assert_eq!(vec![next.clone()], verifiers(&there), "under the name of the workspace");
        assert!(note.verify(std::slice::from_ref(&next)).is_err());
        there.sign_too(&acme(), &mut note);
        assert!(note.verify(&verifiers(&here)).is_ok() && note.verify(&[next]).is_ok());
    }

    #[test]
    fn a_master_key_wraps_it_also_when_it_comes_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.keys");
        let note = Notary::open(&path, None, 0).unwrap().sign(&acme(), head(3));
        let wrapped = Notary::open(&path, Some(&[1; 32]), 0).unwrap();
        assert_eq!(wrapped.sign(&acme(), head(3)), note);
        wrapped.rotate(&[], 1).unwrap();
        drop(wrapped);
        let refused = |key: Option<&[u8; 32]>| Notary::open(&path, key, 0).unwrap_err();
        assert!(matches!(refused(None), NotaryError::MasterKeyNeeded));
        assert!(matches!(refused(Some(&[2; 32])), NotaryError::MasterKeyWrong));
        Notary::open(&path, Some(&[1; 32]), 0).unwrap();
    }
}
