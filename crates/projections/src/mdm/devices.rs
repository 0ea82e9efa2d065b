//! The queries on devices and policies.

use domain::{
    device::{Device, DeviceState},
    ids::{DeviceId, PolicyId, UserId},
};
use event_log::WorkspaceId;
use rusqlite::{OptionalExtension, Row, params};

use super::NAME;
use crate::{
    Cursor, Failure, ReadModels,
    cursor::cut,
    sql::{json, length, natural, uuid},
};

/// The queries on devices and policies.
#[derive(Clone, Copy)]
pub struct Devices<'a> {
    models: &'a ReadModels,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its id.
    pub id: DeviceId,
    /// Unique among the devices of the workspace that are managed.
    pub serial: String,
    /// For example `ios`.
    pub platform: String,
    /// What people call it.
    pub name: Option<String>,
    /// What its MDM service calls it, where that is not the serial number.
    pub external_id: Option<String>,
    /// Where it stands in its life; a removed one stays readable.
    pub state: DeviceState,
    /// Who uses it.
    pub user: Option<UserId>,
    /// Under which policy.
    pub policy: Option<PolicyId>,
}

impl DeviceRow {
    /// The row of a device in a state.
    pub fn of(id: DeviceId, device: Device) -> Self {
        let Device { serial, platform, name, external_id, state, user, policy, .. } = device;
        Self { id, serial, platform, name, external_id, state, user, policy }
    }
}

/// A device policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its id.
    pub id: PolicyId,
    /// Its name.
    pub name: String,
}

const BY_ID: &str = "SELECT id, device FROM devices WHERE workspace = ?1 AND id = ?2";
const BY_USER: &str = "
    SELECT id, device FROM devices INDEXED BY devices_by_user WHERE workspace = ?1 AND user = ?2";
const PAGE: &str = "
    SELECT id, device, serial_fold FROM devices
    WHERE workspace = ?1 AND (serial_fold, id) > (?2, ?3)
      AND (?4 = '' OR instr(serial_fold, ?4) > 0 OR instr(name_fold, ?4) > 0)
    ORDER BY serial_fold, id LIMIT ?5";

fn device_row(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    let Device { state, serial, platform, name, external_id, user, policy, .. } = json(row, 1)?;
    let id = DeviceId(uuid(row, 0)?);
    Ok(DeviceRow { id, serial, platform, name, external_id, state, user, policy })
}

impl<'a> Devices<'a> {
    pub(crate) fn new(models: &'a ReadModels) -> Self {
        Self { models }
    }

    /// A device by its id.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn get(self, workspace: &WorkspaceId, id: DeviceId) -> Result<Option<DeviceRow>, Failure> {
        let reader = self.models.reader(NAME)?;
        Ok(reader
            .prepare_cached(BY_ID)?
            .query_row(params![workspace.as_str(), id.0.as_bytes()], device_row)
            .optional()?)
    }

    /// The devices that a person uses.
    pub fn of_user(self, workspace: &WorkspaceId, user: UserId) -> Result<Vec<DeviceRow>, Failure> {
        let reader = self.models.reader(NAME)?;
        let mut devices: Vec<_> = reader
            .prepare_cached(BY_USER)?
            .query_map(params![workspace.as_str(), user.0.as_bytes()], device_row)?
            .collect::<rusqlite::Result<_>>()?;
        devices.sort_by_key(|device| device.id);
        Ok(devices)
    }

    /// At most `limit` devices behind a cursor, by serial number; with `q`, those in whose serial
    /// number or name it occurs.
    pub fn list(
        self,
        workspace: &WorkspaceId,
        q: Option<&str>,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<(Vec<DeviceRow>, Option<Cursor>), Failure> {
        let reader = self.models.reader(NAME)?;
        let q = scim::fold::text(q.unwrap_or_default());
        let (text, id) = after.map_or(("", &[][..]), |it| (&*it.text, &it.id.as_bytes()[..]));
        let rows = reader
            .prepare_cached(PAGE)?
            .query_map(params![workspace.as_str(), text, id, q, length(limit) + 1], |row| {
                Ok((row.get(2)?, device_row(row)?))
            })?
            .collect::<rusqlite::Result<Vec<(String, DeviceRow)>>>()?;
        let (rows, next) =
            cut(rows, limit, |(fold, row)| Cursor { text: fold.clone(), id: row.id.0 });
        Ok((rows.into_iter().map(|(_, row)| row).collect(), next))
    }

    /// How many devices that are not removed are under a policy.
    pub fn under_policy(self, workspace: &WorkspaceId, policy: PolicyId) -> Result<u64, Failure> {
        let reader = self.models.reader(NAME)?;
        Ok(reader
            .prepare_cached(
                "SELECT count(*) FROM devices
                 WHERE workspace = ?1 AND policy = ?2 AND state <> 'removed'",
            )?
            .query_row(params![workspace.as_str(), policy.0.as_bytes()], |row| natural(row, 0))?)
    }

    /// The policies, by name.
    pub fn policies(self, workspace: &WorkspaceId) -> Result<Vec<PolicyRow>, Failure> {
        let reader = self.models.reader(NAME)?;
        Ok(reader
            .prepare_cached("SELECT id, name FROM policies WHERE workspace = ?1 ORDER BY name, id")?
            .query_map([workspace.as_str()], |row| {
                Ok(PolicyRow { id: PolicyId(uuid(row, 0)?), name: row.get(1)? })
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// A policy by its id.
    pub fn policy(
        self,
        workspace: &WorkspaceId,
        id: PolicyId,
    ) -> Result<Option<PolicyRow>, Failure> {
        let reader = self.models.reader(NAME)?;
        Ok(reader
            .prepare_cached("SELECT id, name FROM policies WHERE workspace = ?1 AND id = ?2")?
            .query_row(params![workspace.as_str(), id.0.as_bytes()], |row| {
                Ok(PolicyRow { id: PolicyId(uuid(row, 0)?), name: row.get(1)? })
            })
            .optional()?)
    }
}
