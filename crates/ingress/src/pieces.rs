//! Pieces: an answer that holds the members of groups, a thousand of them at a time.
//!
//! A group may have a hundred thousand members. Who they are is known from the start, of one version
//! of the group; how each is shown is read and sent in turns, so that no request holds more than one
//! part of that. What has no members, or few, is sent whole, with its length.

use std::collections::VecDeque;

use actix_web::{HttpResponse, HttpResponseBuilder, http::header::CONTENT_TYPE, web::Data};
use app::{App, MEMBERS_CHUNK, Refusal};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use uuid::Uuid;

use crate::{caller::Caller, error::Refused, members::Members, respond::SCIM_JSON};

/// How many bytes are made before the head of the answer is sent: what fits is sent whole, and what
/// goes wrong until then is answered with an error.
const WHOLE_BYTES_MAX: usize = 256 << 10;

/// An answer that is being put together.
#[derive(Default)]
pub(crate) struct Pieces(VecDeque<Piece>);

enum Piece {
    Text(Vec<u8>),
    /// Members of a group that are still to be written; `begun` once any is.
    Members {
        ids: VecDeque<Uuid>,
        begun: bool,
    },
}

/// Who reads the members, and how each is shown.
pub(crate) struct Source {
    pub(crate) app: Data<App>,
    pub(crate) caller: Caller,
    /// `None` where no answer shows any.
    pub(crate) members: Option<Members>,
}

impl Pieces {
    /// JSON as it stands.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.buffer().extend_from_slice(text);
    }

    /// An object, without the brace at its end.
    pub(crate) fn open_object(&mut self, value: &impl Serialize) {
        let buffer = self.buffer();
        if let Err(error) = serde_json::to_writer(&mut *buffer, value) {
            unreachable!("documents have texts for names and are written to memory: {error}")
        }
        debug_assert_eq!(buffer.last(), Some(&b'}'), "only objects are opened");
        buffer.pop();
    }

    /// The members of a group.
    pub(crate) fn members(&mut self, ids: Vec<Uuid>) {
        self.0.push_back(Piece::Members { ids: ids.into(), begun: false });
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0.back(), Some(Piece::Text(_))) {
            self.0.push_back(Piece::Text(Vec::new()));
        }
        match self.0.back_mut() {
            Some(Piece::Text(buffer)) => buffer,
            _ => unreachable!("a text has just been put there"),
        }
    }

    /// All of it, if no members are still to be written.
    pub(crate) fn whole(mut self) -> Result<Vec<u8>, Self> {
        match (self.0.pop_front(), self.0.is_empty()) {
            (Some(Piece::Text(text)), true) => Ok(text),
            (first, _) => {
                first.into_iter().for_each(|first| self.0.push_front(first));
                Err(self)
            }
        }
    }

    /// Sends all of it.
    pub(crate) async fn respond(
        mut self,
        mut head: HttpResponseBuilder,
        source: Source,
    ) -> Result<HttpResponse, Refused> {
        head.insert_header((CONTENT_TYPE, SCIM_JSON));
        let mut begun = Vec::new();
        while begun.len() < WHOLE_BYTES_MAX {
            match self.next(&source).await? {
                Some(bytes) if begun.is_empty() => begun = bytes,
                Some(bytes) => begun.extend(bytes),
                None => return Ok(head.body(begun)),
            }
        }
        let begun = stream::once(async { Ok(Bytes::from(begun)) });
        let rest = stream::try_unfold((self, source), |(mut pieces, source)| async {
            let next = pieces.next(&source).await.map_err(Refused::from)?;
            Ok::<_, Refused>(next.map(|bytes| (Bytes::from(bytes), (pieces, source))))
        });
        Ok(head.streaming(begun.chain(rest)))
    }

    async fn next(&mut self, source: &Source) -> Result<Option<Vec<u8>>, Refusal> {
        let (mut ids, begun) = match self.0.pop_front() {
            None => return Ok(None),
            Some(Piece::Text(text)) => return Ok(Some(text)),
            Some(Piece::Members { ids, begun }) => (ids, begun),
        };
        let Some(members) = &source.members else { return Ok(Some(Vec::new())) };
        let part: Vec<_> = ids.drain(..ids.len().min(MEMBERS_CHUNK)).collect();
        let rows = source.app.members(&source.caller, &part).await?;
        let written = members.write(&rows, !begun);
        if !ids.is_empty() {
            let begun = begun || !rows.is_empty();
            self.0.push_front(Piece::Members { ids, begun });
        }
        Ok(Some(written))
    }
}
