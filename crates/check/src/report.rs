//! The outcome of a run: to be printed ([`std::fmt::Display`]) or serialised.
//!
//! The JSON shape is part of the contract: `docs/check.md` describes it.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    case::Level,
    finding::{Asked, Finding},
};

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The server does what is demanded.
    Passed,
    /// It does not.
    Failed,
    /// It does not do what is only advised.
    Warned,
    /// The case does not apply, and says why.
    Skipped,
}

/// How many cases had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Cases that the server fulfils.
    pub passed: usize,
    /// Cases that it does not fulfil.
    pub failed: usize,
    /// Advice that it does not follow.
    pub warned: usize,
    /// Cases that do not apply.
    pub skipped: usize,
}

impl Totals {
    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed => &mut self.failed,
            Outcome::Warned => &mut self.warned,
            Outcome::Skipped => &mut self.skipped,
        } += 1;
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.warned += other.warned;
        self.skipped += other.skipped;
    }
}

/// A case and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    /// Its id, such as `patch.remove-without-path`.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// What it demands.
    pub demand: &'static str,
    /// Who demands it.
    pub source: &'static str,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was wrong, when it failed or is warned about.
    #[serde(flatten)]
    pub finding: Option<Finding>,
}

/// The cases of one group.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// How its cases ended.
    pub totals: Totals,
    /// Its cases, in the order in which they ran.
    pub cases: Vec<CaseReport>,
}

impl GroupReport {
    pub(crate) fn new(name: &'static str, about: &'static str, cases: Vec<CaseReport>) -> Self {
        let mut totals = Totals::default();
        cases.iter().for_each(|case| totals.count(case.outcome));
        Self { name, about, totals, cases }
    }
}

/// Something that the run made and that is still on the server, or may be.
#[derive(Clone, Debug, Serialize)]
pub struct Left {
    /// Its path after the base URL; an endpoint's, where more could not be looked for.
    pub path: String,
    /// Why it is still there.
    pub reason: String,
}

/// What a server did with the suite.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of the suite.
    pub version: &'static str,
    /// The server.
    pub base_url: String,
    /// What the names of everything that was made begin with.
    pub prefix: String,
    /// How many requests were sent, those for preparing and removing included.
    pub requests: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// How all cases ended.
    pub totals: Totals,
    /// The groups, in the order in which they ran.
    pub groups: Vec<GroupReport>,
    /// What could not be removed or looked for, or was to be kept.
    pub left_behind: Vec<Left>,
}

impl Report {
    /// Counts how the cases ended.
    pub(crate) fn count(&mut self) {
        self.groups.iter().for_each(|group| self.totals.add(group.totals));
    }

    /// Tells whether the server was asked everything, and does all that is demanded of it.
    pub fn is_good(&self) -> bool {
        self.totals.failed == 0 && !self.interrupted
    }

    fn cases(&self, outcome: Outcome) -> impl Iterator<Item = &CaseReport> {
        let cases = self.groups.iter().flat_map(|group| &group.cases);
        cases.filter(move |case| case.outcome == outcome)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<14}{:>7}{:>8}{:>8}{:>9}",
            "group", "passed", "failed", "warned", "skipped"
        )?;
        for group in &self.groups {
            write_totals(formatter, group.name, group.totals)?;
        }
        write_totals(formatter, "all", self.totals)?;
        for (outcome, word) in [(Outcome::Failed, "FAILED"), (Outcome::Warned, "WARNING")] {
            for case in self.cases(outcome) {
                write_case(formatter, word, case)?;
            }
        }
        self.write_skipped(formatter)?;
        self.write_left(formatter)?;
        let Totals { passed, failed, warned, skipped } = self.totals;
        write!(
            formatter,
            "\n{}: {passed} passed, {failed} failed, {warned} warned about, {skipped} skipped; \
             {} requests in {:.1} s",
            self.base_url, self.requests, self.seconds
        )
    }
}

impl Report {
    fn write_skipped(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for case in self.cases(Outcome::Skipped) {
            *reasons.entry(case.reason.as_deref().unwrap_or_default()).or_default() += 1;
        }
        if !reasons.is_empty() {
            writeln!(formatter, "\nskipped:")?;
        }
        for (reason, cases) in reasons {
            writeln!(formatter, "{cases:>6}  {reason}")?;
        }
        Ok(())
    }

    fn write_left(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.left_behind.is_empty() {
            writeln!(formatter, "\nstill on the server ({}…):", self.prefix)?;
        }
        for Left { path, reason } in &self.left_behind {
            writeln!(formatter, "  {path}: {reason}")?;
        }
        Ok(())
    }
}

fn write_totals(formatter: &mut fmt::Formatter<'_>, name: &str, totals: Totals) -> fmt::Result {
    let Totals { passed, failed, warned, skipped } = totals;
    writeln!(formatter, "{name:<14}{passed:>7}{failed:>8}{warned:>8}{skipped:>9}")
}

fn write_case(formatter: &mut fmt::Formatter<'_>, word: &str, case: &CaseReport) -> fmt::Result {
    writeln!(formatter, "\n{word} {}: {}", case.id, case.demand)?;
    writeln!(formatter, "  source    {}", case.source)?;
    let Some(finding) = &case.finding else { return Ok(()) };
    writeln!(formatter, "  expected  {}", finding.expected)?;
    writeln!(formatter, "  found     {}", finding.found)?;
    if let Some(after) = &finding.after {
        write_request(formatter, "after", after)?;
    }
    write_request(formatter, "request", &finding.request)?;
    writeln!(formatter, "  response  {}", finding.response.status)?;
    for (name, value) in &finding.response.headers {
        writeln!(formatter, "            {name}: {value}")?;
    }
    write_body(formatter, &finding.response.body)
}

fn write_request(formatter: &mut fmt::Formatter<'_>, word: &str, asked: &Asked) -> fmt::Result {
    writeln!(formatter, "  {word:<10}{} {}", asked.method, asked.url)?;
    for (name, value) in &asked.headers {
        writeln!(formatter, "            {name}: {value}")?;
    }
    write_body(formatter, &asked.body)
}

fn write_body(formatter: &mut fmt::Formatter<'_>, body: &str) -> fmt::Result {
    // What a server sends must not command the terminal.
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    match body {
        "" => Ok(()),
        body => writeln!(formatter, "            {}", body.chars().map(plain).collect::<String>()),
    }
}
