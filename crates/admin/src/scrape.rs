//! `/metrics`: what was counted, and what is looked at when somebody asks, in Prometheus' text format.

use prometheus::{
    GaugeVec, IntCounter, IntGauge, Opts, Registry, TextEncoder, core::Collector,
    proto::MetricFamily,
};

/// What is looked at for one answer.
pub(crate) struct Scrape(Registry);

impl Default for Scrape {
    fn default() -> Self {
        let prefixed = Registry::new_custom(Some("muster".to_owned()), None);
        Self(prefixed.unwrap_or_else(|error| unreachable!("the prefix is not valid: {error}")))
    }
}

impl Scrape {
    /// A number that goes up and down.
    pub(crate) fn gauge(&self, name: &str, says: &str, value: u64) {
        self.enter(IntGauge::new(name, says), |gauge| gauge.set(signed(value)));
    }

    /// A number that only grows while the process lives.
    pub(crate) fn counter(&self, name: &str, says: &str, value: u64) {
        self.enter(IntCounter::new(name, says), |counter| counter.inc_by(value));
    }

    /// A number for each of some words.
    pub(crate) fn family<W: AsRef<str>>(
        &self,
        name: &str,
        says: &str,
        label: &str,
        values: &[(W, u64)],
    ) {
        self.enter(GaugeVec::new(Opts::new(name, says), &[label]), |family| {
            for (word, value) in values {
                #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
                family.with_label_values(&[word.as_ref()]).set(*value as f64);
            }
        });
    }

    /// All of it, after what was counted.
    pub(crate) fn page(&self, mut counted: Vec<MetricFamily>) -> String {
        counted.extend(self.0.gather());
        TextEncoder::new().encode_to_string(&counted).unwrap_or_else(|error| {
            tracing::error!(%error, "the metrics cannot be written");
            String::new()
        })
    }

    fn enter<M: Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<M>,
        set: impl FnOnce(&M),
    ) {
        let entered = made.and_then(|meter| {
            set(&meter);
            self.0.register(Box::new(meter))
        });
        if let Err(error) = entered {
            tracing::error!(%error, "a metric is left out");
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
