//! Somebody else looks into the files while the log is open: a person with SQLite's shell, or a tool that
//! makes a backup.
//!
//! Whoever is the last to close a database copies its write-ahead log into it and removes it. What tells that
//! others have it open are locks, and a process loses those with any descriptor of the file that it closes.
//!
//! # Source
//! <https://sqlite.org/howtocorrupt.html>, §2.2, 2026-11.

use std::process::Command;
use std::time::Duration;

use super::*;

/// Names the file to the process that looks into it.
const FILE: &str = "EVENT_LOG_OUTSIDE_FILE";

/// Not a test but the program from outside: tries to have the file for itself.
#[test]
fn outsider() {
    let Ok(path) = std::env::var(FILE) else { return };
    let conn = Connection::open(path).unwrap();
    conn.busy_timeout(Duration::ZERO).unwrap();
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
    let taken = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let code = taken.unwrap_err().sqlite_error_code();
    assert_eq!(code, Some(rusqlite::ErrorCode::DatabaseBusy));
}

#[tokio::test]
async fn nobody_else_takes_the_files_for_abandoned() {
    let dir = dir();
    let log = open(dir.path());
    let acme = workspace("acme");
    store(&*log, &acme, &user(1), 0, commit(&["a"])).await;
    assert_eq!(log.read(&acme, 0, 9).await.unwrap().len(), 1);
    for name in ["log.db", "keys.db", "journal.db", "commands.db"] {
        let tried = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "outside::outsider"])
            .env(FILE, dir.path().join(name))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&tried.stdout);
        assert!(tried.status.success(), "{name}: {said}");
    }
}
