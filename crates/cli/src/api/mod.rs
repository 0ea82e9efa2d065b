//! Commands over `/api/v1`: what an administrator does, without a browser.
//!
//! One file for each resource. A command builds a request and prints the answer: as a table for
//! people, as the API's own JSON with `--json`. Whatever is refused is said in the API's words.

pub(crate) mod access;
pub(crate) mod attributes;
pub(crate) mod connector;
pub(crate) mod device;
pub(crate) mod effects;
mod erase;
pub(crate) mod group;
pub(crate) mod hold;
mod lines;
mod mdm;
pub(crate) mod offboarding;
pub(crate) mod people;
pub(crate) mod provisioning_log;
pub(crate) mod publication;
pub(crate) mod roles;
pub(crate) mod rule;
pub(crate) mod segment;
pub(crate) mod token;
pub(crate) mod workspace;

mod job;
mod table;
mod then;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

pub(crate) use then::Then;

use crate::{
    options::Misused,
    output::say,
    remote::{Client, Remote},
};

/// How many items of a list are asked for at a time.
const PAGE: usize = 1_000;

/// At which server, and how the answer is printed.
#[derive(Args, Clone)]
pub(crate) struct Api {
    #[command(flatten)]
    remote: Remote,
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
}

/// The same, in one workspace.
#[derive(Args, Clone)]
pub(crate) struct InWorkspace {
    #[command(flatten)]
    api: Api,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
}

/// A portal.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Portal {
    /// Collaborators.
    Dashboard,
    /// Employees.
    Store,
    /// MDM employees.
    Mdm,
}

impl Portal {
    fn name(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Store => "store",
            Self::Mdm => "mdm",
        }
    }

    /// Where the API has the portal's people.
    fn people(self) -> &'static str {
        match self {
            Self::Dashboard => "/collaborators",
            Self::Store => "/employees",
            Self::Mdm => "/mdm/users",
        }
    }
}

impl Api {
    fn client(&self) -> anyhow::Result<Client> {
        self.remote.client()
    }

    /// Asks, and prints the object that is answered.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = self.client()?.ask(&method, path, body).await?;
        self.print(&answer);
        Ok(answer)
    }

    fn print(&self, answer: &Value) {
        if self.json {
            say(&answer.to_string());
        } else {
            table::object(answer).iter().for_each(|line| say(line));
        }
    }

    /// Prints an object with a list in it, which people get as a table below the rest.
    fn print_with(&self, mut answer: Value, list: &str, columns: &[&str]) {
        if self.json {
            return self.print(&answer);
        }
        let items = answer.as_object_mut().and_then(|it| it.remove(list)).unwrap_or_default();
        self.print(&answer);
        say("");
        let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
        table::list(items, columns).iter().for_each(|line| say(line));
    }

    /// Prints a list, which people get as a table.
    fn print_list(&self, items: &[Value], columns: &[&str]) {
        if self.json {
            say(&json!({ "items": items }).to_string());
        } else {
            table::list(items, columns).iter().for_each(|line| say(line));
        }
    }

    /// Asks for something to be done of which there is nothing to show.
    async fn done(&self, method: Method, path: &str, said: &str) -> anyhow::Result<ExitCode> {
        self.client()?.ask(&method, path, None).await?;
        say(&if self.json { "{}".to_owned() } else { said.to_owned() });
        Ok(ExitCode::SUCCESS)
    }
}

impl InWorkspace {
    fn path(&self, rest: &str) -> String {
        format!("/workspaces/{}{rest}", escape(&self.workspace))
    }

    async fn show(
        &self,
        method: Method,
        rest: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<ExitCode> {
        self.api.ask(method, &self.path(rest), body).await?;
        Ok(ExitCode::SUCCESS)
    }

    /// The same for an object with a list in it, which people get as a table below the rest.
    async fn show_with(
        &self,
        method: Method,
        rest: &str,
        list: &str,
        columns: &[&str],
    ) -> anyhow::Result<ExitCode> {
        let answer = self.api.client()?.ask(&method, &self.path(rest), None).await?;
        self.api.print_with(answer, list, columns);
        Ok(ExitCode::SUCCESS)
    }

    async fn list(&self, rest: &str, columns: &[&str]) -> anyhow::Result<ExitCode> {
        self.api.list(&self.path(rest), columns).await
    }

    async fn done(&self, method: Method, rest: &str, said: &str) -> anyhow::Result<ExitCode> {
        self.api.done(method, &self.path(rest), said).await
    }
}

/// Text as it may stand in a path or a query.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The fields that were given.
fn fields<const N: usize>(given: [(&str, Option<Value>); N]) -> Value {
    let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

fn text(given: Option<&String>) -> Option<Value> {
    given.map(|text| Value::from(text.as_str()))
}

/// What cannot be taken back is asked for twice.
fn confirmed(yes: bool, what: &str) -> Result<(), Misused> {
    if yes { Ok(()) } else { Err(Misused(anyhow!("{what}: say --yes if that is what you want"))) }
}
