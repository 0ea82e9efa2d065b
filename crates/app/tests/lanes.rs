//! Lanes over a real log: what waits together is stored together, and each command has its own
//! answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::sync::Arc;

use app::{DispatchError, Lanes, Order};
use domain::{
    Portal,
    group::{Group, GroupCommand, MemberOp, MemberRef, Operation},
    ids::{ConnectorName, EntryId, MemberId, OffboardingId},
    user::{User, UserCommand, Via},
};
use event_log::{EventLog, ManualClock, Meta, SqliteLog, WorkspaceId};
use futures_util::{FutureExt, future::join_all};
use scim::{
    patch,
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::json;
use uuid::Uuid;

const CACHE: u64 = 1 << 20;

fn acme() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

fn okta() -> ConnectorName {
    ConnectorName::parse("okta").unwrap()
}

fn log() -> Arc<SqliteLog> {
    SqliteLog::temporary(Arc::new(ManualClock::at(1))).unwrap()
}

fn groups(log: &Arc<SqliteLog>) -> Arc<Lanes<Group>> {
    Lanes::new(Arc::clone(log) as _, Arc::new(ManualClock::at(1)), CACHE)
}

fn users(log: &Arc<SqliteLog>) -> Arc<Lanes<User>> {
    Lanes::new(Arc::clone(log) as _, Arc::new(ManualClock::at(1)), CACHE)
}

fn order<D: domain::Decider>(id: u128, command: D::Command) -> Order<D> {
    let meta = Meta { actor: "test".into(), ..Meta::default() };
    Order { workspace: acme(), id: Uuid::from_u128(id), command, meta }
}

fn create_group() -> GroupCommand {
    let body = json!({ "displayName": "Sales" });
    let resource = Resource::parse(Kind::Group, body, Catalogue::standard()).unwrap().resource;
    GroupCommand::Create { portal: Portal::Store, connector: okta(), resource, members: vec![] }
}

fn add(number: u128) -> GroupCommand {
    let id = Uuid::from_u128(number);
    let member = MemberRef { value: id.to_string(), known: Some(MemberId(id)) };
    GroupCommand::Patch {
        via: domain::group::Via::new(okta()),
        operations: vec![Operation::Members(MemberOp::Add(vec![member]))],
        options: patch::Options::default(),
    }
}

fn user(name: &str) -> Resource {
    let body = json!({ "userName": name, "active": true });
    Resource::parse(Kind::User, body, Catalogue::standard()).unwrap().resource
}

fn via() -> Via {
    Via::new(okta(), Arc::default(), OffboardingId::default())
}

fn provision(id: u128, name: &str) -> UserCommand {
    let entry = EntryId(Uuid::from_u128(id));
    UserCommand::Provision { portal: Portal::Store, via: via(), entry, resource: user(name) }
}

fn set(id: u128, path: &str, value: &str) -> UserCommand {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": path, "value": value }],
    });
    let request = patch::Request::parse(body, Kind::User, Catalogue::standard()).unwrap();
    let entry = EntryId(Uuid::from_u128(id));
    let options = patch::Options::default();
    UserCommand::Patch { via: via(), entry, request, options }
}

#[tokio::test]
async fn additions_that_wait_for_one_group_are_all_stored() {
    let log = log();
    let lanes = groups(&log);
    lanes.dispatch(order(1, create_group())).await.unwrap();
    let additions = (10..210).map(|number| lanes.dispatch(order(1, add(number))));
    let answers = join_all(additions).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().receipt.is_some()));
    let group = lanes.load(&acme(), Uuid::from_u128(1)).await.unwrap();
    assert_eq!(group.state.0.as_ref().unwrap().members.len(), 200);
    assert_eq!(log.head(&acme()), 201);

    let replayed = groups(&log).load(&acme(), Uuid::from_u128(1)).await.unwrap();
    assert_eq!(replayed, group, "what is cached is what the log says");
}

#[tokio::test]
async fn a_rename_to_a_taken_name_fails_alone() {
    let log = log();
    let lanes = users(&log);
    lanes.dispatch(order(1, provision(1, "ada"))).await.unwrap();
    lanes.dispatch(order(2, provision(2, "bob"))).await.unwrap();
    let orders = [
        set(1, "title", "a"),
        set(1, "userName", "BOB"),
        set(1, "nickName", "b"),
        set(1, "displayName", "c"),
    ];
    let answers = join_all(orders.map(|command| lanes.dispatch(order(1, command)))).await;
    let taken = |answer: &Result<_, DispatchError<_>>| matches!(answer, Err(DispatchError::ClaimTaken { claim, .. }) if claim.scope == "entry:okta");
    assert_eq!(answers.iter().map(taken).collect::<Vec<_>>(), [false, true, false, false]);
    let ada = lanes.load(&acme(), Uuid::from_u128(1)).await.unwrap();
    let resource = &ada.state.entries[&okta()].resource;
    let expected = json!({
        "userName": "ada", "active": true, "title": "a", "nickName": "b", "displayName": "c",
    });
    assert_eq!(serde_json::to_value(resource).unwrap(), expected);
    let replayed = users(&log).load(&acme(), Uuid::from_u128(1)).await.unwrap();
    assert_eq!(replayed, ada);
}

#[tokio::test]
async fn two_writers_of_one_stream_decide_again_on_what_the_other_stored() {
    let log = log();
    let (one, two) = (groups(&log), groups(&log));
    one.dispatch(order(1, create_group())).await.unwrap();
    for number in 10..20 {
        one.dispatch(order(1, add(number))).await.unwrap();
        two.dispatch(order(1, add(number + 100))).await.unwrap();
    }
    let group = groups(&log).load(&acme(), Uuid::from_u128(1)).await.unwrap();
    assert_eq!(group.state.0.as_ref().unwrap().members.len(), 20);
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_nothing_about_what_is_stored() {
    let log = log();
    let lanes = groups(&log);
    let hung_up = lanes.dispatch(order(1, create_group()));
    assert!(hung_up.now_or_never().is_none(), "the answer takes a while");
    lanes.dispatch(order(1, add(10))).await.unwrap();
    assert_eq!(log.head(&acme()), 2);
}

#[tokio::test]
async fn what_changes_nothing_is_not_stored() {
    let log = log();
    let lanes = groups(&log);
    lanes.dispatch(order(1, create_group())).await.unwrap();
    lanes.dispatch(order(1, add(10))).await.unwrap();
    let again = lanes.dispatch(order(1, add(10))).await.unwrap();
    assert_eq!((again.receipt, again.es.version, log.head(&acme())), (None, 2, 2));
}

/// What a policy does: it hears of an event as soon as the log has it, and looks at the aggregate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_seen_an_event_in_the_log_reads_a_state_that_has_it() {
    let log = log();
    let lanes = groups(&log);
    lanes.dispatch(order(1, create_group())).await.unwrap();
    let reader = tokio::spawn({
        let (log, lanes, mut ticks) = (Arc::clone(&log), Arc::clone(&lanes), log.watch());
        async move {
            loop {
                let head = log.head(&acme());
                let version = lanes.load(&acme(), Uuid::from_u128(1)).await.unwrap().version;
                assert!(version >= head, "read version {version} after position {head}");
                if head > 300 {
                    return;
                }
                ticks.changed().await.unwrap();
            }
        }
    });
    for number in 10..310 {
        lanes.dispatch(order(1, add(number))).await.unwrap();
    }
    reader.await.unwrap();
}
