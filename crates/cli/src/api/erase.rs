//! `muster people erase`: erasing a person, and what is said of it afterwards (rule 32).

use std::process::ExitCode;

use hyper::Method;
use serde_json::{Value, json};

use super::{InWorkspace, confirmed, escape, fields, text};
use crate::output::complain;

/// What of a certificate people get in a list.
const COLUMNS: [&str; 6] = ["id", "state", "portal", "user", "erased_at", "reason"];

/// What of the others of a name people get.
const COULD_GO: [&str; 5] = ["portal", "id", "account", "same_time", "names"];

/// Whom, and how.
pub(super) struct Erase {
    pub(super) id: String,
    pub(super) reason: Option<String>,
    pub(super) all_portals: bool,
    pub(super) with: Vec<String>,
    pub(super) yes: bool,
}

/// Erases somebody and waits until nothing is left; without `yes`, says what would be done.
pub(super) async fn erase(of: &InWorkspace, erase: Erase) -> anyhow::Result<ExitCode> {
    let Erase { id, reason, all_portals, with, yes } = erase;
    let path = of.path(&format!("/people/{}/erase", escape(&id)));
    let mut client = of.api.client()?;
    if !yes {
        let mut prospect = client.get(&path).await?;
        if !of.api.json {
            in_words(&mut prospect["names"]);
            for other in prospect["others"].as_array_mut().into_iter().flatten() {
                in_words(&mut other["names"]);
            }
        }
        of.api.print_with(prospect, "others", &COULD_GO);
        let same = if all_portals { ", those of the others whose same_time is true" } else { "" };
        let named = if with.is_empty() { "" } else { ", and those of --with" };
        confirmed(false, &format!("this erases the person{same}{named}, for ever"))?;
    }
    let all = all_portals.then_some(json!(true));
    let with = (!with.is_empty()).then(|| json!(with));
    let body = fields([("reason", text(reason.as_ref())), ("all_portals", all), ("with", with)]);
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
    if of.api.json {
        return Ok(ExitCode::SUCCESS);
    }
    others.iter().for_each(|other| of.api.print(other));
    let all = certificate["others"].as_array().into_iter().flatten();
    for other in all.filter(|other| other["erasure"].is_null()) {
        let [portal, id] = ["portal", "id"].map(|it| other[it].as_str().unwrap_or_default());
        complain(&format!("{portal} {id} has or had the same userName, and stays: see --with"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What somebody was called, and when, in words.
fn in_words(names: &mut Value) {
    let text = |value: &Value| value.as_str().unwrap_or("now").to_owned();
    let had = |it: &Value| {
        format!("{} ({} to {})", text(&it["user_name"]), text(&it["from"]), text(&it["to"]))
    };
    let all: Vec<_> = names.as_array().into_iter().flatten().map(had).collect();
    *names = Value::from(all.join(", "));
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
