//! What is counted and timed of everything that happens, for `/metrics`.
//!
//! Labels are words that the code knows: an `IdP` kind, an action, an outcome, an adapter. Never a
//! workspace, a connector, a person or anything else that somebody else names: their number would grow
//! with what is stored, and metrics are read by people who may not see it.

use std::{sync::OnceLock, time::Duration};

use domain::workspace::Idp;
use event_log::journal::{Action, Outcome};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
    core::Collector, process_collector::ProcessCollector, proto::MetricFamily,
};

/// Upper bounds of latencies, in seconds: from what a read costs to what a client waits for.
const SECONDS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The meters of a server.
pub struct Meters {
    registry: Registry,
    scim: Scim,
    rejected: IntCounterVec,
    api_seconds: HistogramVec,
    call_seconds: HistogramVec,
}

impl Default for Meters {
    fn default() -> Self {
        let registry = Registry::new();
        let counter = |name, says, labels: &[&str]| {
            kept(&registry, IntCounterVec::new(Opts::new(name, says), labels))
        };
        let seconds = |name, says, labels: &[&str]| {
            let options = HistogramOpts::new(name, says).buckets(SECONDS.to_vec());
            kept(&registry, HistogramVec::new(options, labels))
        };
        Self {
            scim: Scim::new(
                counter(
                    "muster_scim_requests_total",
                    "SCIM requests with a good token, and operations of bulk requests, by what came of them.",
                    &["idp", "action", "outcome"],
                ),
                seconds(
                    "muster_scim_request_seconds",
                    "Time until the answer to a SCIM request began.",
                    &["idp", "action"],
                ),
            ),
            rejected: counter(
                "muster_scim_rejected_total",
                "SCIM requests without a good token.",
                &["reason"],
            ),
            api_seconds: seconds(
                "muster_api_request_seconds",
                "Time until the answer to a request to the API began.",
                &["method", "status"],
            ),
            call_seconds: seconds(
                "muster_mdm_call_seconds",
                "Time that an MDM service took to answer an order.",
                &["adapter", "outcome"],
            ),
            registry: with_process(registry),
        }
    }
}

/// The meters of SCIM requests. Those of the words of a request are kept once they were looked up: every
/// request counts.
struct Scim {
    requests: IntCounterVec,
    seconds: HistogramVec,
    /// By the numbers of `IdP`, action and outcome.
    counters: Box<[OnceLock<IntCounter>]>,
    /// By the numbers of `IdP` and action.
    histograms: Box<[OnceLock<Histogram>]>,
}

impl Scim {
    fn new(requests: IntCounterVec, seconds: HistogramVec) -> Self {
        let kinds = Idp::ALL.len() * Action::ALL.len();
        let counters = (0..kinds * Outcome::ALL.len()).map(|_| OnceLock::new()).collect();
        let histograms = (0..kinds).map(|_| OnceLock::new()).collect();
        Self { requests, seconds, counters, histograms }
    }

    fn counter(&self, idp: Idp, action: Action, outcome: Outcome) -> &IntCounter {
        let number = kind(idp, action) * Outcome::ALL.len() + outcome as usize;
        let words = [idp.as_str(), action.as_str(), outcome.as_str()];
        self.counters[number].get_or_init(|| self.requests.with_label_values(&words))
    }

    fn histogram(&self, idp: Idp, action: Action) -> &Histogram {
        let words = [idp.as_str(), action.as_str()];
        self.histograms[kind(idp, action)].get_or_init(|| self.seconds.with_label_values(&words))
    }
}

fn kind(idp: Idp, action: Action) -> usize {
    idp as usize * Action::ALL.len() + action as usize
}

/// The registry, with what the system knows of the process: memory, processor time, open files, threads.
fn with_process(registry: Registry) -> Registry {
    #[cfg(target_os = "linux")]
    {
        let process =
            i32::try_from(std::process::id()).map(|id| ProcessCollector::new(id, "muster"));
        if let Ok(process) = process
            && let Err(error) = registry.register(Box::new(process))
        {
            tracing::warn!(%error, "the process has no metrics");
        }
    }
    registry
}

/// Enters a meter into the registry. Names, labels and buckets are constants of this file.
fn kept<M: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<M>) -> M {
    let meter = made.unwrap_or_else(|error| unreachable!("a meter is not valid: {error}"));
    if let Err(error) = registry.register(Box::new(meter.clone())) {
        unreachable!("two meters have one name: {error}");
    }
    meter
}

impl Meters {
    /// A SCIM request, or an operation of a bulk request, was answered.
    pub(crate) fn scim(
        &self,
        (idp, action, outcome): (Idp, Action, Outcome),
        took: Duration,
        is_operation: bool,
    ) {
        self.scim.counter(idp, action, outcome).inc();
        if !is_operation {
            self.scim.histogram(idp, action).observe(took.as_secs_f64());
        }
    }

    /// A SCIM request had no good token.
    pub(crate) fn rejected(&self, reason: &str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    /// A request to the API was answered.
    pub fn api(&self, method: &str, status: u16, took: Duration) {
        const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let method = METHODS.iter().find(|known| **known == method).unwrap_or(&"other");
        let class = match status {
            ..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        self.api_seconds.with_label_values(&[*method, class]).observe(took.as_secs_f64());
    }

    /// An MDM service answered an order, or did not.
    pub fn call(&self, adapter: &str, outcome: &str, took: Duration) {
        self.call_seconds.with_label_values(&[adapter, outcome]).observe(took.as_secs_f64());
    }

    /// Everything that was counted, in order of its name.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_counted_and_its_request_is_timed() {
        let meters = Meters::default();
        let created = (Idp::Okta, Action::Create, Outcome::Created);
        meters.scim(created, Duration::from_millis(2), true);
        meters.scim((Idp::Okta, Action::Bulk, Outcome::InParts), Duration::from_millis(3), false);
        meters.rejected("expired");
        meters.api("BREW", 418, Duration::ZERO);
        let text = prometheus::TextEncoder::new().encode_to_string(&meters.gather()).unwrap();
        for line in [
            "muster_scim_requests_total{action=\"create\",idp=\"okta\",outcome=\"created\"} 1",
            "muster_scim_requests_total{action=\"bulk\",idp=\"okta\",outcome=\"in_parts\"} 1",
            "muster_scim_request_seconds_bucket{action=\"bulk\",idp=\"okta\",le=\"0.0025\"} 0",
            "muster_scim_request_seconds_bucket{action=\"bulk\",idp=\"okta\",le=\"0.005\"} 1",
            "muster_scim_rejected_total{reason=\"expired\"} 1",
            "muster_api_request_seconds_count{method=\"other\",status=\"4xx\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("muster_scim_request_seconds_count{action=\"create\""), "{text}");
    }

    #[test]
    fn each_kind_of_request_is_counted_alone() {
        let meters = Meters::default();
        for idp in Idp::ALL {
            for action in Action::ALL {
                for outcome in Outcome::ALL {
                    meters.scim((idp, *action, *outcome), Duration::ZERO, false);
                }
            }
        }
        let text = prometheus::TextEncoder::new().encode_to_string(&meters.gather()).unwrap();
        let counts = |name: &str, count: usize| {
            let of = |line: &&str| line.starts_with(name);
            let ends = format!(" {count}");
            assert!(text.lines().filter(of).all(|line| line.ends_with(&ends)), "{text}");
            text.lines().filter(of).count()
        };
        let kinds = Idp::ALL.len() * Action::ALL.len();
        let outcomes = Outcome::ALL.len();
        assert_eq!(counts("muster_scim_requests_total{", 1), kinds * outcomes);
        assert_eq!(counts("muster_scim_request_seconds_count{", outcomes), kinds);
    }
}
