//! A workspace whose MDM portal carries out a rule, and somebody in it who has devices.

use std::sync::Arc;

use app::{
    App, Caller, RequestIds,
    admin::{
        connectors::EnableScim,
        devices::{DeviceChange, Enrolment, Set},
    },
    policies,
};
use domain::{
    device::{Action, Device},
    ids::{ConnectorName, DeviceId, EntryId, PolicyId},
    portal::Portal,
    rule::{OnCreate, OnDeactivate, Provisioning},
    user::User,
    workspace::Plan,
};
use event_log::{ManualClock, WorkspaceId};
use projections::effects::{OffboardingRow, OffboardingState};
use reactor::{
    Planner,
    deliverer::{CALLS_PER_SECOND, Deliverer},
    service::Services,
};
use scim::schema::{Catalogue, Kind};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) use crate::scene::person;
use crate::scene::{app, app_over, bring, login};

/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600_000_000;

/// See the module. Policies run; the deliverer is the test's own.
pub(crate) struct Scene {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) workspace: WorkspaceId,
    token: String,
    pub(crate) caller: Caller,
    pub(crate) user: EntryId,
    pub(crate) policy: PolicyId,
    policies: JoinHandle<()>,
    dir: TempDir,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.policies.abort();
    }
}

/// A workspace with a connector for MDM that does this, and the token of that.
pub(crate) async fn mdm(app: &App, slug: &str) -> (WorkspaceId, String) {
    let workspace = WorkspaceId::parse(slug).unwrap();
    app.create_workspace(&person(), slug, "Acme", Plan::Enterprise).await.unwrap();
    let portal = Portal::Mdm;
    app.configure_saml(&person(), &workspace, portal, login()).await.unwrap();
    let asked = EnableScim::default();
    let enabled = app.enable_scim(&person(), &workspace, portal, asked).await.unwrap();
    (workspace, enabled.token.token)
}

/// Sets what deactivation does from now on; whoever speaks through the connector then.
pub(crate) async fn rule(
    app: &App,
    workspace: &WorkspaceId,
    token: &str,
    (on_deactivate, policy): (OnDeactivate, Option<PolicyId>),
) -> Caller {
    let on_create = OnCreate::Create;
    let rule = Provisioning { on_create, on_deactivate, policy, ..Provisioning::default() };
    let connector = ConnectorName::parse("mdm").unwrap();
    app.set_provisioning(&person(), workspace, &connector, rule).await.unwrap();
    let (header, ids) = (format!("Bearer {token}"), RequestIds::default());
    app.authenticate(workspace.as_str(), "mdm", Some(&header), ids).await.unwrap()
}

impl Scene {
    pub(crate) async fn set(on_deactivate: OnDeactivate) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let app = app(&dir, &clock);
        let mut all = policies::standard();
        all.push(Box::new(Planner::default()));
        let policies = tokio::spawn(policies::run(Arc::clone(&app), all));
        let (workspace, token) = mdm(&app, "acme").await;
        let policy = app.add_policy(&person(), &workspace, "Locked").await.unwrap().id;
        let does = (on_deactivate, (on_deactivate == OnDeactivate::ChangePolicy).then_some(policy));
        let caller = rule(&app, &workspace, &token, does).await;
        let user = bring(&app, &caller, "ada@acme.example").await;
        Self { app, clock, workspace, token, caller, user, policy, policies, dir }
    }

    /// What deactivation does from now on.
    pub(crate) async fn rule(&mut self, on_deactivate: OnDeactivate) {
        let policy = (on_deactivate == OnDeactivate::ChangePolicy).then_some(self.policy);
        let does = (on_deactivate, policy);
        self.caller = rule(&self.app, &self.workspace, &self.token, does).await;
    }

    pub(crate) async fn provision(&self, user_name: &str) -> EntryId {
        bring(&self.app, &self.caller, user_name).await
    }

    pub(crate) async fn give(&self, serial: &str, platform: &str) -> DeviceId {
        self.give_to(self.user, serial, platform).await
    }

    pub(crate) async fn give_to(&self, user: EntryId, serial: &str, platform: &str) -> DeviceId {
        let enrolment = Enrolment {
            serial: serial.into(),
            platform: platform.into(),
            name: None,
            external_id: None,
            user: Some(user.0),
            policy: None,
        };
        self.app.enrol_device(&person(), &self.workspace, enrolment).await.unwrap().id
    }

    /// Gives a device to somebody else, or refuses to.
    pub(crate) async fn move_to(&self, device: DeviceId, user: EntryId) -> Result<(), String> {
        let change = DeviceChange {
            user: Set::To(Some(user.0)),
            policy: Set::Keep,
            name: Set::Keep,
            external_id: Set::Keep,
        };
        let moved = self.app.change_device(&person(), &self.workspace, device, change).await;
        moved.map(drop).map_err(|refusal| refusal.to_string())
    }

    pub(crate) async fn set_active(&self, active: bool) {
        let change =
            json!({ "Operations": [{ "op": "replace", "path": "active", "value": active }] });
        let request =
            scim::patch::Request::parse(change, Kind::User, Catalogue::standard()).unwrap();
        let options = scim::patch::Options::default();
        self.app.patch_user(&self.caller, self.user, request, options, None).await.unwrap();
        self.settled().await;
    }

    /// A server over the same log, with read models that are built anew.
    pub(crate) fn start_again(&mut self) {
        self.policies.abort();
        self.dir = TempDir::new().unwrap();
        self.app = app_over(self.dir.path(), Arc::clone(self.app.log()), &self.clock);
        let mut all = policies::standard();
        all.push(Box::new(Planner::default()));
        self.policies = tokio::spawn(policies::run(Arc::clone(&self.app), all));
    }

    /// Waits until policies have dealt with everything.
    pub(crate) async fn settled(&self) {
        self.app.settled(&self.workspace).await;
    }

    pub(crate) fn deliverer(&self, services: Arc<dyn Services>) -> Deliverer {
        Deliverer::new(Arc::clone(&self.app), services, CALLS_PER_SECOND)
    }

    /// Lets time pass, from one thing to do to the next, until nothing is left to be done.
    pub(crate) async fn run(&self, deliverer: &Deliverer) {
        loop {
            let head = self.app.log().head(&self.workspace);
            let wake = deliverer.turn().await.unwrap();
            self.settled().await;
            match wake {
                Some(wake) => self.clock.set(wake.max(self.app.now())),
                None if self.app.log().head(&self.workspace) == head => return,
                None => {}
            }
        }
    }

    pub(crate) async fn device(&self, id: DeviceId) -> Device {
        self.app.devices().load(&self.workspace, id.0).await.unwrap().state.clone()
    }

    /// The only action of a device.
    pub(crate) async fn action(&self, id: DeviceId) -> Action {
        let device = self.device(id).await;
        assert_eq!(device.actions.len(), 1, "{device:?}");
        device.actions.into_values().next().unwrap()
    }

    pub(crate) async fn person(&self) -> User {
        self.app.users().load(&self.workspace, self.user.0).await.unwrap().state.clone()
    }

    /// The last offboarding of the person.
    pub(crate) async fn offboarding(&self) -> Option<OffboardingRow> {
        let user = Some(self.user.0);
        let listing = app::admin::page::Listing { q: None, limit: 10, cursor: None };
        let listed = self.app.list_offboardings(&self.workspace, None, user, &listing).await;
        listed.unwrap().items.into_iter().next().map(|view| view.row)
    }

    pub(crate) async fn offboarding_is(&self, state: OffboardingState) {
        assert_eq!(self.offboarding().await.unwrap().state, state);
    }

    /// How many events of a type there are.
    pub(crate) async fn count(&self, name: &str) -> usize {
        let events = self.app.log().read(&self.workspace, 0, 100_000).await.unwrap();
        events.iter().filter(|event| event.name == name).count()
    }
}
