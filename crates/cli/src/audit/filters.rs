//! Which events a command is about, in the words of the API: for a server as its parameters, for a data
//! directory as what the log itself is asked.

use anyhow::{Context, anyhow, ensure};
use app::admin::events::KINDS;
use clap::Args;
use event_log::{EventFilter, StreamId};

use crate::{
    api::escape,
    options::{Misused, moment},
};

/// Of whom or what, and by whom.
#[derive(Args)]
pub(super) struct Filters {
    /// Only of this stream, such as `user/<id>`.
    #[arg(long)]
    stream: Option<String>,
    /// Only of this type, or of all that begin so: `user.*`.
    #[arg(long = "type")]
    kind: Option<String>,
    /// Only about this person, by any of their ids: what happened to them, and what concerns them in
    /// groups and devices.
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// Only by this actor, such as `person:<id>` or `policy:roles`.
    #[arg(long)]
    actor: Option<String>,
    /// Only by this connector.
    #[arg(long, conflicts_with = "actor")]
    connector: Option<String>,
    /// Only with this correlation id.
    #[arg(long)]
    correlation: Option<String>,
}

/// Of when.
#[derive(Args)]
pub(super) struct Span {
    /// Not before this position or RFC 3339 time.
    #[arg(long, value_parser = moment)]
    from: Option<String>,
    /// Not after this position or RFC 3339 time.
    #[arg(long, value_parser = moment)]
    to: Option<String>,
}

/// Parameters of the API.
pub(super) type Params = Vec<(&'static str, String)>;

impl Filters {
    pub(super) fn params(&self) -> Params {
        let Self { stream, kind, person, actor, connector, correlation } = self;
        given([
            ("stream", stream),
            ("type", kind),
            ("person", person),
            ("actor", actor),
            ("connector", connector),
            ("correlation", correlation),
        ])
    }

    /// What the log itself is asked, and after which position.
    ///
    /// # Errors
    /// [`Misused`] for what only a server can answer, and for what does not read.
    pub(super) fn offline(&self, span: &Span) -> Result<(EventFilter, u64), Misused> {
        self.ask_log(span).map_err(Misused)
    }

    fn ask_log(&self, span: &Span) -> anyhow::Result<(EventFilter, u64)> {
        ensure!(self.person.is_none(), "--person: ask a server for it");
        let actor = self.connector.as_ref().map(|name| format!("connector:{name}"));
        let mut filter = EventFilter {
            stream: self.stream.as_deref().map(stream_of).transpose()?,
            name: self.kind.as_deref().map(Into::into),
            actor: actor.or_else(|| self.actor.clone()).map(Into::into),
            correlation: self.correlation.clone(),
            ..EventFilter::default()
        };
        let mut after = 0;
        match span.from.as_deref().map(place).transpose()? {
            None => {}
            Some(Place::Position(position)) => after = position.saturating_sub(1),
            Some(Place::Time(time)) => filter.from = Some(time),
        }
        match span.to.as_deref().map(place).transpose()? {
            None => {}
            Some(Place::Position(position)) => filter.until = Some(position),
            Some(Place::Time(time)) => filter.to = Some(time),
        }
        Ok((filter, after))
    }
}

impl Span {
    pub(super) fn params(&self) -> Params {
        given([("from", &self.from), ("to", &self.to)])
    }
}

/// As they stand in a query string, each with what joins it to those before.
pub(super) fn joined(params: &[(&'static str, String)]) -> String {
    let params = params.iter().map(|(name, value)| format!("&{name}={}", escape(value)));
    params.collect::<Vec<_>>().concat()
}

fn given<const N: usize>(all: [(&'static str, &Option<String>); N]) -> Params {
    all.into_iter().filter_map(|(name, it)| it.clone().map(|it| (name, it))).collect()
}

enum Place {
    Position(u64),
    /// In microseconds.
    Time(i64),
}

fn place(text: &str) -> anyhow::Result<Place> {
    let position = text.parse().ok().map(Place::Position);
    let place = position.or_else(|| record::export::read_time(text).map(Place::Time));
    place.with_context(|| format!("{text}: must be a position or an RFC 3339 time"))
}

fn stream_of(text: &str) -> anyhow::Result<StreamId> {
    let parts = text.split_once('/').and_then(|(kind, id)| Some((kind, id.parse().ok()?)));
    let parts = parts.filter(|(kind, _)| KINDS.contains(kind));
    let must =
        || anyhow!("--stream {text}: must read <kind>/<id>, the kind one of {}", KINDS.join(", "));
    let (kind, id) = parts.ok_or_else(must)?;
    Ok(StreamId::new(kind, id))
}
