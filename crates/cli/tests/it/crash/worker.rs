//! A worker: somebody who provisions people, remembers what was acknowledged, and knows of the one
//! request that was on its way when the server was killed.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use testkit::{Answer, Client, Random, scim, setup::Connector};
use tokio::sync::watch;

use crate::WORKSPACE;

/// A custom attribute that is always set together with the title.
const EXTENSION: &str = "urn:acme:scim:Load:2.0:User";
/// How many people of one group a request adds or removes, at most.
const MEMBERS_MAX: usize = 3;

/// Where a worker sends to.
pub(super) struct Clients {
    pub(super) api: Client,
    pub(super) scim: Vec<Client>,
}

impl Clients {
    pub(super) fn of(api: Client, connectors: &[Connector]) -> anyhow::Result<Self> {
        let scim = connectors.iter().map(Connector::client).collect::<anyhow::Result<_>>()?;
        Ok(Self { api, scim })
    }
}

/// A connector, by its place.
pub(super) type Place = usize;

/// Somebody whom the server has acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) user_name: String,
    pub(super) title: String,
    pub(super) active: bool,
    pub(super) deleted: bool,
    /// Serial numbers.
    pub(super) devices: Vec<String>,
}

/// What a worker may send.
#[derive(Clone, Debug)]
enum Request {
    Create { place: Place, user_name: String, title: String },
    Retitle { person: usize, title: String },
    Members { place: Place, add: BTreeSet<String>, remove: BTreeSet<String> },
    Enrol { person: usize, serial: String },
    Deactivate { person: usize },
    Delete { person: usize },
}

/// See the module.
pub(super) struct Worker {
    name: String,
    random: Random,
    made: usize,
    /// The places of connectors of MDM, and their groups.
    groups: Vec<(Place, String)>,
    pub(super) people: Vec<Person>,
    /// Which of its people it has put into the group of which connector.
    members: Vec<BTreeSet<String>>,
    /// Sent, and not answered.
    doubt: Option<Request>,
    /// Whether the server may say that it is stopping.
    may_stop: bool,
}

impl Worker {
    pub(super) fn new(index: usize, groups: Vec<(Place, String)>) -> Self {
        Self {
            name: format!("w{index}"),
            random: Random::new(index as u64 + 1),
            made: 0,
            members: vec![BTreeSet::new(); groups.len()],
            groups,
            people: Vec::new(),
            doubt: None,
            may_stop: false,
        }
    }

    /// A worker that knows that the server will be asked to stop.
    pub(super) fn at_a_server_that_stops(self) -> Self {
        Self { may_stop: true, ..self }
    }

    /// Sends one request after the other until one is not answered.
    pub(super) async fn work(
        mut self,
        mut clients: Clients,
        acknowledged: watch::Sender<usize>,
    ) -> anyhow::Result<Self> {
        loop {
            let request = self.choose();
            self.doubt = Some(request.clone());
            let Ok(answer) = self.send(&request, &mut clients).await else { return Ok(self) };
            let answer = answer.with_context(|| format!("{request:?}"))?;
            self.happened(&request, &answer);
            self.doubt = None;
            acknowledged.send_modify(|count| *count += 1);
        }
    }

    fn choose(&mut self) -> Request {
        let places: Vec<_> = self.groups.iter().map(|(place, _)| *place).collect();
        let there = self.people.iter().enumerate().filter(|(_, it)| it.active && !it.deleted);
        let there: Vec<_> = there.map(|(index, _)| index).collect();
        let mdm = there.iter().filter(|index| places.contains(&self.people[**index].place));
        let mdm: Vec<_> = mdm.copied().collect();
        let some_mdm = self.random.pick(&mdm).copied();
        let some = self.random.pick(&there).copied();
        self.made += 1;
        let text = format!("{}-{}", self.name, self.made);
        match (self.random.below(16), some_mdm, some) {
            (0..3, Some(person), _) => Request::Retitle { person, title: text },
            (3..7, Some(_), _) => self.change_members(),
            (7..10, Some(person), _) => Request::Enrol { person, serial: text },
            (10..12, Some(person), _) => Request::Deactivate { person },
            (12, _, Some(person)) => Request::Delete { person },
            _ => Request::Create {
                place: self.random.below(self.groups.len() + 1),
                user_name: format!("{text}@acme.example"),
                title: text,
            },
        }
    }

    fn change_members(&mut self) -> Request {
        let index = self.random.below(self.groups.len());
        let place = self.groups[index].0;
        let (members, people) = (&self.members[index], &self.people);
        let outside = people
            .iter()
            .filter(|it| it.place == place && !it.deleted && !members.contains(&it.id));
        let add = outside.take(MEMBERS_MAX).map(|it| it.id.clone()).collect();
        let remove = members.iter().take(self.random.below(MEMBERS_MAX)).cloned().collect();
        Request::Members { place, add, remove }
    }

    /// Sends a request. The outer error is that there was no answer, or that the server is stopping and
    /// does not know what will become of it; the inner one is that the answer was wrong.
    async fn send(
        &self,
        request: &Request,
        clients: &mut Clients,
    ) -> anyhow::Result<anyhow::Result<Value>> {
        let expect = |answer: Answer, status| {
            ensure!(!(self.may_stop && answer.status == 503), "the server is stopping");
            Ok(answer.expect(status))
        };
        match request {
            Request::Create { place, user_name, title } => {
                let mut user = scim::user(user_name);
                user["externalId"] = json!(title);
                user["title"] = json!(title);
                user[EXTENSION] = json!({ "label": title });
                expect(clients.scim[*place].post("/Users", user).await?, 201)
            }
            Request::Retitle { person, title } => {
                let patch = scim::patch(json!([
                    { "op": "replace", "path": "title", "value": title },
                    { "op": "replace", "path": format!("{EXTENSION}:label"), "value": title },
                ]));
                let (place, path) = self.path(*person);
                expect(clients.scim[place].patch(&path, patch).await?, 200)
            }
            Request::Members { place, add, remove } => {
                let add: Vec<_> = add.iter().cloned().collect();
                let mut operations = vec![scim::add(&add)];
                operations.extend(remove.iter().map(|id| scim::remove(id)));
                let group = &self.groups.iter().find(|it| it.0 == *place).context("no group")?.1;
                let patch = scim::patch(json!(operations));
                expect(clients.scim[*place].patch(&format!("/Groups/{group}"), patch).await?, 204)
            }
            Request::Enrol { person, serial } => {
                let id = &self.people[*person].id;
                let device =
                    json!({ "serial": serial, "platform": "ios", "name": serial, "user": id });
                let path = format!("/workspaces/{WORKSPACE}/mdm/devices");
                expect(clients.api.post(&path, device).await?, 201)
            }
            Request::Deactivate { person } => {
                let (place, path) = self.path(*person);
                expect(clients.scim[place].patch(&path, scim::active(false)).await?, 200)
            }
            Request::Delete { person } => {
                let (place, path) = self.path(*person);
                expect(clients.scim[place].delete(&path).await?, 204)
            }
        }
    }

    fn path(&self, person: usize) -> (Place, String) {
        let person = &self.people[person];
        (person.place, format!("/Users/{}", person.id))
    }

    /// Remembers what a request has changed.
    fn happened(&mut self, request: &Request, answer: &Value) {
        match request.clone() {
            Request::Create { place, user_name, title } => self.people.push(Person {
                place,
                id: answer["id"].as_str().unwrap_or_default().to_owned(),
                user_name,
                title,
                active: true,
                deleted: false,
                devices: Vec::new(),
            }),
            Request::Retitle { person, title } => self.people[person].title = title,
            Request::Members { place, add, remove } => {
                let index = self.groups.iter().position(|it| it.0 == place);
                if let Some(members) = index.map(|index| &mut self.members[index]) {
                    members.extend(add);
                    members.retain(|id| !remove.contains(id));
                }
            }
            Request::Enrol { person, serial } => self.people[person].devices.push(serial),
            Request::Deactivate { person } => self.people[person].active = false,
            Request::Delete { person } => {
                self.people[person].deleted = true;
                let id = &self.people[person].id;
                for members in &mut self.members {
                    members.remove(id);
                }
            }
        }
    }

    /// Finds out what became of the request that was not answered, if there is one: whether all of it
    /// is there. Anything between all and nothing is an error.
    pub(super) async fn resolve(&mut self, clients: &mut Clients) -> anyhow::Result<Option<bool>> {
        let Some(request) = self.doubt.take() else { return Ok(None) };
        let found = self.find(&request, clients).await.with_context(|| format!("{request:?}"))?;
        if let Some(answer) = &found {
            self.happened(&request, answer);
        }
        Ok(Some(found.is_some()))
    }

    async fn find(
        &self,
        request: &Request,
        clients: &mut Clients,
    ) -> anyhow::Result<Option<Value>> {
        match request {
            Request::Create { place, user_name, title } => {
                let path = scim::path_eq("/Users", "userName", user_name);
                let found = clients.scim[*place].get(&path).await?.expect(200)?;
                let Some(user) = found["Resources"].as_array().and_then(|all| all.first()) else {
                    return Ok(None);
                };
                let whole = user["title"] == *title && user["externalId"] == *title;
                ensure!(whole && user[EXTENSION]["label"] == *title, "half a user: {user}");
                Ok(Some(user.clone()))
            }
            Request::Retitle { person, title } => {
                let (place, path) = self.path(*person);
                let user = clients.scim[place].get(&path).await?.expect(200)?;
                ensure!(user["title"] == user[EXTENSION]["label"], "half a PATCH: {user}");
                Ok((user["title"] == *title).then_some(user))
            }
            Request::Members { place, add, remove } => {
                let (index, (_, group)) = self
                    .groups
                    .iter()
                    .enumerate()
                    .find(|it| it.1.0 == *place)
                    .context("no group")?;
                let found = self.found_members(index, group, clients).await?;
                let before = &self.members[index];
                let mut after: BTreeSet<_> = before.union(add).cloned().collect();
                after.retain(|id| !remove.contains(id));
                ensure!(found == *before || found == after, "half a PATCH: {found:?}");
                Ok((found == after).then_some(Value::Null))
            }
            Request::Enrol { serial, .. } => {
                let path = format!("/workspaces/{WORKSPACE}/mdm/devices?q={serial}&limit=1000");
                let found = clients.api.get(&path).await?.expect(200)?;
                let items = found["items"].as_array().context("no items")?;
                Ok(items.iter().find(|it| it["serial"] == *serial).cloned())
            }
            Request::Deactivate { person } => {
                let (place, path) = self.path(*person);
                let user = clients.scim[place].get(&path).await?.expect(200)?;
                Ok((user["active"] == false).then_some(user))
            }
            Request::Delete { person } => {
                let (place, path) = self.path(*person);
                let answer = clients.scim[place].get(&path).await?;
                Ok((answer.status == 404).then_some(Value::Null))
            }
        }
    }

    /// Which of its own people are members of a group, once all that follows from what has happened
    /// shows: a list of the API waits for it, and the memberships of the deleted are gone then.
    async fn found_members(
        &self,
        index: usize,
        group: &str,
        clients: &mut Clients,
    ) -> anyhow::Result<BTreeSet<String>> {
        let place = self.groups[index].0;
        let path = format!("/workspaces/{WORKSPACE}/groups?limit=1");
        clients.api.get(&path).await?.expect(200)?;
        let all = scim::members(&mut clients.scim[place], group).await?;
        let own: BTreeSet<_> = self.people.iter().map(|it| it.id.as_str()).collect();
        Ok(all.into_iter().filter(|id| own.contains(id.as_str())).collect())
    }

    /// Everything that was acknowledged is there.
    pub(super) async fn check(&self, clients: &mut Clients) -> anyhow::Result<()> {
        ensure!(self.doubt.is_none(), "what became of a request is not known");
        for person in &self.people {
            let client = &mut clients.scim[person.place];
            let answer = client.get(&format!("/Users/{}", person.id)).await?;
            if person.deleted {
                answer.expect_scim_error(404, None).with_context(|| format!("{person:?}"))?;
                continue;
            }
            let user = answer.expect(200).with_context(|| format!("{person:?}"))?;
            let label = &user[EXTENSION]["label"];
            let said = user["userName"] == person.user_name && user["active"] == person.active;
            let said = said && user["title"] == person.title && *label == person.title;
            ensure!(said, "acknowledged {person:?}, found {user}");
        }
        for (index, (_, group)) in self.groups.iter().enumerate() {
            let found = self.found_members(index, group, clients).await?;
            ensure!(found == self.members[index], "{found:?} is not {:?}", self.members[index]);
        }
        Ok(())
    }
}
