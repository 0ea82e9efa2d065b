//! `/workspaces/{ws}/export`: the record with everything that its proof covers (rule 31).

use std::num::NonZeroU64;

use actix_web::{HttpResponse, http::Method, web::Bytes};
use app::admin::{events::EventQuery, proofs::ExportPart};
use futures_util::stream;
use record::export::{Header, Trailer};
use serde::Serialize;

use crate::{
    ask::{Inside, Kept},
    endpoint::Endpoint,
    events::{self, NDJSON},
    params::Params,
    problem::Refused,
    words,
};

/// How many events are read at a time.
const CHUNK: usize = 500;

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/export";
    let what = "Export the record, one JSON object a line: a head with a signed checkpoint, the events, an end";
    let mut export = events::filters(Endpoint::new(Method::GET, path, what, export))
        .param("after", "Only what stands after this position")
        .param("limit", "How many events at most: all unless said")
        .param("size", "Of the first so many events; all unless said")
        .param(
            "proofs",
            "Whether each event has a proof of its own: where events are left out, unless said",
        );
    export.answer.status = 200;
    export.answer.says = "The export";
    vec![export.or_as(NDJSON, words::anything())]
}

/// What an export is of.
struct Job {
    inside: Inside,
    query: EventQuery,
    size: u64,
    prove: bool,
    /// How many events may still come; `None` for all.
    left: Option<u64>,
    /// How many there were.
    sent: u64,
}

impl Job {
    async fn part(&self, after: u64) -> Result<ExportPart, Refused> {
        let Inside { app, workspace, .. } = &self.inside;
        let limit = self.left.and_then(|left| usize::try_from(left).ok()).unwrap_or(CHUNK);
        let query = EventQuery { after, limit: limit.min(CHUNK), ..self.query.clone() };
        Ok(app.export(workspace, &query, self.size, self.prove).await?)
    }

    /// The bytes of a part, and after which position to go on.
    fn write(&mut self, part: &ExportPart, bytes: &mut Vec<u8>) -> Option<u64> {
        part.lines.iter().for_each(|line| write(bytes, line));
        let count = part.lines.len() as u64;
        self.sent += count;
        self.left = self.left.map(|left| left.saturating_sub(count));
        let next = part.next.filter(|_| self.left != Some(0));
        if next.is_none() {
            write(bytes, &Trailer::new(self.sent, part.next));
        }
        next
    }
}

/// Reads part by part as the client takes them. A failure on the way cuts the answer off, which
/// whoever checks it sees by the missing end.
async fn export(Kept(inside): Kept, params: Params) -> Result<HttpResponse, Refused> {
    let query = events::query(&params)?;
    let left =
        params.parsed::<NonZeroU64>("limit", "a whole number from 1 on")?.map(NonZeroU64::get);
    let size = params.position("size")?;
    let filtered = query.is_filtered();
    let prove = params.parsed("proofs", "true or false")?.unwrap_or(filtered || query.after > 0);
    let note = inside.app.signed_checkpoint(&inside.workspace, size).await?;
    let size = match size {
        Some(size) => size,
        // What the note says: the head may have moved since.
        None => record::Checkpoint::parse(note.text_as_kept()).map_or(0, |it| it.head.size),
    };
    let header = Header::new(&inside.workspace, note.to_string(), prove);
    let mut job = Job { inside, query, size, prove, left, sent: 0 };
    // The first part is read before the answer begins, so that what is wrong is still said.
    let first = job.part(job.query.after).await?;
    let mut bytes = Vec::new();
    write(&mut bytes, &header);
    let next = job.write(&first, &mut bytes);
    let begun = stream::iter([Ok::<_, Refused>(Bytes::from(bytes))]);
    let rest = stream::try_unfold((job, next), |(mut job, next)| async move {
        let Some(after) = next else { return Ok(None) };
        let part = job.part(after).await?;
        let mut bytes = Vec::new();
        let next = job.write(&part, &mut bytes);
        Ok(Some((Bytes::from(bytes), (job, next))))
    });
    let parts = futures_util::StreamExt::chain(begun, rest);
    Ok(HttpResponse::Ok().content_type(NDJSON).streaming(parts))
}

fn write(bytes: &mut Vec<u8>, line: &impl Serialize) {
    // Plain data with text keys: writing it to memory cannot fail.
    if serde_json::to_writer(&mut *bytes, line).is_ok() {
        bytes.push(b'\n');
    }
}
