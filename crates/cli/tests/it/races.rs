//! Requests that speak of the same people at the same time, in every order that may be: in the end
//! a group has the members whom the requests name and who are there, and no others.

use std::collections::BTreeSet;

use serde_json::json;
use testkit::{
    Client, Random, Server, all_ended, record, scim,
    setup::{self, Connector},
    together,
};

use crate::{WORKSPACE, get, mdm, start_with_workspace};

const PEOPLE: usize = 40;

struct Scene {
    server: Server,
    api: Client,
    connector: Connector,
    group: String,
}

impl Scene {
    async fn set() -> Self {
        let (server, mut api) = start_with_workspace().await;
        let rule = setup::create_and("remove_user");
        let connector = setup::connector(&mut api, WORKSPACE, "store", "okta", rule).await.unwrap();
        let mut client = connector.client().unwrap();
        let group = client.post("/Groups", scim::group("Everybody", &[])).await.unwrap();
        let group = group.made().unwrap();
        Self { server, api, connector, group }
    }

    /// The members once everything that follows from the requests has happened; the directory shows
    /// them as the API does.
    async fn members(&mut self) -> BTreeSet<String> {
        let path = format!("/workspaces/{WORKSPACE}/groups/{}/members?limit=1000", self.group);
        let members = self.api.get(&path).await.unwrap().expect(200).unwrap();
        let members = members["items"].as_array().unwrap().iter();
        let members: BTreeSet<_> =
            members.map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        let shown =
            scim::members(&mut self.connector.client().unwrap(), &self.group).await.unwrap();
        assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), members);
        members
    }

    async fn pending(&mut self) -> usize {
        let path = format!("/workspaces/{WORKSPACE}/groups/{}/pending?limit=1000", self.group);
        let pending = self.api.get(&path).await.unwrap().expect(200).unwrap();
        pending["items"].as_array().unwrap().len()
    }

    async fn create(&self, count: usize) -> Vec<String> {
        let create = |index: usize| {
            let connector = self.connector.clone();
            async move { connector.client()?.post("/Users", person(index)).await?.made() }
        };
        together((0..count).map(create)).await.unwrap()
    }
}

fn person(index: usize) -> serde_json::Value {
    let mut user = scim::user(&format!("person{index}@acme.example"));
    user["externalId"] = json!(format!("external-{index}"));
    user
}

#[tokio::test]
async fn members_who_arrive_while_they_are_added_become_members_whatever_comes_first() {
    let mut scene = Scene::set().await;
    let add = |index: usize| {
        let (connector, group) = (scene.connector.clone(), scene.group.clone());
        // By what else they are called: their ids are not known before they are there.
        let names = [format!("external-{index}"), format!("PERSON{index}@acme.example")];
        let value = names[index % 2].clone();
        async move {
            let patch = scim::patch(json!([scim::add(&[value])]));
            connector.client()?.patch(&format!("/Groups/{group}"), patch).await?.expect(204)?;
            Ok(None)
        }
    };
    let create = |index: usize| {
        let connector = scene.connector.clone();
        async move { Ok(Some(connector.client()?.post("/Users", person(index)).await?.made()?)) }
    };
    let mut both: Vec<std::pin::Pin<Box<dyn Future<Output = _> + Send>>> = Vec::new();
    for index in 0..PEOPLE {
        both.push(Box::pin(add(index)));
        both.push(Box::pin(create(index)));
        // In another order each time.
        let last = both.len() - 1;
        let other = Random::new(index as u64).below(both.len());
        both.swap(last, other);
    }
    let ids: BTreeSet<String> = together(both).await.unwrap().into_iter().flatten().collect();
    assert_eq!(ids.len(), PEOPLE);
    assert_eq!(scene.members().await, ids);
    assert_eq!(scene.pending().await, 0);
}

#[tokio::test]
async fn members_who_are_deleted_while_they_are_added_are_no_members() {
    let mut scene = Scene::set().await;
    let people = scene.create(PEOPLE).await;
    let race = |(index, id): (usize, String)| {
        let (connector, group) = (scene.connector.clone(), scene.group.clone());
        async move {
            let (mut one, mut other) = (connector.client()?, connector.client()?);
            let patch = scim::patch(json!([scim::add(std::slice::from_ref(&id))]));
            let (group, user) = (format!("/Groups/{group}"), format!("/Users/{id}"));
            let add = one.patch(&group, patch);
            if index % 4 == 0 {
                add.await?.expect(204)?;
                return Ok(Some(id));
            }
            let (added, deleted) = tokio::join!(add, other.delete(&user));
            added?.expect(204)?;
            deleted?.expect(204)?;
            Ok(None)
        }
    };
    let stay = together(people.into_iter().enumerate().map(race)).await.unwrap();
    let stay: BTreeSet<_> = stay.into_iter().flatten().collect();
    assert_eq!(scene.members().await, stay);
}

#[tokio::test]
async fn a_user_who_is_deleted_and_brought_again_and_again_is_there_once() {
    let mut scene = Scene::set().await;
    let come_and_go = |_: usize| {
        let connector = scene.connector.clone();
        async move {
            let mut client = connector.client()?;
            for _ in 0..6 {
                let answer = client.post("/Users", person(0)).await?;
                if answer.status == 409 {
                    answer.expect_scim_error(409, Some("uniqueness"))?;
                    continue;
                }
                let id = answer.made()?;
                let deleted = client.delete(&format!("/Users/{id}")).await?;
                deleted.expect(204)?;
            }
            Ok(())
        }
    };
    together((0..8).map(come_and_go)).await.unwrap();
    let mut client = scene.connector.client().unwrap();
    let id = client.post("/Users", person(0)).await.unwrap().made().unwrap();
    let users = scim::all(&mut client, "/Users").await.unwrap();
    assert_eq!(users.iter().map(|user| &user["id"]).collect::<Vec<_>>(), [id.as_str()]);
    let accounts = format!("/workspaces/{WORKSPACE}/employees");
    let accounts = scene.api.get(&accounts).await.unwrap().expect(200).unwrap();
    assert_eq!(accounts["items"].as_array().unwrap().len(), 1, "{accounts}");
    assert_eq!(accounts["items"][0]["account"], "active");
    record::Record::whole(&mut scene.api, WORKSPACE).await.unwrap();
}

#[tokio::test]
async fn somebody_who_is_invited_while_scim_brings_them_is_one_person_with_one_account() {
    let mut scene = Scene::set().await;
    let race = |index: usize| {
        let (connector, api) = (scene.connector.clone(), scene.server.api());
        async move {
            let (mut scim, mut api) = (connector.client()?, api?);
            let invited = json!({ "user_name": format!("Person{index}@acme.example") });
            let path = format!("/workspaces/{WORKSPACE}/employees");
            let (scim, hand) =
                tokio::join!(scim.post("/Users", person(index)), api.post(&path, invited));
            let (id, hand) = (scim?.made()?, hand?);
            // Whoever comes second finds the account, or the person, of the first.
            anyhow::ensure!([201, 409].contains(&hand.status), "{hand:?}");
            Ok(id)
        }
    };
    let ids = together((0..PEOPLE).map(race)).await.unwrap();
    let path = format!("/workspaces/{WORKSPACE}/employees?account=any&limit=1000");
    let accounts = scene.api.get(&path).await.unwrap().expect(200).unwrap();
    let accounts = accounts["items"].as_array().unwrap();
    assert_eq!(accounts.len(), PEOPLE);
    assert!(accounts.iter().all(|account| account["account"] == "active"));
    let entries = accounts.iter().map(|it| it["scim"][0]["id"].as_str().unwrap().to_owned());
    assert_eq!(entries.collect::<BTreeSet<_>>(), ids.into_iter().collect());
}

#[tokio::test]
async fn nobody_who_is_gone_keeps_a_device_that_was_assigned_to_them_meanwhile() {
    let (server, mut api, connector) = mdm("remove_user").await;
    let race = |index: usize| {
        let (connector, api) = (connector.clone(), server.api());
        async move {
            let (mut scim, mut api) = (connector.client()?, api?);
            let id = scim.post("/Users", person(index)).await?.made()?;
            let device = setup::device(&mut api, WORKSPACE, &format!("s{index}"), None).await?;
            let path = format!("/workspaces/{WORKSPACE}/mdm/devices/{device}");
            let user = format!("/Users/{id}");
            let (off, assigned) = tokio::join!(
                scim.patch(&user, scim::active(false)),
                api.patch(&path, json!({ "user": id })),
            );
            off?.expect(200)?;
            let assigned = assigned?;
            anyhow::ensure!([200, 409].contains(&assigned.status), "{assigned:?}");
            Ok(assigned.status == 200)
        }
    };
    let assigned = together((0..PEOPLE).map(race)).await.unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    let devices = get(&mut api, "/mdm/devices?limit=1000").await;
    let devices = devices["items"].as_array().unwrap();
    assert!(devices.iter().all(|device| device["user"].is_null()), "{devices:#?}");
    let accounts = get(&mut api, "/mdm/users?limit=1000").await;
    assert_eq!(accounts["items"], json!([]), "an account is left");
    let record = record::Record::whole(&mut api, WORKSPACE).await.unwrap();
    let unassigned = record.of("device.unassigned").count();
    assert_eq!(unassigned, assigned.iter().filter(|assigned| **assigned).count());
}

#[tokio::test]
async fn a_group_that_is_deleted_while_members_are_added_is_gone() {
    let mut scene = Scene::set().await;
    let people = scene.create(PEOPLE).await;
    let add = |(index, id): (usize, String)| {
        let (connector, group) = (scene.connector.clone(), scene.group.clone());
        async move {
            let mut client = connector.client()?;
            let path = format!("/Groups/{group}");
            if index == PEOPLE / 2 {
                return client.delete(&path).await?.expect(204).map(drop);
            }
            let answer = client.patch(&path, scim::patch(json!([scim::add(&[id])]))).await?;
            anyhow::ensure!([204, 404].contains(&answer.status), "{answer:?}");
            Ok(())
        }
    };
    together(people.iter().cloned().enumerate().map(add)).await.unwrap();
    let mut client = scene.connector.client().unwrap();
    let path = format!("/Groups/{}", scene.group);
    client.get(&path).await.unwrap().expect_scim_error(404, None).unwrap();
    for id in &people {
        let user = client.get(&format!("/Users/{id}")).await.unwrap().expect(200).unwrap();
        assert_eq!(user.get("groups"), None);
    }
    // Its name is free again.
    let again = client.post("/Groups", scim::group("everybody", &people)).await.unwrap();
    scene.group = again.made().unwrap();
    assert_eq!(scene.members().await, people.into_iter().collect());
}
