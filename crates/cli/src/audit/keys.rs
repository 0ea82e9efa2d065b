//! Whom a check believes: public keys, and checkpoints that were kept.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use record::{Checkpoint, Note, Verifier, checkpoint};

/// What is believed.
#[derive(Default)]
pub(crate) struct Trust {
    pub(crate) keys: Vec<Verifier>,
    pub(crate) kept: Vec<Checkpoint>,
    /// What was kept and is signed by nobody who is known yet, with the file that it is in.
    unheard: Vec<(PathBuf, Note)>,
}

impl Trust {
    /// Reads what a command names. Where there are keys, whatever was kept has to be signed by one
    /// of them; a last checkpoint that one has signed adds the key that follows it.
    pub(crate) fn read(keys: &[String], kept: &[PathBuf]) -> anyhow::Result<Self> {
        let mut trust = Self::gather(keys, kept)?;
        trust.settle()?;
        Ok(trust)
    }

    /// The same, but what is signed by nobody known waits for [`Trust::settle`]: a server may tell which
    /// key followed.
    pub(super) fn gather(keys: &[String], kept: &[PathBuf]) -> anyhow::Result<Self> {
        let mut trust = Self::default();
        for key in keys {
            trust.keys.extend(verifiers(key)?);
        }
        for path in kept {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the checkpoint {}", path.display()))?;
            for note in checkpoint::notes(&text).with_context(|| path.display().to_string())? {
                match trust.hear(&note) {
                    Ok(checkpoint) => trust.kept.push(checkpoint),
                    Err(_) => trust.unheard.push((path.clone(), note)),
                }
            }
        }
        Ok(trust)
    }

    /// Believes what was kept, now that every key is known that can be.
    ///
    /// # Errors
    /// Names the file of a note that no key has signed.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        loop {
            let (before, waiting) = (self.keys.len(), std::mem::take(&mut self.unheard));
            for (path, note) in waiting {
                match self.hear(&note) {
                    Ok(checkpoint) => self.kept.push(checkpoint),
                    Err(_) => self.unheard.push((path, note)),
                }
            }
            // Each may tell the key of another one.
            if self.keys.len() == before {
                break;
            }
        }
        let Some((path, note)) = self.unheard.pop() else { return Ok(()) };
        self.hear(&note).map(drop).with_context(|| path.display().to_string())
    }

    /// Believes a note, or not.
    pub(super) fn hear(&mut self, note: &Note) -> anyhow::Result<Checkpoint> {
        let text =
            if self.keys.is_empty() { note.text_as_kept() } else { note.verify(&self.keys)? };
        let checkpoint = Checkpoint::parse(text)?;
        if !self.keys.is_empty() {
            self.keys.extend(checkpoint.next_key.clone());
        }
        Ok(checkpoint)
    }

    /// The checkpoints that were kept of one workspace.
    pub(super) fn kept_of(&self, workspace: &str) -> Vec<Checkpoint> {
        self.kept.iter().filter(|it| it.workspace() == workspace).cloned().collect()
    }
}

/// A verifier key, or a file with one a line.
pub(crate) fn verifiers(key: &str) -> anyhow::Result<Vec<Verifier>> {
    if let Ok(verifier) = Verifier::parse(key) {
        return Ok(vec![verifier]);
    }
    let text = std::fs::read_to_string(key)
        .with_context(|| format!("{key} is neither a public key nor a file with some"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys = lines.map(Verifier::parse).collect::<Result<Vec<_>, _>>();
    let keys = keys.with_context(|| format!("reading the keys in {key}"))?;
    ensure!(!keys.is_empty(), "there is no key in {key}");
    Ok(keys)
}
