//! `/workspaces/{ws}/mdm/devices` (rule 23).

use actix_web::{http::Method, web::Json};
use app::admin::devices::{DeviceChange, Enrolment, Set};
use domain::{
    device::DeviceState,
    ids::{DeviceId, PolicyId},
};
use projections::mdm::DeviceRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::{Answer, Created, Done, Part, page},
    ask::{Id, Inside},
    body::{Body, set},
    endpoint::Endpoint,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let (all, one) = ("/workspaces/{ws}/mdm/devices", "/workspaces/{ws}/mdm/devices/{id}");
    let conflict = "The user has no account, the device was removed or is being removed, or its service may \
                    have an effect under its external id; the detail says which";
    vec![
        Endpoint::new(Method::GET, all, "List the devices, removed ones too", list)
            .lists::<Device>()
            .goes_back(),
        Endpoint::new(Method::POST, all, "Take a device under management", enrol)
            .takes::<NewDevice>()
            .makes::<Device>()
            .refuses(409, "A managed device has that serial number, or the user has no account"),
        Endpoint::new(Method::GET, one, "Get a device", get).shows::<Device>().goes_back(),
        Endpoint::new(
            Method::PATCH,
            one,
            "Give a device another user, policy, name or external id",
            change,
        )
        .takes::<ChangeDevice>()
        .shows::<Device>()
        .refuses(409, conflict),
        Endpoint::new(Method::DELETE, one, "Remove a device; it stays readable", remove)
            .refuses(409, "It was removed before, or an offboarding has its service remove it"),
    ]
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    #[schema(schema_with = words::id)]
    id: String,
    /// Unique among the devices that are managed.
    serial: String,
    /// For example `ios`.
    platform: String,
    /// What people call it.
    name: Option<String>,
    /// What its MDM service calls it, where that is not the serial number.
    external_id: Option<String>,
    #[schema(schema_with = words::device_state)]
    state: DeviceState,
    /// The id of the MDM user who uses it.
    user: Option<String>,
    /// The id of the policy it is under.
    policy: Option<String>,
}

impl From<DeviceRow> for Device {
    fn from(row: DeviceRow) -> Self {
        let DeviceRow { id, serial, platform, name, external_id, state, user, policy } = row;
        Self {
            id: id.to_string(),
            serial,
            platform,
            name,
            external_id,
            state,
            user: user.map(|user| user.to_string()),
            policy: policy.map(|policy| policy.to_string()),
        }
    }
}

/// A device that comes under management.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDevice {
    /// Unique among the devices that are managed.
    serial: String,
    /// For example `ios`.
    platform: String,
    /// What people call it.
    name: Option<String>,
    /// What its MDM service calls it, where that is not the serial number: for Android Management the
    /// device's name, for NanoMDM its enrollment id.
    external_id: Option<String>,
    /// The id of a policy.
    policy: Option<Uuid>,
    /// The id of an MDM user, or the SCIM id of one of their entries.
    user: Option<Uuid>,
}

/// What changes of a device; null takes away, what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeDevice {
    /// The id of an MDM user, or the SCIM id of one of their entries.
    #[serde(default, deserialize_with = "set")]
    #[schema(value_type = Option<Uuid>)]
    user: Set<Uuid>,
    /// The id of a policy.
    #[serde(default, deserialize_with = "set")]
    #[schema(value_type = Option<Uuid>)]
    policy: Set<Uuid>,
    /// What people call it.
    #[serde(default, deserialize_with = "set")]
    #[schema(value_type = Option<String>)]
    name: Set<String>,
    /// What its MDM service calls it, where that is not the serial number.
    #[serde(default, deserialize_with = "set")]
    #[schema(value_type = Option<String>)]
    external_id: Set<String>,
}

async fn list(inside: Inside, params: Params) -> Part<Device> {
    let listed = inside.app.list_devices(&inside.workspace, &params.listing()?).await?;
    Ok(page(listed, Device::from))
}

async fn enrol(inside: Inside, body: Body<NewDevice>) -> Result<Created<Device>, Refused> {
    let Inside { app, person, workspace } = inside;
    let Body(NewDevice { serial, platform, name, external_id, policy, user }) = body;
    let policy = policy.map(PolicyId);
    let enrolment = Enrolment { serial, platform, name, external_id, user, policy };
    Ok(Created(app.enrol_device(&person, &workspace, enrolment).await?.into()))
}

async fn get(inside: Inside, id: Id<DeviceId>) -> Answer<Device> {
    Ok(Json(inside.app.device(&inside.workspace, id.0).await?.into()))
}

async fn change(inside: Inside, id: Id<DeviceId>, body: Body<ChangeDevice>) -> Answer<Device> {
    let Inside { app, person, workspace } = inside;
    let Body(ChangeDevice { user, policy, name, external_id }) = body;
    let change = DeviceChange { user, policy: policy.map(PolicyId), name, external_id };
    Ok(Json(app.change_device(&person, &workspace, id.0, change).await?.into()))
}

async fn remove(inside: Inside, id: Id<DeviceId>) -> Result<Done, Refused> {
    inside.app.remove_device(&inside.person, &inside.workspace, id.0).await?;
    Ok(Done)
}
