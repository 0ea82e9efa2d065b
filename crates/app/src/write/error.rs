//! Why a command was not carried out.

use std::sync::Arc;

use domain::stored;
use event_log::{AppendError, Claim, Failure, StreamId};

/// A command that was not carried out: nothing of it was stored, but for [`Self::Failed`].
#[derive(Debug, thiserror::Error)]
pub enum DispatchError<R> {
    /// The aggregate refuses it.
    #[error(transparent)]
    Refused(R),
    /// Another stream holds what it would take.
    #[error("another {} holds that value", holder.kind)]
    ClaimTaken {
        /// What is held.
        claim: Claim,
        /// Who holds it.
        holder: StreamId,
    },
    /// Too much is waiting.
    #[error("too many requests are waiting")]
    Overloaded,
    /// It is our fault; whether it was stored is unknown.
    #[error("the log failed")]
    Failed(#[source] Failure),
    /// An event of the stream cannot be read.
    #[error("an event of the stream cannot be read")]
    Unreadable(#[source] Arc<stored::Unreadable>),
    /// The log takes nothing any more.
    #[error("the log is read-only")]
    ReadOnly,
}

impl<R> DispatchError<R> {
    /// An append that failed.
    pub(super) fn of_append(error: &AppendError) -> Self {
        match error {
            // Another writer, many times in a row: the caller may try again.
            AppendError::Conflict { .. } | AppendError::Overloaded => Self::Overloaded,
            AppendError::ReadOnly => Self::ReadOnly,
            AppendError::Failed(failure) => Self::Failed(failure.clone()),
        }
    }

    /// The same failure for everybody who waited; refusals belong to one command and never come here.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(failure.clone()),
            Self::Unreadable(error) => Self::Unreadable(Arc::clone(error)),
            Self::ReadOnly => Self::ReadOnly,
            Self::Overloaded | Self::Refused(_) | Self::ClaimTaken { .. } => Self::Overloaded,
        }
    }
}
