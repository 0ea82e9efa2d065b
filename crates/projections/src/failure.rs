//! What goes wrong on our side when a read model is read or made.

use std::io;

/// A read model could not be read or written. Never the caller's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// SQLite refused, or a row is not what was written.
    #[error("using a read model")]
    Database(#[from] rusqlite::Error),
    /// The directory of the read models refused.
    #[error("using the directory of the read models")]
    Directory(#[from] io::Error),
}

/// The read models could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("opening the read models in {}", .dir.display())]
pub struct OpenError {
    /// Where they lie.
    pub dir: std::path::PathBuf,
    /// What went wrong.
    #[source]
    pub source: Failure,
}
