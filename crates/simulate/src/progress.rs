//! How far a run has come, for whoever watches.
//!
//! A run reports stages and single steps; [`Progress::Bar`] draws them on standard error and
//! [`Progress::Callback`] hands them on. Reporting never fails and never waits.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

/// What a run has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A stage begins, with this many steps.
    Stage {
        /// What the stage is about, such as `users`.
        name: &'static str,
        /// How many steps it has.
        steps: usize,
    },
    /// One step of the stage is done.
    Step,
    /// An answer was not as it should be.
    Finding,
    /// The run is over.
    End,
}

/// Whom a run tells how far it has come. A clone tells the same.
#[derive(Clone)]
pub enum Progress {
    /// Nobody.
    Silent,
    /// A person at a terminal, by a bar on standard error.
    Bar(ProgressBar),
    /// A function. It is called from the tasks of the run and should return at once.
    Callback(Arc<dyn Fn(Report) + Send + Sync>),
}

impl Progress {
    /// Makes a bar that draws itself when the first stage begins, and nothing where standard error
    /// is no terminal.
    pub fn bar() -> Self {
        let bar = ProgressBar::no_length();
        let template = "{prefix:12} {wide_bar} {human_pos}/{human_len} {per_sec} {eta} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    /// Makes a callback out of a function.
    pub fn call(function: impl Fn(Report) + Send + Sync + 'static) -> Self {
        Self::Callback(Arc::new(function))
    }

    pub(crate) fn stage(&self, name: &'static str, steps: usize) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => {
                bar.reset();
                bar.set_prefix(name);
                bar.set_length(steps as u64);
            }
            Self::Callback(function) => function(Report::Stage { name, steps }),
        }
    }

    pub(crate) fn step(&self) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.inc(1),
            Self::Callback(function) => function(Report::Step),
        }
    }

    pub(crate) fn finding(&self, total: u64) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.set_message(format!("{total} findings")),
            Self::Callback(function) => function(Report::Finding),
        }
    }

    pub(crate) fn end(&self) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.finish_and_clear(),
            Self::Callback(function) => function(Report::End),
        }
    }
}
