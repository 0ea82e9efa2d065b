//! Whom a command is to believe: the keys and the checkpoints that it names, read from files.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use record::{Trust, Verifier, checkpoint};

/// Reads what a command names. What is signed by nobody known waits for [`Trust::settle`]: what is checked may tell
/// which key followed.
pub(crate) fn gather(keys: &[String], kept: &[PathBuf]) -> anyhow::Result<Trust> {
    let mut trust = Trust::default();
    for key in keys {
        trust.keys.extend(verifiers(key)?);
    }
    for path in kept {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading the checkpoint {}", path.display()))?;
        for note in checkpoint::notes(&text).with_context(|| path.display().to_string())? {
            trust.keep(&path.display().to_string(), note);
        }
    }
    Ok(trust)
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
