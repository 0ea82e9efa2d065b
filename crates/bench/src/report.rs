//! The table of figures.
//!
//! One row for each figure: what was measured, of Muster and of what it is compared with, the ratio of
//! the two, and where the design names a budget, that budget and whether it was met.

use std::fmt;

use hdrhistogram::Histogram;
use simulate::summary::Latency;

use crate::{load::Measured, process::precise, versus::Compared};

/// A budget: a figure that is to be reached, or not to be exceeded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Wanted {
    fn met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {}", number(*least)),
            Self::AtMost(most) => write!(f, "≤ {}", number(*most)),
        }
    }
}

#[derive(Default)]
struct Row {
    what: String,
    figure: String,
    reference: String,
    ratio: String,
    wanted: String,
    met: &'static str,
}

/// The figures of a run, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    /// How many budgets were not met.
    pub(crate) missed: usize,
}

impl Report {
    /// Adds a figure that has no budget.
    pub(crate) fn note(&mut self, what: impl Into<String>, figure: impl Into<String>) {
        self.push(Row { what: what.into(), figure: figure.into(), ..Row::default() }, None);
    }

    /// Adds a rate with its latencies.
    pub(crate) fn rate(&mut self, what: impl Into<String>, measured: &Measured) {
        self.note(what, rate_of(measured, None));
    }

    /// Adds a figure that is a budget's own.
    pub(crate) fn budget(&mut self, what: impl Into<String>, figure: f64, wanted: Wanted) {
        let row = Row { what: what.into(), figure: number(figure), ..Row::default() };
        self.push(row, Some((figure, wanted)));
    }

    /// Adds a figure beside the one that it is compared with; the budget is of the ratio.
    pub(crate) fn ratio(
        &mut self,
        what: impl Into<String>,
        (figure, reference): (impl Into<String>, impl Into<String>),
        ratio: f64,
        wanted: Option<Wanted>,
    ) {
        let row = Row {
            what: what.into(),
            figure: figure.into(),
            reference: reference.into(),
            ratio: format!("{ratio:.2}"),
            ..Row::default()
        };
        self.push(row, wanted.map(|wanted| (ratio, wanted)));
    }

    /// Adds the rates of two that were measured in turn, and what each spends on a request.
    pub(crate) fn compare(
        &mut self,
        what: impl Into<String>,
        compared: &Compared,
        wanted: Option<Wanted>,
    ) {
        let [figure, reference] =
            [&compared.one, &compared.other].map(|it| rate_of(&it.measured, Some(it.cpu_us)));
        self.ratio(what, (figure, reference), compared.ratio, wanted);
    }

    #[expect(clippy::print_stderr, reason = "a run takes minutes, and may fail before its table")]
    fn push(&mut self, mut row: Row, budget: Option<(f64, Wanted)>) {
        if let Some((figure, wanted)) = budget {
            let met = wanted.met(figure);
            self.missed += usize::from(!met);
            row.wanted = wanted.to_string();
            row.met = if met { "yes" } else { "**no**" };
        }
        eprintln!("{row}");
        self.rows.push(row);
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, figure, reference, ratio, wanted, met } = self;
        write!(f, "| {what} | {figure} | {reference} | {ratio} | {wanted} | {met} |")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measured | figure | reference | ratio | wanted | met |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

fn rate_of(measured: &Measured, cpu_us: Option<f64>) -> String {
    let latency = latency(&measured.latencies);
    let cpu = cpu_us.map(|us| format!(", {us:.0} µs of a core")).unwrap_or_default();
    format!("{}/s, {latency}{cpu}", thousands(measured.rate()))
}

/// The quantiles that are shown, in milliseconds.
pub(crate) fn latency(latencies: &Histogram<u64>) -> String {
    let Latency { p50_us, p99_us, max_us, .. } = Latency::of(latencies);
    format!("p50 {} ms, p99 {} ms, max {} ms", ms(p50_us), ms(p99_us), ms(max_us))
}

/// Microseconds as milliseconds.
pub(crate) fn ms(us: u64) -> String {
    format!("{}.{:02}", us / 1_000, us % 1_000 / 10)
}

/// An amount of memory as it is shown.
pub(crate) fn mib(mib: u64) -> String {
    format!("{} MiB", thousands(precise(mib)))
}

/// A figure as it is shown.
pub(crate) fn number(figure: f64) -> String {
    if figure.abs() >= 100.0 { thousands(figure) } else { format!("{figure:.2}") }
}

/// Writes a number without a fraction, in groups of three digits.
pub(crate) fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_report_is_a_table_and_counts_what_was_missed() {
        let mut report = Report::default();
        report.note("start", "12 ms");
        report.budget("last additions against first", 2.0, Wanted::AtMost(1.5));
        report.budget("users listed per second", 123_456.7, Wanted::AtLeast(100_000.0));
        report.ratio("rebuild", ("4.0 s", "3.0 s"), 0.75, Some(Wanted::AtLeast(0.5)));
        report.ratio("verify", ("4.0 s", "3.0 s"), 0.75, None);
        assert_eq!(report.missed, 1);
        expect![[r"
            | measured | figure | reference | ratio | wanted | met |
            |---|---|---|---|---|---|
            | start | 12 ms |  |  |  |  |
            | last additions against first | 2.00 |  |  | ≤ 1.50 | **no** |
            | users listed per second | 123,457 |  |  | ≥ 100,000 | yes |
            | rebuild | 4.0 s | 3.0 s | 0.75 | ≥ 0.50 | yes |
            | verify | 4.0 s | 3.0 s | 0.75 |  |  |
        "]]
        .assert_eq(&report.to_string());
    }

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        let texts = [0.4, 7.0, 999.0, 1_000.0, 1_234_567.0].map(thousands);
        assert_eq!(texts, ["0", "7", "999", "1,000", "1,234,567"]);
    }
}
