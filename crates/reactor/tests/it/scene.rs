//! A workspace in which no policy runs but by the test's own hand.

use std::{path::Path, sync::Arc};

use app::{
    App, Caller, CountedIds, Order, Parts, Person, RequestIds,
    admin::{connectors::EnableScim, devices::Enrolment},
    policies::{Consequence, Policy},
};
use domain::{
    device::{Changes, DeviceCommand},
    ids::{DeviceId, EntryId, HoldId},
    portal::Portal,
    rule::{Brake, OnCreate, OnDeactivate, Provisioning},
    user::UserCommand,
    workspace::{Login, Plan, Saml},
};
use event_log::{EventLog, ManualClock, Meta, SqliteLog, WorkspaceId};
use projections::{ReadModels, Recorded, effects::OffboardingState};
use reactor::Planner;
use scim::{
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::json;
use tempfile::TempDir;

/// An MDM user in a workspace where no policy runs but by the test's own hand.
pub(crate) struct Scene {
    pub(crate) app: Arc<App>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) clock: Arc<ManualClock>,
    caller: Caller,
    /// The first one there is.
    pub(crate) user: EntryId,
    planner: Planner,
    _dir: TempDir,
}

pub(crate) fn person() -> Person {
    Person::owner("owner", RequestIds::default())
}

pub(crate) fn app(dir: &TempDir, clock: &Arc<ManualClock>) -> Arc<App> {
    app_over(dir.path(), SqliteLog::temporary(Arc::clone(clock) as _).unwrap(), clock)
}

/// An app over a log that is there.
pub(crate) fn app_over(dir: &Path, log: Arc<dyn EventLog>, clock: &Arc<ManualClock>) -> Arc<App> {
    App::new(Parts {
        read_models: ReadModels::open(dir, Arc::clone(&log)).unwrap(),
        log,
        clock: Arc::clone(clock) as _,
        ids: Arc::new(CountedIds::default()),
        public_url: "http://muster.example".into(),
        admin_digest: app::admin_digest("token"),
        notary: Arc::new(app::Notary::temporary().unwrap()),
    })
}

/// How the people of the portal sign in.
pub(crate) fn login() -> Login {
    let saml = Saml {
        entity_id: "https://idp.example".into(),
        sso_url: "https://idp.example/sso".into(),
        certificate: include_str!("../../../testkit/idp/certificate.b64").into(),
    };
    Login { saml, jit: false }
}

pub(crate) async fn bring(app: &App, caller: &Caller, user_name: &str) -> EntryId {
    let body = json!({ "userName": user_name });
    let parsed = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap();
    app.create_user(caller, EntryId(app.fresh_id()), parsed).await.unwrap().id
}

impl Scene {
    pub(crate) async fn set(on_deactivate: OnDeactivate) -> Self {
        Self::braked(on_deactivate, Brake::default()).await
    }

    pub(crate) async fn braked(on_deactivate: OnDeactivate, brake: Brake) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::at(1_000_000));
        let app = app(&dir, &clock);
        let workspace = WorkspaceId::parse("acme").unwrap();
        app.create_workspace(&person(), "acme", "Acme", Plan::Enterprise).await.unwrap();
        let portal = Portal::Mdm;
        app.configure_saml(&person(), &workspace, portal, login()).await.unwrap();
        let asked = EnableScim::default();
        let enabled = app.enable_scim(&person(), &workspace, portal, asked).await.unwrap();
        let on_create = OnCreate::Create;
        let rule = Provisioning { on_create, on_deactivate, brake, ..Provisioning::default() };
        app.set_provisioning(&person(), &workspace, &enabled.name, rule).await.unwrap();
        let header = format!("Bearer {}", enabled.token.token);
        let ids = RequestIds::default();
        let caller = app.authenticate("acme", "mdm", Some(&header), ids).await.unwrap();
        let user = bring(&app, &caller, "ada@acme.example").await;
        Self { app, workspace, clock, caller, user, planner: Planner::default(), _dir: dir }
    }

    /// What SCIM's POST /Users does.
    pub(crate) async fn bring(&self, user_name: &str) -> EntryId {
        bring(&self.app, &self.caller, user_name).await
    }

    pub(crate) async fn give(&self, serial: &str) -> DeviceId {
        self.give_to(self.user, serial).await
    }

    pub(crate) async fn give_to(&self, user: EntryId, serial: &str) -> DeviceId {
        let enrolment = Enrolment {
            serial: serial.into(),
            platform: "ios".into(),
            name: None,
            external_id: None,
            user: Some(user.0),
            policy: None,
        };
        self.app.enrol_device(&person(), &self.workspace, enrolment).await.unwrap().id
    }

    /// What an administrator does to give the first person a device that they had.
    pub(crate) async fn give_back(&self, device: DeviceId) {
        let user = Some(Some(domain::ids::UserId(self.user.0)));
        let changes = Changes { user, ..Changes::default() };
        self.on_device(device, DeviceCommand::Change(changes)).await;
    }

    pub(crate) async fn set_active(&self, active: bool) {
        self.set_active_of(self.user, active).await;
    }

    pub(crate) async fn set_active_of(&self, user: EntryId, active: bool) {
        let change =
            json!({ "Operations": [{ "op": "replace", "path": "active", "value": active }] });
        let request =
            scim::patch::Request::parse(change, Kind::User, Catalogue::standard()).unwrap();
        let options = scim::patch::Options::default();
        self.app.patch_user(&self.caller, user, request, options, None).await.unwrap();
    }

    /// The last event of a type.
    pub(crate) async fn last(&self, name: &str) -> Recorded {
        let events = self.app.log().read(&self.workspace, 0, 1_000).await.unwrap();
        let event = events.into_iter().rev().find(|event| event.name == name).unwrap();
        Recorded::read(event).unwrap().unwrap()
    }

    /// Lets the planner hear the last event of a type, and carries out what follows; what it was.
    pub(crate) async fn hears(&self, name: &str) -> Vec<String> {
        let event = self.last(name).await;
        assert!(self.planner.hears(&event.name));
        let mut followed = Vec::new();
        for consequence in self.planner.react(&self.app, &event).await.unwrap() {
            followed.push(self.carry_out(consequence).await);
        }
        followed
    }

    /// What an administrator does about a hold, all of it. Nobody waits for policies here.
    pub(crate) async fn approve(&self, hold: HoldId) {
        let effects = projections::effects::NAME;
        self.app.read_models().caught_up(effects, &self.workspace).await.unwrap();
        let held = OffboardingState::Held;
        let effects = self.app.read_models().effects();
        for row in effects.offboardings_of_hold(&self.workspace, hold, held, 0, 100).unwrap() {
            let command = UserCommand::ApproveOffboarding { offboarding: row.id };
            self.carry_out(Consequence::User(row.user, command)).await;
        }
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
                    UserCommand::HoldOffboarding { hold, .. } => format!("hold {hold}"),
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
            Consequence::Role(..)
            | Consequence::Roles(_)
            | Consequence::Sweep(_)
            | Consequence::Erasure(_) => {
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
    pub(crate) async fn deliver(&self, id: DeviceId) {
        let device = self.app.devices().load(&self.workspace, id.0).await.unwrap();
        for &action in device.state.actions.keys() {
            self.on_device(id, DeviceCommand::Send { action }).await;
            self.on_device(id, DeviceCommand::Confirm { action }).await;
        }
    }
}
