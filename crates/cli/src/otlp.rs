//! Traces for an OpenTelemetry collector: spans of requests, of policies and of calls to MDM services,
//! sent in batches by OTLP over HTTP.
//!
//! Nobody waits for it: a thread of the library's own sends what has come together, and a collector that
//! is slow or away costs spans and nothing else. Which traces are sent is decided by their ids, so that a
//! trace is there whole or not at all, whatever happens to it days later.
//!
//! # Source
//! OTLP 1.x over HTTP with protobuf (opentelemetry.io/docs/specs/otlp, 2026-11); which bytes of a trace id
//! are random: W3C Trace Context Level 2, "Random Trace ID Flag".

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, ensure};
use app::{Span, SpanKind, Spans};
use event_log::Micros;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind as OtelKind, Status, TraceState},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{
        BatchSpanProcessor, IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks,
        SpanProcessor,
    },
};
use tokio::runtime::Handle;

/// Where collectors take traces, below their address.
const TRACES: &str = "/v1/traces";
/// How long a collector may take to answer, in seconds.
const ANSWER_SECONDS_MAX: u64 = 5;
/// How long what is left may take to be sent at the end, in seconds.
const END_SECONDS_MAX: u64 = 2;

/// Sends spans to a collector.
pub(crate) struct Collector {
    processor: BatchSpanProcessor,
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
    /// A trace is sent if the random part of its id is below this.
    below: u64,
}

impl Collector {
    /// Begins to send to a collector, such as `http://127.0.0.1:4318`, the share of all traces that is
    /// asked for.
    pub(crate) fn start(address: &str, share: f64) -> anyhow::Result<Arc<Self>> {
        ensure!((0.0..=1.0).contains(&share), "the share of traces must be from 0 to 1");
        let connector: HttpsConnector<HttpConnector> =
            mdm::http::connector(mdm::http::system_roots());
        let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
        let client = OnRuntime {
            client: HyperClient::new(connector, patience, None),
            runtime: Handle::current(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(endpoint(address))
            .build()
            .context("setting up the OpenTelemetry exporter")?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let service = Resource::builder().with_service_name("muster");
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        processor.set_resource(&service.with_attribute(version).build());
        Ok(Arc::new(Self {
            processor,
            ids: RandomIdGenerator::default(),
            scope: InstrumentationScope::builder("muster").build(),
            below: share_of(share),
        }))
    }

    /// Sends what is left.
    pub(crate) fn end(&self) {
        if let Err(error) =
            self.processor.shutdown_with_timeout(Duration::from_secs(END_SECONDS_MAX))
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

impl Spans for Collector {
    fn take(&self, span: Span) {
        let trace_id = span.trace_id();
        if random_part(trace_id) >= self.below {
            return;
        }
        let (trace, own) = (TraceId::from_bytes(trace_id), self.ids.new_span_id());
        let state = TraceState::default();
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(trace, own, TraceFlags::SAMPLED, false, state),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: match span.kind {
                SpanKind::Server => OtelKind::Server,
                SpanKind::Client => OtelKind::Client,
                SpanKind::Internal => OtelKind::Internal,
            },
            name: span.name.into(),
            start_time: time(span.begun),
            end_time: time(span.ended),
            attributes: span
                .details
                .into_iter()
                .chain([("muster.correlation", span.correlation)])
                .map(|(name, value)| KeyValue::new(name, value))
                .collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.failed.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// The address of a collector's traces; one with a path is taken as it is.
fn endpoint(address: &str) -> String {
    let address = address.trim_end_matches('/');
    let host = address.split_once("://").map_or(address, |(_, host)| host);
    if host.contains('/') { address.to_owned() } else { format!("{address}{TRACES}") }
}

/// The last seven bytes of a trace id.
fn random_part(id: [u8; 16]) -> u64 {
    let mut last = [0; 8];
    last[1..].copy_from_slice(&id[9..]);
    u64::from_be_bytes(last)
}

/// Below which of 2^56 numbers a share of them lies.
fn share_of(share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the share is from 0 to 1, and nobody counts single traces of 2^56"
    )]
    let below = (share * (1_u64 << 56) as f64) as u64;
    below
}

fn time(at: Micros) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at).unwrap_or_default())
}

/// The library's thread has no runtime; connections are made on ours.
struct OnRuntime {
    client: HyperClient<HttpsConnector<HttpConnector>>,
    runtime: Handle,
}

impl fmt::Debug for OnRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRuntime")
    }
}

#[async_trait::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_collector_gets_the_path_of_its_traces() {
        assert_eq!(endpoint("http://127.0.0.1:4318/"), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(endpoint("https://otel.example/api/otlp"), "https://otel.example/api/otlp");
    }

    #[test]
    fn a_share_of_traces_is_decided_by_their_random_part() {
        let id = |last: u8| {
            let mut id = [0xff; 16];
            id[9] = last;
            random_part(id)
        };
        assert!(id(0xff) < share_of(1.0) && id(0) >= share_of(0.0));
        assert!(id(0x7f) < share_of(0.5) && id(0x80) >= share_of(0.5));
    }
}
