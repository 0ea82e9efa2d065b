//! Names of devices that may be a person's: whatever a device was called while it was theirs.
//!
//! "Anna's iPhone" is said of Anna, and the device outlives her here. So a name is sealed with a key of its own
//! (decision 4), which goes with hers. What was enrolled before there was such a key has its name in
//! the event that enrolled it, under the device's key with all else that is known of the device: that
//! one is taken from the device, and stays in the record, which the certificate says.

use std::collections::BTreeSet;

use domain::{
    Decider,
    device::{Device, DeviceEvent},
    ids::{DeviceId, UserId},
    stored,
};
use event_log::{Payload, StoredEvent, StreamId, WorkspaceId};
use projections::timeline;

use crate::{App, Refusal};

/// The only event of a device that can be erased.
const NAMED: &str = "device.named";
/// How many events are read at a time.
const CHUNK: usize = 1_000;

/// The names that devices had while they were somebody's.
#[derive(Debug, Default)]
pub(super) struct DeviceNames {
    /// The keys of their own that names are sealed with.
    pub(super) keys: BTreeSet<u64>,
    /// The devices that are called so still.
    pub(super) called: Vec<DeviceId>,
    /// The devices that have such a name in the event that enrolled them.
    pub(super) kept: Vec<DeviceId>,
}

/// The name that a device has at a point of its stream.
#[derive(Clone, Copy)]
enum Name {
    /// Under a key of its own.
    Own(u64),
    /// In the event that enrolled it.
    Enrolment,
}

/// A device at a point of its stream.
#[derive(Default)]
struct Then {
    holder: Option<UserId>,
    name: Option<Name>,
}

impl DeviceNames {
    /// All that are known, of devices that somebody has or had.
    pub(super) async fn find(
        app: &App,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<Self, Refusal> {
        app.read_models.caught_up(timeline::NAME, workspace).await?;
        let mut devices = BTreeSet::new();
        let mut after = 0;
        loop {
            let timelines = app.read_models.timelines();
            let positions = timelines.positions(workspace, &[user.0], after, CHUNK)?;
            for position in &positions {
                let found = app.log.read(workspace, position - 1, 1).await?;
                let stream = found.into_iter().next().map(|event| event.stream);
                devices.extend(stream.filter(|it| it.kind == Device::KIND).map(|it| it.id));
            }
            match positions.last() {
                Some(last) if positions.len() == CHUNK => after = *last,
                _ => break,
            }
        }
        let mut names = Self::default();
        for device in devices {
            names.note(app, workspace, DeviceId(device), user).await?;
        }
        Ok(names)
    }

    /// Goes through the life of a device.
    async fn note(
        &mut self,
        app: &App,
        workspace: &WorkspaceId,
        device: DeviceId,
        user: UserId,
    ) -> Result<(), Refusal> {
        let stream = StreamId::new(Device::KIND, device.0);
        let (mut then, mut after) = (Then::default(), 0);
        // Whether the name that it has now is among them.
        let mut is_theirs = false;
        loop {
            let events = app.log.read_stream(workspace, &stream, after, CHUNK).await?;
            let (last, found) = (events.last().map(|event| event.version), events.len());
            for event in events {
                is_theirs &= !then.evolve(event)?;
                if then.holder != Some(user) {
                    continue;
                }
                is_theirs |= then.name.is_some();
                match then.name {
                    Some(Name::Own(key)) => drop(self.keys.insert(key)),
                    Some(Name::Enrolment) if !self.kept.contains(&device) => self.kept.push(device),
                    Some(Name::Enrolment) | None => {}
                }
            }
            match last {
                Some(last) if found == CHUNK => after = last,
                _ => break,
            }
        }
        if is_theirs {
            self.called.push(device);
        }
        Ok(())
    }
}

impl Then {
    /// Returns whether it has another name from now on, or none.
    fn evolve(&mut self, event: StoredEvent) -> Result<bool, Refusal> {
        let payload = match event.payload {
            Payload::Plain(payload) => payload,
            // Its key may be one that a lost ledger had named.
            Payload::Erased if event.name == NAMED => {
                self.name = event.key.map(Name::Own);
                return Ok(true);
            }
            Payload::Erased => return Ok(false),
            // What cannot be read may be a name of theirs: an operator has to look.
            Payload::Missing { .. } | Payload::Damaged { .. } => return Err(Refusal::Unreadable),
        };
        let fact = stored::decode(&event.name, event.schema_version, &payload);
        match fact.map_err(|_| Refusal::Unreadable)? {
            DeviceEvent::Enrolled { user, name, .. } => {
                self.holder = user;
                self.name = name.map(|_| Name::Enrolment);
                return Ok(true);
            }
            DeviceEvent::Named { name } => {
                self.name = name.and(event.key).map(Name::Own);
                return Ok(true);
            }
            DeviceEvent::Assigned { user } => self.holder = Some(user),
            DeviceEvent::Unassigned {} | DeviceEvent::Removed {} => self.holder = None,
            _ => {}
        }
        Ok(false)
    }
}
