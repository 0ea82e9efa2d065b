//! What a run measured and what it found.
//!
//! A tally takes notes while a run goes on; a [`Summary`] is what remains of it, to be printed
//! ([`std::fmt::Display`]) or serialised. Latencies are kept in histograms of three digits, so that
//! memory does not grow with the number of requests.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{Cycle, Idp};

/// The most findings that are kept whole; further ones are only counted.
pub const FINDINGS_KEPT_MAX: usize = 100;

/// The most findings that the table shows.
const FINDINGS_SHOWN_MAX: usize = 10;

/// The most bytes of a body that a finding shows.
pub const BODY_BYTES_SHOWN_MAX: usize = 2_000;

/// The outcome of one cycle.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Who spoke.
    pub idp: Idp,
    /// What the cycle was.
    pub cycle: Cycle,
    /// How many people the directory of the provider has.
    pub users: usize,
    /// How many groups it has.
    pub groups: usize,
    /// How many requests were sent.
    pub requests: u64,
    /// How long the cycle took, in seconds.
    pub seconds: f64,
    /// Requests per second over the whole cycle.
    pub requests_per_second: f64,
    /// Latencies of all requests.
    pub latency: Latency,
    /// How often each status code came; 0 stands for no answer.
    pub statuses: BTreeMap<u16, u64>,
    /// The same for each kind of request, in the order of method and kind.
    pub kinds: Vec<KindSummary>,
    /// How many answers were not as they should be, kept or not.
    pub findings_total: u64,
    /// The first [`FINDINGS_KEPT_MAX`] of them.
    pub findings: Vec<Finding>,
}

/// The requests of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct KindSummary {
    /// The method of the requests.
    pub method: String,
    /// What they are for, such as `create user`.
    pub kind: &'static str,
    /// How many were sent.
    pub requests: u64,
    /// How often each status code came; 0 stands for no answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Their latencies.
    pub latency: Latency,
}

/// Latencies, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50_us: u64,
    /// Nine of ten were not slower.
    pub p90_us: u64,
    /// 99 of 100 were not slower.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Latency {
    /// Reads a histogram of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
        }
    }
}

/// An answer that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The number of the case in the catalogue of expectations.
    pub case: u8,
    /// What that case expects.
    pub expectation: &'static str,
    /// What is wrong.
    pub problems: Vec<String>,
    /// What was asked.
    pub request: Asked,
    /// What came back.
    pub response: Answered,
}

/// The request of a finding. The token is not part of it.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path after the base URL, with its query.
    pub path: String,
    /// The first bytes of the body.
    pub body: String,
}

/// The answer of a finding.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    /// The status code; 0 stands for no answer.
    pub status: u16,
    /// The headers, by name.
    pub headers: BTreeMap<String, String>,
    /// The first bytes of the body.
    pub body: String,
}

/// Returns an empty histogram of microseconds, up to two minutes, with three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 120_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are in order and three digits are allowed"))
}

/// Returns a duration in whole microseconds, at least 1.
pub fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

/// Cuts a body to [`BODY_BYTES_SHOWN_MAX`].
pub(crate) fn shown(body: &str) -> String {
    let end = body.floor_char_boundary(BODY_BYTES_SHOWN_MAX.min(body.len()));
    match &body[end..] {
        "" => body.to_owned(),
        rest => format!("{}… and {} bytes more", &body[..end], rest.len()),
    }
}

/// The notes of a run that goes on.
pub(crate) struct Tally {
    began: Instant,
    all: Histogram<u64>,
    kinds: BTreeMap<(&'static str, String), Counted>,
    findings_total: u64,
    findings: Vec<Finding>,
}

struct Counted {
    latencies: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
}

impl Tally {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            all: histogram(),
            kinds: BTreeMap::new(),
            findings_total: 0,
            findings: Vec::new(),
        }
    }

    /// Notes one answer, or with status 0 that none came.
    pub(crate) fn count(&mut self, method: &str, kind: &'static str, status: u16, took: Duration) {
        let took = microseconds(took);
        self.all.saturating_record(took);
        let counted = self
            .kinds
            .entry((kind, method.to_owned()))
            .or_insert_with(|| Counted { latencies: histogram(), statuses: BTreeMap::new() });
        counted.latencies.saturating_record(took);
        *counted.statuses.entry(status).or_default() += 1;
    }

    /// Notes a finding and returns how many there are now.
    pub(crate) fn find(&mut self, finding: impl FnOnce() -> Finding) -> u64 {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_KEPT_MAX {
            self.findings.push(finding());
        }
        self.findings_total
    }

    pub(crate) fn end(self, idp: Idp, cycle: Cycle, users: usize, groups: usize) -> Summary {
        let seconds = self.began.elapsed().as_secs_f64();
        let mut statuses = BTreeMap::new();
        for (status, count) in self.kinds.values().flat_map(|counted| &counted.statuses) {
            *statuses.entry(*status).or_default() += count;
        }
        let kinds = self.kinds.into_iter().map(|((kind, method), counted)| KindSummary {
            method,
            kind,
            requests: counted.latencies.len(),
            latency: Latency::of(&counted.latencies),
            statuses: counted.statuses,
        });
        Summary {
            idp,
            cycle,
            users,
            groups,
            requests: self.all.len(),
            seconds,
            requests_per_second: rate(self.all.len(), seconds),
            latency: Latency::of(&self.all),
            statuses,
            kinds: kinds.collect(),
            findings_total: self.findings_total,
            findings: self.findings,
        }
    }
}

/// Returns how many per second, and 0 for no time.
#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
pub fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests in {:.1} s, {:.0} per second, {} users, {} groups",
            self.requests, self.seconds, self.requests_per_second, self.users, self.groups
        )?;
        writeln!(
            f,
            "{:<22} {:<6} {:>9} {:>9} {:>9} {:>9} {:>9}  status × count",
            "request", "method", "count", "p50 ms", "p90 ms", "p99 ms", "max ms"
        )?;
        for kind in &self.kinds {
            line(f, kind.kind, &kind.method, kind.requests, kind.latency, &kind.statuses)?;
        }
        line(f, "all", "", self.requests, self.latency, &self.statuses)?;
        let shown = &self.findings[..self.findings.len().min(FINDINGS_SHOWN_MAX)];
        writeln!(f, "{} findings", self.findings_total)?;
        shown.iter().try_for_each(|finding| write!(f, "{finding}"))?;
        match self.findings_total.saturating_sub(shown.len() as u64) {
            0 => Ok(()),
            rest => writeln!(f, "\nand {rest} more"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\ncase {}: {}", self.case, self.expectation)?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "  ! {problem}"))?;
        writeln!(f, "  > {} {}", self.request.method, self.request.path)?;
        if !self.request.body.is_empty() {
            writeln!(f, "  > {}", self.request.body)?;
        }
        writeln!(f, "  < {} {}", self.response.status, self.response.body)
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    method: &str,
    requests: u64,
    latency: Latency,
    statuses: &BTreeMap<u16, u64>,
) -> fmt::Result {
    write!(f, "{kind:<22} {method:<6} {requests:>9}")?;
    for us in [latency.p50_us, latency.p90_us, latency.p99_us, latency.max_us] {
        write!(f, " {:>9}", format!("{}.{:02}", us / 1_000, us % 1_000 / 10))?;
    }
    let statuses: Vec<_> =
        statuses.iter().map(|(code, count)| format!("{code} × {count}")).collect();
    writeln!(f, "  {}", statuses.join(", "))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn finding() -> Finding {
        Finding {
            case: 3,
            expectation: "a user is created",
            problems: vec!["status 500 instead of 201".into()],
            request: Asked { method: "POST".into(), path: "/Users".into(), body: "{}".into() },
            response: Answered { status: 500, headers: BTreeMap::new(), body: "oops".into() },
        }
    }

    fn summary() -> Summary {
        let mut tally = Tally::begin();
        for ms in 1..=100 {
            let status = if ms == 100 { 500 } else { 201 };
            tally.count("POST", "create user", status, Duration::from_millis(ms));
        }
        tally.count("GET", "find user", 200, Duration::from_micros(250));
        tally.find(finding);
        let mut summary = tally.end(Idp::Entra, Cycle::Initial, 100, 3);
        (summary.seconds, summary.requests_per_second) = (2.0, 50.5);
        summary
    }

    #[test]
    fn a_summary_is_a_table() {
        expect![[r"
            101 requests in 2.0 s, 50 per second, 100 users, 3 groups
            request                method     count    p50 ms    p90 ms    p99 ms    max ms  status × count
            create user            POST         100     50.01     90.04     99.00    100.03  201 × 99, 500 × 1
            find user              GET            1      0.25      0.25      0.25      0.25  200 × 1
            all                                 101     50.01     90.04     99.00    100.03  200 × 1, 201 × 99, 500 × 1
            1 findings

            case 3: a user is created
              ! status 500 instead of 201
              > POST /Users
              > {}
              < 500 oops
        "]]
        .assert_eq(&summary().to_string());
    }

    #[test]
    fn a_summary_is_json() {
        let json = serde_json::to_value(summary()).unwrap();
        let head = ["idp", "cycle", "requests", "seconds", "statuses", "latency", "findings_total"];
        let head: Vec<_> = head.iter().map(|name| format!("{name}: {}", json[name])).collect();
        expect![[r#"
            idp: "entra"
            cycle: "initial"
            requests: 101
            seconds: 2.0
            statuses: {"200":1,"201":99,"500":1}
            latency: {"max_us":100031,"p50_us":50015,"p90_us":90047,"p99_us":99007}
            findings_total: 1"#]]
        .assert_eq(&head.join("\n"));
        expect![[r#"{"kind":"find user","latency":{"max_us":250,"p50_us":250,"p90_us":250,"p99_us":250},"method":"GET","requests":1,"statuses":{"200":1}}"#]].assert_eq(&json["kinds"][1].to_string());
        expect![[r#"{"case":3,"expectation":"a user is created","problems":["status 500 instead of 201"],"request":{"body":"{}","method":"POST","path":"/Users"},"response":{"body":"oops","headers":{},"status":500}}"#]].assert_eq(&json["findings"][0].to_string());
    }

    #[test]
    fn findings_are_all_counted_and_the_first_are_kept() {
        let mut tally = Tally::begin();
        let last = (0..250).map(|_| tally.find(finding)).last();
        let summary = tally.end(Idp::OktaNative, Cycle::Repeat, 0, 0);
        assert_eq!((last, summary.findings_total), (Some(250), 250));
        assert_eq!(summary.findings.len(), FINDINGS_KEPT_MAX);
    }

    #[test]
    fn a_long_body_is_cut_between_characters() {
        assert_eq!(shown("short"), "short");
        let text = "é".repeat(BODY_BYTES_SHOWN_MAX);
        assert!(shown(&text).ends_with("é… and 2000 bytes more"));
        let odd = format!("x{text}");
        assert!(shown(&odd).ends_with("é… and 2002 bytes more"));
    }
}
