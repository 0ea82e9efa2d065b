//! What a request does, for its entry in the provisioning log (rule 33).
//!
//! The write path notes what it recorded and about whom; whoever answers the request makes the entry of
//! it. Nobody's name is noted, only its keyed hash.

use std::{sync::Arc, time::Duration};

use event_log::{
    Micros, Receipt,
    journal::{Action, Body, Entry, NameDigest, NewEntry, Outcome, Resource},
};
use parking_lot::Mutex;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::{App, Caller, Span, SpanKind, kept_body, redact::redact};

/// The most bytes that are kept of a body; of a longer one, the beginning.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What a request has done so far. Clones of a caller share it.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Traced>>);

#[derive(Debug, Default)]
struct Traced {
    now: Done,
    /// What the operations before this one have recorded.
    before: Option<(u64, u64)>,
    body: Option<Body>,
}

/// What one operation has done.
#[derive(Debug, Default)]
struct Done {
    subject: Option<Uuid>,
    name: Option<NameDigest>,
    positions: Option<(u64, u64)>,
}

impl Trace {
    /// Notes which resource the request is about.
    pub(crate) fn about(&self, subject: impl Into<Uuid>) {
        self.0.lock().now.subject = Some(subject.into());
    }

    pub(crate) fn recorded(&self, receipt: Option<&Receipt>) {
        let Some(receipt) = receipt else { return };
        let mut traced = self.0.lock();
        let new = (receipt.first_position, receipt.last_position);
        traced.now.positions = spanned(traced.now.positions, Some(new));
    }

    /// Keeps the body of the request, or its beginning, without passwords. `read` is what was read of it, or
    /// `None` if it could not be read: then it is not kept, and that is said instead.
    pub fn keep_body(&self, body: &[u8], read: Option<&serde_json::Value>) {
        let mut bytes = kept_body::of(body, read);
        let cut = bytes.len() > BODY_BYTES_MAX;
        bytes.truncate(BODY_BYTES_MAX);
        self.0.lock().body = Some(Body { bytes, cut });
    }

    /// What was done since the operation before.
    fn operation(&self) -> Done {
        let mut traced = self.0.lock();
        let done = std::mem::take(&mut traced.now);
        traced.before = spanned(traced.before, done.positions);
        done
    }

    /// What the whole request has done, and its body.
    fn request(&self) -> (Done, Option<Body>) {
        let mut traced = self.0.lock();
        let mut done = std::mem::take(&mut traced.now);
        done.positions = spanned(traced.before, done.positions);
        (done, traced.body.take())
    }
}

/// The span of both.
fn spanned(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}

/// How a request, or an operation of one, was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What it asks for.
    pub action: Action,
    /// The kind of resource that it is about.
    pub resource: Option<Resource>,
    /// Which operation of a bulk request it is, from 0; `None` for a request.
    pub operation: Option<u32>,
    /// The HTTP status; `None` when the client was gone.
    pub status: Option<u16>,
    /// What the error said, if it was one.
    pub error: Option<scim::Error>,
    /// How long it took until the answer began.
    pub duration: Duration,
}

impl Answered {
    fn outcome(&self, positions: Option<(u64, u64)>) -> Outcome {
        match (self.status, self.action) {
            (None, _) => Outcome::Unanswered,
            (Some(429 | 503), _) => Outcome::Deferred,
            (Some(400..=499 | 501), _) => Outcome::Refused,
            (Some(500..), _) => Outcome::Failed,
            (_, Action::Bulk) => Outcome::InParts,
            (_, Action::Read | Action::List | Action::Discover | Action::Other) => Outcome::Read,
            _ if positions.is_none() => Outcome::Unchanged,
            (_, Action::Create) => Outcome::Created,
            (_, Action::Delete) => Outcome::Removed,
            (_, Action::Replace | Action::Patch) => Outcome::Changed,
        }
    }
}

impl App {
    /// Puts a request, or an operation of a bulk request, into the provisioning log. Waits for nothing.
    pub fn answered(&self, caller: &Caller, answered: Answered) {
        let (done, body) = match answered.operation {
            Some(_) => (caller.trace.operation(), None),
            None => caller.trace.request(),
        };
        let Done { subject, name, positions } = done;
        let outcome = answered.outcome(positions);
        let words = (caller.idp, answered.action, outcome);
        self.meters.scim(words, answered.duration, answered.operation.is_some());
        if answered.operation.is_none() {
            self.tell_span(|| span(caller, &answered, outcome, self.now()));
        }
        if self.is_unrecorded() {
            return;
        }
        let error = answered.error;
        let entry = Entry {
            time: self.now(),
            connector: caller.connector.as_str().into(),
            token: caller.token.0,
            action: answered.action,
            outcome,
            resource: answered.resource,
            subject,
            name,
            status: answered.status,
            scim_type: error
                .as_ref()
                .and_then(|it| it.scim_type)
                .map(|it| SmolStr::new_static(it.as_str())),
            detail: error.map(|it| redact(&it.detail, &caller.catalogue)),
            duration_micros: Some(u64::try_from(answered.duration.as_micros()).unwrap_or(u64::MAX)),
            request: caller.ids.request.clone(),
            correlation: caller.ids.correlation.clone(),
            operation: answered.operation,
            positions,
        };
        self.log.journal().answered(NewEntry { workspace: caller.workspace.clone(), entry, body });
    }

    /// Notes under which name the request speaks of its resource.
    pub(crate) fn note_name(&self, caller: &Caller, name: Option<&str>) {
        if self.is_unrecorded() {
            return;
        }
        let digest = name.map(|name| self.log_name(&caller.workspace, name));
        caller.trace.0.lock().now.name = digest;
    }

    fn is_unrecorded(&self) -> bool {
        self.unrecorded.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// A name as the provisioning log knows it.
    pub(crate) fn log_name(&self, workspace: &event_log::WorkspaceId, name: &str) -> NameDigest {
        self.log.journal().name_digest(workspace, &scim::fold::text(name))
    }
}

/// The span of a request that has just been answered.
fn span(caller: &Caller, answered: &Answered, outcome: Outcome, ended: Micros) -> Span {
    let took = i64::try_from(answered.duration.as_micros()).unwrap_or(i64::MAX);
    let resource = answered.resource.map(Resource::as_str);
    let name = [Some("SCIM"), Some(answered.action.as_str()), resource];
    let status = answered.status.map(|status| status.to_string());
    Span {
        correlation: caller.ids.correlation.clone(),
        name: name.into_iter().flatten().collect::<Vec<_>>().join(" "),
        kind: SpanKind::Server,
        begun: ended.saturating_sub(took),
        ended,
        details: vec![
            ("muster.workspace", caller.workspace.to_string()),
            ("muster.connector", caller.connector.as_str().to_owned()),
            ("muster.idp", caller.idp.as_str().to_owned()),
            ("muster.request", caller.ids.request.clone()),
            ("muster.outcome", outcome.as_str().to_owned()),
            ("http.response.status_code", status.unwrap_or_default()),
        ],
        failed: (outcome == Outcome::Failed).then(|| "the server failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_request_follows_from_its_status_and_from_what_it_recorded() {
        let outcome = |action, status, positions| {
            let (resource, operation, error) = (None, None, None);
            let duration = Duration::ZERO;
            Answered { action, resource, operation, status, error, duration }.outcome(positions)
        };
        let some = Some((1, 2));
        for (action, status, positions, expected) in [
            (Action::Create, Some(201), some, Outcome::Created),
            (Action::Replace, Some(200), some, Outcome::Changed),
            (Action::Patch, Some(204), some, Outcome::Changed),
            (Action::Patch, Some(200), None, Outcome::Unchanged),
            (Action::Delete, Some(204), some, Outcome::Removed),
            (Action::Read, Some(304), None, Outcome::Read),
            (Action::List, Some(200), None, Outcome::Read),
            (Action::Bulk, Some(200), some, Outcome::InParts),
            (Action::Bulk, Some(413), None, Outcome::Refused),
            (Action::Patch, Some(412), None, Outcome::Refused),
            (Action::Other, Some(501), None, Outcome::Refused),
            (Action::Create, Some(503), None, Outcome::Deferred),
            (Action::Read, Some(429), None, Outcome::Deferred),
            (Action::Create, Some(500), None, Outcome::Failed),
            (Action::Create, None, some, Outcome::Unanswered),
        ] {
            assert_eq!(outcome(action, status, positions), expected, "{action:?} {status:?}");
        }
    }

    #[test]
    fn operations_are_told_apart_and_the_request_spans_them() {
        let trace = Trace::default();
        let receipt = |first_position, last_position| Receipt {
            first_position,
            last_position,
            version: 1,
            time: 0,
        };
        trace.recorded(Some(&receipt(3, 4)));
        trace.recorded(Some(&receipt(7, 7)));
        trace.recorded(None);
        assert_eq!(trace.operation().positions, Some((3, 7)));
        assert_eq!(trace.operation().positions, None);
        trace.clone().recorded(Some(&receipt(9, 9)));
        assert_eq!(trace.request().0.positions, Some((3, 9)));
    }

    #[test]
    fn a_long_body_is_cut() {
        let trace = Trace::default();
        let read = Some(&serde_json::Value::Null);
        trace.keep_body(&vec![b'a'; BODY_BYTES_MAX], read);
        let body = trace.request().1.unwrap();
        assert_eq!((body.bytes.len(), body.cut), (BODY_BYTES_MAX, false));
        trace.keep_body(&vec![b'a'; BODY_BYTES_MAX + 1], read);
        let body = trace.request().1.unwrap();
        assert_eq!((body.bytes.len(), body.cut), (BODY_BYTES_MAX, true));
    }
}
