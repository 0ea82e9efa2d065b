//! The record outside of the log: what an auditor keeps, takes away and checks.
//!
//! - [`note`]: text with signatures, as C2SP's signed note has it
//! - [`checkpoint`]: size and root of a workspace's tree, as such a text
//! - [`Notary`]: the key that signs it, where it lies and how it is changed
//! - [`export`]: events in a file, with everything that their proof covers
//! - [`Trust`]: whom a check believes, and which key follows which
//! - [`Examination`]: checking such a file with nothing but a checkpoint
//!
//! `docs/verifying.md` describes the same to somebody who has none of this code.
//!
//! Invariant: a check asks nobody. What it is given, and what it says, is all there is.

pub mod checkpoint;
mod examination;
pub mod export;
mod keyfile;
mod notary;
pub mod note;
mod trust;

pub use checkpoint::Checkpoint;
pub use examination::{Bad, Examination, Findings, NotBegun};
pub use notary::{KeyState, Notary, NotaryError, PublicKey, Rotated};
pub use note::{Note, Verifier};
pub use trust::{NotBelieved, Trust, Unsettled};

#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;
