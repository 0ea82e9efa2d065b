//! A publication: an app in the Store, and who sees it (rule 17).
//!
//! Each is an aggregate of its own: nothing about one has to be right together with another, and a
//! workspace's own stream, which is read on each request, stays small however many there are.
//! Names are not unique, since the same app comes for several platforms.

mod event;
#[cfg(test)]
mod tests;

pub use event::PublicationEvent;

use serde::{Deserialize, Serialize};

use crate::{
    Claim, Decider, Micros, Stamp,
    group_filter::{BadGroupFilter, GroupFilter},
};

/// What may be asked.
#[derive(Clone, Debug)]
pub enum PublicationCommand {
    /// Publish it.
    Publish {
        /// What people call it.
        name: String,
        /// Who sees it.
        groups: GroupFilter,
    },
    /// Rename it, or show it to others. What is `None` stays.
    Change {
        /// What people call it.
        name: Option<String>,
        /// Who sees it.
        groups: Option<GroupFilter>,
    },
    /// Take it out of the Store.
    Withdraw,
}

/// Why a command is not carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicationRefusal {
    /// No such publication.
    #[error("there is no publication with that id")]
    NoPublication,
    /// The id is taken.
    #[error("there is a publication with that id already")]
    Exists,
    /// The lines do not make sense.
    #[error(transparent)]
    BadGroupFilter(#[from] BadGroupFilter),
}

/// The state of a publication: `None` before it is published and after it is withdrawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication(pub Option<Published>);

/// A publication that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// What people call it.
    pub name: String,
    /// Who sees it.
    pub groups: GroupFilter,
    /// When it was published.
    pub created: Micros,
}

impl Decider for Publication {
    const KIND: &'static str = "publication";
    type Command = PublicationCommand;
    type Event = PublicationEvent;
    type Refusal = PublicationRefusal;

    fn decide(
        &self,
        command: &PublicationCommand,
    ) -> Result<Vec<PublicationEvent>, PublicationRefusal> {
        match (&self.0, command) {
            (None, PublicationCommand::Publish { name, groups }) => {
                groups.check()?;
                let (name, groups) = (name.clone(), groups.clone());
                Ok(vec![PublicationEvent::Published { name, groups }])
            }
            (Some(_), PublicationCommand::Publish { .. }) => Err(PublicationRefusal::Exists),
            (Some(known), PublicationCommand::Change { name, groups }) => {
                if let Some(groups) = groups {
                    groups.check()?;
                }
                Ok(known.changes(name.as_deref(), groups.as_ref()))
            }
            (Some(_), PublicationCommand::Withdraw) => Ok(vec![PublicationEvent::Withdrawn {}]),
            (None, PublicationCommand::Change { .. } | PublicationCommand::Withdraw) => {
                Err(PublicationRefusal::NoPublication)
            }
        }
    }

    fn evolve(&mut self, event: &PublicationEvent, stamp: &Stamp) {
        match event {
            PublicationEvent::Published { name, groups } => {
                let (name, groups) = (name.clone(), groups.clone());
                self.0 = Some(Published { name, groups, created: stamp.at });
            }
            PublicationEvent::Renamed { name } => {
                self.0.iter_mut().for_each(|known| known.name.clone_from(name));
            }
            PublicationEvent::VisibilitySet { groups } => {
                self.0.iter_mut().for_each(|known| known.groups.clone_from(groups));
            }
            PublicationEvent::Withdrawn {} => self.0 = None,
        }
    }

    /// None: names are not unique.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    fn weight(&self) -> usize {
        256 + self.0.as_ref().map_or(0, |known| known.name.len() + known.groups.weight())
    }
}

impl Published {
    fn changes(&self, name: Option<&str>, groups: Option<&GroupFilter>) -> Vec<PublicationEvent> {
        let name = name.filter(|name| *name != self.name);
        let renamed = name.map(|name| PublicationEvent::Renamed { name: name.to_owned() });
        let groups = groups.filter(|groups| **groups != self.groups);
        let set = groups.map(|groups| PublicationEvent::VisibilitySet { groups: groups.clone() });
        renamed.into_iter().chain(set).collect()
    }
}
