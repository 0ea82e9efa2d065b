//! The server is killed twenty times while people are provisioned, and nothing is lost or half done.
//!
//! Workers create people, change groups, assign devices, deactivate and delete, while read models are
//! rebuilt without a pause. The moment of each kill is a number of acknowledged requests, drawn from
//! a seed; what is on its way then, in the server as in the network, is anybody's guess, which is the
//! point. Afterwards everything that was acknowledged is there, and of each request that was not,
//! all or nothing; what follows from it has happened once, and the record, the aggregates and the read
//! models agree.

mod checks;
mod worker;

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{
    Random, Server, all_ended, scim,
    setup::{self, Connector},
    together,
};
use tokio::sync::watch;

use self::worker::{Clients, Worker};
use crate::{WORKSPACE, start_with_workspace};

const KILLS: usize = 20;
const WORKERS: usize = 6;
/// How many acknowledged requests there are before a kill, at least and at most.
const REQUESTS: (usize, usize) = (0, 70);
const SEED: u64 = 2;
/// How often it is asked to stop instead, and how long that may take, as the contract has it.
const STOPS: usize = 4;
const STOP_SECONDS_MAX: u64 = 10;

/// How a server ends.
enum End {
    Kill,
    Stop,
}

/// The server, the connectors by their place, and the groups of those that have one.
struct Scene {
    server: Server,
    connectors: Vec<Connector>,
    groups: Vec<(usize, String)>,
}

impl Scene {
    /// Two connectors of MDM, one that unassigns devices and one that removes them, and the Store's.
    async fn set() -> Self {
        let (server, mut api) = start_with_workspace().await;
        let rule = setup::create_and("remove_user");
        let mdm =
            setup::connector(&mut api, WORKSPACE, "mdm", "entra", rule.clone()).await.unwrap();
        let wipe = setup::create_and("remove_user_and_devices");
        let wipe =
            setup::another_connector(&mut api, WORKSPACE, "mdm", "wipe", wipe).await.unwrap();
        let store = setup::connector(&mut api, WORKSPACE, "store", "okta", rule).await.unwrap();
        let mut groups = Vec::new();
        for (place, connector) in [(0, &mdm), (1, &wipe)] {
            let group = scim::group("Everybody", &[]);
            let group = connector.client().unwrap().post("/Groups", group).await.unwrap();
            groups.push((place, group.made().unwrap()));
        }
        Self { server, connectors: vec![mdm, wipe, store], groups }
    }

    fn clients(&self) -> Clients {
        let connectors: Vec<_> = self.connectors.iter().map(|it| it.at(&self.server)).collect();
        Clients::of(self.server.api().unwrap(), &connectors).unwrap()
    }

    /// Lets the workers work until so many requests are acknowledged, then ends the server.
    async fn work_until(&mut self, end: End, workers: Vec<Worker>, requests: usize) -> Vec<Worker> {
        let acknowledged = watch::Sender::new(0);
        let mut seen = acknowledged.subscribe();
        let work = workers.into_iter().map(|it| it.work(self.clients(), acknowledged.clone()));
        let work = tokio::spawn(together(work.collect::<Vec<_>>()));
        let rebuild = tokio::spawn(rebuild(self.clients()));
        seen.wait_for(|count| *count >= requests || work.is_finished()).await.unwrap();
        match end {
            End::Kill => self.server.kill().await.unwrap(),
            End::Stop => {
                let begun = Instant::now();
                assert_eq!(self.server.stop().await.unwrap(), Some(0));
                let took = begun.elapsed();
                assert!(took < Duration::from_secs(STOP_SECONDS_MAX), "it took {took:?}");
            }
        }
        rebuild.await.unwrap();
        work.await.unwrap().unwrap()
    }

    /// Starts the server again, and finds out what became of what was not acknowledged: how many of
    /// those requests turn out to be carried out, and how many not.
    async fn restart(&mut self, workers: &mut [Worker]) -> [usize; 2] {
        self.server.restart().await.unwrap();
        let mut clients = self.clients();
        let mut found = [0; 2];
        for worker in workers {
            match worker.resolve(&mut clients).await.unwrap() {
                Some(true) => found[0] += 1,
                Some(false) => found[1] += 1,
                None => {}
            }
        }
        found
    }
}

/// Rebuilds all read models again and again, until the server is gone. One that a kill has cut off is
/// taken up by the next start, and no other goes beside it.
async fn rebuild(mut clients: Clients) {
    while let Ok(answer) = clients.api.post("/projections/rebuild", json!({})).await {
        assert!([200, 409].contains(&answer.status), "{} {}", answer.status, answer.body);
    }
}

#[tokio::test]
async fn twenty_kills_lose_nothing_and_leave_nothing_half_done() {
    let mut scene = Scene::set().await;
    let mut workers: Vec<_> =
        (0..WORKERS).map(|index| Worker::new(index, scene.groups.clone())).collect();
    let mut random = Random::new(SEED);
    let mut found = [0; 2];
    for _ in 0..KILLS {
        let requests = REQUESTS.0 + random.below(REQUESTS.1 - REQUESTS.0);
        workers = scene.work_until(End::Kill, workers, requests).await;
        let [done, not_done] = scene.restart(&mut workers).await;
        found = [found[0] + done, found[1] + not_done];
    }
    assert!(found.iter().all(|count| *count > 0), "the kills came at no bad moment: {found:?}");
    let mut clients = scene.clients();
    all_ended(&mut clients.api, WORKSPACE).await.unwrap();
    for worker in &workers {
        worker.check(&mut clients).await.unwrap();
    }
    checks::record(&mut clients, &workers).await.unwrap();
    checks::read_models(&scene.server, &mut clients).await.unwrap();
    checks::aggregates(&mut clients, &workers).await.unwrap();
    checks::sound(&mut scene.server).await.unwrap();
}

#[tokio::test]
async fn a_stop_under_load_ends_in_time_and_loses_nothing() {
    let mut scene = Scene::set().await;
    let worker = |index| Worker::new(index, scene.groups.clone()).at_a_server_that_stops();
    let mut workers: Vec<_> = (0..WORKERS).map(worker).collect();
    for _ in 0..STOPS {
        workers = scene.work_until(End::Stop, workers, REQUESTS.1).await;
        scene.restart(&mut workers).await;
    }
    let mut clients = scene.clients();
    all_ended(&mut clients.api, WORKSPACE).await.unwrap();
    for worker in &workers {
        worker.check(&mut clients).await.unwrap();
    }
    checks::record(&mut clients, &workers).await.unwrap();
    checks::read_models(&scene.server, &mut clients).await.unwrap();
}
