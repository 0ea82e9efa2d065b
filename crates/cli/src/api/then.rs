//! Reading today or at a moment of the past, with progress on a terminal.
//!
//! The first question about a past has the server build it, which takes minutes where a million events
//! lie before it. The server says how far it is, and is asked again until it is there.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use serde_json::Value;

use super::{Api, InWorkspace, PAGE, escape};
use crate::{
    options::{Misused, moment},
    progress::Reading,
    remote,
};

/// The same in one workspace, as it is or as it was.
#[derive(Args, Clone)]
pub(crate) struct Then {
    #[command(flatten)]
    pub(super) of: InWorkspace,
    /// As of this position of the record, or this RFC 3339 time. [default: now]
    #[arg(long, value_name = "POSITION|TIME", value_parser = moment)]
    at: Option<String>,
}

impl Api {
    /// Prints a list, all pages of it, with these columns.
    pub(super) async fn list(&self, path: &str, columns: &[&str]) -> anyhow::Result<ExitCode> {
        let mut client = self.client()?;
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        let mut reading = Reading::new("reading");
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let behind = cursor.map(|it| format!("&cursor={}", escape(&it))).unwrap_or_default();
            let path = format!("{path}{joint}limit={PAGE}{behind}");
            let page = client.get_built(&path, &mut reading).await?;
            items.extend_from_slice(remote::items(&page["items"])?);
            reading.read(items.len() as u64);
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        drop(reading);
        self.print_list(&items, columns);
        Ok(ExitCode::SUCCESS)
    }
}

impl Then {
    /// The workspace as it is, for what changes it.
    ///
    /// # Errors
    /// [`Misused`] where a moment was said.
    pub(super) fn now(&self) -> Result<&InWorkspace, Misused> {
        match self.at {
            None => Ok(&self.of),
            Some(_) => Err(Misused(anyhow!("--at: nothing of the past can be changed"))),
        }
    }

    /// A path below the workspace, as of the moment.
    fn path(&self, rest: &str) -> String {
        let path = self.of.path(rest);
        match &self.at {
            None => path,
            Some(at) => {
                let joint = if path.contains('?') { '&' } else { '?' };
                format!("{path}{joint}at={}", escape(at))
            }
        }
    }

    /// Prints an object.
    pub(super) async fn show(&self, rest: &str) -> anyhow::Result<ExitCode> {
        let answer = self.read(rest).await?;
        self.of.api.print(&answer);
        Ok(ExitCode::SUCCESS)
    }

    /// The same for an object with a list in it, which people get as a table below the rest.
    pub(super) async fn show_with(
        &self,
        rest: &str,
        list: &str,
        columns: &[&str],
    ) -> anyhow::Result<ExitCode> {
        let answer = self.read(rest).await?;
        self.of.api.print_with(answer, list, columns);
        Ok(ExitCode::SUCCESS)
    }

    /// Prints a list, all pages of it, with these columns.
    pub(super) async fn list(&self, rest: &str, columns: &[&str]) -> anyhow::Result<ExitCode> {
        self.of.api.list(&self.path(rest), columns).await
    }

    async fn read(&self, rest: &str) -> anyhow::Result<Value> {
        let mut reading = Reading::new("reading");
        self.of.api.client()?.get_built(&self.path(rest), &mut reading).await
    }
}
