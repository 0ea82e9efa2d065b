//! Whom a check believes: public keys, and checkpoints that were kept.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use record::{Checkpoint, Note, Verifier, checkpoint};

/// What is believed.
#[derive(Default)]
pub(crate) struct Trust {
    pub(super) keys: Vec<Verifier>,
    pub(crate) kept: Vec<Checkpoint>,
}

impl Trust {
    /// Reads what a command names. Where there are keys, whatever was kept has to be signed by one
    /// of them; a last checkpoint that one has signed adds the key that follows it.
    pub(crate) fn read(keys: &[String], kept: &[PathBuf]) -> anyhow::Result<Self> {
        let mut trust = Self::default();
        for key in keys {
            trust.keys.extend(verifiers(key)?);
        }
        for path in kept {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the checkpoint {}", path.display()))?;
            for note in checkpoint::notes(&text).with_context(|| path.display().to_string())? {
                let checkpoint = trust.hear(&note).with_context(|| path.display().to_string())?;
                trust.kept.push(checkpoint);
            }
        }
        Ok(trust)
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
fn verifiers(key: &str) -> anyhow::Result<Vec<Verifier>> {
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
