//! What an administrator does and sees, workspace by workspace.
//!
//! Settings are answered from the workspace's own state. Lists of people, groups and devices come
//! from read models, once policies have dealt with the log and the read model has caught up; one
//! person, group or device is answered from its own stream. Nothing here decides: the aggregates do.
//!
//! - [`workspaces`], [`saml`], [`connectors`], [`access`], [`roles`], [`attributes`]: the settings
//! - [`accounts`], [`groups`], [`publications`], [`segments`], [`devices`], [`mdm_services`]: whom and
//!   what they are about
//! - [`events`], [`follow`], [`provisioning_log`], [`offboardings`], [`effects`], [`deliveries`], [`holds`],
//!   [`projections`]: what happened, what was asked, what follows, what waits, what is shown
//! - [`api_access`]: who may ask all that, and as what
//! - [`backups`]: what is left of it all when the machine is lost
//! - [`proofs`]: what proves that nobody has changed what happened
//! - [`page`]: which part of a list

pub mod access;
pub mod accounts;
pub mod api_access;
pub mod attributes;
pub mod backups;
pub mod connectors;
pub mod deliveries;
pub mod devices;
pub mod effects;
pub mod events;
pub mod follow;
pub mod groups;
pub mod holds;
pub(crate) mod looks;
pub mod mdm_services;
pub mod offboardings;
pub mod page;
pub mod projections;
pub mod proofs;
pub mod provisioning_log;
pub mod publications;
pub mod roles;
pub mod saml;
pub mod segments;
pub mod workspaces;

use std::time::Duration;

use domain::portal::Portal;
use event_log::WorkspaceId;

use crate::{App, Refusal};

/// How long anybody waits for what follows from the events before. Policies that cannot go on, or have
/// thousands of decisions to follow, must not hold up every read.
const SETTLE_SECONDS_MAX: u64 = 10;

impl App {
    /// Waits until policies have dealt with everything that is in a workspace's log now: for what decides.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when that takes too long, and [`Refusal::Stalled`] when they have stopped.
    pub(crate) async fn settle(&self, workspace: &WorkspaceId) -> Result<(), Refusal> {
        let settled = self.progress.settled(workspace, self.log.head(workspace));
        match tokio::time::timeout(Duration::from_secs(SETTLE_SECONDS_MAX), settled).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Stalled),
            Err(_) => Err(Refusal::Overloaded),
        }
    }

    /// The same for what only shows. Where it takes too long, what there is is shown, and the answer says so
    /// in a header ([`App::stale_in`]); until policies have come so far, nobody waits for them again.
    pub(crate) async fn followed(&self, workspace: &WorkspaceId) {
        if !self.progress.is_behind(workspace) && self.settle(workspace).await.is_err() {
            self.progress.give_up(workspace, self.log.head(workspace));
        }
    }

    /// The same, and that a read model shows it. What that holds back is shown as it was; the answer
    /// says so in a header.
    pub(crate) async fn current(
        &self,
        read_model: &str,
        workspace: &WorkspaceId,
    ) -> Result<(), Refusal> {
        self.followed(workspace).await;
        self.read_models.followed(read_model, workspace).await?;
        Ok(())
    }
}

/// What a portal calls its people.
fn people_of(portal: Portal) -> &'static str {
    match portal {
        Portal::Dashboard => "collaborator",
        Portal::Store => "employee",
        Portal::Mdm => "MDM user",
    }
}

/// A text that a person typed, without the spaces around it.
pub(crate) fn typed(field: &str, value: &str, characters_max: usize) -> Result<String, Refusal> {
    let text = value.trim();
    if text.is_empty() {
        return Err(Refusal::Malformed(format!("{field}: must not be empty")));
    }
    if text.contains(char::is_control) {
        return Err(Refusal::Malformed(format!("{field}: must not hold control characters")));
    }
    if text.chars().count() > characters_max {
        let detail = format!("{field}: must not be longer than {characters_max} characters");
        return Err(Refusal::Malformed(detail));
    }
    Ok(text.to_owned())
}
