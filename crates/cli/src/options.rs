//! The server's settings: flags, then `MUSTER_*` variables, then a TOML file, then defaults.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    ops::Range,
    path::PathBuf,
};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use data_encoding::BASE64;
use hyper::Uri;
use reactor::deliverer;
use serde::Deserialize;

/// What flags, variables and the file may say.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerOptions {
    /// Where everything is kept. Made when it is missing.
    #[arg(long, env = "MUSTER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address and port to listen on; port 0 lets the system choose. [default: 127.0.0.1:8080]
    #[arg(long, env = "MUSTER_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where clients reach this server, if not at the address it listens on.
    #[arg(long, env = "MUSTER_PUBLIC_URL")]
    public_url: Option<String>,
    /// Where the log is: nothing for files in the data directory.
    #[arg(long, env = "MUSTER_LOG")]
    log: Option<String>,
    /// How many threads answer requests. [default: one for each core]
    #[arg(long, env = "MUSTER_WORKERS")]
    workers: Option<NonZeroUsize>,
    /// How many SCIM requests each connector may send in a second; more are answered 429. [default:
    /// as many as it likes]
    #[arg(long, env = "MUSTER_REQUESTS_PER_SECOND")]
    requests_per_second: Option<NonZeroU32>,
    /// How many calls go to each MDM service of a workspace in a second. [default: 20]
    #[arg(long, env = "MUSTER_MDM_CALLS_PER_SECOND")]
    mdm_calls_per_second: Option<NonZeroU32>,
    /// Where an OpenTelemetry collector takes traces by OTLP over HTTP, such as `http://127.0.0.1:4318`.
    /// [default: nowhere]
    #[arg(long, env = "MUSTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// The share of traces that are sent there, from 0 to 1. [default: 1]
    #[arg(long, env = "MUSTER_OTLP_SHARE")]
    otlp_share: Option<f64>,
    /// Keeps no provisioning log, for `make bench` to measure what it costs.
    #[arg(long, hide = true)]
    #[serde(skip)]
    without_provisioning_log: bool,
    /// After how many hours read models are compared with the log, again and again. [default: never]
    #[arg(long, env = "MUSTER_VERIFY_EVERY", value_name = "HOURS")]
    verify_every: Option<NonZeroU32>,
    /// Log lines as JSON.
    #[arg(long, env = "MUSTER_LOG_JSON")]
    #[serde(default)]
    log_json: bool,
    /// The token of the owner for /api/v1, 16 to 256 printable characters.
    #[arg(long, env = "MUSTER_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
    /// 32 bytes in base64 that wrap every key of the data directory.
    #[arg(long, env = "MUSTER_MASTER_KEY", hide_env_values = true)]
    master_key: Option<String>,
    /// The file of the keys that sign checkpoints; made when it is missing. [default: signing.keys in
    /// the data directory]
    #[arg(long, env = "MUSTER_SIGNING_KEYS")]
    signing_keys: Option<PathBuf>,
    /// The file of the ledger of erasures, which every start applies; made when it is missing. [default:
    /// erasures.ledger in the data directory]
    #[arg(long, env = "MUSTER_ERASURE_LEDGER")]
    erasure_ledger: Option<PathBuf>,
    /// Where `muster backup` has the server put backups. [default: nowhere]
    #[arg(long, env = "MUSTER_BACKUP_DIR")]
    backup_dir: Option<PathBuf>,
    /// Where it puts keys and signing keys, apart from the rest. [default: with the rest]
    #[arg(long, env = "MUSTER_BACKUP_KEYS_DIR")]
    backup_keys_dir: Option<PathBuf>,
    /// A TOML file with these settings, names with underscores.
    #[arg(long, env = "MUSTER_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

/// The command was not understood: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub(crate) struct Misused(pub(crate) anyhow::Error);

/// A position of the record or a time, as the server reads it too.
///
/// # Errors
/// Says what it has to be.
pub(crate) fn moment(text: &str) -> Result<String, &'static str> {
    let is_position = text.parse::<u64>().is_ok();
    let known = is_position || record::export::read_time(text).is_some();
    if known { Ok(text.to_owned()) } else { Err("must be a position or an RFC 3339 time") }
}

/// A time, likewise.
///
/// # Errors
/// Says what it has to be.
pub(crate) fn time(text: &str) -> Result<String, &'static str> {
    record::export::read_time(text).ok_or("must be an RFC 3339 time")?;
    Ok(text.to_owned())
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) workers: Option<NonZeroUsize>,
    pub(crate) requests_per_second: Option<NonZeroU32>,
    pub(crate) mdm_calls_per_second: NonZeroU32,
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) otlp_share: f64,
    pub(crate) without_provisioning_log: bool,
    /// In hours.
    pub(crate) verify_every: Option<NonZeroU32>,
    pub(crate) log_json: bool,
    pub(crate) admin_token: Option<String>,
    pub(crate) master_key: Option<[u8; 32]>,
    pub(crate) signing_keys: Option<PathBuf>,
    pub(crate) erasure_ledger: Option<PathBuf>,
    pub(crate) backup_dir: Option<PathBuf>,
    pub(crate) backup_keys_dir: Option<PathBuf>,
}

impl ServerOptions {
    /// Completes and checks the settings.
    ///
    /// # Errors
    /// [`Misused`], since what was asked for makes no sense.
    pub(crate) fn settle(self) -> Result<Settings, Misused> {
        self.complete().map_err(Misused)
    }

    fn complete(self) -> anyhow::Result<Settings> {
        let file = match &self.config {
            Some(path) => read(path)?,
            None => Self::default(),
        };
        if let Some(url) = self.log.or(file.log) {
            bail!("--log {url}: this version keeps its log in the data directory only");
        }
        let data_dir = self.data_dir.or(file.data_dir);
        let listen = self.listen.or(file.listen);
        let admin_token = self.admin_token.or(file.admin_token);
        if let Some(token) = &admin_token {
            check_token(token)?;
        }
        let public_url = self.public_url.or(file.public_url);
        public_url.as_deref().map(check_url).transpose()?;
        let otlp_share = self.otlp_share.or(file.otlp_share).unwrap_or(1.0);
        if !(0.0..=1.0).contains(&otlp_share) {
            bail!("--otlp-share {otlp_share}: the share of traces must be from 0 to 1");
        }
        Ok(Settings {
            data_dir: data_dir.context("say where to keep things: --data-dir DIR")?,
            listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            public_url: public_url.map(|url| url.trim_end_matches('/').to_owned()),
            workers: self.workers.or(file.workers),
            requests_per_second: self.requests_per_second.or(file.requests_per_second),
            mdm_calls_per_second: self
                .mdm_calls_per_second
                .or(file.mdm_calls_per_second)
                .unwrap_or(deliverer::CALLS_PER_SECOND),
            otlp_endpoint: self.otlp_endpoint.or(file.otlp_endpoint),
            otlp_share,
            without_provisioning_log: self.without_provisioning_log,
            verify_every: self.verify_every.or(file.verify_every),
            log_json: self.log_json || file.log_json,
            admin_token,
            master_key: self.master_key.or(file.master_key).as_deref().map(key).transpose()?,
            signing_keys: self.signing_keys.or(file.signing_keys),
            erasure_ledger: self.erasure_ledger.or(file.erasure_ledger),
            backup_dir: self.backup_dir.or(file.backup_dir),
            backup_keys_dir: self.backup_keys_dir.or(file.backup_keys_dir),
        })
    }
}

fn read(path: &PathBuf) -> anyhow::Result<ServerOptions> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading the configuration {}", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        // Without the line itself, which may hold a token or a key.
        let lines_before =
            |span: Range<usize>| text.get(..span.start).map(|it| it.matches('\n').count());
        let line = error.span().and_then(lines_before).map_or(1, |before| before + 1);
        anyhow!("reading the configuration {}: line {line}: {}", path.display(), error.message())
    })
}

/// Base URLs begin with it, and are what administrators copy into an identity provider.
fn check_url(url: &str) -> anyhow::Result<()> {
    let fits = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|it| !it.as_str().contains('@'))
            && uri.query().is_none()
    });
    ensure!(
        fits && !url.contains('#'),
        "--public-url {url:?}: must be where clients reach the server, such as https://scim.example.com, \
         without a user or a query"
    );
    Ok(())
}

fn check_token(token: &str) -> anyhow::Result<()> {
    let printable = token.chars().all(|c| c.is_ascii_graphic());
    ensure!(
        (16..=256).contains(&token.len()) && printable,
        "the admin token (MUSTER_ADMIN_TOKEN) must be 16 to 256 printable characters without spaces"
    );
    Ok(())
}

/// Reads a master key.
pub(crate) fn key(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = BASE64.decode(text.trim().as_bytes()).ok().and_then(|it| it.try_into().ok());
    bytes.context(
        "the master key (MUSTER_MASTER_KEY) must be 32 bytes in base64: \
         make one with `openssl rand -base64 32`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ServerOptions {
        ServerOptions { data_dir: Some("data".into()), ..ServerOptions::default() }
    }

    #[test]
    fn a_data_directory_is_needed_and_the_rest_has_defaults() {
        assert!(ServerOptions::default().settle().is_err());
        let settings = options().settle().unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    }

    #[test]
    fn short_tokens_and_keys_are_refused() {
        let short = ServerOptions { admin_token: Some("short".into()), ..options() };
        assert!(short.settle().unwrap_err().to_string().contains("16 to 256"));
        let key = ServerOptions { master_key: Some("c2hvcnQ=".into()), ..options() };
        assert!(key.settle().unwrap_err().to_string().contains("32 bytes"));
    }

    #[test]
    fn a_file_that_does_not_read_is_not_said_again() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for text in
            ["workers = 3\nadmin_token = not-in-quotes-0123\n", "x = 1\nadmin_tokens = \"0123\"\n"]
        {
            std::io::Write::write_all(&mut file.reopen().unwrap(), text.as_bytes()).unwrap();
            file.as_file_mut().set_len(text.len() as u64).unwrap();
            let config = Some(file.path().to_owned());
            let error = ServerOptions { config, ..options() }.settle().unwrap_err().to_string();
            assert!(error.contains("line ") && !error.contains("0123"), "{error}");
        }
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let folder = std::env::temp_dir().join(format!("muster-options-{}", std::process::id()));
        std::fs::write(&folder, "listen = \"127.0.0.1:1\"\nworkers = 3\n").unwrap();
        let listen = "127.0.0.1:2".parse().ok();
        let settings =
            ServerOptions { listen, config: Some(folder.clone()), ..options() }.settle().unwrap();
        std::fs::remove_file(&folder).unwrap();
        assert_eq!((settings.listen.port(), settings.workers), (2, NonZeroUsize::new(3)));
    }
}
