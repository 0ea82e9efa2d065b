//! The facts of a publication. Open in the log: names of an app and of groups, nothing about a person.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use crate::{
    group_filter::GroupFilter,
    stored::{Fact, Sealing, name_of},
};

/// What may become a fact of a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum PublicationEvent {
    /// It is in the Store.
    #[serde(rename = "publication.published")]
    Published {
        /// What people call it.
        name: String,
        /// Who sees it.
        groups: GroupFilter,
    },
    /// It is called something else.
    #[serde(rename = "publication.renamed")]
    Renamed {
        /// What.
        name: String,
    },
    /// These see it from now on, and nobody else.
    #[serde(rename = "publication.visibility_set")]
    VisibilitySet {
        /// Who.
        groups: GroupFilter,
    },
    /// It is not in the Store any more.
    #[serde(rename = "publication.withdrawn")]
    Withdrawn {},
}

impl DomainEvent for PublicationEvent {
    fn event_type(&self) -> String {
        name_of(self)
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}

impl Fact for PublicationEvent {
    fn sealing(&self) -> Sealing {
        Sealing::Open
    }
}
