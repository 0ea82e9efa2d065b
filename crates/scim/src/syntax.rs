//! Errors of the two small languages of SCIM: filters and paths.
//!
//! They say where: an administrator sees a filter only in a mapping dialog or a log, and the
//! offset is what turns "invalid filter" into something to correct.

use crate::error::{Echo, Error, ErrorType};

/// Why a filter or a path does not parse, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (byte {offset})")]
pub struct ParseError {
    /// The offset in bytes from the start of the whole text, 0-based.
    pub offset: usize,
    /// What is wrong there.
    pub problem: Problem,
    /// Which of the two languages the offending part belongs to.
    pub language: Language,
}

/// The language in which an error was found: a path contains a filter in its brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// RFC 7644 Figure 1.
    Filter,
    /// RFC 7644 Figure 7.
    Path,
}

/// What can be wrong with a filter or a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing but white space.
    #[error("expected an expression, found nothing")]
    Empty,
    /// More bytes than the limit.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// More levels of brackets than the limit.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// More comparisons than the limit.
    #[error("more than {0} comparisons")]
    TooManyClauses(usize),
    /// Something else should stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Not an attribute name.
    #[error("'{}' is not an attribute name", Echo(.0))]
    Name(String),
    /// Not an operator.
    #[error("the operator '{}' is not supported", Echo(.0))]
    Operator(String),
    /// Not a JSON value.
    #[error("'{}' is not a value", Echo(.0))]
    Value(String),
    /// A value path inside the brackets of another one.
    #[error("a value filter cannot hold another one")]
    NestedElement,
}

impl ParseError {
    pub(crate) fn new(language: Language, offset: usize, problem: Problem) -> Self {
        Self { offset, problem, language }
    }

    /// The same error of a text that starts `by` bytes later in a larger one.
    pub(crate) fn shifted(mut self, by: usize) -> Self {
        self.offset += by;
        self
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        match error.language {
            Language::Filter => {
                Self::bad_request(ErrorType::InvalidFilter, format!("filter: {error}"))
            }
            Language::Path => Self::bad_request(ErrorType::InvalidPath, format!("path: {error}")),
        }
    }
}
