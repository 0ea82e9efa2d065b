//! The record of a workspace: its events, as `/api/v1` shows them.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::Client;

/// How many events are read at a time.
const PAGE: usize = 1_000;

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its place in the workspace, from 1.
    pub position: u64,
    /// Its stream, such as `user/<id>`.
    pub stream: String,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// Its type, such as `user.entry_added`.
    pub kind: String,
    /// Everything that the API shows of it.
    pub json: Value,
}

impl Event {
    /// A text of the whole event, such as `correlation`; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    /// A text of what happened, such as `action`; empty when there is none.
    pub fn data(&self, name: &str) -> &str {
        self.json["data"][name].as_str().unwrap_or_default()
    }

    /// The id of its stream, without the kind.
    pub fn stream_id(&self) -> &str {
        self.stream.split_once('/').map_or("", |(_, id)| id)
    }
}

/// The events of a workspace from a position on, in order.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The events.
    pub events: Vec<Event>,
}

impl Record {
    /// Reads everything after a position.
    ///
    /// # Errors
    /// When the API does not answer with events.
    pub async fn after(api: &mut Client, workspace: &str, position: u64) -> anyhow::Result<Self> {
        let mut record = Self::default();
        let mut after = Some(position);
        while let Some(position) = after {
            let path = format!("/workspaces/{workspace}/events?after={position}&limit={PAGE}");
            let mut page = api.get(&path).await?.expect(200)?;
            after = page["next"].as_u64();
            let items = page["items"].as_array_mut().context("no items")?;
            for json in items.drain(..) {
                record.events.push(event(json)?);
            }
        }
        Ok(record)
    }

    /// Reads everything, and checks that positions and versions are dense.
    ///
    /// # Errors
    /// When the API does not answer with events, or one is missing.
    pub async fn whole(api: &mut Client, workspace: &str) -> anyhow::Result<Self> {
        let record = Self::after(api, workspace, 0).await?;
        let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
        for (event, position) in record.events.iter().zip(1..) {
            ensure!(event.position == position, "{position} is missing before {event:?}");
            let version = versions.entry(&event.stream).or_default();
            *version += 1;
            ensure!(event.version == *version, "version {version} is missing before {event:?}");
        }
        Ok(record)
    }

    /// The events of a type, or of all types that begin so: `device.*`.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Event> {
        let is = move |event: &&Event| match kind.strip_suffix('*') {
            Some(beginning) => event.kind.starts_with(beginning),
            None => event.kind == kind,
        };
        self.events.iter().filter(is)
    }

    /// The types of all events, in order.
    pub fn kinds(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.kind.as_str()).collect()
    }
}

/// The last position of a workspace.
///
/// # Errors
/// When the API does not answer with events.
pub async fn head(api: &mut Client, workspace: &str) -> anyhow::Result<u64> {
    let record = Record::after(api, workspace, 0).await?;
    Ok(record.events.last().map_or(0, |event| event.position))
}

/// How many events a workspace has, but for first sights of attributes: those come with requests that
/// change nothing and with such as are refused, too.
///
/// # Errors
/// When the API does not answer with events.
pub async fn changes(api: &mut Client, workspace: &str) -> anyhow::Result<usize> {
    let record = Record::after(api, workspace, 0).await?;
    let is_change = |event: &&Event| event.kind != "workspace.attributes_seen";
    Ok(record.events.iter().filter(is_change).count())
}

fn event(json: Value) -> anyhow::Result<Event> {
    let number = |name: &str| json[name].as_u64().with_context(|| format!("no {name} in {json}"));
    let text = |name: &str| {
        let text = json[name].as_str().with_context(|| format!("no {name} in {json}"));
        text.map(str::to_owned)
    };
    let (position, version) = (number("position")?, number("version")?);
    let (stream, kind) = (text("stream")?, text("type")?);
    Ok(Event { position, stream, version, kind, json })
}
