//! People deactivated as fast as an identity provider sends, with two devices each that are removed at once:
//! what other people's requests notice of that.
//!
//! The other rows of this family have everybody deactivated as fast as the server answers, which leaves no
//! processor idle: what is measured then is what the machine lets pass. Here most of it is idle, and what
//! others wait for is what the server does.

use std::sync::Arc;

use serde_json::json;

use super::{BUDGET, DEVICES_EACH, Scene, WORKSPACE, rows};
use crate::{bodies, open::Arrivals, population::Population, process::precise_len, report::Report};

/// How many are deactivated in a second.
///
/// # Source
/// learn.microsoft.com, "Develop and plan provisioning for a SCIM endpoint in Microsoft Entra ID", what its
/// gallery asks for: "at least 25 requests per second per tenant" (2026-11-26).
const RATES: [usize; 2] = [25, 100];

/// For how many times as long as other measurements go.
const TIMES: u32 = 4;

/// The name of the connector that brings them.
const CONNECTOR: &str = "paced";

impl Scene {
    /// Measures beside each rate.
    pub(super) async fn paced(&self, report: &mut Report) -> anyhow::Result<()> {
        let rule = json!({
            "on_create": "create", "on_deactivate": "remove_user_and_devices", "brake": "off",
        });
        let at = (WORKSPACE, "mdm", CONNECTOR);
        let connector = self.server.named_connector(at, &rule).await?;
        let mut first = self.people.ids.len();
        for rate in RATES {
            let time = self.sizes.time * TIMES;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let count = (precise_len(rate) * time.as_secs_f64()).ceil() as usize + rate;
            let (people, _) = Population::create_from(connector.clone(), (first, count), 8).await?;
            first += count;
            self.enrol(&people.ids).await?;
            let rest = self.rest().await?;
            let ids = Arc::clone(&people.ids);
            let deactivations = Arrivals {
                connector: people.connector.clone(),
                per_second: precise_len(rate),
                next: Arc::new(move |number| bodies::deactivate_user(&ids[number % ids.len()])),
            };
            let work = async {
                let deactivated = deactivations.during(time).await?;
                self.all_carried_out().await?;
                Ok(deactivated)
            };
            let (beside, deactivated) = Box::pin(self.beside(work)).await?;
            let devices = rate * DEVICES_EACH;
            let what = format!(
                "{rate} people a second are deactivated, and {devices} devices a second removed"
            );
            rows(&what, &beside, &rest, Some(BUDGET), report);
            report.rate(format!("deactivations, {rate} due a second"), &deactivated);
        }
        Ok(())
    }
}
