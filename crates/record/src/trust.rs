//! Whom a check believes: public keys, and checkpoints that were kept.
//!
//! Where there are keys, whatever was kept has to be signed by one of them. A last checkpoint of a key names
//! the key that follows it, here or where a workspace has gone, so that whoever has a key believes what came
//! after it as well: they need the notes by which each key hands over to the next, from anywhere.

use crate::checkpoint::{Checkpoint, NoCheckpoint};
use crate::note::{Note, Unbelieved, Verifier};

/// What is believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The keys. None: whatever was kept is believed because it was kept.
    pub keys: Vec<Verifier>,
    /// The checkpoints that were kept and are believed.
    pub kept: Vec<Checkpoint>,
    /// What was kept and is signed by nobody who is known yet, with the file that it is in.
    unheard: Vec<(String, Note)>,
}

/// Why a note is not believed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotBelieved {
    /// Nobody who is believed has signed it.
    #[error(transparent)]
    Unsigned(#[from] Unbelieved),
    /// It says something else.
    #[error(transparent)]
    NoCheckpoint(#[from] NoCheckpoint),
}

/// A note that was kept and that nobody who is believed has signed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}")]
pub struct Unsettled {
    /// The file that it is in.
    file: String,
    #[source]
    why: NotBelieved,
}

impl Trust {
    /// Takes in a note that was kept in a file. One that is signed by nobody known waits for
    /// [`Trust::settle`].
    pub fn keep(&mut self, file: &str, note: Note) {
        match self.hear(&note) {
            Ok(checkpoint) => self.kept.push(checkpoint),
            Err(_) => self.unheard.push((file.to_owned(), note)),
        }
    }

    /// Learns new keys from the last checkpoints of old ones, the oldest first, as far as those are believed:
    /// what nobody believed in has signed changes nothing. Without a key there is nothing to learn.
    pub fn follow(&mut self, last: impl IntoIterator<Item = Note>) {
        if !self.keys.is_empty() {
            for note in last {
                let _ = self.hear(&note);
            }
        }
    }

    /// Believes what was kept, now that every key is known that can be.
    ///
    /// # Errors
    /// Names the file of a note that no key has signed.
    pub fn settle(&mut self) -> Result<(), Unsettled> {
        loop {
            let (before, waiting) = (self.keys.len(), std::mem::take(&mut self.unheard));
            for (file, note) in waiting {
                self.keep(&file, note);
            }
            // Each may tell the key of another one.
            if self.keys.len() == before {
                break;
            }
        }
        let Some((file, note)) = self.unheard.pop() else { return Ok(()) };
        self.hear(&note).map(drop).map_err(|why| Unsettled { file, why })
    }

    /// The checkpoints that were kept of one workspace.
    pub fn kept_of(&self, workspace: &str) -> Vec<Checkpoint> {
        self.kept.iter().filter(|it| it.workspace() == workspace).cloned().collect()
    }

    /// Believes a note, or not.
    fn hear(&mut self, note: &Note) -> Result<Checkpoint, NotBelieved> {
        let text =
            if self.keys.is_empty() { note.text_as_kept() } else { note.verify(&self.keys)? };
        let checkpoint = Checkpoint::parse(text)?;
        if let Some(next) = checkpoint.next_key.as_ref().filter(|it| !self.keys.contains(it))
            && !self.keys.is_empty()
        {
            self.keys.push(next.clone());
        }
        Ok(checkpoint)
    }
}
