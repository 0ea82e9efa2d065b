//! A collector of traces that takes OTLP over HTTP with protobuf.
//!
//! # Source
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>, 2026-11: traces are posted to `/v1/traces`, and an
//! answer of 200 with an empty message says that all were taken. The messages are those of the project's
//! own crate.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;

use super::{Received, Reply, Service};

/// A span as a collector shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Its trace, in hexadecimal.
    pub trace: String,
    /// Its name.
    pub name: String,
    /// Names and texts of what is said of it.
    pub details: Vec<(String, String)>,
    /// When it began and ended, in nanoseconds since the epoch.
    pub between: (u64, u64),
}

impl Collected {
    /// What is said of it under a name.
    pub fn detail(&self, name: &str) -> Option<&str> {
        let found = self.details.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn of(span: Span) -> Self {
        let details = span.attributes.into_iter().filter_map(|it| match it.value?.value? {
            Value::StringValue(text) => Some((it.key, text)),
            _ => None,
        });
        Self {
            trace: data_encoding::HEXLOWER.encode(&span.trace_id),
            name: span.name,
            details: details.collect(),
            between: (span.start_time_unix_nano, span.end_time_unix_nano),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Collector {
    /// What it has taken, in the order of arrival.
    pub spans: Vec<Collected>,
}

impl Service for Collector {
    fn answer(&mut self, request: &Received) -> Reply {
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/v1/traces") {
            return Reply::empty(404);
        }
        let Ok(taken) = ExportTraceServiceRequest::decode(&*request.body) else {
            return Reply::empty(400);
        };
        let scopes = taken.resource_spans.into_iter().flat_map(|it| it.scope_spans);
        self.spans.extend(scopes.flat_map(|it| it.spans).map(Collected::of));
        let headers = vec![("content-type", "application/x-protobuf".to_owned())];
        Reply { status: 200, headers, body: String::new() }
    }

    fn is_order(&self, _: &Received) -> bool {
        false
    }

    fn settle(&mut self) {}

    fn done(&self) -> usize {
        self.spans.len()
    }
}
