//! Ten thousand people deactivated at once, with two devices each: what other people's requests notice of
//! it, whether the brake holds at its limit, and whether what is approved drains as fast as the MDM
//! service is allowed to be called.
//!
//! Other people's requests come at a fixed rate in an open loop, the same before, beside and after. The identity
//! provider and the MDM service stand back behind them and the server, as if they were `elsewhere`. As a
//! measure of what the deactivating requests cost by being requests, the same people are first given
//! another title in the same way, which calls for nothing; and as a measure of what the machine costs that
//! has to send them, a server that answers a constant is sent as much. `paced` deactivates people as fast as
//! an identity provider sends.

mod paced;

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context, ensure};
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    bodies, elsewhere,
    load::{self, Job, Measured, Turn, Until},
    open::Arrivals,
    options::Sizes,
    population::Population,
    process::{precise, precise_len},
    receiver::{self, Receiver},
    reference::{Answers, Reference},
    report::{Report, Wanted, latency, mib, ms, thousands},
    server::Server,
};

const WORKSPACE: &str = "offboarding";

const DEVICES_EACH: usize = 2;

/// Of so many people one passes before the brake holds the others.
const ONE_PASSES_OF: usize = 100;

/// How many requests of other people are due in a second: half of them reads, half of them changes.
const OTHERS_PER_SECOND: f64 = 200.0;

/// How many other people there are.
const OTHERS: usize = 2_000;

/// Over so many connections the identity provider deactivates.
const CONNECTIONS: usize = 8;

/// For how many times as long as other measurements go it is looked at what requests take at rest: 99 of 100 are
/// slowed down by a handful only in a few seconds.
const REST_TIMES: u32 = 3;

/// How often the service is called for one device: with the order, and to ask whether it is done.
const CALLS_EACH: usize = 2;

/// How many seconds the calls for all devices would take at the rate that is allowed.
const DRAIN_SECONDS: usize = 60;

/// How much longer 99 of 100 requests of others may take than at rest.
const BUDGET: Wanted = Wanted::AtMost(1.5);

pub(crate) async fn run(muster: &Path, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let calls = CALLS_EACH * DEVICES_EACH * sizes.offboarded;
    let calls_per_second = (calls / DRAIN_SECONDS).max(100);
    let scene = Scene::set(muster, sizes, calls_per_second).await?;
    let count = thousands(precise_len(sizes.offboarded));
    let (before, _) = scene.server.process().memory_mib()?;
    scene.server.process().forget_peak();

    scene.paced(report).await?;

    let rest = scene.rest().await?;
    let constant = Reference::constant(&Answers::of(&scene.others.connector).await?).await?;
    let (beside, _) = scene.beside(scene.elsewhere(&constant)).await?;
    let what = format!("{CONNECTIONS} connections ask a server that answers a constant");
    rows(&what, &beside, &rest, None, report);

    let rest = scene.rest().await?;
    let (beside, titles) = scene.beside(scene.patch_all(bodies::patch_user)).await?;
    rows(&format!("{count} PATCHes that call for nothing"), &beside, &rest, None, report);
    report.rate(format!("{count} people get another title, {CONNECTIONS} connections"), &titles);

    let rest = scene.rest().await?;
    let passed_before = scene.receiver.orders();
    let (beside, deactivated) = Box::pin(scene.beside(scene.deactivate())).await?;
    let what = format!("{count} people are deactivated and held");
    rows(&what, &beside, &rest, Some(BUDGET), report);
    report.rate(format!("deactivate {count} people, {CONNECTIONS} connections"), &deactivated);
    scene.brake(passed_before, report).await?;

    let rest = scene.rest().await?;
    let (beside, drained) = Box::pin(scene.beside(scene.approve())).await?;
    let what = format!("{} removals are carried out", thousands(precise(drained.orders)));
    rows(&what, &beside, &rest, Some(BUDGET), report);
    let rate = precise(drained.calls) / drained.seconds;
    let figure = format!("{rate:.0}/s in {:.1} s", drained.seconds);
    let allowed = format!("{calls_per_second}/s are allowed");
    let ratio = rate / precise_len(calls_per_second);
    let what = "calls to the MDM service until everything is done";
    report.ratio(what, (figure, allowed), ratio, Some(Wanted::AtLeast(0.9)));

    let rest = scene.rest().await?;
    report.note("other people's requests after all of it", latency(&rest.latencies));
    let (after, peak) = scene.server.process().memory_mib()?;
    let figure = format!("{}, {}, {}", mib(before), mib(peak), mib(after));
    report.note("memory before, at the peak and after", figure);
    let peak = precise(peak) / precise(before);
    report.budget("peak of the memory against before", peak, Wanted::AtMost(2.0));
    Ok(())
}

/// Everybody who plays a part.
struct Scene {
    server: Server,
    receiver: Receiver,
    /// They are deactivated.
    people: Population,
    /// They are not.
    others: Population,
    /// How many people the brake lets pass.
    limit: u64,
    sizes: Sizes,
}

/// What became of everything that was approved.
struct Drained {
    /// From the approval to the last account that was removed.
    seconds: f64,
    calls: u64,
    orders: u64,
}

impl Scene {
    async fn set(muster: &Path, sizes: Sizes, calls_per_second: usize) -> anyhow::Result<Self> {
        let calls_per_second = calls_per_second.to_string();
        let arguments = ["--mdm-calls-per-second", &calls_per_second];
        let data = tempfile::TempDir::new().context("making a data directory")?;
        let server = Server::start_with(muster, &arguments, data).await?;
        let limit = (sizes.offboarded / ONE_PASSES_OF).max(1) as u64;
        let brake = json!({ "count": limit, "share": 1.0, "window_minutes": 60 });
        let rule = json!({
            "on_create": "create", "on_deactivate": "remove_user_and_devices", "brake": brake,
        });
        let connector = server.connector_of(WORKSPACE, "mdm", &rule).await?;
        let (people, _) = Population::create(connector, sizes.offboarded).await?;
        let rule = json!({ "on_create": "create" });
        let connector = server.further_connector(WORKSPACE, "store", &rule).await?;
        let (others, _) = Population::create(connector, OTHERS.min(sizes.users)).await?;
        let receiver = Receiver::start()?;
        let service =
            json!({ "kind": "webhook", "url": receiver.url(), "secret": receiver::SECRET });
        let path = format!("/workspaces/{WORKSPACE}/mdm/services/default");
        server.ask(Method::PUT, &path, &service).await?;
        let scene = Self { server, receiver, people, others, limit, sizes };
        scene.enrol(&scene.people.ids).await?;
        scene.server.caught_up().await?;
        Ok(scene)
    }

    /// Gives people their devices.
    async fn enrol(&self, people: &Arc<[String]>) -> anyhow::Result<()> {
        let ids = Arc::clone(people);
        let devices = Until::Requests(ids.len() * DEVICES_EACH);
        let enrol = move |turn: Turn| {
            let user = &ids[turn.number / DEVICES_EACH];
            let serial = format!("{user}-{}", turn.number % DEVICES_EACH);
            let device = json!({ "serial": serial, "platform": "ios", "user": user }).to_string();
            Job::new(Method::POST, format!("/workspaces/{WORKSPACE}/mdm/devices"), device, &[201])
        };
        load::run(&self.server.api()?, 64, devices, enrol).await?;
        Ok(())
    }

    /// Other people's requests while nothing else goes on.
    async fn rest(&self) -> anyhow::Result<Measured> {
        self.server.caught_up().await?;
        self.others().during(self.sizes.time * REST_TIMES).await
    }

    /// Other people's requests while something else goes on.
    async fn beside<T>(
        &self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(Measured, T)> {
        self.others().beside(work).await
    }

    fn others(&self) -> Arrivals {
        let (reads, changes) = (self.others.reads(), self.others.changes());
        let next = Arc::new(move |number: usize| {
            if number.is_multiple_of(2) { reads(number / 2) } else { changes(number / 2) }
        });
        let connector = self.others.connector.clone();
        Arrivals { connector, per_second: OTHERS_PER_SECOND, next }
    }

    /// As fast as a server answers that does nothing of what Muster does: what is left of that is the
    /// machine, which the load generator shares.
    async fn elsewhere(&self, server: &Reference) -> anyhow::Result<Measured> {
        let ids = Arc::clone(&self.people.ids);
        let next = move |turn: Turn| bodies::patch_user(&ids[turn.number % ids.len()], turn.number);
        elsewhere::run(&server.connector, CONNECTIONS, self.sizes.until(), next).await
    }

    async fn patch_all(
        &self,
        patch: impl Fn(&str, usize) -> Job + Send + Sync + 'static,
    ) -> anyhow::Result<Measured> {
        let ids = Arc::clone(&self.people.ids);
        let all = Until::Requests(ids.len());
        let next = move |turn: Turn| patch(&ids[turn.number], turn.number);
        elsewhere::run(&self.people.connector, CONNECTIONS, all, next).await
    }

    /// Deactivates everybody, and waits until the planner has dealt with all of them.
    async fn deactivate(&self) -> anyhow::Result<Measured> {
        let measured = self.patch_all(|id, _| bodies::deactivate_user(id)).await?;
        self.server.caught_up().await?;
        Ok(measured)
    }

    /// Waits until nothing is owed to any device.
    async fn all_carried_out(&self) -> anyhow::Result<()> {
        self.server.until(async || Ok(self.server.metric("effects_owed").await? == 0)).await
    }

    /// Whether exactly so many have passed as the rule says.
    async fn brake(&self, passed_before: u64, report: &mut Report) -> anyhow::Result<()> {
        let devices = (DEVICES_EACH as u64) * self.limit;
        self.all_carried_out().await?;
        let hold = self.hold().await?;
        let held = hold["people"]["held"].as_u64().unwrap_or(0);
        let expected = (self.people.ids.len() as u64).saturating_sub(self.limit);
        let passed = self.receiver.orders() - passed_before;
        let figure = format!("{held} held, {passed} devices removed");
        ensure!(
            held == expected && passed == devices,
            "the brake lets others pass than it should: {figure}, not {expected} and {devices}"
        );
        report.note(format!("the brake of {} people", self.limit), figure);
        Ok(())
    }

    /// Approves everybody who is held, and waits until nobody has anything left.
    async fn approve(&self) -> anyhow::Result<Drained> {
        let hold = self.hold().await?;
        let id = hold["id"].as_str().context("a hold without an id")?;
        let path = format!("/workspaces/{WORKSPACE}/holds/{id}");
        let (calls, orders) = (self.receiver.calls(), self.receiver.orders());
        let people = hold["people"]["held"].as_u64().unwrap_or(0);
        let began = Instant::now();
        self.server.ask(Method::POST, &format!("{path}/approve"), &json!({})).await?;
        let completed = async || {
            let hold = self.server.ask(Method::GET, &path, &Value::Null).await?;
            Ok(hold["people"]["completed"].as_u64() == Some(people))
        };
        self.server.until(completed).await?;
        Ok(Drained {
            seconds: began.elapsed().as_secs_f64(),
            calls: self.receiver.calls() - calls,
            orders: self.receiver.orders() - orders,
        })
    }

    async fn hold(&self) -> anyhow::Result<Value> {
        let path = format!("/workspaces/{WORKSPACE}/holds");
        let holds = self.server.ask(Method::GET, &path, &Value::Null).await?;
        let held = |hold: &&Value| hold["state"] == "open";
        let open = holds["items"].as_array().into_iter().flatten().find(held).cloned();
        open.with_context(|| format!("nobody is held: {holds}"))
    }
}

/// How much longer the slowest requests of others take than at rest.
fn rows(
    what: &str,
    beside: &Measured,
    rest: &Measured,
    wanted: Option<Wanted>,
    report: &mut Report,
) {
    let ratio = precise(beside.p99()) / precise(rest.p99());
    let figure = latency(&beside.latencies);
    let reference = format!("p99 {} ms at rest", ms(rest.p99()));
    report.ratio(format!("p99 of others while {what}"), (figure, reference), ratio, wanted);
}
