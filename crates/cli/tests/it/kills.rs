//! The process is killed at known points of an offboarding, with a service outside that is fine, slow,
//! refuses, loses answers or is down: the end, and the number of orders under each idempotency key, are
//! what `docs/offboarding.md` promises.
//!
//! Which combinations are run is a choice in which every two values meet. All of them are run inside one
//! process, with a clock that is moved, by the matrix of the crate `reactor`; here nothing is simulated
//! but the service. So an outage lasts for some orders and not for an hour, and of a service that loses
//! answers it is the first ones that get lost: each of these costs one order more.
//!
//! - `scene`: the server, its people and devices, and the service

mod scene;

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use self::scene::Scene;

/// What a deactivation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    Nothing,
    Unassign,
    ChangePolicy,
    RemoveUser,
    RemoveUserAndDevices,
}

/// How the service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// It acts before it answers.
    Fine,
    /// It takes orders and acts later.
    Slow,
    /// It refuses every order.
    Refusing,
    /// It acts, and its first answers are lost.
    Losing,
    /// It takes none of the first orders.
    Down,
}

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Killed {
    /// Orders are recorded as sent, and the service has heard none of them.
    BeforeSending,
    /// The service has orders, and has not answered.
    AfterSending,
    /// The answers that end actions, or tries, are on their way.
    BeforeRecording,
}

const RULES: [Rule; 5] = [
    Rule::Unassign,
    Rule::ChangePolicy,
    Rule::RemoveUser,
    Rule::RemoveUserAndDevices,
    Rule::Nothing,
];
const DEVICES: [usize; 3] = [1, 50, 0];
const DOINGS: [Doing; 5] = [Doing::Fine, Doing::Slow, Doing::Refusing, Doing::Losing, Doing::Down];
const KILLS: [Killed; 3] = [Killed::BeforeSending, Killed::AfterSending, Killed::BeforeRecording];

/// How many orders of one service are under way at a time.
const AT_ONCE: usize = 8;

/// One combination.
#[derive(Clone, Copy, Debug)]
struct Case {
    rule: Rule,
    devices: usize,
    doing: Doing,
    killed: Killed,
}

impl Case {
    /// Of one way in which the service can do: each rule that calls for something with one device or
    /// fifty, and two of those without any call.
    fn all_of(doing: Doing) -> Vec<Self> {
        let number = DOINGS.iter().position(|it| *it == doing).unwrap();
        let mut cases = Vec::new();
        for (place, &rule) in RULES[..4].iter().enumerate() {
            let nth = number + place;
            cases.push(Self { rule, devices: DEVICES[nth % 2], doing, killed: KILLS[nth % 3] });
        }
        let devices = DEVICES[number % 3];
        cases.push(Self { rule: Rule::Nothing, devices, doing, killed: KILLS[number % 3] });
        let killed = KILLS[(number + 1) % 3];
        cases.push(Self { rule: RULES[number], devices: 0, doing, killed });
        cases
    }

    /// How many actions it calls for.
    fn actions(self) -> usize {
        if self.rule == Rule::Nothing { 0 } else { self.devices }
    }

    /// How many orders are under way when the process is killed.
    fn cut_off(self) -> usize {
        self.actions().min(AT_ONCE)
    }

    /// How many orders reach the service.
    fn orders(self) -> usize {
        let troubled = match self.doing {
            Doing::Losing | Doing::Down => self.cut_off(),
            Doing::Fine | Doing::Slow | Doing::Refusing => 0,
        };
        // An order whose answer was not heard comes again. What was acknowledged is asked after.
        let unheard = match (self.killed, self.doing) {
            (Killed::BeforeSending, _) => false,
            // Those are the answers that get lost.
            (Killed::AfterSending, doing) => doing != Doing::Losing,
            (Killed::BeforeRecording, doing) => matches!(doing, Doing::Refusing | Doing::Down),
        };
        self.actions() + troubled + if unheard { self.cut_off() } else { 0 }
    }

    async fn run(self) -> anyhow::Result<()> {
        let mut scene = Scene::set(self).await?;
        scene.die_in_the_middle().await?;
        scene.go_on_to_the_end().await?;
        scene.check().await
    }
}

async fn every_case_of(doing: Doing) {
    try_join_all(Case::all_of(doing).into_iter().map(Case::run)).await.unwrap();
}

#[tokio::test]
async fn kills_at_a_service_that_is_fine() {
    every_case_of(Doing::Fine).await;
}

#[tokio::test]
async fn kills_at_a_service_that_is_slow() {
    every_case_of(Doing::Slow).await;
}

#[tokio::test]
async fn kills_at_a_service_that_refuses() {
    every_case_of(Doing::Refusing).await;
}

#[tokio::test]
async fn kills_at_a_service_that_loses_answers() {
    every_case_of(Doing::Losing).await;
}

#[tokio::test]
async fn kills_at_a_service_that_is_down() {
    every_case_of(Doing::Down).await;
}

/// Two values of a case.
type Pair = fn(&Case) -> (usize, usize);

/// Every two values meet; and of those with which anything is sent, in a case in which something is.
#[test]
fn every_two_values_meet() {
    let cases: Vec<_> = DOINGS.into_iter().flat_map(Case::all_of).collect();
    let sending: Vec<_> = cases.iter().copied().filter(|case| case.actions() > 0).collect();
    let met = |cases: &[Case], pair: Pair| cases.iter().map(pair).collect::<BTreeSet<_>>().len();
    let pairs: [(Pair, usize, usize); 6] = [
        (|it| (it.rule as usize, it.devices), 5 * 3, 4 * 2),
        (|it| (it.rule as usize, it.doing as usize), 5 * 5, 4 * 5),
        (|it| (it.rule as usize, it.killed as usize), 5 * 3, 4 * 3),
        (|it| (it.devices, it.doing as usize), 3 * 5, 2 * 5),
        (|it| (it.devices, it.killed as usize), 3 * 3, 2 * 3),
        (|it| (it.doing as usize, it.killed as usize), 5 * 3, 5 * 3),
    ];
    for (number, (pair, all, of_sending)) in pairs.into_iter().enumerate() {
        assert_eq!((met(&cases, pair), met(&sending, pair)), (all, of_sending), "pair {number}");
    }
}
