//! Parity: whether what serves is what the log says.
//!
//! What serves is looked through first (see [`crate::integrity`]): nothing is compared that a damaged file
//! shows. Then a projection is built again in a file of its own, up to the positions at which the serving file
//! stands, and the two are compared row by row. Reads and writes go on meanwhile, but for the moment
//! in which both are brought to the same positions.

use event_log::WorkspaceId;
use rusqlite::{Connection, Rows};
use sha2::{Digest, Sha256};

use crate::{
    Failure, HeldStream, Order, Progress, Projection, ReadModels, RebuildError,
    builds::{Phase, Purpose, Ticket},
    dump::line,
    fill::{Source, fill},
    making::Making,
    rebuild::apart,
    seat::Seat,
    workshop::Workshop,
};

/// What is said of a file that was found damaged before.
const BUILT_AGAIN: &str = "it was found damaged, and is built again";

/// The first row in which what serves differs from what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In which projection.
    pub projection: &'static str,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// In which table.
    pub table: &'static str,
    /// The row that serves, as a dump writes it; `None` when it is missing.
    pub live: Option<String>,
    /// The row that the log says; `None` when there should be none.
    pub rebuilt: Option<String>,
}

/// What a projection holds of a workspace, in one number: nodes that show the same have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Which projection.
    pub projection: &'static str,
    /// Its version.
    pub version: u32,
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// The last position that is in it.
    pub position: u64,
    /// SHA-256 over its rows as a dump writes them, tables under their headings.
    pub hash: [u8; 32],
    /// How many rows there are.
    pub rows: u64,
}

/// A file that is damaged, so that nothing in it was compared. Another one is built from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsound {
    /// Whose file it is.
    pub projection: &'static str,
    /// The first thing that is wrong with it, as SQLite says it. It names no person.
    pub says: String,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The files that are damaged.
    pub unsound: Vec<Unsound>,
    /// One difference for each projection and workspace at most; none, if all is well.
    pub differences: Vec<Difference>,
    /// What is as the log says, by projection and workspace.
    pub contents: Vec<Content>,
    /// What is held back, built again or not, by projection, workspace and position.
    pub held: Vec<HeldStream>,
}

impl Verified {
    /// Whether all that was compared shows all that the log says.
    pub fn is_sound(&self) -> bool {
        self.unsound.is_empty() && self.differences.is_empty() && self.held.is_empty()
    }
}

impl ReadModels {
    /// Compares projections with what the log says.
    ///
    /// Blocks until it is done; a thread that has tasks to run had better let another one call it.
    ///
    /// # Errors
    /// [`RebuildError`] when there is nothing to compare with.
    pub fn verify(
        &self,
        order: &Order,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Verified, RebuildError> {
        let names = self.shop.named(order)?;
        self.shop.miss_files();
        self.shop.check_space(&names)?;
        let workspace = order.workspace.as_ref();
        let ticket = self.shop.builds.begin(Purpose::Verify, names.clone(), workspace.cloned())?;
        apart(progress, |progress| {
            let result = self.shop.verify(&ticket, &names, workspace, progress);
            ticket.end(&result);
            result
        })
    }
}

impl Workshop {
    fn verify(
        &self,
        ticket: &Ticket,
        names: &[&'static str],
        workspace: Option<&WorkspaceId>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Verified, RebuildError> {
        let mut verified = Verified::default();
        let mut sound = Vec::new();
        ticket.enter(Phase::Checking);
        for seat in self.seats_named(names) {
            if self.marks.is_vacant(seat.index) {
                if seat.is_damaged() {
                    let (projection, says) = (seat.projection.name(), BUILT_AGAIN.to_owned());
                    verified.unsound.push(Unsound { projection, says });
                }
                continue;
            }
            match seat.check(ticket)? {
                Some(says) => verified.unsound.push(says),
                None => sound.push(seat),
            }
        }
        ticket.enter(Phase::Preparing);
        let makings = sound.into_iter().map(|seat| Making::check(&self.dir, seat));
        let mut makings: Vec<_> = makings.collect::<Result<_, _>>()?;
        // Each may stand elsewhere; what all have passed is read once for all.
        let passed = |it: &WorkspaceId| {
            makings.iter().map(|making| self.applied(making.seat, it)).min().unwrap_or(0)
        };
        let common = self.heads_of(workspace).into_iter();
        let common: Vec<_> = common.map(|(it, _)| (it.clone(), passed(&it))).collect();
        let source = self.source()?;
        fill(&source, ticket, &mut makings, &common, &mut |done, total| {
            progress(Progress { done, total });
        })?;
        ticket.enter(Phase::Finishing);
        for making in &mut makings {
            match self.compare(making, workspace, &source, &mut verified) {
                // It was damaged since it was checked.
                Err(RebuildError::File(Failure::Damaged { projection, source })) => {
                    verified.unsound.push(Unsound { projection, says: source.to_string() });
                }
                compared => compared?,
            }
        }
        verified.held = self.held();
        verified.held.retain(|it| {
            names.contains(&it.projection) && workspace.is_none_or(|id| *id == it.workspace)
        });
        Ok(verified)
    }

    /// Compares one file with what serves, at the same positions.
    fn compare(
        &self,
        making: &mut Making<'_>,
        workspace: Option<&WorkspaceId>,
        source: &Source,
        verified: &mut Verified,
    ) -> Result<(), RebuildError> {
        let seat = making.seat;
        making.follow(source, &self.positions(seat, workspace))?;
        let writer = seat.writer.lock();
        let positions = self.positions(seat, workspace);
        // What somebody else has written there is to be found, too.
        seat.serving().readers.changed();
        let live = seat.reader()?;
        live.query_row("SELECT count(*) FROM checkpoints", [], |_| Ok(()))
            .map_err(Failure::from)?;
        making.follow(source, &positions)?;
        drop(writer); // The reader goes on showing the rows as they are here.
        let rebuilt = making.writer().connection();
        for (workspace, position) in positions {
            let compared = Comparison { live: &live, rebuilt, projection: seat.projection };
            match compared.of(&workspace).map_err(Failure::from)? {
                Found::Different(difference) => verified.differences.push(difference),
                Found::Same { hash, rows } => verified.contents.push(Content {
                    projection: seat.projection.name(),
                    version: seat.projection.version(),
                    workspace,
                    position,
                    hash,
                    rows,
                }),
            }
        }
        Ok(())
    }

    fn applied(&self, seat: &Seat, workspace: &WorkspaceId) -> u64 {
        self.marks.applied(seat.index, workspace)
    }

    /// Where a projection stands in each workspace, or in one, in the order of their names.
    fn positions(&self, seat: &Seat, workspace: Option<&WorkspaceId>) -> Vec<(WorkspaceId, u64)> {
        let heads = self.heads_of(workspace).into_iter();
        let mut positions: Vec<_> =
            heads.map(|(it, _)| (it.clone(), self.applied(seat, &it))).collect();
        positions.sort();
        positions
    }
}

/// Two files of one projection.
struct Comparison<'c> {
    live: &'c Connection,
    rebuilt: &'c Connection,
    projection: &'static dyn Projection,
}

enum Found {
    Different(Difference),
    Same { hash: [u8; 32], rows: u64 },
}

impl Comparison<'_> {
    /// Goes through both row by row.
    fn of(&self, workspace: &WorkspaceId) -> rusqlite::Result<Found> {
        let (mut hash, mut count) = (Sha256::new(), 0);
        for table in self.projection.tables() {
            hash.update(format!("[{}]\n", table.name));
            let (mut one, mut other) =
                (self.live.prepare(table.rows)?, self.rebuilt.prepare(table.rows)?);
            let columns = one.column_count();
            let (mut one, mut other) =
                (one.query([workspace.as_str()])?, other.query([workspace.as_str()])?);
            loop {
                let (live, rebuilt) = (next(&mut one, columns)?, next(&mut other, columns)?);
                if live != rebuilt {
                    return Ok(Found::Different(Difference {
                        projection: self.projection.name(),
                        workspace: workspace.clone(),
                        table: table.name,
                        live,
                        rebuilt,
                    }));
                }
                let Some(row) = live else { break };
                hash.update(row);
                hash.update("\n");
                count += 1;
            }
        }
        Ok(Found::Same { hash: hash.finalize().into(), rows: count })
    }
}

fn next(rows: &mut Rows<'_>, columns: usize) -> rusqlite::Result<Option<String>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut text = String::new();
    line(row, columns, &mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests;
