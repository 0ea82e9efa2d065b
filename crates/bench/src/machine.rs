//! The machine that was measured on: without it, a figure says nothing.

use std::fs;

use event_log::{Clock, SystemClock};

/// Cores, memory, kernel, SQLite and the date, as the line above the table.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = total_gib(&read("/proc/meminfo")).unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let sqlite = rusqlite::version();
    let now = jiff::Timestamp::from_microsecond(SystemClock.now()).unwrap_or_default();
    let date = now.strftime("%Y-%m-%d %H:%M UTC");
    format!(
        "{cores} cores, {memory} GiB, Linux {}, SQLite {sqlite} with `synchronous=FULL`; {date}",
        kernel.trim()
    )
}

/// Whatever cannot be read is left out.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn total_gib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib = line.split_whitespace().next()?.parse::<u64>().ok()?;
    Some(kib.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_rounded_up_to_what_the_machine_was_sold_with() {
        assert_eq!(total_gib("MemTotal:       24623788 kB\nMemFree: 1 kB\n"), Some(24));
        assert_eq!(total_gib(""), None);
    }
}
