//! What the system says of a process that is measured: its memory, and its time on a processor.
//!
//! Time on a processor is what remains comparable while something else runs on the machine.

use std::{fmt, fs, time::Instant};

use anyhow::Context;

/// Clock ticks in a second, as Linux counts them for programs (`USER_HZ`).
///
/// # Source
/// proc(5), `/proc/pid/stat`; 100 on every architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// This program.
    pub(crate) fn this() -> Self {
        Self(std::process::id())
    }

    /// Returns the resident memory and its peak, in MiB.
    pub(crate) fn memory_mib(self) -> anyhow::Result<(u64, u64)> {
        let status = self.read("status")?;
        let mib = |name: &str| kib(&status, name).map(|kib| kib / 1_024);
        Ok((mib("VmRSS:").context("no VmRSS")?, mib("VmHWM:").context("no VmHWM")?))
    }

    /// Lets the peak of the memory begin anew. Where the system does not allow that, the peak stays
    /// that of the whole run.
    pub(crate) fn forget_peak(self) {
        let _ = fs::write(format!("/proc/{}/clear_refs", self.0), "5");
    }

    /// Returns how long it has run on processors so far, in seconds; precise to 20 ms.
    pub(crate) fn cpu_seconds(self) -> anyhow::Result<f64> {
        let ticks = cpu_ticks(&self.read("stat")?).context("no times in /proc/pid/stat")?;
        Ok(precise(ticks) / TICKS_PER_SECOND)
    }

    /// Returns how many files it has open, connections included.
    pub(crate) fn files(self) -> anyhow::Result<usize> {
        let path = format!("/proc/{}/fd", self.0);
        Ok(fs::read_dir(&path).with_context(|| format!("reading {path}"))?.count())
    }

    /// Returns how many threads it has.
    pub(crate) fn threads(self) -> anyhow::Result<usize> {
        let path = format!("/proc/{}/task", self.0);
        Ok(fs::read_dir(&path).with_context(|| format!("reading {path}"))?.count())
    }

    fn read(self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    }
}

/// What something took: of the clock's time, and of a processor's. Where the machine does something
/// else too, only the second says what it costs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

/// Something of this program that is being timed. Its time on a processor is that of the whole program,
/// which does nothing else meanwhile.
pub(crate) struct Timer {
    began: Instant,
    cpu_seconds: f64,
}

impl Timer {
    pub(crate) fn start() -> anyhow::Result<Self> {
        Ok(Self { began: Instant::now(), cpu_seconds: Process::this().cpu_seconds()? })
    }

    pub(crate) fn stop(self) -> anyhow::Result<Spent> {
        let seconds = self.began.elapsed().as_secs_f64();
        Ok(Spent { seconds, cpu_seconds: Process::this().cpu_seconds()? - self.cpu_seconds })
    }
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.seconds += more.seconds;
        self.cpu_seconds += more.cpu_seconds;
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s, {:.1} s of a core", self.seconds, self.cpu_seconds)
    }
}

/// A count as a figure to calculate with.
#[expect(clippy::cast_precision_loss, reason = "a figure needs no more than 52 bits")]
pub(crate) fn precise(count: u64) -> f64 {
    count as f64
}

/// The same of what is in memory.
pub(crate) fn precise_len(count: usize) -> f64 {
    precise(count as u64)
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time. The name before them stands in parentheses and may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    // The first field after the name is the third of all; the times are the 14th and the 15th.
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_out_of_the_status_of_a_process() {
        let status = "Name:\tmuster\nVmHWM:\t  20480 kB\nVmRSS:\t   10240 kB\n";
        assert_eq!((kib(status, "VmRSS:"), kib(status, "VmHWM:")), (Some(10_240), Some(20_480)));
        assert_eq!(kib(status, "VmSwap:"), None);
    }

    #[test]
    fn the_times_are_found_behind_a_name_with_anything_in_it() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 8 9 20 0 5 0 100 1 2";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("7 (muster) S 1"), None);
    }
}
