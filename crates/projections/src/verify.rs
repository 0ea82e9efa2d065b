//! Parity: whether what serves is what the log says.
//!
//! A projection is built again in a file of its own, up to the positions at which the serving file
//! stands, and the two are compared row by row. Reads and writes go on meanwhile, but for the moment
//! in which both are brought to the same positions.

use event_log::WorkspaceId;
use rusqlite::{Connection, Rows};

use crate::{
    Failure, Progress, Projection, ReadModels, RebuildError,
    dump::line,
    rebuild::{apart, fill},
    seat::Seat,
};

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

impl ReadModels {
    /// Compares one projection, or all, with what the log says. One difference each at most.
    ///
    /// Blocks until it is done; a thread that has tasks to run had better let another one call it.
    ///
    /// # Errors
    /// [`RebuildError`] when there is nothing to compare with.
    pub fn verify(
        &self,
        name: Option<&str>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Difference>, RebuildError> {
        apart(progress, |progress| self.verify_here(name, progress))
    }

    fn verify_here(
        &self,
        name: Option<&str>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Difference>, RebuildError> {
        let _alone = self.building.try_lock().ok_or(RebuildError::Busy)?;
        let mut builds = self.builds(name)?;
        // Each may stand elsewhere; what all have passed is read once for all.
        let passed = |workspace: &WorkspaceId| {
            builds.iter().map(|build| self.applied(build.seat, workspace)).min().unwrap_or(0)
        };
        let common: Vec<_> = self
            .projector
            .log
            .heads()
            .into_iter()
            .map(|(workspace, _)| (workspace.clone(), passed(&workspace)))
            .collect();
        fill(self.source()?, &mut builds, &common, progress)?;
        let source = self.source()?;
        let mut differences = Vec::new();
        for build in &mut builds {
            let seat = build.seat;
            build.follow(&source, &self.positions(seat))?;
            let reader = seat.reader()?;
            let writer = seat.writer.lock();
            let positions = self.positions(seat);
            let live = reader.snapshot().map_err(Failure::from)?;
            live.query_row("SELECT count(*) FROM checkpoints", [], |_| Ok(()))
                .map_err(Failure::from)?;
            build.follow(&source, &positions)?;
            drop(writer); // The transaction keeps showing the rows as they are here.
            let rebuilt = build.writer().connection();
            for (workspace, _) in &positions {
                let found = first_difference(&live, rebuilt, seat.projection, workspace)
                    .map_err(Failure::from)?;
                differences.extend(found);
                if differences.last().is_some_and(|it| it.projection == seat.projection.name()) {
                    break;
                }
            }
        }
        Ok(differences)
    }

    fn applied(&self, seat: &Seat, workspace: &WorkspaceId) -> u64 {
        self.projector.marks.applied(seat.index, workspace)
    }

    /// Where a projection stands in each workspace, in the order of their names.
    fn positions(&self, seat: &Seat) -> Vec<(WorkspaceId, u64)> {
        let heads = self.projector.log.heads().into_iter();
        let mut positions: Vec<_> =
            heads.map(|(it, _)| (it.clone(), self.applied(seat, &it))).collect();
        positions.sort();
        positions
    }
}

fn first_difference(
    live: &Connection,
    rebuilt: &Connection,
    projection: &dyn Projection,
    workspace: &WorkspaceId,
) -> rusqlite::Result<Option<Difference>> {
    for table in projection.tables() {
        let (mut one, mut other) = (live.prepare(table.rows)?, rebuilt.prepare(table.rows)?);
        let columns = one.column_count();
        let (mut one, mut other) =
            (one.query([workspace.as_str()])?, other.query([workspace.as_str()])?);
        loop {
            let (live, rebuilt) = (next(&mut one, columns)?, next(&mut other, columns)?);
            if live != rebuilt {
                return Ok(Some(Difference {
                    projection: projection.name(),
                    workspace: workspace.clone(),
                    table: table.name,
                    live,
                    rebuilt,
                }));
            }
            if live.is_none() {
                break;
            }
        }
    }
    Ok(None)
}

fn next(rows: &mut Rows<'_>, columns: usize) -> rusqlite::Result<Option<String>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut text = String::new();
    line(row, columns, &mut text)?;
    Ok(Some(text))
}
