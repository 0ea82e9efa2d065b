//! What a command prints: results on standard output, complaints on standard error.

use std::io::{self, Write};

/// Prints a line of results. A reader that has gone away (`| head`) is not an error.
pub(crate) fn say(line: &str) {
    drop(writeln!(io::stdout().lock(), "{line}"));
}

/// Prints a complaint.
pub(crate) fn complain(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}
