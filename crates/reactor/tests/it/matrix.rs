//! Every rule with no device, one and fifty, with every way in which a service can do, and with the
//! deliverer dying at every point: the end and the number of calls are what `docs/offboarding.md`
//! promises.

use domain::{
    device::{ActionState, DeviceState},
    rule::OnDeactivate,
    user::AccountState,
};
use futures_util::future::join_all;
use projections::effects::OffboardingState;

use crate::{
    fake::{Crash, Doing, Fake, HOUR},
    running::{START, Scene},
};

const DEVICES: [usize; 3] = [0, 1, 50];
const CRASHES: [Option<Crash>; 4] =
    [None, Some(Crash::BeforeSend), Some(Crash::AfterSend), Some(Crash::BeforeRecording)];

/// How many orders of one lane are under way at a time.
const AT_ONCE: usize = 8;
/// How many failures in a row it takes until a service is left alone.
const FAILURES: usize = 5;
/// How often a service is tried while it is down for an hour: 10, 30, 70, 150 and 310 s after it was
/// left alone, and every 300 s from there.
const PROBES_IN_AN_HOUR: usize = 15;

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
struct Case {
    rule: OnDeactivate,
    devices: usize,
    doing: Doing,
    crash: Option<Crash>,
}

impl Case {
    /// How many orders are under way when the deliverer dies.
    fn cut_off(self) -> usize {
        match (self.crash, self.doing) {
            // By then the lost answers have made it an outage, in which one order finds out.
            (Some(Crash::BeforeRecording), Doing::Losing) => self.devices.min(1),
            _ => self.devices.min(AT_ONCE),
        }
    }

    fn calls_for_actions(self) -> bool {
        self.rule != OnDeactivate::Nothing && self.devices > 0
    }

    /// How many orders reach the service.
    fn sends(self) -> usize {
        if !self.calls_for_actions() {
            return 0;
        }
        // An order whose answer was not heard comes again, under the same key.
        let unheard = match (self.crash, self.doing) {
            // The answer of the service that loses the first one would have been lost anyway.
            (Some(Crash::AfterSend), doing) => doing != Doing::Losing,
            // What was taken is asked after, and not sent again.
            (Some(Crash::BeforeRecording), doing) => {
                matches!(doing, Doing::Refusing | Doing::DownUntil(_))
            }
            (None | Some(Crash::BeforeSend), _) => false,
        };
        let again = if unheard { self.cut_off() } else { 0 };
        let once = match self.doing {
            Doing::Losing => 2 * self.devices,
            // Those that were under way together fail together.
            Doing::DownUntil(_) => self.devices + self.cut_off().max(FAILURES) + PROBES_IN_AN_HOUR,
            Doing::Fine | Doing::Slow | Doing::Refusing | Doing::Busy => self.devices,
        };
        once + again
    }

    async fn run(self) {
        let mut scene = Scene::set(self.rule).await;
        let serials: Vec<_> = (0..self.devices).map(|number| format!("serial-{number}")).collect();
        let devices = join_all(serials.iter().map(|serial| scene.give(serial, "ios"))).await;
        let fake = Fake::new("fake", &scene.clock, self.doing);
        scene.set_active(false).await;
        let mut deliverer = scene.deliverer(fake.alone());
        if let Some(crash) = self.crash.filter(|_| self.calls_for_actions()) {
            fake.hangs(Some(crash));
            tokio::select! {
                () = scene.run(&deliverer) => panic!("{self:?}: it did not die"),
                () = fake.hung(self.cut_off()) => {}
            }
            fake.hangs(None);
            // Whatever it knew of lanes and pauses dies with it.
            deliverer = scene.deliverer(fake.alone());
        }
        scene.run(&deliverer).await;
        self.check(&mut scene, &fake, &devices).await;
    }

    async fn check(self, scene: &mut Scene, fake: &Fake, devices: &[domain::ids::DeviceId]) {
        assert_eq!(fake.sends(), self.sends(), "{self:?}: orders that reached the service");
        let refused = self.doing == Doing::Refusing && self.calls_for_actions();
        let acted = if refused || !self.calls_for_actions() { 0 } else { self.devices };
        assert_eq!(fake.acted(), acted, "{self:?}: orders that it acted upon");

        let account = scene.person().await.account.state;
        let state = scene.offboarding().await.map(|row| row.state);
        let removes = self.rule.removes_account();
        let (expected, ends) = match (self.rule, refused) {
            (OnDeactivate::Nothing, _) => (AccountState::Active, None),
            (_, true) if removes => (AccountState::Suspended, Some(OffboardingState::Started)),
            (_, true) => (AccountState::Active, Some(OffboardingState::Started)),
            (_, false) if removes => (AccountState::Removed, Some(OffboardingState::Completed)),
            (_, false) => (AccountState::Active, Some(OffboardingState::Completed)),
        };
        assert_eq!((account, state), (expected, ends), "{self:?}");
        for &id in devices {
            self.check_device(scene, id, refused).await;
        }
        for (name, times) in [
            ("device.action_requested", if self.calls_for_actions() { self.devices } else { 0 }),
            ("device.action_confirmed", acted),
            ("device.action_parked", if refused { self.devices } else { 0 }),
        ] {
            assert_eq!(scene.count(name).await, times, "{self:?}: {name}");
        }
    }

    async fn check_device(self, scene: &Scene, id: domain::ids::DeviceId, refused: bool) {
        let device = scene.device(id).await;
        let theirs = Some(domain::ids::UserId(scene.user.0));
        let policy = Some(scene.policy);
        let expected = match (self.rule, refused) {
            (OnDeactivate::RemoveUserAndDevices, true) => (DeviceState::Removing, theirs, None),
            (OnDeactivate::Nothing, _) | (_, true) => (DeviceState::Enrolled, theirs, None),
            (OnDeactivate::Unassign | OnDeactivate::RemoveUser, false) => {
                (DeviceState::Enrolled, None, None)
            }
            (OnDeactivate::ChangePolicy, false) => (DeviceState::Enrolled, theirs, policy),
            (OnDeactivate::RemoveUserAndDevices, false) => (DeviceState::Removed, None, None),
        };
        assert_eq!((device.state, device.user, device.policy), expected, "{self:?}");
        let ends = if refused { ActionState::Parked } else { ActionState::Confirmed };
        assert!(device.actions.values().all(|action| action.state == ends), "{self:?}");
    }
}

/// One rule with a service that does this: all numbers of devices, and all crashes.
async fn every_case_of(rule: OnDeactivate, doing: Doing) {
    for devices in DEVICES {
        for crash in CRASHES {
            Case { rule, devices, doing, crash }.run().await;
        }
    }
}

/// A test for each way in which the service can do: together they take too long.
macro_rules! whatever_the_service_does {
    ($rule:ident, $of:ident) => {
        mod $of {
            use super::*;

            const RULE: OnDeactivate = OnDeactivate::$rule;

            #[tokio::test]
            async fn ends_when_the_service_is_fine() {
                every_case_of(RULE, Doing::Fine).await;
            }

            #[tokio::test]
            async fn ends_when_the_service_is_slow() {
                every_case_of(RULE, Doing::Slow).await;
            }

            #[tokio::test]
            async fn waits_for_a_person_when_the_service_refuses() {
                every_case_of(RULE, Doing::Refusing).await;
            }

            #[tokio::test]
            async fn ends_when_answers_are_lost() {
                every_case_of(RULE, Doing::Losing).await;
            }

            #[tokio::test]
            async fn ends_when_the_service_was_down_for_an_hour() {
                every_case_of(RULE, Doing::DownUntil(START + HOUR)).await;
            }
        }
    };
}

whatever_the_service_does!(RemoveUser, remove_user);
whatever_the_service_does!(Unassign, unassign);
whatever_the_service_does!(ChangePolicy, change_policy);
whatever_the_service_does!(RemoveUserAndDevices, remove_user_and_devices);

#[tokio::test]
async fn nothing_is_done_by_the_rule_that_does_nothing() {
    for doing in [Doing::Fine, Doing::Refusing] {
        every_case_of(OnDeactivate::Nothing, doing).await;
    }
}
