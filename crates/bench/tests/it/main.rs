//! The bench runs from its first measurement to its table, against a real server.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The server's binary, which lies beside ours when the workspace was built.
fn muster() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_bench")).with_file_name("muster");
    assert!(path.exists(), "build {} first: cargo build --bin muster", path.display());
    path
}

#[test]
fn a_small_run_ends_in_a_table_with_every_family() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg(muster())
        .args(["--users", "60", "--members", "30", "--additions", "32", "--events", "600"])
        .args(["--offboarded", "30", "--seconds", "0.06", "--hammering", "8", "--slow", "4"])
        .args(["--idle", "20", "--rebuilt-events", "1000", "--workspaces", "10"])
        .args(["--connectors", "20", "--users-each", "10"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (table, notes) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    let (table, notes) = (table.unwrap(), notes.unwrap());
    for row in [
        "| measured | figure | reference | ratio | wanted | met |",
        "| PATCH users, 64 connections |",
        "| syncs of the disk per creation, 16 connections |",
        "| seconds from start to finding the last of 62 users |",
        "| GET by userName among 62, against a constant, 16 connections |",
        "| users listed per second, by index |",
        "| time of the last 10 of 30 additions against the first |",
        "| 16 clients add to one group of 30 |",
        "| rebuild of all read models from ",
        "| verify a data directory, ",
        "| one person as of a time, over HTTP |",
        "| what changed in a month of ",
        "| the brake of 1 people | 29 held, 2 devices removed |",
        "| calls to the MDM service until everything is done |",
        "| create users with the provisioning log, against without |",
        "| requests while everybody gets another role, against without |",
        "| p99 of others while one hammers at this one, pages of 1000, 8 connections |",
        "| p99 of others while 4 clients send a byte every 250 ms |",
        "| p99 of others while 400 clients a second hang up |",
        "| memory with 20 connections rest |",
        "| requests of the cycle that failed | 0.00 |",
        "| the cycle at the switch, a second before and after it |",
        "| open files: the same |",
        "| users | created/s, 64 conn. |",
    ] {
        assert!(table.contains(row), "no {row} in\n{table}\n{notes}");
    }
    assert!(!notes.contains("Error: "), "{notes}");
    // Whether so small a run meets the budgets is left to chance: both outcomes are good.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{notes}");
}
