//! `muster people erase`: erasing a person, and what is said of it afterwards (rule 32).

use std::process::ExitCode;

use hyper::Method;
use serde_json::{Value, json};

use super::{InWorkspace, confirmed, escape, fields, text};

/// What of a certificate people get in a list.
const COLUMNS: [&str; 6] = ["id", "state", "portal", "user", "erased_at", "reason"];

/// Whom, and how.
pub(super) struct Erase {
    pub(super) id: String,
    pub(super) reason: Option<String>,
    pub(super) all_portals: bool,
    pub(super) yes: bool,
}

/// Erases somebody and waits until nothing is left; without `yes`, says what would be done.
pub(super) async fn erase(of: &InWorkspace, erase: Erase) -> anyhow::Result<ExitCode> {
    let Erase { id, reason, all_portals, yes } = erase;
    let path = of.path(&format!("/people/{}/erase", escape(&id)));
    let mut client = of.api.client()?;
    if !yes {
        of.api.print(&client.get(&path).await?);
        let others =
            if all_portals { ", and everybody of the same userName in all portals," } else { "" };
        confirmed(false, &format!("this erases the person{others} for ever"))?;
    }
    let all = all_portals.then_some(json!(true));
    let body = fields([("reason", text(reason.as_ref())), ("all_portals", all)]);
    let answer = client.ask(&Method::POST, &path, Some(&body)).await?;
    let certificate = completed(of, answer).await?;
    let mut others = Vec::new();
    for other in certificate["others"].as_array().into_iter().flatten() {
        if let Some(erasure) = other["erasure"].as_str() {
            let path = of.path(&format!("/erasures/{}", escape(erasure)));
            others.push(completed(of, client.get(&path).await?).await?);
        }
    }
    of.api.print(&certificate);
    if !of.api.json {
        others.iter().for_each(|other| of.api.print(other));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks until no file holds anything any more. The server answers late while there is something to wait
/// for.
async fn completed(of: &InWorkspace, mut certificate: Value) -> anyhow::Result<Value> {
    let mut client = of.api.client()?;
    while certificate["state"] == "running" {
        let id = certificate["id"].as_str().unwrap_or_default();
        let path = of.path(&format!("/erasures/{}", escape(id)));
        certificate = client.get(&path).await?;
    }
    Ok(certificate)
}

/// Lists the erasures of a workspace.
pub(super) async fn list(of: &InWorkspace) -> anyhow::Result<ExitCode> {
    of.list("/erasures", &COLUMNS).await
}

/// Shows a certificate.
pub(super) async fn show(of: &InWorkspace, id: &str) -> anyhow::Result<ExitCode> {
    let path = format!("/erasures/{}", escape(id));
    of.show_with(Method::GET, &path, "places", &["place", "dealt_with"]).await
}
