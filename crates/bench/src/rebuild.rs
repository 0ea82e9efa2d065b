//! Building every read model again from the log, beside what that cannot do without: reading, opening and
//! decoding the same events, and inserting the same rows.

use std::{ffi::OsStr, path::Path};

use crate::{
    process::{Spent, precise, precise_len},
    report::{Report, Wanted, mib, thousands},
    tool, yardsticks,
};

/// How often both are done, in turn.
const ROUNDS: usize = 2;

/// The rate of the plain loops that a rebuild has to reach.
const BUDGET: Wanted = Wanted::AtLeast(0.5);

/// Measures on a data directory that no server is using.
pub(crate) async fn run(muster: &Path, data_dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let [mut rebuilt, mut decoded, mut inserted] = [Spent::default(); 3];
    let (mut events, mut rows, mut peak) = (0, 0, 0);
    for _ in 0..ROUNDS {
        let arguments = ["projections", "rebuild", "--data-dir"].map(OsStr::new);
        let ran = tool::run(muster, &[&arguments[..], &[data_dir.as_os_str()]].concat()).await?;
        rebuilt += ran.spent;
        peak = peak.max(ran.peak_mib);
        let (count, spent) = yardsticks::decode_events(data_dir).await?;
        events = count;
        decoded += spent;
        let (count, spent) = yardsticks::insert_rows(data_dir)?;
        rows = count;
        inserted += spent;
    }
    let figure = format!(
        "{} events/s, {rebuilt} in {ROUNDS} rounds, peak {}",
        thousands(precise(events) * precise_len(ROUNDS) / rebuilt.seconds),
        mib(peak)
    );
    let reference =
        format!("{decoded} to decode, {inserted} to insert {} rows", thousands(precise(rows)));
    let what = format!("rebuild of all read models from {} events", thousands(precise(events)));
    let ratio = (decoded.seconds + inserted.seconds) / rebuilt.seconds;
    report.ratio(what, (figure, reference), ratio, Some(BUDGET));
    Ok(())
}
