//! What a case is, what a group of cases is, and how a case ends.

use std::pin::Pin;

use serde::Serialize;

use crate::{finding::Finding, offer::Feature, session::Session};

/// How binding a demand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The standard demands it: a server that does otherwise fails.
    Must,
    /// The standard advises it: a server that does otherwise is warned about.
    Should,
    /// An identity provider needs it, whatever the standard says: a server that does otherwise fails.
    Dialect,
}

/// Why a case ended before it was through.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An answer was not as it should be.
    Failed(Box<Finding>),
    /// The case does not apply here; says why, as the end of a sentence.
    Skipped(String),
}

/// How a case ends.
pub(crate) type Verdict = Result<(), Stop>;

/// A case under way. It stays on its thread.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// One demand on a server.
pub(crate) struct Case {
    /// The name of its function.
    pub(crate) function: &'static str,
    /// How binding it is.
    pub(crate) level: Level,
    /// What it demands, as a sentence without its full stop.
    pub(crate) demand: &'static str,
    /// Who demands it: a section of an RFC or a vendor's page.
    pub(crate) source: &'static str,
    /// What asks the server.
    pub(crate) run: fn(&Session) -> Running<'_>,
}

/// Cases about one subject.
pub(crate) struct Group {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it is about, as a noun phrase.
    pub(crate) about: &'static str,
    /// What a server must offer for any of its cases to apply.
    pub(crate) needs: Option<Feature>,
    /// Its cases, list after list, in the order in which they run.
    pub(crate) cases: &'static [&'static [Case]],
}

impl Group {
    /// Returns its cases, in the order in which they run.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &'static Case> + use<> {
        self.cases.iter().copied().flatten()
    }

    /// Returns the id of one of its cases, such as `patch.remove-without-path`.
    pub(crate) fn id(&self, case: &Case) -> String {
        format!("{}.{}", self.name, case.function.replace('_', "-"))
    }

    /// Tells whether it is about an identity provider and not about the standard.
    pub(crate) fn is_dialect(&self) -> bool {
        self.cases().any(|case| case.level == Level::Dialect)
    }
}

/// Makes a [`Case`] of a function: `case!(Must, function, "demand", "source")`.
macro_rules! case {
    ($level:ident, $function:ident, $demand:literal, $source:expr $(,)?) => {
        $crate::case::Case {
            function: stringify!($function),
            level: $crate::case::Level::$level,
            demand: $demand,
            source: $source,
            run: |session| Box::pin($function(session)),
        }
    };
}

pub(crate) use case;
