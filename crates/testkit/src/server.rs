//! The process of a server, and its data directory.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::Client;

/// The owner's token of every test server.
pub const ADMIN_TOKEN: &str = "test-admin-token-0123456789";

/// How often it is looked whether a killed process has ended. It takes milliseconds.
const REAPED_AFTER_MAX: usize = 1_000_000;

/// A running server. Dropping it kills the process.
pub struct Server {
    binary: PathBuf,
    /// The command that it runs: `serve` or `demo`.
    command: &'static str,
    /// Its settings, as environment variables.
    settings: Vec<(String, String)>,
    data: TempDir,
    process: Process,
}

/// One life of a server.
struct Process {
    child: Child,
    url: String,
    /// What it printed before it listened.
    printed: Vec<String>,
}

impl Server {
    /// Starts `binary` (a test gets its path from `CARGO_BIN_EXE_muster`) on an empty directory.
    ///
    /// # Errors
    /// When it does not come to listen.
    pub async fn start(binary: impl Into<PathBuf>) -> anyhow::Result<Self> {
        Self::start_as("serve", binary.into(), &[]).await
    }

    /// The same with settings, such as `MUSTER_WORKERS`, which it keeps when it is started again.
    ///
    /// # Errors
    /// When it does not come to listen.
    pub async fn start_with(
        binary: impl Into<PathBuf>,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::start_as("serve", binary.into(), settings).await
    }

    /// Starts it on a directory that is there, such as a restored one.
    ///
    /// # Errors
    /// When it does not come to listen.
    pub async fn start_in(binary: impl Into<PathBuf>, data: TempDir) -> anyhow::Result<Self> {
        let (binary, command, settings) = (binary.into(), "serve", Vec::new());
        let process = Process::spawn(&binary, command, &settings, data.path()).await?;
        Ok(Self { binary, command, settings, data, process })
    }

    /// The same with the workspace that `muster demo` makes.
    ///
    /// # Errors
    /// When it does not come to listen.
    pub async fn demo(binary: impl Into<PathBuf>) -> anyhow::Result<Self> {
        Self::start_as("demo", binary.into(), &[]).await
    }

    async fn start_as(
        command: &'static str,
        binary: PathBuf,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let data = TempDir::new().context("making a data directory")?;
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let process = Process::spawn(&binary, command, &settings, data.path()).await?;
        Ok(Self { binary, command, settings, data, process })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.process.url
    }

    /// What it printed before it listened.
    pub fn printed(&self) -> &[String] {
        &self.process.printed
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Where it puts backups.
    pub fn backup_dir(&self) -> PathBuf {
        backup_dir(self.data.path())
    }

    /// What it has written to its standard error since the first start.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log_lines(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(log_file(self.data.path())).context("reading the server's log")
    }

    /// A client of `/api/v1`, as the owner.
    ///
    /// # Errors
    /// When the URL does not read.
    pub fn api(&self) -> anyhow::Result<Client> {
        Client::new(&format!("{}/api/v1", self.process.url), ADMIN_TOKEN)
    }

    /// Kills the process as a power cut would: no handler runs, nothing is flushed.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.child.kill().await.context("killing the server")
    }

    /// Starts it again on the same directory, on another port.
    ///
    /// # Errors
    /// When it does not come to listen.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let Self { binary, command, settings, data, .. } = self;
        self.process = Process::spawn(binary, command, settings, data.path()).await?;
        Ok(())
    }

    /// The same with the command `demo`, whatever it was before.
    ///
    /// # Errors
    /// When it does not come to listen.
    pub async fn restart_as_demo(&mut self) -> anyhow::Result<()> {
        self.command = "demo";
        self.restart().await
    }

    /// Stops the process as an operator would; returns its exit code.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub async fn stop(&mut self) -> anyhow::Result<Option<i32>> {
        let id = self.process.child.id().context("the server has ended already")?;
        let kill = Command::new("kill").arg("-TERM").arg(id.to_string()).status().await?;
        anyhow::ensure!(kill.success(), "the server could not be signalled");
        Ok(self.process.child.wait().await?.code())
    }

    /// The text of a path, for commands that work on the data directory itself.
    pub fn data_dir_text(&self) -> String {
        self.data.path().display().to_string()
    }

    /// Runs a command of the binary to its end; returns its exit code and what it printed.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
        let output = Command::new(&self.binary)
            .args(arguments)
            .env("MUSTER_URL", &self.process.url)
            .env("MUSTER_TOKEN", ADMIN_TOKEN)
            .kill_on_drop(true)
            .output()
            .await
            .context("running a command")?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
    }
}

/// Beside the data directory, so that a search through the directory does not find it.
fn log_file(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// Beside the data directory, too.
fn backup_dir(data: &Path) -> PathBuf {
    data.with_extension("backup")
}

impl Drop for Server {
    /// The process goes first, and all the way: it would still write into the directory while that is
    /// being removed.
    fn drop(&mut self) {
        drop(self.process.child.start_kill());
        for _ in 0..REAPED_AFTER_MAX {
            if !matches!(self.process.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::yield_now();
        }
        drop(std::fs::remove_file(log_file(self.data.path())));
        drop(std::fs::remove_dir_all(self.backup_dir()));
    }
}

impl Process {
    async fn spawn(
        binary: &Path,
        command: &str,
        settings: &[(String, String)],
        data: &Path,
    ) -> anyhow::Result<Self> {
        let log = std::fs::File::options().create(true).append(true).open(log_file(data))?;
        let mut child = Command::new(binary)
            .args([command, "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .env("MUSTER_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("MUSTER_BACKUP_DIR", backup_dir(data))
            .env("RUST_LOG", "info")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let stdout = child.stdout.take().context("the server has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut printed = Vec::new();
        while let Some(line) = lines.next_line().await? {
            if let Some(url) = line.strip_prefix("listening on ") {
                return Ok(Self { child, url: url.to_owned(), printed });
            }
            printed.push(line);
        }
        let status = child.wait().await?;
        let log = std::fs::read_to_string(log_file(data)).unwrap_or_default();
        bail!("the server ended before it listened ({status}): {log}")
    }
}
