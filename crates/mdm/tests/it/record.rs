//! What the deliverer records of an adapter: each state in an append of its own, before the next step
//! is taken. A crash between two steps then finds the first one in the log.

use std::sync::Arc;

use app::{
    App, CountedIds, Parts, Person, RequestIds,
    admin::{connectors::EnableScim, devices::Enrolment},
    policies,
};
use domain::{
    ids::EntryId,
    portal::Portal,
    rule::{OnCreate, OnDeactivate, Provisioning},
    workspace::{Login, Plan, Saml},
};
use event_log::{ManualClock, SqliteLog, WorkspaceId};
use mdm::Adapter;
use projections::ReadModels;
use reactor::{
    Planner,
    deliverer::{CALLS_PER_SECOND, Deliverer},
    service::Only,
};
use scim::{
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::json;
use tempfile::TempDir;

use crate::suite::{Behind, Subject, Trouble, http};

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;

/// A workspace in which a device is to be removed, and nothing runs but by the test's own hand.
struct Scene {
    app: Arc<App>,
    log: Arc<SqliteLog>,
    clock: Arc<ManualClock>,
    workspace: WorkspaceId,
    _dir: TempDir,
}

pub(crate) async fn each_state_is_recorded_in_an_append_of_its_own(subject: &impl Subject) {
    let again = ["sent", "failed", "sent", "acknowledged", "confirmed"];
    for (trouble, expected) in [
        (None, &again[2..]),
        (Some(Trouble::LostAnswer), &again[..]),
        (Some(Trouble::Busy), &again[..]),
        (Some(Trouble::Refused), &["sent", "parked"][..]),
    ] {
        let (mdm, behind) = subject.make(http()).await;
        trouble.into_iter().for_each(|trouble| behind.troubled(trouble));
        let scene = Scene::with_a_removal(subject.external_id()).await;
        let before = scene.log.stats().appends;
        scene.deliver(mdm, &behind).await;
        assert_eq!(scene.states().await, expected, "{trouble:?}");
        let appends = scene.log.stats().appends - before;
        assert_eq!(appends, expected.len() as u64, "{trouble:?}: each state in its own append");
    }
}

impl Scene {
    async fn with_a_removal(external_id: Option<String>) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let log = SqliteLog::temporary(Arc::clone(&clock) as _).unwrap();
        let app = App::new(Parts {
            read_models: ReadModels::open(dir.path(), Arc::clone(&log) as _).unwrap(),
            log: Arc::clone(&log) as _,
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(CountedIds::default()),
            public_url: "http://muster.example".into(),
            admin_digest: app::admin_digest("token"),
            notary: Arc::new(app::Notary::temporary().unwrap()),
        });
        let mut all = policies::standard();
        all.push(Box::new(Planner::default()));
        let policies = tokio::spawn(policies::run(Arc::clone(&app), all));
        let workspace = WorkspaceId::parse("acme").unwrap();
        let scene = Self { app, log, clock, workspace, _dir: dir };
        scene.offboard(external_id).await;
        scene.app.settled(&scene.workspace).await;
        policies.abort();
        drop(policies.await);
        scene
    }

    /// Brings somebody with a device, and deletes them.
    async fn offboard(&self, external_id: Option<String>) {
        let (app, workspace) = (&self.app, &self.workspace);
        let person = Person::owner("owner", RequestIds::default());
        app.create_workspace(&person, "acme", "Acme", Plan::Enterprise).await.unwrap();
        let saml = Saml {
            entity_id: "https://idp.example".into(),
            sso_url: "https://idp.example/sso".into(),
            certificate: include_str!("../../../testkit/idp/certificate.b64").into(),
        };
        let login = Login { saml, jit: false };
        app.configure_saml(&person, workspace, Portal::Mdm, login).await.unwrap();
        let asked = EnableScim::default();
        let enabled = app.enable_scim(&person, workspace, Portal::Mdm, asked).await.unwrap();
        let rule = Provisioning {
            on_create: OnCreate::Create,
            on_deactivate: OnDeactivate::RemoveUserAndDevices,
            ..Provisioning::default()
        };
        app.set_provisioning(&person, workspace, &enabled.name, rule).await.unwrap();
        let (header, ids) = (format!("Bearer {}", enabled.token.token), RequestIds::default());
        let caller = app.authenticate("acme", "mdm", Some(&header), ids).await.unwrap();
        let body = json!({ "userName": "ada@acme.example" });
        let ada = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap();
        let ada = app.create_user(&caller, EntryId(app.fresh_id()), ada).await.unwrap().id;
        let device = Enrolment {
            serial: "S-1".into(),
            platform: "any".into(),
            name: None,
            external_id,
            user: Some(ada.0),
            policy: None,
        };
        app.enrol_device(&person, workspace, device).await.unwrap();
        app.delete_user(&caller, ada, None).await.unwrap();
    }

    /// Lets time pass until nothing is left to be done; the service is done with whatever it has taken
    /// before it is asked again.
    async fn deliver(&self, mdm: Arc<dyn Adapter>, behind: &impl Behind) {
        let services = Arc::new(Only(mdm));
        let deliverer = Deliverer::new(Arc::clone(&self.app), services, CALLS_PER_SECOND);
        while let Some(wake) = deliverer.turn().await.unwrap() {
            behind.settled();
            self.clock.set(wake.max(self.app.now()));
        }
    }

    /// How far the action came, step by step.
    async fn states(&self) -> Vec<String> {
        let events = self.app.log().read(&self.workspace, 0, 1_000).await.unwrap();
        let steps = events.iter().filter_map(|event| event.name.strip_prefix("device.action_"));
        steps.filter(|step| *step != "requested").map(str::to_owned).collect()
    }
}
