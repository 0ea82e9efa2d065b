//! Many clients on one group: nobody's member is lost.
//!
//! Losing members under parallel `PATCH`es is the bug that SCIM servers are known for. The tests know
//! that they would see it: a client that reads, changes and writes back the whole list loses some.

use std::collections::BTreeSet;

use anyhow::Context;
use serde_json::{Value, json};
use testkit::{
    Client, Random, Server, record, scim,
    setup::{self, Connector},
    together,
};

use crate::{WORKSPACE, start_with_workspace};

const CLIENTS: usize = 50;

/// A server, a connector, a group without members and people to put into it.
struct Scene {
    _server: Server,
    api: Client,
    connector: Connector,
    group: String,
    people: Vec<String>,
}

impl Scene {
    async fn set(people: usize) -> Self {
        let (server, mut api) = start_with_workspace().await;
        let rule = json!({ "on_create": "create" });
        let connector = setup::connector(&mut api, WORKSPACE, "store", "entra", rule).await;
        let connector = connector.unwrap();
        let mut client = connector.client().unwrap();
        let group = client.post("/Groups", scim::group("Everybody", &[])).await.unwrap();
        let group = group.made().unwrap();
        let create = |index: usize| {
            let connector = connector.clone();
            async move {
                let user = scim::user(&format!("person{index}@acme.example"));
                connector.client()?.post("/Users", user).await?.made()
            }
        };
        let people = together((0..people).map(create)).await.unwrap();
        Self { _server: server, api, connector, group, people }
    }

    /// Sends each PATCH over a connection of its own, all at the same time.
    async fn patch_all(&self, patches: Vec<Value>) {
        let path = format!("/Groups/{}", self.group);
        let send = |patch: Value| {
            let (connector, path) = (self.connector.clone(), path.clone());
            async move {
                let answer = connector.client()?.patch(&path, patch).await?;
                answer.expect(204).map(drop)
            }
        };
        together(patches.into_iter().map(send)).await.unwrap();
    }

    async fn members(&self) -> BTreeSet<String> {
        let mut client = self.connector.client().unwrap();
        let members = scim::members(&mut client, &self.group).await.unwrap();
        let set: BTreeSet<_> = members.iter().cloned().collect();
        assert_eq!(set.len(), members.len(), "a member is listed twice");
        set
    }

    fn all(&self) -> BTreeSet<String> {
        self.people.iter().cloned().collect()
    }
}

#[tokio::test]
async fn fifty_parallel_additions_make_fifty_members() {
    let mut scene = Scene::set(CLIENTS).await;
    let add = |id: &String| scim::patch(json!([scim::add(std::slice::from_ref(id))]));
    scene.patch_all(scene.people.iter().map(add).collect()).await;
    assert_eq!(scene.members().await, scene.all());

    // Each was recorded once, and said again it is not recorded at all.
    let record = record::Record::whole(&mut scene.api, WORKSPACE).await.unwrap();
    let added = record.of("group.members_added");
    let added = added.flat_map(|event| event.json["data"]["members"].as_array().unwrap().clone());
    assert_eq!(added.count(), CLIENTS);
    scene.patch_all(scene.people.iter().map(add).collect()).await;
    let head = record::head(&mut scene.api, WORKSPACE).await.unwrap();
    assert_eq!(head, record.events.len() as u64);
}

#[tokio::test]
async fn a_client_that_writes_back_the_whole_list_loses_members_and_the_test_sees_it() {
    let scene = Scene::set(CLIENTS).await;
    let path = format!("/Groups/{}", scene.group);
    let read = |id: String| {
        let (connector, path) = (scene.connector.clone(), path.clone());
        async move {
            let mut client = connector.client()?;
            let mut group = client.get(&path).await?.expect(200)?;
            let members = group.as_object_mut().context("no group")?;
            let members = members.entry("members").or_insert_with(|| json!([]));
            members.as_array_mut().context("no list")?.push(json!({ "value": id }));
            Ok((client, group))
        }
    };
    // All have read before the first one writes: the worst case, and not one of luck.
    let readers = together(scene.people.iter().cloned().map(read)).await.unwrap();
    let write = |(mut client, group): (Client, Value)| {
        let path = path.clone();
        async move { client.put(&path, group).await?.expect(200).map(drop) }
    };
    together(readers.into_iter().map(write)).await.unwrap();
    assert_eq!(scene.members().await.len(), 1, "each write replaced what the others wrote");
}

#[tokio::test]
async fn additions_and_removals_at_the_same_time_leave_exactly_who_was_not_removed() {
    let scene = Scene::set(2 * CLIENTS).await;
    let (stay, go) = scene.people.split_at(CLIENTS);
    scene.patch_all(vec![scim::patch(json!([scim::add(go)]))]).await;

    // In the forms that Entra has: with and without its flag, one and several at a time.
    let mut random = Random::new(1);
    let additions = stay.chunks(2).map(|ids| scim::patch(json!([scim::add(ids)])));
    let removals = go.chunks(2).map(|ids| match random.below(2) {
        0 => {
            let values: Vec<_> = ids.iter().map(|id| json!({ "value": id })).collect();
            scim::patch(json!([{ "op": "Remove", "path": "members", "value": values }]))
        }
        _ => scim::patch(ids.iter().map(|id| scim::remove(id)).collect()),
    });
    let patches = additions.zip(removals).flat_map(|(add, remove)| [add, remove]).collect();
    scene.patch_all(patches).await;
    assert_eq!(scene.members().await, stay.iter().cloned().collect());
}

#[tokio::test]
async fn a_rename_among_parallel_additions_loses_neither() {
    let scene = Scene::set(CLIENTS).await;
    let add = |id: &String| scim::patch(json!([scim::add(std::slice::from_ref(id))]));
    let mut patches: Vec<_> = scene.people.iter().map(add).collect();
    patches.insert(CLIENTS / 2, scim::set("displayName", "All of us"));
    scene.patch_all(patches).await;
    assert_eq!(scene.members().await, scene.all());
    let path = scim::path_eq("/Groups", "displayName", "all of us");
    let found = scene.connector.client().unwrap().get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(found["Resources"][0]["id"], scene.group.as_str());
}
