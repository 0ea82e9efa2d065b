//! The five guides that the product was made after, each from its first step to its last: what the
//! administrator does in Muster, what the identity provider sends when the guide's steps are done
//! there, and what the read models show after each.
//!
//! | guide | portal | test |
//! |---|---|---|
//! | Applivery with Entra | Dashboard | [`applivery_with_entra`] |
//! | Applivery with Okta's native SCIM | Store | [`applivery_with_okta_native`] |
//! | Applivery with Okta's separate app | Dashboard | [`applivery_with_okta_template`] |
//! | Appspace with Azure | Store | [`appspace_with_azure`] |
//! | Scalefusion with Entra, and Okta beside it | MDM | [`scalefusion_with_entra`] |
//!
//! Single steps that a guide shows (a connection test, provisioning on demand, pushing a group) are
//! sent one by one: [`entra`] and [`okta`]. The cycle that runs by itself is that of the crate
//! `simulate`. [`console`] is where the administrator sits.

mod applivery_with_entra;
mod applivery_with_okta_native;
mod applivery_with_okta_template;
mod appspace_with_azure;
mod console;
mod entra;
mod okta;
mod scalefusion_with_entra;

use serde_json::Value;
use simulate::{Cycle, Idp, Plan, Progress, people::Directory};
use testkit::setup::Connector;

use self::console::Console;

/// The enterprise extension (RFC 7643 §4.3).
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// How many people and groups a cycle is about. Fewer than 20 people, so that no share of them holds
/// the brake.
const PEOPLE: usize = 9;
const GROUPS: usize = 2;

/// What is shown has these fields with these values.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "so that a call reads `shows(&it, json!({…}))`")]
fn shows(shown: &Value, wanted: Value) {
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name} in {shown}");
    }
}

/// Everybody and every group that is assigned to the application, as they are in the directory of the
/// identity provider. The seed keeps two directories apart.
fn directory(seed: u64) -> Directory {
    Directory::new(seed, PEOPLE, GROUPS)
}

/// "Start provisioning": the first cycle brings everybody, the next one their changes. Both find every
/// answer as it should be, and what is said once more is not recorded once more.
async fn cycles(console: &mut Console, connector: &Connector, idp: Idp, directory: &mut Directory) {
    for round in 0..2 {
        let kind = if round == 0 { Cycle::Initial } else { Cycle::Incremental };
        cycle(connector, idp, directory.seed, kind, round).await;
        let head = console.head().await;
        cycle(connector, idp, directory.seed, Cycle::Repeat, round).await;
        assert_eq!(console.head().await, head, "round {round} of {idp:?} was recorded twice");
    }
    directory.advance(1);
}

async fn cycle(connector: &Connector, idp: Idp, seed: u64, kind: Cycle, round: u32) {
    let plan = Plan::new(&connector.base_url, &connector.token, idp, kind);
    let plan = Plan { users: PEOPLE, groups: GROUPS, seed, round, ..plan };
    let summary = simulate::run(plan, &Progress::Silent).await.unwrap();
    assert_eq!(summary.findings_total, 0, "{summary}");
}
