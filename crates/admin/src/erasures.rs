//! `/workspaces/{ws}/people/{id}/erase` and `/workspaces/{ws}/erasures`: erasing people (rule 32). In a
//! workspace that was closed as well: its record stays.

use actix_web::{http::Method, web::Json};
use app::erasures::{Asked, Certificate, NameHad, Other, PLACES, Prospect};
use domain::{
    ids::ErasureId,
    portal::Portal,
    rule::OnDeactivate,
    user::{AccountState, Namesake},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::{Answer, Part, page},
    ask::{Id, Inside, Kept},
    body::Body,
    endpoint::Endpoint,
    moment,
    params::Params,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let erase = "/workspaces/{ws}/people/{id}/erase";
    let (all, one) = ("/workspaces/{ws}/erasures", "/workspaces/{ws}/erasures/{id}");
    vec![
        Endpoint::new(Method::GET, erase, "See what erasing a person would do", prospect)
            .shows::<WouldErase>()
            .refuses(409, "The person was erased"),
        Endpoint::new(
            Method::POST,
            erase,
            "Erase a person of any portal, for ever, also in a workspace that was closed; asked twice, it is one erasure",
            start,
        )
        .may_take::<EraseAsked>()
        .shows::<Erasure>()
        .refuses(
            409,
            "The last Owner of the Dashboard would go, or somebody in `with` never had a name of the person",
        ),
        Endpoint::new(Method::GET, all, "List the erasures, the oldest first", list)
            .parts::<Erasure>(),
        Endpoint::new(
            Method::GET,
            one,
            "Get the certificate of an erasure, by its id or by an id of the person; while it runs, this waits for it, for half a minute",
            get,
        )
        .shows::<Erasure>(),
    ]
}

/// How somebody is to be erased.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct EraseAsked {
    /// On whose wish, such as the number of a request: 200 characters at most, kept for ever, and without
    /// personal data.
    reason: Option<String>,
    /// Whether those of the `others` are erased too whose `same_time` is true, in all portals, whether they have an
    /// account or not. The rest stay, since each of them may be another human being.
    #[schema(value_type = Option<bool>)]
    all_portals: bool,
    /// Which of the `others` are erased too, whatever their `same_time` is: by id, or by the SCIM id of one of
    /// their entries.
    #[schema(value_type = Option<Vec<String>>)]
    with: Vec<Uuid>,
}

/// What erasing somebody would do.
#[derive(Debug, Serialize, ToSchema)]
struct WouldErase {
    #[schema(schema_with = words::id)]
    id: String,
    #[schema(schema_with = words::portal)]
    portal: Portal,
    user_name: String,
    /// What they have been called, the oldest first: the last hundred.
    names: Vec<WasCalled>,
    /// What connectors know of them: it goes.
    entries: Vec<ErasedEntry>,
    /// Whether they have an account: it goes.
    #[schema(schema_with = words::account)]
    account: AccountState,
    /// What is carried out on their devices.
    #[schema(schema_with = words::on_deactivate)]
    on_deactivate: OnDeactivate,
    /// The ids of their devices. What these are called, and what other devices were called while they were
    /// theirs, goes.
    devices: Vec<String>,
    /// The ids of the devices that an older version enrolled with a name, which the record keeps.
    names_kept: Vec<String>,
    /// The persons who have one of `names` now, or had it when they were removed, in any case, in all portals:
    /// in this one those who had it before, or came after.
    others: Vec<OtherPerson>,
}

/// A userName that somebody had.
#[derive(Debug, Serialize, ToSchema)]
struct WasCalled {
    user_name: String,
    /// From when on.
    #[schema(schema_with = words::time)]
    from: String,
    /// Since when not any more; null while they have it.
    #[schema(schema_with = words::maybe_time)]
    to: Option<String>,
}

/// The certificate of an erasure.
#[derive(Debug, Serialize, ToSchema)]
struct Erasure {
    #[schema(schema_with = words::id)]
    id: String,
    /// `running`, or `completed` once no file of the data directory holds anything of the person.
    #[schema(schema_with = words::erasure_state)]
    state: &'static str,
    /// The id of the person, by which the record still knows them.
    #[schema(schema_with = words::id)]
    user: String,
    #[schema(schema_with = words::portal)]
    portal: Portal,
    /// The SCIM ids that they had.
    entries: Vec<ErasedEntry>,
    /// When it was decided.
    #[schema(schema_with = words::time)]
    erased_at: String,
    /// That it was recorded again, after a restore of a record that did not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_again: Option<RecordedAgain>,
    /// Who did it, by id.
    by: String,
    /// On whose wish.
    reason: Option<String>,
    /// Where it stands in the record.
    position: u64,
    /// How many data keys were destroyed of what was said of the person. Those of bodies of requests, which
    /// may be about anybody, are not counted.
    keys_destroyed: u64,
    /// The id of the offboarding that goes on.
    offboarding: Option<String>,
    /// The ids of the devices that they had.
    devices: Vec<String>,
    /// The ids of the devices that an older version enrolled with a name, which the record keeps.
    names_kept: Vec<String>,
    /// The persons who had one of the person's userNames when it was decided, or when they were removed, in any
    /// case, in all portals: in this one those who had it before, or came after.
    others: Vec<OtherPerson>,
    /// How each place is dealt with that may hold something of a person.
    places: Vec<Place>,
}

/// An erasure that was recorded again.
#[derive(Debug, Serialize, ToSchema)]
struct RecordedAgain {
    #[schema(schema_with = words::time)]
    at: String,
    /// What of this certificate is not known any more, or in part.
    not_known: Vec<&'static str>,
}

impl RecordedAgain {
    fn of((at, portal_is_known): (domain::Micros, bool)) -> Self {
        let mut not_known = vec!["by", "reason", "others", "entries"];
        if !portal_is_known {
            not_known.push("portal");
        }
        Self { at: moment::show(at), not_known }
    }
}

/// What a connector knew of a person.
#[derive(Debug, Serialize, ToSchema)]
struct ErasedEntry {
    /// The connector's slug.
    connector: String,
    /// The SCIM id, which is never given again.
    #[schema(schema_with = words::id)]
    id: String,
}

/// Another person of the same userName.
#[derive(Debug, Serialize, ToSchema)]
struct OtherPerson {
    #[schema(schema_with = words::portal)]
    portal: Portal,
    #[schema(schema_with = words::id)]
    id: String,
    /// Whether they have an account.
    #[schema(schema_with = words::account)]
    account: AccountState,
    /// Whether both had the same userName last, and at the same time, and their external ids do not tell them
    /// apart. Whoever had it at another time, or has another one since, may be another human being.
    same_time: bool,
    /// The userNames that both have had, and when this person did. Not in a certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<WasCalled>,
    /// The id of the erasure of that person, if they were erased too.
    #[serde(skip_serializing_if = "Option::is_none")]
    erasure: Option<String>,
}

/// How a place is dealt with.
#[derive(Debug, Serialize, ToSchema)]
struct Place {
    place: &'static str,
    dealt_with: &'static str,
}

impl From<Other> for OtherPerson {
    fn from(Other { person, account, erasure, names }: Other) -> Self {
        let Namesake { portal, user, same_time, .. } = person;
        let erasure = erasure.map(|it| it.to_string());
        let names = names.into_iter().map(WasCalled::from).collect();
        Self { portal, id: user.to_string(), account, same_time, names, erasure }
    }
}

impl From<NameHad> for WasCalled {
    fn from(NameHad { user_name, from, to, .. }: NameHad) -> Self {
        Self { user_name, from: moment::show(from), to: to.map(moment::show) }
    }
}

impl From<Prospect> for WouldErase {
    fn from(found: Prospect) -> Self {
        let entry = |(connector, id): (domain::ids::ConnectorName, domain::ids::EntryId)| {
            ErasedEntry { connector: connector.to_string(), id: id.to_string() }
        };
        Self {
            id: found.user.to_string(),
            portal: found.portal,
            user_name: found.user_name,
            names: found.names.into_iter().map(WasCalled::from).collect(),
            entries: found.entries.into_iter().map(entry).collect(),
            account: found.account,
            on_deactivate: found.rule,
            devices: found.devices.iter().map(ToString::to_string).collect(),
            names_kept: found.names_kept.iter().map(ToString::to_string).collect(),
            others: found.others.into_iter().map(OtherPerson::from).collect(),
        }
    }
}

impl From<Certificate> for Erasure {
    fn from(it: Certificate) -> Self {
        let entries = it.remains.entries.iter().map(|(connector, id)| ErasedEntry {
            connector: connector.to_string(),
            id: id.to_string(),
        });
        let others = it.others.into_iter().map(OtherPerson::from);
        let places = PLACES.iter().map(|&(place, dealt_with)| Place { place, dealt_with });
        Self {
            id: it.id.to_string(),
            state: if it.completed { "completed" } else { "running" },
            user: it.user.to_string(),
            portal: it.remains.portal,
            entries: entries.collect(),
            erased_at: moment::show(it.at),
            recorded_again: it.again.map(RecordedAgain::of),
            by: it.by,
            reason: it.reason,
            position: it.position,
            keys_destroyed: it.keys,
            offboarding: it.offboarding.map(|id| id.to_string()),
            devices: it.devices.iter().map(ToString::to_string).collect(),
            names_kept: it.names_kept.iter().map(ToString::to_string).collect(),
            others: others.collect(),
            places: places.collect(),
        }
    }
}

async fn prospect(Kept(inside): Kept, id: Id<Uuid>) -> Answer<WouldErase> {
    Ok(Json(inside.app.erasing(&inside.workspace, id.0).await?.into()))
}

async fn start(Kept(inside): Kept, id: Id<Uuid>, body: Body<EraseAsked>) -> Answer<Erasure> {
    let Inside { app, person, workspace } = inside;
    let EraseAsked { reason, all_portals, with } = body.0;
    let asked = Asked { reason, all_portals, with };
    Ok(Json(app.erase(&person, &workspace, id.0, asked).await?.into()))
}

async fn list(Kept(inside): Kept, params: Params) -> Part<Erasure> {
    let listed = inside.app.list_erasures(&inside.workspace, &params.listing()?).await?;
    Ok(page(listed, Erasure::from))
}

async fn get(Kept(inside): Kept, id: Id<ErasureId>) -> Answer<Erasure> {
    Ok(Json(inside.app.certificate(&inside.workspace, id.0).await?.into()))
}
