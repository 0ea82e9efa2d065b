//! What is said of an erasure afterwards.

use std::{collections::BTreeSet, time::Duration};

use domain::{
    Micros,
    ids::{DeviceId, ErasureId, OffboardingId, UserId},
    portal::Portal,
    user::{Remains, UserEvent},
};
use event_log::{EventFilter, WorkspaceId};

use super::{carry_out::Recorded, device_names::DeviceNames, namesakes::Other, owed::EVENT};
use crate::{
    App, Refusal,
    admin::page::{Listed, Listing},
};

/// How long a certificate that is asked for waits until everything is done, in seconds.
const WAIT_SECONDS: u64 = 30;

/// How each place that may hold something of a person is dealt with.
pub const PLACES: [(&str, &str); 11] = [
    (
        "log",
        "The sealed bytes stay, so that the record can be verified; the key that opens them is destroyed.",
    ),
    (
        "keys",
        "Every key of what was said of the person is destroyed, and a tombstone says so. Nothing opens it again.",
    ),
    (
        "groups",
        "Values by which groups had waited for the person are dropped, and their keys destroyed.",
    ),
    (
        "read_models",
        "The rows are gone and overwritten; logs of the files are emptied; what shows the past is removed.",
    ),
    ("memory", "The state of the person in memory is what is left of them: ids and states."),
    (
        "provisioning_log",
        "The hashes of their names are gone from every entry, and so are all bodies of the workspace. Ids, times and outcomes stay until they are deleted.",
    ),
    ("commands", "What services were told about devices stays: ids of devices and of actions."),
    (
        "exports_and_backups",
        "What left this server is out of its reach. A backup from before is erased again when it is restored: keep the ledger of erasures apart from backups.",
    ),
    (
        "devices",
        "Whatever a device was called while it was theirs is gone with the key of that name. Serial numbers stay. A device that was enrolled by an older version with a name has that in the record for ever: such devices are listed.",
    ),
    (
        "other_portals",
        "Persons of one of their userNames, in the other portals and in the same one, are other persons: they are listed, and stay unless they are erased too. Whoever had one of these names earlier, and has another one since, is not found.",
    ),
    (
        "records_of_others",
        "What is said of others stays, such as a manager's name in the entry of somebody else, or the name of a group.",
    ),
];

/// What is said of an erasure.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Its id.
    pub id: ErasureId,
    /// Whom it was about.
    pub user: UserId,
    /// What is left of them.
    pub remains: Remains,
    /// Whether no file of the data directory holds anything of them any more.
    pub completed: bool,
    /// When it was decided.
    pub at: Micros,
    /// When it was recorded again, after a restore of a log that did not have it, and whether the portal is
    /// known. By whom and on whose wish it was done first is not.
    pub again: Option<(Micros, bool)>,
    /// By whom, as an id.
    pub by: String,
    /// On whose wish.
    pub reason: Option<String>,
    /// Where it stands in the record.
    pub position: u64,
    /// How many keys were destroyed.
    pub keys: u64,
    /// The offboarding that goes on.
    pub offboarding: Option<OffboardingId>,
    /// The devices that they had.
    pub devices: Vec<DeviceId>,
    /// The devices of which the record keeps a name that they had while they were this person's.
    pub names_kept: Vec<DeviceId>,
    /// The persons of one of their userNames, in all portals.
    pub others: Vec<Other>,
}

impl App {
    /// The erasures of a workspace, the oldest first.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor.
    pub async fn list_erasures(
        &self,
        workspace: &WorkspaceId,
        listing: &Listing,
    ) -> Result<Listed<Certificate>, Refusal> {
        let after = listing.after::<u64>()?.unwrap_or_default();
        let filter = EventFilter { name: Some(EVENT), ..EventFilter::default() };
        let events = self.log.find(workspace, &filter, after, listing.limit + 1).await?;
        let part = listing.cut(events, |event| event.position.to_string());
        let mut items = Vec::with_capacity(part.items.len());
        for event in part.items {
            items.push(self.certify(workspace, Recorded::read(event)?).await?);
        }
        Ok(Listed { items, next: part.next })
    }

    /// An erasure, by its id or by an id of whoever was erased. While it is carried out, this waits for it, for a
    /// while.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn certificate(
        &self,
        workspace: &WorkspaceId,
        id: ErasureId,
    ) -> Result<Certificate, Refusal> {
        // After a start, one may have to be recorded again first.
        let wait = Duration::from_secs(WAIT_SECONDS);
        let _ = tokio::time::timeout(wait, self.erasures.backlog.completed()).await;
        self.followed(workspace).await;
        let person = self.person_of(workspace, id.0).await?;
        let id = person.and_then(|(_, es)| es.state.erased()).unwrap_or(id);
        let mut people: Vec<_> =
            self.of_ledger(workspace).filter(|(known, _)| *known == id).map(|(_, it)| it).collect();
        people.extend(self.being_erased(workspace).await?);
        for user in people {
            let Some(recorded) = self.recorded_erasure(workspace, user).await? else { continue };
            if matches!(&recorded.fact, UserEvent::Erased { erasure, .. } if *erasure == id) {
                let key = (workspace.clone(), Some(user));
                let done = self.erasures.backlog.cleared(&key);
                let _ = tokio::time::timeout(wait, done).await;
                return self.certify(workspace, recorded).await;
            }
        }
        Err(Refusal::NotFound("erasure".to_owned()))
    }

    /// The erasures of a workspace that the ledger has.
    pub(super) fn of_ledger(
        &self,
        workspace: &WorkspaceId,
    ) -> impl Iterator<Item = (ErasureId, UserId)> {
        let mut erasures = self.log.ledger().erasures();
        erasures.retain(|it| it.workspace == *workspace && !it.is_of_nobody());
        erasures.into_iter().map(|it| (ErasureId(it.id), UserId(it.user)))
    }

    async fn certify(
        &self,
        workspace: &WorkspaceId,
        Recorded { event, fact }: Recorded,
    ) -> Result<Certificate, Refusal> {
        let UserEvent::Erased { erasure: id, remains, reason, devices, others, again, .. } = fact
        else {
            return Err(Refusal::Unreadable);
        };
        let user = UserId(event.stream.id);
        let of = self.log.ledger().erasures().into_iter().filter(|it| it.id == id.0);
        let keys: BTreeSet<_> = of.flat_map(|it| it.keys).collect();
        let waiting = self.erasures.owes(workspace, user);
        let heard = self.progress.position(workspace) >= event.position;
        let known = self.users.load(workspace, user.0).await?;
        let others = self.others(workspace, others).await?;
        let names_kept = self.names_kept(workspace, user, remains.portal).await?;
        Ok(Certificate {
            id,
            user,
            remains: *remains,
            completed: heard && !waiting,
            at: again.map_or(event.time, |it| it.erased),
            again: again.map(|it| (event.time, it.portal_is_known)),
            by: event.meta.actor.to_string(),
            reason,
            position: event.position,
            keys: keys.len() as u64,
            offboarding: known.state.open_offboarding().map(|open| open.id),
            devices,
            names_kept,
            others,
        })
    }

    /// The devices of which the record keeps a name that they had while they were somebody's.
    pub(super) async fn names_kept(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        portal: Portal,
    ) -> Result<Vec<DeviceId>, Refusal> {
        if portal != Portal::Mdm {
            return Ok(Vec::new());
        }
        Ok(DeviceNames::find(self, workspace, user).await?.kept)
    }
}
