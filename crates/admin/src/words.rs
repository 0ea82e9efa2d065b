//! The words of the API for its document: what may stand in a path or in a field.

use domain::{admin_role::AdminRole, portal::Portal, segments::Permission, workspace::Idp};
use event_log::journal::{Action, Outcome};
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, RefOr, Required, Schema, SchemaFormat, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::AnyOfBuilder,
};

/// Any text.
pub(crate) fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn format(format: KnownFormat) -> RefOr<Schema> {
    let object = ObjectBuilder::new().schema_type(Type::String);
    object.format(Some(SchemaFormat::KnownFormat(format))).into()
}

/// One of these words.
fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

/// The same, or null, which is as good as leaving it out.
fn or_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    AnyOfBuilder::new().item(schema).item(null).into()
}

/// A time, or null.
pub(crate) fn maybe_time() -> RefOr<Schema> {
    or_null(time())
}

/// An id, or null.
pub(crate) fn maybe_id() -> RefOr<Schema> {
    or_null(id())
}

/// A workspace's plan, or null.
pub(crate) fn maybe_plan() -> RefOr<Schema> {
    or_null(plan())
}

/// Whose dialect a connector speaks, or null.
pub(crate) fn maybe_idp() -> RefOr<Schema> {
    or_null(idp())
}

/// Whether a connector takes requests, or null.
pub(crate) fn maybe_connector_state() -> RefOr<Schema> {
    or_null(connector_state())
}

/// A collaborator's role, or null.
pub(crate) fn maybe_role() -> RefOr<Schema> {
    or_null(role())
}

/// A time, RFC 3339.
pub(crate) fn time() -> RefOr<Schema> {
    format(KnownFormat::DateTime)
}

/// An id.
pub(crate) fn id() -> RefOr<Schema> {
    format(KnownFormat::Uuid)
}

/// A workspace's plan.
pub(crate) fn plan() -> RefOr<Schema> {
    one_of(["basic", "enterprise"])
}

/// As what a person asks.
pub(crate) fn admin_role() -> RefOr<Schema> {
    one_of(AdminRole::ALL.map(AdminRole::as_str))
}

/// A portal.
pub(crate) fn portal() -> RefOr<Schema> {
    one_of(Portal::ALL.map(Portal::as_str))
}

/// What a request asks for.
pub(crate) fn log_action() -> RefOr<Schema> {
    one_of(Action::ALL.iter().map(|it| it.as_str()))
}

/// What came of it.
pub(crate) fn log_outcome() -> RefOr<Schema> {
    one_of(Outcome::ALL.iter().map(|it| it.as_str()))
}

/// Whose dialect a connector speaks.
pub(crate) fn idp() -> RefOr<Schema> {
    one_of(Idp::ALL.map(Idp::as_str))
}

/// Whether a connector takes requests.
pub(crate) fn connector_state() -> RefOr<Schema> {
    one_of(["active", "paused"])
}

/// How a backup stands.
pub(crate) fn backup_state() -> RefOr<Schema> {
    one_of(["running", "completed", "failed"])
}

/// Whether what is owed to devices is sent.
pub(crate) fn deliveries_state() -> RefOr<Schema> {
    one_of(["active", "suspended"])
}

/// A collaborator's role.
pub(crate) fn role() -> RefOr<Schema> {
    one_of(["owner", "admin", "developer", "viewer", "unassigned"])
}

/// What creation does.
pub(crate) fn on_create() -> RefOr<Schema> {
    one_of(["nothing", "create"])
}

/// What deactivation does.
pub(crate) fn on_deactivate() -> RefOr<Schema> {
    one_of(["nothing", "remove_user", "unassign", "change_policy", "remove_user_and_devices"])
}

/// The brake that is not there.
pub(crate) fn off() -> RefOr<Schema> {
    one_of(["off"])
}

/// Who made an account.
pub(crate) fn source() -> RefOr<Schema> {
    one_of(["scim", "hand"])
}

/// Whether an account is there.
pub(crate) fn account() -> RefOr<Schema> {
    one_of(["active", "suspended", "removed", "none"])
}

/// Where a device stands in its life.
pub(crate) fn device_state() -> RefOr<Schema> {
    one_of(["enrolled", "removing", "removed"])
}

/// What is done to a device.
pub(crate) fn action() -> RefOr<Schema> {
    one_of(["unassign", "change_policy", "remove"])
}

/// What a collaborator may do in a segment.
pub(crate) fn permissions() -> RefOr<Schema> {
    let one = one_of(Permission::ALL.map(Permission::as_str));
    ArrayBuilder::new().items(one).unique_items(true).into()
}

/// What the rule in force does to somebody who is there.
pub(crate) fn outcome() -> RefOr<Schema> {
    one_of(["granted", "offboarded"])
}

/// How far an erasure has come.
pub(crate) fn erasure_state() -> RefOr<Schema> {
    one_of(["running", "completed"])
}

/// How far an effect has come.
pub(crate) fn effect_state() -> RefOr<Schema> {
    one_of([
        "requested",
        "sent",
        "acknowledged",
        "confirmed",
        "failed",
        "parked",
        "cancelled",
        "given_up",
    ])
}

/// How far an offboarding has come.
pub(crate) fn offboarding_state() -> RefOr<Schema> {
    one_of(["started", "held", "completed", "cancelled"])
}

/// Whether a hold waits for a decision.
pub(crate) fn hold_state() -> RefOr<Schema> {
    one_of(["open", "decided"])
}

/// Why offboardings are held.
pub(crate) fn held_because() -> RefOr<Schema> {
    one_of(["brake", "owner"])
}

/// Why an offboarding was cancelled.
pub(crate) fn cancelled_because() -> RefOr<Schema> {
    one_of(["reactivated", "removed_by_hand", "undone"])
}

/// How far a job has come.
pub(crate) fn job_state() -> RefOr<Schema> {
    one_of(["none", "running", "completed", "failed"])
}

/// Anything.
pub(crate) fn anything() -> RefOr<Schema> {
    utoipa::openapi::schema::empty().into()
}

/// The parameters in a path.
pub(crate) fn path_params(path: &str) -> Vec<Parameter> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let (says, schema) = match name {
                "ws" => ("The workspace's slug", text()),
                "portal" => ("The portal", portal()),
                "platform" => ("The platform in lower case, or default for all others", text()),
                "connector" => ("The connector's slug", text()),
                "entry" => ("The entry's id", text()),
                "build" => ("The build's number", text()),
                "hold" => ("The hold's id: projection.workspace.kind.stream", text()),
                _ => ("The id", id()),
            };
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(says))
                .schema(Some(schema))
                .build()
        })
        .collect()
}
