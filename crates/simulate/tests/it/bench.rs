//! The bench runs from its first measurement to its table.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use tokio::process::Command;

use crate::fake::Fake;

/// Writes a program that says where the fake listens and waits to be ended.
fn muster(folder: &Path, fake: &Fake) -> std::path::PathBuf {
    let path = folder.join("muster");
    let script = format!(
        "#!/bin/sh\necho \"$1 $2\" >&2\necho 'listening on http://{}'\nexec tail -f /dev/null\n",
        fake.address()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_small_run_ends_in_a_table() {
    let (fake, folder) = (Fake::start().await, tempfile::tempdir().unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg(muster(folder.path(), &fake))
        .args(["--users", "60", "--members", "30", "--additions", "32", "--seconds", "0.01"])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let (table, notes) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    let (table, notes) = (table.unwrap(), notes.unwrap());
    assert!(notes.starts_with("serve --listen\n"), "{notes}");
    for row in [
        "| measured | figure | wanted | met |",
        "| PATCH users, 64 connections |",
        "| GET by userName: many users against few |",
        "| users listed per second, by index |",
        "| time of the last 10 of 30 additions against the first |",
        "| one group against a group each |",
        "| requests while everybody gets another role, against without |",
        "| end after SIGTERM |",
    ] {
        assert!(table.contains(row), "no {row} in\n{table}\n{notes}");
    }
    // Whether a fake meets the budgets is left to chance: both outcomes are good.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{notes}");
}
