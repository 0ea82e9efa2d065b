//! Projections of which no file serves, and what becomes of that.

use event_log::WorkspaceId;

use crate::{Building, ReadModels, Stale, seat::Seat};

/// A projection of which no file serves: there is none of this version yet, or it was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vacancy {
    /// Which projection.
    pub projection: &'static str,
    /// Whether its file was damaged.
    pub is_damaged: bool,
    /// What becomes of it.
    pub remedy: Remedy,
    /// How many events are in the file that is being built.
    pub done: u64,
    /// How many there are to be; 0 while that is not known.
    pub of: u64,
}

/// How far the build is that ends a vacancy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It has not begun: another one is under way, or it has failed and begins again within a minute.
    Waits,
    /// It goes on.
    Runs,
    /// It waits until somebody resumes it.
    Paused,
}

impl Vacancy {
    /// What is the matter with the projection, in words that follow "the projection" and its name.
    pub fn in_words(&self) -> &'static str {
        match (self.is_damaged, self.remedy) {
            (true, Remedy::Waits) => "was damaged and waits to be built again",
            (true, Remedy::Runs) => "was damaged and is being built again",
            (true, Remedy::Paused) => {
                "was damaged, and building it again is paused until an operator resumes it"
            }
            (false, Remedy::Waits) => "waits to be built",
            (false, Remedy::Runs) => "is being built",
            (false, Remedy::Paused) => {
                "is not built yet, and building it is paused until an operator resumes it"
            }
        }
    }
}

impl ReadModels {
    /// The projections of which no file serves.
    pub fn vacancies(&self) -> Vec<Vacancy> {
        let vacant = self.shop.seats.iter().filter(|seat| self.shop.marks.is_vacant(seat.index));
        vacant.map(|seat| self.vacancy(seat)).collect()
    }

    pub(crate) fn vacancy(&self, seat: &Seat) -> Vacancy {
        let projection = seat.projection.name();
        let (remedy, done, of) = self.shop.builds.of(projection).unwrap_or((Remedy::Waits, 0, 0));
        Vacancy { projection, is_damaged: seat.is_damaged(), remedy, done, of }
    }

    /// What is said to whoever would read.
    pub(crate) fn vacant(&self, seat: &Seat, workspace: &WorkspaceId) -> Stale {
        let vacancy = self.vacancy(seat);
        let Vacancy { projection, is_damaged, done, of, .. } = vacancy;
        let what = if is_damaged { "the file of the view" } else { "the view" };
        let reason = format!("{what} {projection} {}", vacancy.in_words()).into();
        let (workspace, building) = (workspace.clone(), Some(Building::Today { done, of }));
        Stale { projection, workspace, position: 0, reason, building }
    }
}
