//! What has to be true after the last restart, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use testkit::{
    Client, Server,
    record::{self, Event, Record},
    scim, until,
};

use super::worker::{Clients, Worker};
use crate::WORKSPACE;

/// The record: dense, one offboarding for each deactivation, one effect for each action.
pub(super) async fn record(clients: &mut Clients, workers: &[Worker]) -> anyhow::Result<()> {
    let record = Record::whole(&mut clients.api, WORKSPACE).await?;
    let people: Vec<_> = workers.iter().flat_map(|worker| &worker.people).collect();
    ensure!(record.of("user.entry_added").count() == people.len(), "somebody is there twice");
    ensure!(record.of("user.account_granted").count() == people.len(), "an account is missing");
    let gone = people.iter().filter(|it| !it.active || it.deleted).count();
    for kind in ["started", "completed"] {
        let name = format!("user.offboarding_{kind}");
        let count = record.of(&name).count();
        ensure!(count == gone, "{count} offboardings were {kind}, of {gone}");
    }
    ensure!(record.of("user.account_suspended").count() == gone, "an account was not suspended");
    ensure!(record.of("user.account_removed").count() == gone, "an account was not removed");

    // A deactivation and what it opens are one append: neither is there without the other.
    for event in record.of("user.entry_deactivated") {
        let next = record.events.iter().find(|it| it.position == event.position + 1);
        let next = next.context("nothing follows a deactivation")?;
        ensure!(next.kind == "user.offboarding_started", "{next:?} follows {event:?}");
        ensure!(next.stream == event.stream && next.text("request") == event.text("request"));
    }
    actions(&record)
}

/// Each action was requested, sent, acknowledged and confirmed, and had its effect, once.
fn actions(record: &Record) -> anyhow::Result<()> {
    let mut actions: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in record.of("device.action_*") {
        actions.entry(event.data("action")).or_default().push(event);
    }
    ensure!(!actions.is_empty(), "no device was ever to be touched: the test tests nothing");
    for (action, events) in &actions {
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        let steps = ["requested", "sent", "acknowledged", "confirmed"];
        let steps = steps.map(|step| format!("device.action_{step}"));
        ensure!(kinds == steps, "{action}: {kinds:?}");
        ensure!(
            events.iter().all(|event| event.stream == events[0].stream),
            "{action}: {events:?}"
        );
    }
    let planned: BTreeSet<_> = record
        .of("user.offboarding_planned")
        .flat_map(|event| event.json["data"]["actions"].as_array().into_iter().flatten())
        .filter_map(|planned| planned["action"].as_str())
        .collect();
    let requested: BTreeSet<_> = actions.keys().copied().collect();
    ensure!(planned == requested, "planned {planned:?}, requested {requested:?}");

    offboardings(record)?;

    // The effect stands beside its confirmation, in the same append.
    for confirmed in record.of("device.action_confirmed") {
        let after = record
            .events
            .iter()
            .find(|it| it.stream == confirmed.stream && it.version == confirmed.version + 1);
        let effect = after.context("a confirmation without effect")?;
        let known = ["device.unassigned", "device.removed"].contains(&effect.kind.as_str());
        ensure!(known && effect.position == confirmed.position + 1, "{effect:?}");
    }
    let effects = record.of("device.unassigned").count() + record.of("device.removed").count();
    ensure!(effects == actions.len(), "{effects} effects of {} actions", actions.len());
    Ok(())
}

/// An offboarding is completed after the last of its actions, and all of it has the correlation id of
/// the request that opened it.
fn offboardings(record: &Record) -> anyhow::Result<()> {
    let by_id = |kind| {
        let events = record.of(kind).map(|event| (event.data("offboarding"), event));
        events.collect::<BTreeMap<_, _>>()
    };
    let started = by_id("user.offboarding_started");
    let completed = by_id("user.offboarding_completed");
    for requested in record.of("device.action_requested") {
        let (action, offboarding) = (requested.data("action"), requested.data("offboarding"));
        let completed = completed.get(offboarding).context("it is not completed")?;
        let of_action = |event: &&Event| event.data("action") == action;
        for event in record.of("device.action_*").filter(of_action) {
            ensure!(event.position < completed.position, "{completed:?} is before {event:?}");
            let began = started.get(offboarding).context("it was not started")?;
            let same = event.text("correlation") == began.text("correlation");
            ensure!(same, "{event:?} is not correlated with {began:?}");
        }
    }
    Ok(())
}

/// Everything that read models show, of every portal.
async fn everything(clients: &mut Clients) -> anyhow::Result<Value> {
    let mut all = BTreeMap::new();
    for (place, client) in clients.scim.iter_mut().enumerate() {
        for endpoint in ["/Users", "/Groups"] {
            let resources = scim::all(client, endpoint).await?;
            all.insert(format!("{place}{endpoint}"), json!(resources));
        }
    }
    for list in ["employees", "mdm/users", "mdm/devices", "groups", "offboardings", "effects"] {
        let query = if list.contains("users") || list == "employees" { "account=any&" } else { "" };
        let items = pages(&mut clients.api, &format!("{list}?{query}limit=200")).await?;
        all.insert(list.to_owned(), json!(items));
    }
    Ok(json!(all))
}

async fn pages(api: &mut Client, path: &str) -> anyhow::Result<Vec<Value>> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            api.get(&format!("/workspaces/{WORKSPACE}/{path}{cursor}")).await?.expect(200)?;
        items.extend(page["items"].as_array().context("no items")?.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", scim::escape(next)),
            None => return Ok(items),
        }
    }
}

/// The read models are what the log says, and what they show stays the same when they are rebuilt.
pub(super) async fn read_models(server: &Server, clients: &mut Clients) -> anyhow::Result<()> {
    for command in ["verify", "rebuild", "verify"] {
        let before = everything(clients).await?;
        // Builds that a kill has cut off are taken up by the next start, one by one, and there is one at
        // a time.
        let free = until("no other build is under way", async || {
            let (code, text) = server.command(&["projections", command]).await?;
            let is_busy = text.contains("another rebuild or verification is running");
            Ok((!is_busy).then_some((code, text)))
        });
        let (code, text) = free.await?;
        ensure!(code == Some(0), "projections {command}: {text}");
        ensure!(everything(clients).await? == before, "{command} changed what is shown");
    }
    Ok(())
}

/// What the directory shows is what the aggregates are: a change that is none is answered from the
/// aggregate's own state, and a group that is written back as it was read is not recorded.
pub(super) async fn aggregates(clients: &mut Clients, workers: &[Worker]) -> anyhow::Result<()> {
    let head = record::head(&mut clients.api, WORKSPACE).await?;
    for person in workers.iter().flat_map(|it| &it.people).filter(|it| !it.deleted) {
        let client = &mut clients.scim[person.place];
        let path = format!("/Users/{}", person.id);
        let shown = client.get(&path).await?.expect(200)?;
        let is = client.patch(&path, scim::active(person.active)).await?.expect(200)?;
        ensure!(is == shown, "the aggregate is {is}, the directory shows {shown}");
    }
    for client in &mut clients.scim {
        for group in scim::all(client, "/Groups").await? {
            let path = format!("/Groups/{}", group["id"].as_str().unwrap_or_default());
            let written = client.put(&path, group.clone()).await?.expect(200)?;
            ensure!(written == group, "the aggregate is {written}, the directory shows {group}");
        }
    }
    let after = record::head(&mut clients.api, WORKSPACE).await?;
    ensure!(after == head, "what was read and written back was recorded");
    Ok(())
}

/// Every hash is as it was written.
pub(super) async fn sound(server: &mut Server) -> anyhow::Result<()> {
    let code = server.stop().await?;
    ensure!(code == Some(0), "the server ended with {code:?}");
    let directory = server.data_dir_text();
    let (code, text) = server.command(&["audit", "verify", "--data-dir", &directory]).await?;
    ensure!(code == Some(0) && text.contains("all as written"), "{code:?}: {text}");
    Ok(())
}
