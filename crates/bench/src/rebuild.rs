//! Building every read model again from the log, beside what that cannot do without: reading, opening and
//! decoding the same events, and inserting the same rows.

use std::{ffi::OsStr, path::Path};

use crate::{
    process::precise,
    report::{Report, Wanted, mib, thousands},
    tool, yardsticks,
};

/// How often both are done, in turn.
const ROUNDS: usize = 2;

/// The rate of the plain loops that a rebuild has to reach.
const BUDGET: Wanted = Wanted::AtLeast(0.5);

/// Measures on a data directory that no server is using.
pub(crate) async fn run(muster: &Path, data_dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let (mut rebuilt, mut peak, mut decoded, mut inserted) = (0.0, 0, 0.0, 0.0);
    let (mut events, mut rows) = (0, 0);
    for _ in 0..ROUNDS {
        let arguments = ["projections", "rebuild", "--data-dir"].map(OsStr::new);
        let ran = tool::run(muster, &[&arguments[..], &[data_dir.as_os_str()]].concat()).await?;
        rebuilt += ran.seconds;
        peak = peak.max(ran.peak_mib);
        let (count, seconds) = yardsticks::decode_events(data_dir).await?;
        (events, decoded) = (count, decoded + seconds);
        let (count, seconds) = yardsticks::insert_rows(data_dir)?;
        (rows, inserted) = (count, inserted + seconds);
    }
    let rounds = precise(ROUNDS as u64);
    let figure = format!(
        "{:.1} s, {} events/s, peak {}",
        rebuilt / rounds,
        thousands(precise(events) * rounds / rebuilt),
        mib(peak)
    );
    let reference = format!(
        "{:.1} s to decode, {:.1} s to insert {} rows",
        decoded / rounds,
        inserted / rounds,
        thousands(precise(rows))
    );
    let what = format!("rebuild of all read models from {} events", thousands(precise(events)));
    report.ratio(what, (figure, reference), (decoded + inserted) / rebuilt, Some(BUDGET));
    Ok(())
}
