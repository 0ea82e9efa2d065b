//! The planner and the deliverer over a real log, in orders that a crash or a busy server may bring.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::sync::Arc;

use app::{
    App, Caller, CountedIds, Order, Parts, Person, RequestIds,
    admin::{connectors::EnableScim, devices::Enrolment},
    policies::{Consequence, Policy},
};
use domain::{
    Event,
    device::{ActionState, DeviceCommand},
    ids::{DeviceId, EntryId},
    portal::Portal,
    rule::{OnCreate, OnDeactivate, Provisioning},
    user::{UserCommand, UserEvent},
    workspace::{Login, Plan, Saml},
};
use event_log::{EventLog, ManualClock, Meta, SqliteLog, WorkspaceId};
use projections::{ReadModels, Recorded};
use reactor::{
    Planner, deliverer,
    service::{BoxFuture, DeviceOrder, Mdm, MdmError, Standing},
};
use scim::{
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::json;
use tempfile::TempDir;

/// An MDM user in a workspace where no policy runs but by the test's own hand.
struct Scene {
    app: Arc<App>,
    workspace: WorkspaceId,
    caller: Caller,
    user: EntryId,
    _dir: TempDir,
}

fn person() -> Person {
    Person { id: "owner".into(), ids: RequestIds::default() }
}

fn app(dir: &TempDir) -> Arc<App> {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let log: Arc<dyn EventLog> = SqliteLog::temporary(Arc::clone(&clock) as _).unwrap();
    App::new(Parts {
        read_models: ReadModels::open(dir.path(), Arc::clone(&log)).unwrap(),
        log,
        clock,
        ids: Arc::new(CountedIds::default()),
        public_url: "http://muster.example".into(),
        admin_digest: app::admin_digest("token"),
    })
}

impl Scene {
    async fn set(on_deactivate: OnDeactivate) -> Self {
        let dir = TempDir::new().unwrap();
        let app = app(&dir);
        let workspace = WorkspaceId::parse("acme").unwrap();
        app.create_workspace(&person(), "acme", "Acme", Plan::Enterprise).await.unwrap();
        let saml = Saml {
            entity_id: "https://idp.example".into(),
            sso_url: "https://idp.example/sso".into(),
            certificate: "MIIB".into(),
        };
        let (portal, login) = (Portal::Mdm, Login { saml, jit: false });
        app.configure_saml(&person(), &workspace, portal, login).await.unwrap();
        let asked = EnableScim::default();
        let enabled = app.enable_scim(&person(), &workspace, portal, asked).await.unwrap();
        let (on_create, brake) = (OnCreate::Create, domain::rule::Brake::default());
        let rule = Provisioning { on_create, on_deactivate, brake, ..Provisioning::default() };
        app.set_provisioning(&person(), &workspace, &enabled.name, rule).await.unwrap();
        let header = format!("Bearer {}", enabled.token.token);
        let ids = RequestIds::default();
        let caller = app.authenticate("acme", "mdm", Some(&header), ids).await.unwrap();
        let body = json!({ "userName": "ada@acme.example" });
        let parsed = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap();
        let user = app.create_user(&caller, EntryId(app.fresh_id()), parsed).await.unwrap().id;
        Self { app, workspace, caller, user, _dir: dir }
    }

    async fn give(&self, serial: &str) -> DeviceId {
        let enrolment = Enrolment {
            serial: serial.into(),
            platform: "ios".into(),
            name: None,
            user: Some(self.user.0),
            policy: None,
        };
        self.app.enrol_device(&person(), &self.workspace, enrolment).await.unwrap().id
    }

    async fn set_active(&self, active: bool) {
        let change =
            json!({ "Operations": [{ "op": "replace", "path": "active", "value": active }] });
        let request =
            scim::patch::Request::parse(change, Kind::User, Catalogue::standard()).unwrap();
        let options = scim::patch::Options::default();
        self.app.patch_user(&self.caller, self.user, request, options, None).await.unwrap();
    }

    /// The last event of a type.
    async fn last(&self, name: &str) -> Recorded {
        let events = self.app.log().read(&self.workspace, 0, 1_000).await.unwrap();
        let event = events.into_iter().rev().find(|event| event.name == name).unwrap();
        Recorded::read(event).unwrap().unwrap()
    }

    /// Lets the planner hear the last event of a type, and carries out what follows; what it was.
    async fn hears(&self, name: &str) -> Vec<String> {
        let event = self.last(name).await;
        assert!(Planner.hears(&event.name));
        let mut followed = Vec::new();
        for consequence in Planner.react(&self.app, &event).await.unwrap() {
            followed.push(self.carry_out(consequence).await);
        }
        followed
    }

    async fn carry_out(&self, consequence: Consequence) -> String {
        let (workspace, meta) = (self.workspace.clone(), Meta::default());
        match consequence {
            Consequence::User(id, command) => {
                let what = match &command {
                    UserCommand::PlanOffboarding { actions, .. } => {
                        format!("plan {}", actions.len())
                    }
                    UserCommand::CompleteOffboarding { .. } => "complete".to_owned(),
                    other => format!("{other:?}"),
                };
                let order = Order { workspace, id: id.0, command, meta };
                self.app.users().dispatch(order).await.unwrap();
                what
            }
            Consequence::Device(id, command) => {
                self.on_device(id, command.clone()).await;
                match command {
                    DeviceCommand::Request { .. } => "request".to_owned(),
                    other => format!("{other:?}"),
                }
            }
            Consequence::Role(..) | Consequence::Sweep(_) => {
                unreachable!("the planner gives no roles")
            }
            Consequence::Group(..) => unreachable!("the planner knows no groups"),
        }
    }

    async fn on_device(&self, id: DeviceId, command: DeviceCommand) {
        let (workspace, meta) = (self.workspace.clone(), Meta::default());
        let order = Order { workspace, id: id.0, command, meta };
        self.app.devices().dispatch(order).await.unwrap();
    }

    /// Does everything that is requested of a device, as the deliverer would.
    async fn deliver(&self, id: DeviceId) {
        let device = self.app.devices().load(&self.workspace, id.0).await.unwrap();
        for &action in device.state.actions.keys() {
            self.on_device(id, DeviceCommand::Send { action }).await;
            self.on_device(id, DeviceCommand::Confirm { action }).await;
        }
    }
}

#[tokio::test]
async fn what_was_assigned_before_an_offboarding_is_left_to_its_plan() {
    let scene = Scene::set(OnDeactivate::RemoveUserAndDevices).await;
    scene.give("first").await;
    scene.set_active(false).await;
    // The assignment is heard late: by now the person is being offboarded.
    assert_eq!(scene.hears("device.enrolled").await, [""; 0]);
    assert_eq!(scene.hears("user.offboarding_started").await, ["plan 1", "request"]);
}

#[tokio::test]
async fn an_offboarding_is_not_complete_before_every_device_is_planned_for() {
    let scene = Scene::set(OnDeactivate::RemoveUserAndDevices).await;
    scene.give("first").await;
    scene.give("second").await;
    scene.set_active(false).await;
    // Assigned later, and carried out first, as after a crash.
    let late = scene.give("late").await;
    assert_eq!(scene.hears("device.enrolled").await, ["plan 1", "request"]);
    scene.deliver(late).await;
    assert_eq!(scene.hears("device.action_confirmed").await, ["plan 2", "request", "request"]);
    let Event::User(UserEvent::OffboardingPlanned { actions, .. }) =
        scene.last("user.offboarding_planned").await.event
    else {
        unreachable!("the name says so")
    };
    for planned in actions {
        scene.deliver(planned.device).await;
    }
    assert_eq!(scene.hears("device.action_confirmed").await, ["complete"]);
}

/// An MDM service that is not to be called.
struct Nobody;

impl Mdm for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        unreachable!("an order was sent for somebody who is active: {order:?}")
    }

    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        unreachable!("nothing was sent that could be asked about: {order:?}")
    }
}

#[tokio::test]
async fn what_was_requested_is_not_sent_once_the_person_is_active_again() {
    let scene = Scene::set(OnDeactivate::RemoveUserAndDevices).await;
    let id = scene.give("first").await;
    scene.set_active(false).await;
    scene.hears("user.offboarding_started").await;
    // The policy that takes the request back has not heard of it yet.
    scene.set_active(true).await;
    let deliverer = tokio::spawn(deliverer::run(Arc::clone(&scene.app), Arc::new(Nobody)));
    loop {
        let device = scene.app.devices().load(&scene.workspace, id.0).await.unwrap();
        let state = device.state.actions.values().next().unwrap().state;
        if state == ActionState::Cancelled {
            break;
        }
        assert_eq!(state, ActionState::Requested);
        assert!(!deliverer.is_finished(), "the deliverer has ended");
        tokio::task::yield_now().await;
    }
    deliverer.abort();
}
