//! `muster audit export`: events in a file, with everything that proves them.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use event_log::WorkspaceId;
use record::{
    Checkpoint, Note,
    export::{Header, Line, Trailer},
};

use super::{
    Offline, csv,
    filters::{Filters, Span},
    source::{Source, Wanted},
};
use crate::{output::complain, progress::bar, remote::Remote};

/// Who may do what with a file that is one person's alone.
const FOR_ITS_OWNER: u32 = 0o600;

/// Which events, and where they go.
#[derive(Args)]
pub(crate) struct ExportOptions {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    offline: Offline,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
    /// What is written.
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Goes on where an export that was cut off has ended; say the same filters.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line: what `muster audit verify` checks.
    Ndjson,
    /// For spreadsheets; the checkpoint goes into a file beside it.
    Csv,
}

/// What there is of an export that was cut off.
struct Begun {
    workspace: String,
    /// Whether events are left out; a file of rows does not say.
    filtered: Option<bool>,
    size: u64,
    /// The last position, and how many events there are.
    after: u64,
    events: u64,
    /// Where the last whole line ends.
    bytes: u64,
}

pub(super) async fn export(options: ExportOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    let filters = [options.filters.params(), options.span.params()].concat();
    let mut wanted = Wanted { prove: !filters.is_empty(), filters, size: None };
    let begun = match (options.resume, options.format) {
        (false, _) => None,
        (true, Format::Ndjson) => Begun::read(&options.out)?,
        (true, Format::Csv) => Begun::read_rows(&options.out)?,
    };
    if let Some(begun) = &begun {
        ensure!(
            begun.workspace == options.workspace
                && begun.filtered.is_none_or(|filtered| filtered == wanted.prove),
            "{} is an export of something else",
            options.out.display()
        );
        wanted.size = Some(begun.size);
    }
    let mut source = Source::open(&options.offline, &options.remote, &workspace, wanted).await?;
    let mut file = match &begun {
        None => create(&options.out),
        Some(begun) => OpenOptions::new().append(true).open(&options.out).and_then(|file| {
            file.set_len(begun.bytes)?;
            Ok(file)
        }),
    }
    .map(BufWriter::new)
    .with_context(|| format!("writing {}", options.out.display()))?;
    if begun.is_none() {
        begin(&mut file, &source, &options)?;
    }
    let (mut after, mut events) = begun.map_or((Some(0), 0), |it| (Some(it.after), it.events));
    let bar = bar(workspace.as_str());
    bar.set_length(source.size);
    while let Some(position) = after {
        let part = source.part(position).await?;
        events += part.lines.len() as u64;
        for line in &part.lines {
            write(&mut file, line, options.format)?;
        }
        after = part.next;
        bar.set_position(after.unwrap_or(source.size));
    }
    bar.finish_and_clear();
    if options.format == Format::Ndjson {
        writeln!(file, "{}", serde_json::to_string(&Trailer::new(events, None))?)?;
    }
    file.into_inner()?.sync_all()?;
    let out = options.out.display();
    complain(&format!("{events} events of {workspace} in {out}"));
    Ok(ExitCode::SUCCESS)
}

/// Makes a file that nobody else can read, also of one that was there: an export is about people.
fn create(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(FOR_ITS_OWNER);
    let file = options.open(path)?;
    // Others are no files, and stay as they are.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(FOR_ITS_OWNER))?;
    }
    Ok(file)
}

fn begin(file: &mut impl Write, source: &Source, options: &ExportOptions) -> anyhow::Result<()> {
    match options.format {
        Format::Ndjson => writeln!(file, "{}", source.header)?,
        Format::Csv => {
            let beside = beside(&options.out);
            std::fs::write(&beside, Header::parse(&source.header)?.checkpoint)
                .with_context(|| format!("writing {}", beside.display()))?;
            file.write_all(csv::HEAD.as_bytes())?;
        }
    }
    Ok(())
}

fn write(file: &mut impl Write, line: &str, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Ndjson => writeln!(file, "{line}")?,
        Format::Csv => {
            let line: Line = serde_json::from_str(line).context("reading an event")?;
            file.write_all(csv::row(&line).as_bytes())?;
        }
    }
    Ok(())
}

/// Where the checkpoint of rows is.
fn beside(out: &Path) -> PathBuf {
    let mut beside = out.to_owned().into_os_string();
    beside.push(".checkpoint");
    beside.into()
}

impl Begun {
    /// `None` when there is no file, or nothing whole in it.
    fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let Ok(file) = File::open(path) else { return Ok(None) };
        let mut file = BufReader::new(file);
        let mut line = String::new();
        if file.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            return Ok(None);
        }
        let header = Header::parse(&line)?;
        let size = Checkpoint::parse(Note::parse(&header.checkpoint)?.text_as_kept())?.head.size;
        let mut begun = Self {
            workspace: header.workspace,
            filtered: Some(header.filtered),
            size,
            after: 0,
            events: 0,
            bytes: line.len() as u64,
        };
        let mut last = String::new();
        loop {
            line.clear();
            if file.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                break;
            }
            if Trailer::parse(&line).is_some() {
                bail!("{} is whole already", path.display());
            }
            begun.bytes += line.len() as u64;
            begun.events += 1;
            std::mem::swap(&mut last, &mut line);
        }
        if begun.events > 0 {
            let line: Line = serde_json::from_str(&last).context("reading the last event")?;
            begun.after = line.position;
        }
        Ok(Some(begun))
    }

    /// The same of rows: what they are of says the checkpoint beside them. No row has a line break in it.
    fn read_rows(path: &Path) -> anyhow::Result<Option<Self>> {
        let Ok(file) = File::open(path) else { return Ok(None) };
        let mut file = BufReader::new(file);
        let mut line = String::new();
        if file.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            return Ok(None);
        }
        ensure!(line == csv::HEAD, "{} is not an export as CSV", path.display());
        let note = beside(path);
        let text = std::fs::read_to_string(&note)
            .with_context(|| format!("reading the checkpoint {}", note.display()))?;
        let checkpoint = Checkpoint::parse(Note::parse(&text)?.text_as_kept())?;
        let mut begun = Self {
            workspace: checkpoint.workspace().to_owned(),
            filtered: None,
            size: checkpoint.head.size,
            after: 0,
            events: 0,
            bytes: line.len() as u64,
        };
        loop {
            line.clear();
            if file.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                return Ok(Some(begun));
            }
            let position = line.split(',').next().and_then(|cell| cell.parse().ok());
            begun.after = position.with_context(|| format!("a row of {}", path.display()))?;
            begun.bytes += line.len() as u64;
            begun.events += 1;
        }
    }
}
