//! Given facts, when a command, then facts or a refusal.

use std::sync::Arc;

use cqrs_es::test::TestFramework;
use serde_json::json;
use uuid::Uuid;

use super::{
    ConnectorState, Idp, NewToken, Paused, People, Plan, SEEN_MAX, Saml, SeenAttribute, Skip,
    Workspace, WorkspaceCommand, WorkspaceEvent,
};
use crate::{
    Attempt, Decider, Es, Stamp,
    group_filter::{BadGroupFilter, GroupFilter},
    ids::{ConnectorName, PolicyId, TokenId},
    portal::Portal,
    rule::{OnDeactivate, Provisioning},
};

const POLICY: PolicyId = PolicyId(Uuid::from_u128(7));

fn store() -> ConnectorName {
    ConnectorName::parse("store").unwrap()
}

fn created(plan: Plan) -> WorkspaceEvent {
    WorkspaceEvent::Created { name: "Acme".into(), plan }
}

fn saml() -> Saml {
    Saml { entity_id: "idp".into(), sso_url: "https://idp".into(), certificate: "MII".into() }
}

fn configured(jit: bool) -> WorkspaceEvent {
    WorkspaceEvent::SamlConfigured { portal: Portal::Store, saml: saml(), jit }
}

fn token(number: u128) -> NewToken {
    NewToken { token: TokenId(Uuid::from_u128(number)), digest: [1; 32], expires: 1_000, now: 10 }
}

fn issued(number: u128) -> WorkspaceEvent {
    token(number).issued(&store())
}

fn added() -> WorkspaceEvent {
    let (connector, portal) = (store(), Portal::Store);
    WorkspaceEvent::ConnectorAdded { connector, portal, idp: Idp::Okta }
}

fn enable(disable_jit: bool) -> WorkspaceCommand {
    WorkspaceCommand::EnableScim {
        portal: Portal::Store,
        connector: store(),
        idp: Idp::Okta,
        disable_jit,
        token: token(1),
    }
}

fn enabled() -> Vec<WorkspaceEvent> {
    vec![created(Plan::Enterprise), configured(false), added(), issued(1)]
}

fn when(
    given: impl IntoIterator<Item = WorkspaceEvent>,
    command: WorkspaceCommand,
) -> Result<Vec<WorkspaceEvent>, String> {
    TestFramework::<Es<Workspace>>::with(())
        .given(given.into_iter().collect())
        .when(Attempt { command: Arc::new(command), now: 0 })
        .inspect_result()
        .map_err(|refusal| refusal.to_string())
}

#[test]
fn scim_needs_saml_first_and_says_so() {
    let text = when([created(Plan::Enterprise)], enable(false)).unwrap_err();
    assert!(text.starts_with("SAML is not configured for the store portal"), "{text}");
    let events = when([created(Plan::Enterprise), configured(false)], enable(false));
    assert_eq!(events, Ok(vec![added(), issued(1)]));
}

#[test]
fn scim_needs_a_plan_that_has_it() {
    let text = when([created(Plan::Basic), configured(false)], enable(false)).unwrap_err();
    assert!(text.contains("basic plan"), "{text}");
}

#[test]
fn just_in_time_creation_must_be_off_or_is_switched_off_on_request() {
    let given = [created(Plan::Enterprise), configured(true)];
    assert!(when(given.clone(), enable(false)).unwrap_err().contains("just-in-time"));
    let off = WorkspaceEvent::JitSwitchedOff { portal: Portal::Store };
    assert_eq!(when(given, enable(true)), Ok(vec![off, added(), issued(1)]));
}

#[test]
fn saml_stays_and_just_in_time_stays_off_while_scim_manages_the_portal() {
    let remove = WorkspaceCommand::RemoveSaml { portal: Portal::Store };
    assert!(when(enabled(), remove).unwrap_err().contains("while SCIM manages"));
    let jit = WorkspaceCommand::ConfigureSaml { portal: Portal::Store, saml: saml(), jit: true };
    assert!(when(enabled(), jit).unwrap_err().contains("while SCIM manages"));
}

#[test]
fn two_tokens_are_live_at_a_time() {
    let issue = |number| WorkspaceCommand::IssueToken { connector: store(), token: token(number) };
    assert_eq!(when(enabled(), issue(2)), Ok(vec![issued(2)]));
    let two = enabled().into_iter().chain([issued(2)]);
    assert!(when(two.clone(), issue(3)).unwrap_err().contains("revoke one"));
    let revoked =
        WorkspaceEvent::TokenRevoked { connector: store(), token: TokenId(Uuid::from_u128(1)) };
    assert_eq!(when(two.chain([revoked]), issue(3)), Ok(vec![issued(3)]));
}

#[test]
fn a_downgrade_pauses_and_an_upgrade_resumes_what_it_paused() {
    let plan = |plan| WorkspaceCommand::Change { name: None, plan: Some(plan) };
    let paused = WorkspaceEvent::ConnectorPaused { connector: store(), because: Paused::Plan };
    let down = vec![WorkspaceEvent::PlanChanged { plan: Plan::Basic }, paused];
    assert_eq!(when(enabled(), plan(Plan::Basic)), Ok(down.clone()));
    let up = vec![
        WorkspaceEvent::PlanChanged { plan: Plan::Enterprise },
        WorkspaceEvent::ConnectorResumed { connector: store() },
    ];
    let given: Vec<_> = enabled().into_iter().chain(down).collect();
    assert_eq!(when(given.clone(), plan(Plan::Enterprise)), Ok(up));
    let resume = WorkspaceCommand::ChangeConnector {
        connector: store(),
        state: Some(ConnectorState::Active),
        idp: None,
    };
    assert!(when(given, resume).unwrap_err().contains("basic plan"));
}

#[test]
fn what_a_person_pauses_after_a_downgrade_stays_paused_after_an_upgrade() {
    let plan = |plan| WorkspaceEvent::PlanChanged { plan };
    let paused = |because| WorkspaceEvent::ConnectorPaused { connector: store(), because };
    let down = enabled().into_iter().chain([plan(Plan::Basic), paused(Paused::Plan)]);
    let pause = || WorkspaceCommand::ChangeConnector {
        connector: store(),
        state: Some(ConnectorState::Paused),
        idp: None,
    };
    assert_eq!(when(down.clone(), pause()), Ok(vec![paused(Paused::Hand)]));
    let by_hand = down.chain([paused(Paused::Hand)]);
    assert_eq!(when(by_hand.clone(), pause()), Ok(vec![]));
    let up = WorkspaceCommand::Change { name: None, plan: Some(Plan::Enterprise) };
    assert_eq!(when(by_hand, up), Ok(vec![plan(Plan::Enterprise)]));
}

#[test]
fn a_rule_must_fit_its_portal_and_its_policy_must_exist() {
    let set = |on_deactivate, policy| WorkspaceCommand::SetProvisioning {
        connector: store(),
        provisioning: Provisioning { on_deactivate, policy, ..Provisioning::default() },
    };
    let text = when(enabled(), set(OnDeactivate::Unassign, None)).unwrap_err();
    assert!(text.contains("only the mdm portal"), "{text}");
    let text = when(enabled(), set(OnDeactivate::RemoveUser, Some(POLICY))).unwrap_err();
    assert!(text.contains("change_policy only"), "{text}");
    assert_eq!(when(enabled(), set(OnDeactivate::Nothing, None)), Ok(vec![]));
}

#[test]
fn the_rule_in_force_knows_where_it_was_set() {
    let mut es = Es::<Workspace>::default();
    let provisioning =
        Provisioning { on_deactivate: OnDeactivate::RemoveUser, ..Provisioning::default() };
    let set =
        WorkspaceEvent::ProvisioningSet { connector: store(), provisioning: provisioning.clone() };
    for (event, position) in enabled().into_iter().chain([set]).zip(10..) {
        es.replay(&event, &Stamp { position, version: position - 9, at: 0 });
    }
    let rule = &es.state.connectors[&store()].rule;
    assert_eq!((rule.position, &rule.provisioning), (14, &provisioning));
    assert!(es.state.claims().is_empty());
}

#[test]
fn a_policy_that_a_rule_uses_stays() {
    let mdm = ConnectorName::parse("mdm").unwrap();
    let given = [
        created(Plan::Enterprise),
        WorkspaceEvent::PolicyAdded { policy: POLICY, name: "Locked".into() },
        WorkspaceEvent::ConnectorAdded {
            connector: mdm.clone(),
            portal: Portal::Mdm,
            idp: Idp::Entra,
        },
        WorkspaceEvent::ProvisioningSet {
            connector: mdm,
            provisioning: Provisioning {
                on_deactivate: OnDeactivate::ChangePolicy,
                policy: Some(POLICY),
                ..Provisioning::default()
            },
        },
    ];
    let remove = || WorkspaceCommand::RemovePolicy { policy: POLICY };
    assert!(when(given.clone(), remove()).unwrap_err().contains("change the rule first"));
    let removed = WorkspaceEvent::PolicyRemoved { policy: POLICY };
    assert_eq!(when(given[..2].to_vec(), remove()), Ok(vec![removed]));
}

#[test]
fn rule_16_a_portal_may_require_groups_to_enter() {
    let groups = |lines: &[&[&str]]| {
        let line = |line: &&[&str]| line.iter().map(|name| (*name).to_owned()).collect();
        GroupFilter { lines: lines.iter().map(line).collect() }
    };
    let set = |lines| WorkspaceCommand::SetAccess { portal: Portal::Store, groups: groups(lines) };
    let is_set = |lines| WorkspaceEvent::AccessSet { portal: Portal::Store, groups: groups(lines) };
    let board: &[&[&str]] = &[&["Board"]];
    assert_eq!(when(enabled(), set(board)), Ok(vec![is_set(board)]));
    let given: Vec<_> = enabled().into_iter().chain([is_set(board)]).collect();
    assert_eq!(when(given.clone(), set(board)), Ok(vec![]));
    assert_eq!(when(given.clone(), set(&[])), Ok(vec![is_set(&[])]));
    let given: Vec<_> = given.into_iter().chain([is_set(&[])]).collect();
    assert_eq!(when(given, set(&[])), Ok(vec![]));
    let text = BadGroupFilter::EmptyLine(0).to_string();
    assert_eq!(when(enabled(), set(&[&[]])), Err(text));
}

#[test]
fn an_attribute_mapping_is_set_once_and_belongs_to_a_connector() {
    let mapping = |setting| serde_json::from_value(setting).unwrap();
    let set = |connector, setting| WorkspaceCommand::SetAttributeMapping {
        connector,
        mapping: mapping(setting),
    };
    let title = || json!([{"name": "honour", "attributes": [{"key": "title"}]}]);
    let fact =
        || WorkspaceEvent::AttributeMappingSet { connector: store(), mapping: mapping(title()) };
    assert_eq!(when(enabled(), set(store(), title())), Ok(vec![fact()]));
    let given: Vec<_> = enabled().into_iter().chain([fact()]).collect();
    assert_eq!(when(given.clone(), set(store(), title())), Ok(vec![]));
    let none =
        WorkspaceEvent::AttributeMappingSet { connector: store(), mapping: mapping(json!([])) };
    assert_eq!(when(given, set(store(), json!([]))), Ok(vec![none]));
    let text = when(enabled(), set(store(), json!([{"name": "", "attributes": []}]))).unwrap_err();
    assert!(text.starts_with("[0].name"), "{text}");
    let unknown = ConnectorName::parse("mdm").unwrap();
    assert!(when(enabled(), set(unknown, title())).unwrap_err().contains("no connector"));
}

#[test]
fn rule_19_the_first_sight_of_an_attribute_is_recorded_once_and_within_bounds() {
    let seen = |keys: &[&str]| -> Vec<SeenAttribute> {
        let named = |&key: &&str| SeenAttribute { namespace: "urn:x".into(), key: key.into() };
        keys.iter().map(named).collect()
    };
    let see = |attributes| WorkspaceCommand::SeeAttributes { connector: store(), attributes };
    let fact = |attributes| WorkspaceEvent::AttributesSeen { connector: store(), attributes };
    let long = "k".repeat(501);
    let first = fact(seen(&["a", "b"]));
    assert_eq!(when(enabled(), see(seen(&["b", "a", "b", &long]))), Ok(vec![first.clone()]));
    let given: Vec<_> = enabled().into_iter().chain([first]).collect();
    assert_eq!(when(given.clone(), see(seen(&["a"]))), Ok(vec![]));
    assert_eq!(when(given.clone(), see(seen(&["a", "A"]))), Ok(vec![fact(seen(&["A"]))]));

    let number = |number: usize| format!("{number:05}");
    let many: Vec<_> = (0..SEEN_MAX).map(number).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let kept = when(given.clone(), see(seen(&many))).unwrap();
    assert_eq!(kept, [fact(seen(&many[..SEEN_MAX - 2]))]);
    let given: Vec<_> = given.into_iter().chain(kept).collect();
    assert_eq!(when(given, see(seen(&["c"]))), Ok(vec![]));
}

#[test]
fn rule_5_a_connector_is_removed_for_ever_and_its_name_with_it() {
    for people in People::ALL {
        let remove = || WorkspaceCommand::RemoveConnector { connector: store(), people };
        let removed = WorkspaceEvent::ConnectorRemoved { connector: store(), people };
        assert_eq!(when(enabled(), remove()), Ok(vec![removed.clone()]));
        let given: Vec<_> = enabled().into_iter().chain([removed]).collect();
        let text = when(given.clone(), remove()).unwrap_err();
        assert!(text.contains("no connector named store"), "{text}");
        let text = when(given.clone(), enable(false)).unwrap_err();
        assert!(text.contains("its record is kept"), "{text}");
        let issue = WorkspaceCommand::IssueToken { connector: store(), token: token(2) };
        assert!(when(given.clone(), issue).is_err());
        // Rule 4: nothing manages the portal any more.
        let remove = WorkspaceCommand::RemoveSaml { portal: Portal::Store };
        let gone = WorkspaceEvent::SamlRemoved { portal: Portal::Store };
        assert_eq!(when(given, remove), Ok(vec![gone]));
    }
}

#[test]
fn a_removed_connector_leaves_its_rule_and_its_place() {
    let mut es = Es::<Workspace>::default();
    let provisioning =
        Provisioning { on_deactivate: OnDeactivate::RemoveUser, ..Provisioning::default() };
    let set =
        WorkspaceEvent::ProvisioningSet { connector: store(), provisioning: provisioning.clone() };
    let people = People::Deactivate;
    let removed = WorkspaceEvent::ConnectorRemoved { connector: store(), people };
    for (event, position) in enabled().into_iter().chain([set, removed]).zip(10..) {
        es.replay(&event, &Stamp { position, version: position - 9, at: 0 });
    }
    assert!(es.state.connectors.is_empty());
    let known = &es.state.removed[&store()];
    assert_eq!((known.portal, known.people, known.position), (Portal::Store, people, 15));
    assert_eq!(known.rule.provisioning, provisioning);
}

#[test]
fn an_event_is_skipped_once() {
    let skip = Skip {
        projection: "directory".into(),
        kind: "user".into(),
        stream: Uuid::from_u128(7),
        position: 42,
    };
    let command = |reason: &str| WorkspaceCommand::SkipEvent {
        skip: skip.clone(),
        reason: reason.to_owned(),
    };
    let reason = "it is damaged".to_owned();
    let skipped = WorkspaceEvent::EventSkipped { skip: skip.clone(), reason };
    assert_eq!(when(enabled(), command("it is damaged")), Ok(vec![skipped.clone()]));
    let events: Vec<_> = enabled().into_iter().chain([skipped.clone()]).collect();
    assert_eq!(when(events.clone(), command("again")), Ok(vec![]));
    // Taken back once, it may be skipped anew.
    let back = || WorkspaceCommand::UnskipEvent { skip: skip.clone() };
    let unskipped = WorkspaceEvent::EventUnskipped { skip: skip.clone() };
    assert_eq!(when(enabled(), back()), Ok(vec![]));
    assert_eq!(when(events.clone(), back()), Ok(vec![unskipped.clone()]));
    let events: Vec<_> = events.into_iter().chain([unskipped]).collect();
    assert_eq!(when(events, command("it is damaged")), Ok(vec![skipped]));
}

#[test]
fn the_provisioning_log_is_kept_for_days_and_bodies_for_hours() {
    let keep = |days| when(enabled(), WorkspaceCommand::KeepProvisioningLog { days });
    assert_eq!(keep(365), Ok(vec![WorkspaceEvent::ProvisioningLogKept { days: 365 }]));
    assert_eq!(keep(90), Ok(vec![]), "that is what it is");
    let mut es = Es::<Workspace>::default();
    let closed = WorkspaceEvent::Closed { gave_up: None };
    for event in
        enabled().into_iter().chain([WorkspaceEvent::ProvisioningLogKept { days: 365 }, closed])
    {
        es.replay(&event, &Stamp::default());
    }
    assert!(!es.state.open && es.state.provisioning_log_days() == 365, "also when it is closed");
    for bad in [0, 3_651] {
        assert_eq!(keep(bad), Err("days: must be a number from 1 to 3650".to_owned()));
    }

    let (hour, now) = (3_600_000_000, 1_000);
    let kept = |until| WorkspaceEvent::BodiesKept { connector: store(), until };
    let bodies = |given: Option<WorkspaceEvent>, until| {
        let command = WorkspaceCommand::KeepBodies { connector: store(), until, now };
        when(enabled().into_iter().chain(given), command)
    };
    let day = Some(now + 24 * hour);
    assert_eq!(bodies(None, day), Ok(vec![kept(day)]));
    assert_eq!(bodies(Some(kept(day)), day), Ok(vec![]));
    assert_eq!(bodies(Some(kept(day)), None), Ok(vec![kept(None)]));
    assert_eq!(bodies(Some(kept(Some(now))), None), Ok(vec![]), "it has passed");
    let refused = "bodies_until: must lie ahead; to keep no more bodies, leave it out";
    assert_eq!(bodies(None, Some(now)), Err(refused.to_owned()), "it has passed");
    let refused = Err("bodies_until: must be at most 24 hours ahead".to_owned());
    assert_eq!(bodies(None, day.map(|it| it + 1)), refused);
}
