//! Stored events, one golden file for each name and schema version.
//!
//! Stored formats are for ever: a golden is never changed, only added. `make bless` writes those
//! that are missing; a golden that no longer reads, or that is written differently now, fails here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use domain::{
    admin_role::AdminRole,
    attribute_mapping::{AttributeMapping, AttributeName, MappedName},
    device::{DeviceEvent, FailedBecause},
    group::GroupEvent,
    group_filter::GroupFilter,
    ids::{
        AccessId, ActionId, ConnectorName, CredentialsId, DeviceId, EntryId, ErasureId, HoldId,
        MemberId, OffboardingId, PolicyId, SegmentId, TokenId, UserId,
    },
    offboarding::{ActionKind, CancelledBecause, Held, HeldBecause, Offboarding, Planned},
    portal::{Portal, Role},
    publication::PublicationEvent,
    role_mapping::{NoMatch, RoleMapping, RoleRule},
    rule::{OnCreate, OnDeactivate, Provisioning},
    segments::{Permission, SegmentsEvent},
    stored::{Fact, decode, encode},
    user::{AccountState, Namesake, RecordedAgain, Remains, Source, UserEvent, event::RoleReason},
    workspace::{
        Extension, Idp, MdmService, MdmSetting, Origin, PastKey, Paused, People, Plan, Saml,
        SeenAttribute, Skip, Suspended, WorkspaceEvent,
    },
};
use serde_json::{Value, from_value, json};
use uuid::Uuid;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn connector() -> ConnectorName {
    ConnectorName::parse("store").unwrap()
}

/// Checks samples against their goldens, and the goldens against the names in the source.
///
/// A name that comes a second time has the fields that it got later, and a second golden.
fn check<F: Fact>(samples: Vec<F>, source: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored");
    let mut names = BTreeMap::<String, u32>::new();
    for sample in samples {
        let encoded = encode(&sample);
        let seen = names.entry(encoded.name.clone()).or_default();
        *seen += 1;
        let again = if *seen == 1 { String::new() } else { format!(".{seen}") };
        let (name, version) = (&encoded.name, encoded.schema_version);
        let file = folder.join(format!("{name}.v{version}{again}.json"));
        if !file.exists() && std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, &encoded.payload).unwrap();
        }
        let golden = fs::read(&file)
            .unwrap_or_else(|error| panic!("{}: {error}; run `make bless`", file.display()));
        assert_eq!(
            String::from_utf8(encoded.payload).unwrap(),
            String::from_utf8(golden.clone()).unwrap(),
            "{} is written differently now: make a new schema version with an upcaster",
            encoded.name
        );
        let read: F = decode(&encoded.name, encoded.schema_version, &golden).unwrap();
        assert_eq!(read, sample);
    }
    let names: BTreeSet<String> = names.into_keys().collect();
    let in_source: BTreeSet<String> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("#[serde(rename = \""))
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(names, in_source, "every stored name has a sample here");
}

fn filter() -> GroupFilter {
    let line = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    GroupFilter { lines: vec![line(&["Sales", "EMEA"]), line(&["Board"])] }
}

fn role_mapping_set() -> WorkspaceEvent {
    WorkspaceEvent::RoleMappingSet {
        mapping: RoleMapping {
            rules: vec![RoleRule {
                group: "Admins".to_owned(),
                role: Role::Admin,
                connector: Some(connector()),
            }],
            settle_minutes: 60,
            follow_groups: true,
            no_match: Some(NoMatch::Unassigned),
        },
    }
}

#[test]
fn a_workspaces_events_are_stored_as_they_always_were() {
    let saml = Saml {
        entity_id: "https://idp.example/acme".into(),
        sso_url: "https://idp.example/sso".into(),
        certificate: "MIIB".into(),
    };
    let provisioning = Provisioning {
        on_create: OnCreate::Create,
        default_role: Some(Role::Viewer),
        on_deactivate: OnDeactivate::RemoveUser,
        ..Provisioning::default()
    };
    check(
        vec![
            WorkspaceEvent::Created { name: "Acme".into(), plan: Plan::Enterprise },
            WorkspaceEvent::Renamed { name: "Acme Inc.".into() },
            WorkspaceEvent::PlanChanged { plan: Plan::Basic },
            WorkspaceEvent::Closed { gave_up: None },
            WorkspaceEvent::Closed { gave_up: Some("they took their devices along".to_owned()) },
            WorkspaceEvent::SamlConfigured { portal: Portal::Store, saml, jit: true },
            WorkspaceEvent::SamlRemoved { portal: Portal::Store },
            WorkspaceEvent::JitSwitchedOff { portal: Portal::Store },
            WorkspaceEvent::ConnectorAdded {
                connector: connector(),
                portal: Portal::Store,
                idp: Idp::OneLogin,
            },
            WorkspaceEvent::ConnectorPaused { connector: connector(), because: Paused::Plan },
            WorkspaceEvent::ConnectorResumed { connector: connector() },
            WorkspaceEvent::ConnectorIdpChanged { connector: connector(), idp: Idp::Entra },
            WorkspaceEvent::ConnectorRemoved { connector: connector(), people: People::Deactivate },
            WorkspaceEvent::ProvisioningSet { connector: connector(), provisioning },
            role_mapping_set(),
            WorkspaceEvent::AccessSet { portal: Portal::Store, groups: filter() },
            WorkspaceEvent::TokenIssued {
                connector: connector(),
                token: TokenId(id(1)),
                digest: [7; 32],
                expires: 1_800_000_000_000_000,
            },
            WorkspaceEvent::TokenRevoked { connector: connector(), token: TokenId(id(1)) },
            WorkspaceEvent::PolicyAdded { policy: PolicyId(id(2)), name: "Locked".into() },
            WorkspaceEvent::PolicyRemoved { policy: PolicyId(id(2)) },
        ]
        .into_iter()
        .chain(attribute_events())
        .chain(mdm_service_events())
        .chain(deliveries_events())
        .collect(),
        include_str!("../src/workspace/event.rs"),
    );
}

/// What a restore and an import say, and who ends it.
fn deliveries_events() -> Vec<WorkspaceEvent> {
    let because =
        Suspended::Restored { backup: 1_700_000_000_000_000, known: 12_000, kept: 11_990 };
    let origin = Origin {
        from: "muster-0a0b0c0d".into(),
        exported: 1_700_000_000_000_000,
        size: 12_000,
        checkpoint: "muster-0a0b0c0d/acme\n12000\nroot\n\n— muster-0a0b0c0d/acme signature\n"
            .into(),
        keys: vec![
            PastKey {
                key: "muster-0a0b0c0d/acme+01020304+first".into(),
                made: "2026-01-01T00:00:00.000000Z".into(),
                retired: Some("2026-06-01T00:00:00.000000Z".into()),
                last: Some("a checkpoint of both keys".into()),
            },
            PastKey {
                key: "muster-0a0b0c0d/acme+05060708+second".into(),
                made: "2026-06-01T00:00:00.000000Z".into(),
                retired: None,
                last: None,
            },
        ],
    };
    vec![
        WorkspaceEvent::DeliveriesSuspended { because },
        WorkspaceEvent::DeliveriesSuspended { because: Suspended::ByHand {} },
        WorkspaceEvent::DeliveriesSuspended {
            because: Suspended::Imported { exported: 1_700_000_000_000_000, size: 12_000 },
        },
        WorkspaceEvent::DeliveriesResumed {},
        WorkspaceEvent::Imported { origin },
    ]
}

/// Each kind of service, with and without what it may leave out.
fn mdm_service_events() -> Vec<WorkspaceEvent> {
    let webhook = MdmService::Webhook { url: "https://mdm.example/hook".into() };
    let android = |endpoint: Option<&str>| MdmService::AndroidManagement {
        enterprise: "enterprises/LC01".into(),
        service_account: "muster@project.iam.gserviceaccount.com".into(),
        wipe_days: 30,
        endpoint: endpoint.map(Into::into),
    };
    let nanomdm = MdmService::NanoMdm {
        url: "https://nanomdm.example".into(),
        profiles: vec!["Locked".into()],
    };
    let set = |platform: Option<&str>, service: MdmService| WorkspaceEvent::MdmServiceSet {
        platform: platform.map(Into::into),
        setting: MdmSetting { service, credentials: Some(CredentialsId(id(3))) },
    };
    vec![
        set(None, webhook),
        set(Some("android"), android(None)),
        set(Some("android"), android(Some("https://amapi.example"))),
        set(Some("ios"), nanomdm),
        WorkspaceEvent::MdmServiceSet { platform: None, setting: MdmSetting::default() },
        WorkspaceEvent::MdmServiceRemoved { platform: Some("ios".into()) },
        WorkspaceEvent::MdmServiceRemoved { platform: None },
    ]
}

/// What an administrator says of the attributes of a connector.
fn attribute_events() -> Vec<WorkspaceEvent> {
    vec![
        WorkspaceEvent::ExtensionsDeclared {
            connector: connector(),
            extensions: vec![Extension {
                resource_type: scim::Kind::User,
                schema: from_value(json!({
                    "id": "urn:company:params:scim:schemas:extension:hr:2.0:User",
                    "name": "HR",
                    "description": "What HR knows",
                    "attributes": [
                        {"name": "costCode", "type": "integer", "required": true},
                        {
                            "name": "desk", "type": "complex", "mutability": "immutable",
                            "subAttributes": [{"name": "floor", "caseExact": true}]
                        }
                    ]
                }))
                .unwrap(),
            }],
        },
        WorkspaceEvent::AttributesSeen {
            connector: connector(),
            attributes: vec![SeenAttribute {
                namespace: "urn:company:2.0:User".into(),
                key: "costCode".into(),
            }],
        },
        WorkspaceEvent::ProvisioningLogKept { days: 365 },
        WorkspaceEvent::ApiAccessGranted {
            access: AccessId(id(9)),
            role: AdminRole::Auditor,
            expires: Some(1_700_000_000_000_000),
        },
        WorkspaceEvent::ApiAccessRevoked { access: AccessId(id(9)) },
        WorkspaceEvent::EventSkipped {
            skip: Skip {
                projection: "directory".into(),
                kind: "user".into(),
                stream: Uuid::from_u128(7),
                position: 42,
            },
            reason: "written by a version that was withdrawn".to_owned(),
        },
        WorkspaceEvent::EventUnskipped {
            skip: Skip {
                projection: "directory".into(),
                kind: "user".into(),
                stream: Uuid::from_u128(7),
                position: 42,
            },
        },
        WorkspaceEvent::BodiesKept { connector: connector(), until: Some(1_700_000_000_000_000) },
        WorkspaceEvent::AttributeMappingSet {
            connector: connector(),
            mapping: AttributeMapping {
                names: vec![MappedName {
                    name: "cost code".to_owned(),
                    attributes: vec![
                        AttributeName {
                            namespace: Some("urn:company:2.0:User".to_owned()),
                            key: "costCode".to_owned(),
                        },
                        AttributeName { namespace: None, key: "costCenter".to_owned() },
                    ],
                }],
            },
        },
    ]
}

#[test]
fn a_users_events_are_stored_as_they_always_were() {
    let resource: Value = json!({
        "userName": "ada@acme.example", "active": true,
        "emails": [{ "value": "ada@acme.example", "type": "work", "primary": true }],
    });
    let changes: Value = json!({ "set": { "title": "Countess" }, "unset": ["nickName"] });
    let offboarding = OffboardingId(id(9));
    check(
        vec![
            UserEvent::EntryAdded {
                portal: Portal::Store,
                connector: connector(),
                entry: EntryId(id(1)),
                resource: from_value(resource).unwrap(),
            },
            UserEvent::EntryChanged {
                connector: connector(),
                changes: from_value(changes).unwrap(),
            },
            UserEvent::EntryDeactivated { connector: connector() },
            UserEvent::EntryReactivated { connector: connector() },
            UserEvent::EntryRemoved { connector: connector(), entry: EntryId(id(1)) },
            UserEvent::MetadataChanged {
                connector: connector(),
                set: [("cost code".to_owned(), "7".to_owned())].into_iter().collect(),
                unset: vec!["floor".to_owned()],
            },
            UserEvent::AccountGranted { role: Some(Role::Developer) },
            UserEvent::AccountInvited {
                portal: Portal::Dashboard,
                user_name: "ada@acme.example".into(),
                email: Some("ada@acme.example".into()),
                role: Some(Role::Owner),
            },
            UserEvent::AccountAdopted { connector: connector() },
            UserEvent::AccountSuspended {},
            UserEvent::AccountRestored {},
            UserEvent::AccountRemoved {},
            UserEvent::RoleChanged { role: Role::Admin, why: RoleReason::ByHand },
            UserEvent::OffboardingStarted {
                offboarding,
                connector: connector(),
                rule: OnDeactivate::ChangePolicy,
                policy: Some(PolicyId(id(2))),
            },
            UserEvent::OffboardingHeld { offboarding, because: HeldBecause::Owner, hold: None },
            UserEvent::OffboardingApproved { offboarding },
            UserEvent::OffboardingPlanned {
                offboarding,
                actions: vec![Planned { action: ActionId(id(3)), device: DeviceId(id(4)) }],
            },
            UserEvent::OffboardingCompleted { offboarding },
            UserEvent::OffboardingCancelled { offboarding, because: CancelledBecause::Reactivated },
            erased(offboarding),
            erased_everywhere(),
            erased_again(),
            erased_of_many_entries(),
            erased_with_some(),
        ],
        include_str!("../src/user/event.rs"),
    );
}

/// With everything that may be left of somebody.
fn erased(offboarding: OffboardingId) -> UserEvent {
    let offboarding = Offboarding {
        id: offboarding,
        started: 5,
        connector: connector(),
        rule: OnDeactivate::ChangePolicy,
        policy: Some(PolicyId(id(2))),
        held: true,
        approved: true,
        planned: vec![Planned { action: ActionId(id(3)), device: DeviceId(id(4)) }],
        completed: true,
        began: 1_700_000_000_000_000,
        ended: Some(1_700_000_000_000_001),
        hold: Some(Held {
            hold: HoldId(id(9)),
            because: HeldBecause::Owner,
            position: 6,
            at: 1_700_000_000_000_002,
        }),
    };
    UserEvent::Erased {
        erasure: ErasureId(id(10)),
        remains: Box::new(Remains {
            portal: Portal::Mdm,
            entries: [(connector(), EntryId(id(1)))].into_iter().collect(),
            aliases: Vec::new(),
            account: AccountState::Suspended,
            source: Source::Scim,
            role: Some(Role::Viewer),
            offboarding: Some(offboarding),
        }),
        reason: Some("ticket 4711".into()),
        devices: vec![DeviceId(id(4))],
        others: vec![Namesake {
            goes_too: false,
            ..Namesake::going(Portal::Store, UserId(id(11)))
        }],
        all_portals: false,
        again: None,
    }
}

/// Found missing in a restored log.
fn erased_again() -> UserEvent {
    let (portal, account, source) = (Portal::Mdm, AccountState::Removed, Source::Scim);
    let (entries, aliases, role, offboarding) = (BTreeMap::new(), Vec::new(), None, None);
    let remains = Remains { portal, entries, aliases, account, source, role, offboarding };
    UserEvent::Erased {
        erasure: ErasureId(id(10)),
        remains: Box::new(remains),
        reason: None,
        devices: Vec::new(),
        others: Vec::new(),
        all_portals: false,
        again: Some(RecordedAgain { erased: 1_700_000_000_000_000, portal_is_known: true }),
    }
}

/// With all persons of the other portals, as it was recorded until 2026-11-26.
fn erased_everywhere() -> UserEvent {
    let (portal, account, source) = (Portal::Store, AccountState::Active, Source::Hand);
    let (entries, aliases, role, offboarding) = (BTreeMap::new(), Vec::new(), None, None);
    let remains = Remains { portal, entries, aliases, account, source, role, offboarding };
    UserEvent::Erased {
        erasure: ErasureId(id(10)),
        remains: Box::new(remains),
        reason: None,
        devices: Vec::new(),
        others: vec![Namesake { goes_too: false, ..Namesake::going(Portal::Mdm, UserId(id(12))) }],
        all_portals: true,
        again: None,
    }
}

/// With those of the name who go too, and those who stay.
fn erased_with_some() -> UserEvent {
    let (portal, account, source) = (Portal::Store, AccountState::Active, Source::Hand);
    let (entries, aliases, role, offboarding) = (BTreeMap::new(), Vec::new(), None, None);
    let remains = Remains { portal, entries, aliases, account, source, role, offboarding };
    let one = |n, same_time, goes_too| Namesake {
        same_time,
        goes_too,
        ..Namesake::going(Portal::Mdm, UserId(id(n)))
    };
    UserEvent::Erased {
        erasure: ErasureId(id(10)),
        remains: Box::new(remains),
        reason: None,
        devices: Vec::new(),
        others: vec![one(12, true, true), one(15, false, true), one(16, true, false)],
        all_portals: false,
        again: None,
    }
}

/// Whom connectors had brought, and deleted, several times.
fn erased_of_many_entries() -> UserEvent {
    let (portal, account, source) = (Portal::Store, AccountState::Active, Source::Scim);
    let entries = [(connector(), EntryId(id(14)))].into_iter().collect();
    let aliases = vec![EntryId(id(13)), EntryId(id(14))];
    let (role, offboarding) = (None, None);
    let remains = Remains { portal, entries, aliases, account, source, role, offboarding };
    UserEvent::Erased {
        erasure: ErasureId(id(10)),
        remains: Box::new(remains),
        reason: None,
        devices: Vec::new(),
        others: Vec::new(),
        all_portals: false,
        again: None,
    }
}

#[test]
fn a_groups_events_are_stored_as_they_always_were() {
    let resource: Value = json!({ "displayName": "Sales", "externalId": "g-1" });
    let changes: Value = json!({ "set": { "displayName": "Sales EMEA" } });
    let members = vec![MemberId(id(1)), MemberId(id(2))];
    check(
        vec![
            GroupEvent::Created {
                portal: Portal::Store,
                connector: connector(),
                resource: from_value(resource).unwrap(),
            },
            GroupEvent::Changed { changes: from_value(changes).unwrap() },
            GroupEvent::MembersAdded { members: members.clone() },
            GroupEvent::MembersRemoved { members },
            GroupEvent::MemberPending { value: "bob@acme.example".into() },
            GroupEvent::PendingResolved { pending: 5, member: MemberId(id(3)) },
            GroupEvent::PendingDropped { pending: 5 },
            GroupEvent::Deleted {},
        ],
        include_str!("../src/group/event.rs"),
    );
}

#[test]
fn a_devices_events_are_stored_as_they_always_were() {
    let action = ActionId(id(3));
    let policy = PolicyId(id(2));
    check(
        vec![
            DeviceEvent::Enrolled {
                serial: "S-1".into(),
                platform: "ios".into(),
                name: Some("Ada's phone".into()),
                external_id: None,
                user: Some(UserId(id(1))),
                policy: Some(policy),
            },
            DeviceEvent::Enrolled {
                serial: "S-2".into(),
                platform: "android".into(),
                name: None,
                external_id: Some("enterprises/e/devices/d".into()),
                user: None,
                policy: None,
            },
            DeviceEvent::Assigned { user: UserId(id(1)) },
            DeviceEvent::Unassigned {},
            DeviceEvent::PolicyChanged { policy: Some(policy) },
            DeviceEvent::ExternalIdChanged { external_id: Some("enterprises/e/devices/d".into()) },
            DeviceEvent::Named { name: Some("Ada's phone".into()) },
            DeviceEvent::Named { name: None },
            DeviceEvent::Removed {},
            DeviceEvent::ActionRequested {
                action,
                offboarding: OffboardingId(id(9)),
                user: UserId(id(1)),
                kind: ActionKind::ChangePolicy { policy },
            },
            DeviceEvent::ActionSent { action, attempt: 1 },
            DeviceEvent::ActionAcknowledged { action },
            DeviceEvent::ActionConfirmed { action },
            DeviceEvent::ActionFailed {
                action,
                reason: "busy".into(),
                because: FailedBecause::Answer,
                retry_at: 1_800_000_000_000_000,
            },
            DeviceEvent::ActionFailed {
                action,
                reason: "no answer".into(),
                because: FailedBecause::Unanswered,
                retry_at: 1_800_000_000_000_000,
            },
            DeviceEvent::ActionParked { action, reason: "refused".into() },
            DeviceEvent::ActionCancelled { action, reason: None },
            DeviceEvent::ActionCancelled { action, reason: Some("a mistake".into()) },
            DeviceEvent::ActionRetried { action, reason: None },
            DeviceEvent::ActionRetried { action, reason: Some("mended".into()) },
            DeviceEvent::ActionGivenUp { action, reason: "it is lost".into() },
        ],
        include_str!("../src/device/event.rs"),
    );
}

#[test]
fn a_publications_events_are_stored_as_they_always_were() {
    check(
        vec![
            PublicationEvent::Published { name: "Mail".to_owned(), groups: filter() },
            PublicationEvent::Renamed { name: "Post".to_owned() },
            PublicationEvent::VisibilitySet { groups: GroupFilter::default() },
            PublicationEvent::Withdrawn {},
        ],
        include_str!("../src/publication/event.rs"),
    );
}

#[test]
fn segments_events_are_stored_as_they_always_were() {
    let segment = SegmentId(id(71));
    let grants = [(UserId(id(1)), [Permission::View, Permission::ChangePolicy].into())];
    check(
        vec![
            SegmentsEvent::Added {
                segment,
                name: "Berlin".to_owned(),
                parent: Some(SegmentId(id(70))),
            },
            SegmentsEvent::Renamed { segment, name: "Paris".to_owned() },
            SegmentsEvent::Moved { segment, parent: None },
            SegmentsEvent::Removed { segment },
            SegmentsEvent::GrantsSet { segment, grants: grants.into() },
        ],
        include_str!("../src/segments/event.rs"),
    );
}
