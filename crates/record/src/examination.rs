//! Checking an export: with a checkpoint and a public key, and nothing else.
//!
//! Where nothing was left out, the events themselves make the tree, and its root is compared with
//! every checkpoint that is known: the export's own and those that were kept. One root proves that
//! all of its events are as they were; when it does not fit, it cannot tell which of them is not.
//! So the first bad event is named exactly where it does not fit its own leaf hash, and else by the
//! two checkpoints between which it stands: the more were kept, the closer.
//!
//! Where events were left out, each proves itself.

use data_encoding::BASE64;
use event_log::{Edge, Micros, TreeHead, WorkspaceId, verify_inclusion};

use crate::export::{Header, Line, Trailer, Unreadable};
use crate::{Checkpoint, Note, Verifier};

/// What was found to be wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}")]
pub struct Bad {
    /// The first bad event stands here, or after it.
    pub first: Option<u64>,
    /// And here at the latest, where it is not known more closely.
    pub last: Option<u64>,
    /// What does not fit.
    pub what: String,
}

/// Why a check did not begin.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotBegun {
    /// Something is wrong already.
    #[error(transparent)]
    Bad(#[from] Bad),
    /// What was given says nothing about the export, for better or worse: it takes something else.
    #[error("{0}")]
    Incomparable(String),
}

/// What a whole check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Findings {
    /// The export's own checkpoint.
    pub head: TreeHead,
    /// How many events there are in it.
    pub events: u64,
    /// Whether every event of the workspace up to the checkpoint is.
    pub whole: bool,
    /// The size of the largest checkpoint that is trusted, by a key or because it was kept.
    pub trusted: u64,
    /// How many events are sealed and say something: what, is the word of whoever exported them.
    pub unproved_data: u64,
}

/// A check that is under way.
#[derive(Debug)]
pub struct Examination {
    workspace: WorkspaceId,
    filtered: bool,
    head: TreeHead,
    /// What the tree has to be at some sizes, smallest first.
    marks: Vec<Mark>,
    trusted: u64,
    edge: Edge,
    /// Up to where a checkpoint has fitted.
    fitted: u64,
    position: u64,
    time: Micros,
    events: u64,
    unproved_data: u64,
    ended: bool,
}

/// What the tree has to be.
#[derive(Debug)]
struct Mark {
    head: TreeHead,
    /// Whose it is, where another installation has signed it: the workspace may have moved.
    elsewhere: Option<String>,
}

impl Examination {
    /// Begins with the first line. The checkpoint in it is believed when one of the keys has signed
    /// it; those that were kept are believed as they are.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub fn begin(line: &str, keys: &[Verifier], kept: &[Checkpoint]) -> Result<Self, NotBegun> {
        let header = Header::parse(line).map_err(|error| bad(error.to_string()))?;
        let own = |error: &dyn std::fmt::Display| bad(format!("the export's checkpoint: {error}"));
        let note = Note::parse(&header.checkpoint).map_err(|error| own(&error))?;
        let text = if keys.is_empty() { Ok(note.text_as_kept()) } else { note.verify(keys) };
        let checkpoint =
            Checkpoint::parse(text.map_err(|error| own(&error))?).map_err(|error| own(&error))?;
        let Checkpoint { origin, head, .. } = &checkpoint;
        let workspace =
            WorkspaceId::parse(&header.workspace).map_err(|error| bad(error.to_string()))?;
        if checkpoint.workspace() != header.workspace {
            let what =
                format!("the export says that it is of {workspace}, its checkpoint is of {origin}");
            return Err(bad(what).into());
        }
        for kept in kept {
            // Of another installation too: whether the workspace has come from there, its events say.
            if kept.workspace() != checkpoint.workspace() {
                let what = format!("the checkpoint is of {}, the export of {origin}", kept.origin);
                return Err(bad(what).into());
            }
            if header.filtered {
                comparable(kept, head)?;
            }
        }
        let believed = !keys.is_empty() || kept.iter().any(|kept| kept.head == *head);
        if header.filtered && !believed {
            let what = "of an export that leaves events out, the checkpoint itself has to be known: say the public key";
            return Err(NotBegun::Incomparable(what.to_owned()));
        }
        let mark = |kept: &Checkpoint| {
            let elsewhere = (kept.origin != *origin).then(|| kept.origin.clone());
            Mark { head: kept.head, elsewhere }
        };
        let mut marks: Vec<_> = kept.iter().chain([&checkpoint]).map(mark).collect();
        marks.sort_by_key(|mark| mark.head.size);
        let kept = kept.iter().map(|kept| kept.head.size);
        let trusted = kept.chain(believed.then_some(head.size)).max().unwrap_or(0);
        Ok(Self {
            workspace,
            filtered: header.filtered,
            head: *head,
            marks,
            trusted,
            edge: Edge::default(),
            fitted: 0,
            position: 0,
            time: Micros::MIN,
            events: 0,
            unproved_data: 0,
            ended: false,
        })
    }

    /// How many events there should be, and how many there were.
    pub fn progress(&self) -> (u64, u64) {
        (self.position, self.head.size)
    }

    /// Goes on with a line.
    ///
    /// # Errors
    /// [`Bad`]: there is nothing to go on with.
    pub fn line(&mut self, text: &str) -> Result<(), Bad> {
        if self.ended {
            return Err(bad("there is something after the last line".to_owned()));
        }
        if let Some(trailer) = Trailer::parse(text) {
            return self.end(trailer);
        }
        let next = self.position + 1;
        let line: Line = serde_json::from_str(text)
            .map_err(|error| at(next, format!("the line does not read: {error}")))?;
        self.check(&line)?;
        self.position = line.position;
        self.events += 1;
        if line.key.is_some() && line.data.get() != "null" {
            self.unproved_data += 1;
        }
        Ok(())
    }

    fn check(&mut self, line: &Line) -> Result<(), Bad> {
        let (position, next) = (line.position, self.position + 1);
        if !self.filtered && position > next {
            return Err(at(next, format!("the event is missing; the next one is {position}")));
        }
        if position < next {
            return Err(at(next, format!("event {position} stands here, out of order")));
        }
        if position > self.head.size {
            return Err(at(position, format!("the checkpoint covers {} events", self.head.size)));
        }
        let read = |error: Unreadable| at(position, error.to_string());
        let leaf = line.compute_leaf(&self.workspace).map_err(read)?;
        if leaf != line.stated_leaf().map_err(read)? {
            return Err(at(position, "its fields do not make its leaf hash".to_owned()));
        }
        if line.key.is_none() && !says_what_is_kept(line).map_err(read)? {
            return Err(at(position, "its data is not what its payload says".to_owned()));
        }
        let time = line.micros().map_err(read)?;
        if time < self.time {
            return Err(at(
                position,
                "it was recorded before the event that precedes it".to_owned(),
            ));
        }
        self.time = time;
        if self.filtered {
            let path = line.path().map_err(read)?;
            let proved = verify_inclusion(position, leaf, &path, &self.head);
            return if proved {
                Ok(())
            } else {
                Err(at(position, "its proof does not lead to the checkpoint".to_owned()))
            };
        }
        self.edge.push(leaf);
        self.compare()
    }

    /// Compares the tree with the checkpoints of its size.
    fn compare(&mut self) -> Result<(), Bad> {
        let now = self.edge.head();
        for Mark { head, elsewhere } in self.marks.iter().filter(|it| it.head.size == now.size) {
            if *head != now {
                let (first, last) = (self.fitted + 1, now.size);
                let root = BASE64.encode(&head.root);
                let whose = elsewhere.as_ref().map(|it| format!(" of {it}")).unwrap_or_default();
                let what = format!(
                    "the checkpoint{whose} of {last} events has the root {root}, and these events make another"
                );
                return Err(Bad { first: Some(first), last: Some(last), what });
            }
        }
        if self.marks.iter().any(|mark| mark.head.size == now.size) {
            self.fitted = now.size;
        }
        Ok(())
    }

    fn end(&mut self, trailer: Trailer) -> Result<(), Bad> {
        if let Some(next) = trailer.end.next {
            return Err(bad(format!("the export goes on after position {next}: resume it")));
        }
        if trailer.end.events != self.events {
            let (said, found) = (trailer.end.events, self.events);
            return Err(bad(format!("the export says that it has {said} events, and has {found}")));
        }
        self.ended = true;
        Ok(())
    }

    /// Ends the check.
    ///
    /// # Errors
    /// [`Bad`] when something is missing.
    pub fn finish(self) -> Result<Findings, Bad> {
        let largest = self.marks.last().map_or(0, |mark| mark.head.size);
        if !self.filtered && self.position < largest {
            let what = format!("the event is missing: a checkpoint covers {largest} events");
            return Err(at(self.position + 1, what));
        }
        if !self.ended {
            return Err(bad(format!("the export is cut off after position {}", self.position)));
        }
        let Self { head, events, filtered, trusted, unproved_data, .. } = self;
        Ok(Findings { head, events, whole: !filtered, trusted, unproved_data })
    }
}

/// Whether a checkpoint that was kept says something about an export that leaves events out: only one of as
/// many events as the export's own does.
fn comparable(kept: &Checkpoint, own: &TreeHead) -> Result<(), NotBegun> {
    let (size, covers) = (kept.head.size, own.size);
    if size != covers {
        return Err(NotBegun::Incomparable(format!(
            "this checkpoint cannot be compared with an export that leaves events out: it is of {size} events, \
             and the export's own is of {covers}. That says nothing against either. Check a whole export \
             with it, or the record itself"
        )));
    }
    if kept.head != *own {
        let (one, other) = (BASE64.encode(&kept.head.root), BASE64.encode(&own.root));
        let what = format!(
            "the checkpoint of {size} events has the root {one}, and that of the export {other}"
        );
        return Err(Bad { first: Some(1), last: Some(size), what }.into());
    }
    Ok(())
}

/// Whether what an open event says is what is kept of it.
fn says_what_is_kept(line: &Line) -> Result<bool, Unreadable> {
    let payload = line.payload()?;
    if payload == line.data.get().as_bytes() {
        return Ok(true);
    }
    let kept: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
    Ok(serde_json::from_str::<serde_json::Value>(line.data.get())? == kept)
}

fn at(position: u64, what: String) -> Bad {
    Bad { first: Some(position), last: Some(position), what }
}

fn bad(what: String) -> Bad {
    Bad { first: None, last: None, what }
}
