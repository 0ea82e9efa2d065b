//! What goes wrong on our side when a read model is read or made.

use std::io;

use crate::damage;

/// A read model could not be read or written. Never the caller's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// SQLite refused, or a row is not what was written.
    #[error("using a read model")]
    Database(#[source] rusqlite::Error),
    /// The file that serves is damaged. Another one is built from the log by itself.
    #[error("the file of the projection {projection} is damaged")]
    Damaged {
        /// Whose file it is.
        projection: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The directory of the read models refused.
    #[error("using the directory of the read models")]
    Directory(#[from] io::Error),
}

impl Failure {
    /// Whether it says that a file is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Database(error) => damage::says_so(error),
            Self::Damaged { .. } => true,
            Self::Directory(_) => false,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(source: rusqlite::Error) -> Self {
        match damage::met(&source) {
            Some(projection) => Self::Damaged { projection, source },
            None => Self::Database(source),
        }
    }
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
