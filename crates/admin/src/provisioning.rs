//! `/workspaces/{ws}/connectors/{connector}/provisioning`: what creation and deactivation do.

use actix_web::{http::Method, web::Json};
use domain::{
    ids::PolicyId,
    portal::Role,
    rule::{self, BrakeLimit, Off, OnCreate, OnDeactivate},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::OneOfBuilder},
};

use crate::{
    answer::Answer,
    ask::{Inside, OfConnector},
    body::Body,
    endpoint::Endpoint,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/connectors/{connector}/provisioning";
    vec![
        Endpoint::new(Method::GET, path, "Get what creation and deactivation do", get)
            .shows::<Provisioning>()
            .goes_back(),
        Endpoint::new(Method::PUT, path, "Say what creation and deactivation do", put)
            .takes::<Provisioning>()
            .shows::<Provisioning>(),
    ]
}

/// What creation and deactivation do. It replaces the whole setting: what is left out gets its
/// default.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Provisioning {
    /// Keep the entry and grant no account (`nothing`, the default), or create the account.
    #[schema(schema_with = words::on_create)]
    on_create: OnCreate,
    /// Dashboard: the role of a collaborator that SCIM creates; never `owner`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::maybe_role)]
    default_role: Option<Role>,
    /// `nothing` (the default) or `remove_user`; for MDM the others too.
    #[schema(schema_with = words::on_deactivate)]
    on_deactivate: OnDeactivate,
    /// The id of the policy that `change_policy` gives to devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::maybe_id)]
    policy: Option<PolicyId>,
    /// When a mass deprovisioning is held for a person to decide.
    #[schema(schema_with = brake)]
    brake: Brake,
}

/// The brake as it is read: an error says which part is wrong, and what is left out is the default.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct Brake(rule::Brake);

/// The limit of the brake; what is left out gets its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Limit {
    /// So many people offboarded within the window.
    count: u32,
    /// Or such a share of the connector's people, 0 to 1.
    share: f64,
    /// How many people a connector needs for the share to count.
    share_from: u32,
    /// The window.
    window_minutes: u32,
}

impl Default for Limit {
    fn default() -> Self {
        match rule::Brake::default() {
            rule::Brake::Limit(BrakeLimit { count, share, share_from, window_minutes }) => {
                Self { count, share, share_from, window_minutes }
            }
            rule::Brake::Off(_) => unreachable!("the brake is on by default"),
        }
    }
}

impl<'de> Deserialize<'de> for Brake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "off" => Ok(Self(rule::Brake::Off(Off::Off))),
            limit @ Value::Object(_) => {
                let Limit { count, share, share_from, window_minutes } =
                    Limit::deserialize(limit).map_err(D::Error::custom)?;
                let limit = BrakeLimit { count, share, share_from, window_minutes };
                Ok(Self(rule::Brake::Limit(limit)))
            }
            _ => Err(D::Error::custom("must be \"off\" or an object with the limit")),
        }
    }
}

fn brake() -> RefOr<Schema> {
    OneOfBuilder::new().item(words::off()).item(Limit::schema()).into()
}

impl From<&rule::Provisioning> for Provisioning {
    fn from(it: &rule::Provisioning) -> Self {
        Self {
            on_create: it.on_create,
            default_role: it.default_role,
            on_deactivate: it.on_deactivate,
            policy: it.policy,
            brake: Brake(it.brake),
        }
    }
}

impl From<Provisioning> for rule::Provisioning {
    fn from(it: Provisioning) -> Self {
        let Provisioning { on_create, default_role, on_deactivate, policy, brake } = it;
        Self { on_create, default_role, on_deactivate, policy, brake: brake.0 }
    }
}

async fn get(inside: Inside, of: OfConnector) -> Answer<Provisioning> {
    let connector = inside.app.connector(&inside.workspace, &of.0).await?;
    Ok(Json((&connector.rule.provisioning).into()))
}

async fn put(inside: Inside, of: OfConnector, body: Body<Provisioning>) -> Answer<Provisioning> {
    let Inside { app, person, workspace } = inside;
    let rule = app.set_provisioning(&person, &workspace, &of.0, body.0.into()).await?;
    Ok(Json((&rule.provisioning).into()))
}
