//! A server with somebody whose devices belong to a webhook, and the receiver of that.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use testkit::{
    Client, Server, all_ended,
    fake::{Fake, Fault, Received, Reply, WebhookReceiver},
    record::Record,
    scim,
    setup::{self, Connector},
    together, until,
};

use super::{Case, Doing, Killed, Rule};
use crate::WORKSPACE;

/// 32 bytes of `k`, in base64.
const SECRET: &str = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

/// How long the service waits to be called, in seconds. An order that has failed comes again within twenty.
const PATIENCE_SECONDS: u64 = 100;

/// See the module.
pub(super) struct Scene {
    case: Case,
    server: Server,
    connector: Connector,
    receiver: Fake<WebhookReceiver>,
    policy: String,
    user: String,
    devices: Vec<String>,
}

impl Scene {
    pub(super) async fn set(case: Case) -> anyhow::Result<Self> {
        let receiver = Fake::start(WebhookReceiver::new(&[b'k'; 32])).await?;
        receiver.with(|it| it.at_once = case.doing != Doing::Slow);
        let server = Server::start(env!("CARGO_BIN_EXE_muster")).await?;
        let mut api = server.api()?;
        setup::workspace(&mut api, WORKSPACE).await?;
        let policy = setup::policy(&mut api, WORKSPACE, "Left").await?;
        let mut rule = setup::create_and(match case.rule {
            Rule::Nothing => "nothing",
            Rule::Unassign => "unassign",
            Rule::ChangePolicy => "change_policy",
            Rule::RemoveUser => "remove_user",
            Rule::RemoveUserAndDevices => "remove_user_and_devices",
        });
        if case.rule == Rule::ChangePolicy {
            rule["policy"] = json!(policy);
        }
        let connector = setup::connector(&mut api, WORKSPACE, "mdm", "generic", rule).await?;
        let service = json!({ "kind": "webhook", "url": receiver.url(), "secret": SECRET });
        let path = format!("/workspaces/{WORKSPACE}/mdm/services/default");
        api.put(&path, service).await?.expect(200)?;
        let user = scim::user("ada@acme.example");
        let user = connector.client()?.post("/Users", user).await?.made()?;
        let enrol =
            (0..case.devices).map(|number| {
                let (api, user) = (server.api(), user.clone());
                async move {
                    setup::device(&mut api?, WORKSPACE, &format!("S-{number}"), Some(&user)).await
                }
            });
        let devices = together(enrol.collect::<Vec<_>>()).await?;
        Ok(Self { case, server, connector, receiver, policy, user, devices })
    }

    async fn deactivate(&self) -> anyhow::Result<()> {
        let mut client = self.connector.at(&self.server).client()?;
        let path = format!("/Users/{}", self.user);
        client.patch(&path, scim::active(false)).await?.expect(200).map(drop)
    }

    /// Deactivates the person, and kills the process where the case says.
    pub(super) async fn die_in_the_middle(&mut self) -> anyhow::Result<()> {
        let (case, receiver) = (self.case, &self.receiver);
        let cut_off = case.cut_off();
        if cut_off == 0 {
            self.deactivate().await?;
            return self.server.kill().await;
        }
        match case.killed {
            Killed::BeforeSending => {
                receiver.keeps_callers_waiting();
                self.deactivate().await?;
                self.in_time("callers", self.receiver.until_waiting(cut_off)).await?;
            }
            Killed::AfterSending => {
                let fault = match case.doing {
                    Doing::Refusing | Doing::Down => Fault::Deafness,
                    Doing::Fine | Doing::Slow | Doing::Losing => Fault::Silence,
                };
                receiver.whenever(move |it| is_order(it).then(|| fault.clone()));
                self.deactivate().await?;
                self.until_ordered(cut_off).await?;
            }
            Killed::BeforeRecording => self.die_before_recording().await?,
        }
        self.server.kill().await?;
        self.receiver.sends_callers_away();
        Ok(())
    }

    /// Waits until the answers that end something are on their way.
    async fn die_before_recording(&mut self) -> anyhow::Result<()> {
        let cut_off = self.case.cut_off();
        let troubled = |status: u16| {
            let fault = Fault::CutShort(Some(Reply::empty(status)));
            move |it: &Received| is_order(it).then(|| fault.clone())
        };
        match self.case.doing {
            Doing::Refusing => self.receiver.whenever(troubled(403)),
            Doing::Down => self.receiver.whenever(troubled(503)),
            Doing::Losing => {
                let mut lost = first_orders(cut_off, Fault::LostAnswer);
                self.receiver.whenever(move |it| lost(it).or_else(|| ending(it)));
            }
            Doing::Fine => self.receiver.whenever(ending),
            Doing::Slow => {}
        }
        self.deactivate().await?;
        match self.case.doing {
            Doing::Refusing | Doing::Down => {
                self.until_ordered(cut_off).await?;
            }
            Doing::Fine | Doing::Losing => self.until_asked(cut_off).await?,
            Doing::Slow => {
                self.until_asked(self.case.actions()).await?;
                self.ask_again(|receiver| receiver.whenever(ending)).await?;
                let asked = self.receiver.received().len();
                let enough = self.receiver.until(|all| all.len() >= asked + cut_off);
                self.in_time("more questions", enough).await?;
            }
        }
        Ok(())
    }

    /// Waits until so many orders have reached the service.
    async fn until_ordered(&self, count: usize) -> anyhow::Result<()> {
        let enough = self.receiver.until(|all| orders(all).count() >= count);
        self.in_time(&format!("{count} orders"), enough).await
    }

    /// Waits until the service was asked about so many orders.
    async fn until_asked(&self, count: usize) -> anyhow::Result<()> {
        let enough = self.receiver.until(|all| asked(all).len() >= count);
        self.in_time(&format!("questions about {count} orders"), enough).await
    }

    /// Says what is missing, where nothing more would be said than that the test did not end.
    async fn in_time(&self, what: &str, enough: impl Future<Output = ()>) -> anyhow::Result<()> {
        let patience = Duration::from_secs(PATIENCE_SECONDS);
        tokio::time::timeout(patience, enough).await.with_context(|| {
            let received = self.receiver.received();
            let (orders, asked) = (orders(&received).count(), asked(&received).len());
            format!("{:?}: no {what}, but {orders} orders and {asked} questions", self.case)
        })
    }

    /// Lets the service be done. What it has taken it is asked about every half minute, and at once after
    /// a restart.
    async fn ask_again(&mut self, then: impl FnOnce(&Fake<WebhookReceiver>)) -> anyhow::Result<()> {
        self.server.kill().await?;
        self.receiver.settle();
        then(&self.receiver);
        self.server.restart().await
    }

    /// Starts the server again, and waits until nothing more is to come.
    pub(super) async fn go_on_to_the_end(&mut self) -> anyhow::Result<()> {
        let (case, receiver) = (self.case, &self.receiver);
        let cut_off = case.cut_off();
        let refuse = |it: &Received| is_order(it).then(|| Fault::Answer(Reply::empty(403)));
        match (case.doing, case.killed) {
            (Doing::Refusing, _) => receiver.whenever(refuse),
            (Doing::Down, _) => {
                let down = Fault::Answer(Reply::empty(503));
                receiver.whenever(first_orders(cut_off, down));
            }
            (Doing::Losing, Killed::BeforeSending) => {
                receiver.whenever(first_orders(cut_off, Fault::LostAnswer));
            }
            (Doing::Fine | Doing::Slow | Doing::Losing, _) => receiver.does_well(),
        }
        self.server.restart().await?;
        self.until_ordered(case.orders()).await?;
        if case.doing == Doing::Refusing {
            return self.until_parked().await;
        }
        self.until_asked(case.actions()).await?;
        if case.doing == Doing::Slow && case.killed != Killed::BeforeRecording {
            self.ask_again(|_| {}).await?;
        }
        all_ended(&mut self.server.api()?, WORKSPACE).await
    }

    async fn until_parked(&self) -> anyhow::Result<()> {
        let mut api = self.server.api()?;
        let parked = async || {
            let parked = items(&mut api, "/effects?state=parked&limit=1000").await?;
            Ok((parked.len() == self.case.actions()).then_some(()))
        };
        until("everything waits for a person", parked).await
    }

    pub(super) async fn check(mut self) -> anyhow::Result<()> {
        let case = self.case;
        self.check_orders().await.with_context(|| format!("{case:?}"))?;
        self.check_end().await.with_context(|| format!("{case:?}"))?;
        self.check_record().await.with_context(|| format!("{case:?}"))
    }

    /// What reached the service: so many orders, each under the id of its action, and no more.
    async fn check_orders(&self) -> anyhow::Result<()> {
        let (case, received) = (self.case, self.receiver.received());
        let mut keys = BTreeMap::<String, usize>::new();
        for order in orders(&received) {
            let key = order.header("webhook-id").to_owned();
            ensure!(order.json()["data"]["action"] == key, "{order:?}");
            *keys.entry(key).or_default() += 1;
        }
        let sent: usize = keys.values().sum();
        ensure!(sent == case.orders(), "{sent} orders, not {}: {keys:?}", case.orders());
        let mut api = self.server.api()?;
        let effects = items(&mut api, "/effects?limit=1000").await?;
        let known: BTreeSet<_> = effects.iter().filter_map(|it| it["id"].as_str()).collect();
        ensure!(known.len() == case.actions() && keys.keys().eq(known), "{keys:?}, {effects:?}");
        let done = if case.doing == Doing::Refusing { 0 } else { case.actions() };
        ensure!(self.receiver.done() == done, "it has acted {} times", self.receiver.done());
        Ok(())
    }

    /// What is shown in the end.
    async fn check_end(&mut self) -> anyhow::Result<()> {
        let mut api = self.server.api()?;
        let refused = self.case.doing == Doing::Refusing && self.case.actions() > 0;
        let removes = matches!(self.case.rule, Rule::RemoveUser | Rule::RemoveUserAndDevices);
        let (account, offboarding) = match (self.case.rule, refused) {
            (Rule::Nothing, _) => ("active", None),
            (_, true) if removes => ("suspended", Some("started")),
            (_, true) => ("active", Some("started")),
            (_, false) if removes => ("removed", Some("completed")),
            (_, false) => ("active", Some("completed")),
        };
        let person = one(&mut api, &format!("/mdm/users/{}", self.user)).await?;
        ensure!(person["account"] == account, "{person}");
        let offboardings = items(&mut api, "/offboardings").await?;
        let states: Vec<_> = offboardings.iter().filter_map(|it| it["state"].as_str()).collect();
        ensure!(states == offboarding.as_slice(), "{offboardings:?}");
        let (theirs, nobodys) = (json!(person["id"]), Value::Null);
        let (state, user, policy) = match (self.case.rule, refused) {
            (Rule::RemoveUserAndDevices, true) => ("removing", theirs, Value::Null),
            (Rule::Nothing, _) | (_, true) => ("enrolled", theirs, Value::Null),
            (Rule::Unassign | Rule::RemoveUser, false) => ("enrolled", nobodys, Value::Null),
            (Rule::ChangePolicy, false) => ("enrolled", theirs, json!(self.policy)),
            (Rule::RemoveUserAndDevices, false) => ("removed", nobodys, Value::Null),
        };
        for id in &self.devices {
            let device = one(&mut api, &format!("/mdm/devices/{id}")).await?;
            let is = (&device["state"], &device["user"], &device["policy"]);
            ensure!(is == (&json!(state), &user, &policy), "{device}");
        }
        Ok(())
    }

    /// What was recorded, each once.
    async fn check_record(&self) -> anyhow::Result<()> {
        let record = Record::whole(&mut self.server.api()?, WORKSPACE).await?;
        let (actions, refused) = (self.case.actions(), self.case.doing == Doing::Refusing);
        let opened = usize::from(self.case.rule != Rule::Nothing);
        for (kind, times) in [
            ("user.offboarding_started", opened),
            ("device.action_requested", actions),
            ("device.action_confirmed", if refused { 0 } else { actions }),
            ("device.action_parked", if refused { actions } else { 0 }),
            ("device.action_cancelled", 0),
            ("device.action_given_up", 0),
        ] {
            let count = record.of(kind).count();
            ensure!(count == times, "{count} {kind}, not {times}");
        }
        Ok(())
    }
}

fn is_order(request: &Received) -> bool {
    request.json()["type"] == "device_action.requested"
}

fn orders(received: &[Received]) -> impl Iterator<Item = &Received> {
    received.iter().filter(|it| is_order(it))
}

/// The actions that the service was asked about.
fn asked(received: &[Received]) -> BTreeSet<String> {
    let asked = received.iter().filter(|it| !is_order(it));
    asked.map(|it| it.json()["data"]["action"].to_string()).collect()
}

/// What is done, and said but for its end, when an order is asked about.
fn ending(request: &Received) -> Option<Fault> {
    (!is_order(request)).then_some(Fault::CutShort(None))
}

/// What goes wrong with so many orders.
fn first_orders(mut count: usize, fault: Fault) -> impl FnMut(&Received) -> Option<Fault> {
    move |request| {
        let is_one = is_order(request) && count > 0;
        count -= usize::from(is_one);
        is_one.then(|| fault.clone())
    }
}

async fn one(api: &mut Client, path: &str) -> anyhow::Result<Value> {
    api.get(&format!("/workspaces/{WORKSPACE}{path}")).await?.expect(200)
}

async fn items(api: &mut Client, path: &str) -> anyhow::Result<Vec<Value>> {
    let list = one(api, path).await?;
    list["items"].as_array().cloned().context("no items")
}
