//! The table of figures.
//!
//! One row for each figure: what was measured, the figure, and where the design names a budget,
//! that budget and whether it was met.

use std::fmt;

use hdrhistogram::Histogram;
use simulate::summary::Latency;

use crate::load::Measured;

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

struct Row {
    what: String,
    figure: String,
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
        let (what, figure) = (what.into(), figure.into());
        self.push(Row { what, figure, wanted: String::new(), met: "" });
    }

    /// Adds a rate with its latencies.
    pub(crate) fn rate(&mut self, what: impl Into<String>, measured: &Measured) {
        let latency = latency(&measured.latencies);
        self.note(what, format!("{}/s, {latency}", thousands(measured.rate())));
    }

    /// Adds a ratio, or another plain figure, that has a budget.
    pub(crate) fn budget(&mut self, what: impl Into<String>, figure: f64, wanted: Wanted) {
        let met = wanted.met(figure);
        self.missed += usize::from(!met);
        self.push(Row {
            what: what.into(),
            figure: number(figure),
            wanted: match wanted {
                Wanted::AtLeast(least) => format!("≥ {}", number(least)),
                Wanted::AtMost(most) => format!("≤ {}", number(most)),
            },
            met: if met { "yes" } else { "**no**" },
        });
    }

    #[expect(clippy::print_stderr, reason = "a run takes minutes, and may fail before its table")]
    fn push(&mut self, row: Row) {
        eprintln!("{}: {} {}", row.what, row.figure, row.wanted);
        self.rows.push(row);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measured | figure | wanted | met |\n|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| {
            let Row { what, figure, wanted, met } = row;
            writeln!(f, "| {what} | {figure} | {wanted} | {met} |")
        })
    }
}

fn latency(latencies: &Histogram<u64>) -> String {
    let Latency { p50_us, p99_us, max_us, .. } = Latency::of(latencies);
    let ms = |us: u64| format!("{}.{:02}", us / 1_000, us % 1_000 / 10);
    format!("p50 {} ms, p99 {} ms, max {} ms", ms(p50_us), ms(p99_us), ms(max_us))
}

fn number(figure: f64) -> String {
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
        report.budget("one group against 16", 0.75, Wanted::AtLeast(0.5));
        report.budget("last additions against first", 2.0, Wanted::AtMost(1.5));
        report.budget("users listed per second", 123_456.7, Wanted::AtLeast(100_000.0));
        assert_eq!(report.missed, 1);
        expect![[r"
            | measured | figure | wanted | met |
            |---|---|---|---|
            | start | 12 ms |  |  |
            | one group against 16 | 0.75 | ≥ 0.50 | yes |
            | last additions against first | 2.00 | ≤ 1.50 | **no** |
            | users listed per second | 123,457 | ≥ 100,000 | yes |
        "]]
        .assert_eq(&report.to_string());
    }

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        let texts = [0.4, 7.0, 999.0, 1_000.0, 1_234_567.0].map(thousands);
        assert_eq!(texts, ["0", "7", "999", "1,000", "1,234,567"]);
    }
}
