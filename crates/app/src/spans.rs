//! Spans: what took how long, for whoever collects traces.
//!
//! All that follows from one request belongs to one trace, for days if need be: the trace's id is made of
//! the correlation id, which stands on every event, so that nothing has to be kept for it. Where the
//! correlation id is a UUID or 32 hexadecimal digits, these are the trace's id.
//!
//! Spans are told after they have ended and only where somebody wants them. They hold ids and words of
//! ours, nothing that was sent.

use std::sync::Arc;

use event_log::Micros;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::App;

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A request that was answered.
    Server,
    /// A call of somebody else's service.
    Client,
    /// Work of Muster's own.
    Internal,
}

/// Something that took a while and has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// The correlation id of all that it belongs to.
    pub correlation: String,
    /// What was done, in few words.
    pub name: String,
    /// What it is about.
    pub kind: SpanKind,
    /// When it began, in microseconds since the epoch.
    pub begun: Micros,
    /// When it ended, likewise.
    pub ended: Micros,
    /// Details.
    pub details: Vec<(&'static str, String)>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

impl Span {
    /// The 16 bytes of the id of its trace.
    pub fn trace_id(&self) -> [u8; 16] {
        if let Ok(id) = Uuid::try_parse(&self.correlation)
            && !id.is_nil()
        {
            return id.into_bytes();
        }
        let digest = Sha256::digest(self.correlation.as_bytes());
        std::array::from_fn(|index| digest[index])
    }
}

/// Takes spans.
pub trait Spans: Send + Sync {
    /// Takes one, without waiting for anybody.
    fn take(&self, span: Span);
}

impl App {
    /// Gives spans to somebody who wants them; once.
    pub fn spans_go_to(&self, spans: Arc<dyn Spans>) {
        if self.spans.set(spans).is_err() {
            tracing::error!("spans are told to somebody already");
        }
    }

    /// Tells of a span, if anybody wants to know.
    pub fn tell_span(&self, span: impl FnOnce() -> Span) {
        if let Some(spans) = self.spans.get() {
            spans.take(span());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_id(correlation: &str) -> [u8; 16] {
        let (name, kind, details) = (String::new(), SpanKind::Internal, Vec::new());
        let correlation = correlation.into();
        Span { correlation, name, kind, begun: 0, ended: 0, details, failed: None }.trace_id()
    }

    #[test]
    fn what_looks_like_a_trace_id_is_one_and_everything_has_one() {
        let id = Uuid::from_u128(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(trace_id(&id.to_string()), id.into_bytes());
        assert_eq!(trace_id(&id.simple().to_string()), id.into_bytes());
        assert_eq!(trace_id("okta.7"), trace_id("okta.7"));
        assert_ne!(trace_id("okta.7"), trace_id("okta.8"));
        assert_ne!(trace_id(&Uuid::nil().to_string()), [0; 16]);
    }
}
