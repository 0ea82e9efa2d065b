//! What a command prints: results on standard output, complaints on standard error.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether results could not be printed.
static LOST: AtomicBool = AtomicBool::new(false);
/// Whether nobody reads them any more.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Prints a line of results. A reader that has gone away (`| head`) is not an error; a disk that is full is
/// ([`is_lost`]).
pub(crate) fn say(line: &str) {
    let Err(error) = writeln!(io::stdout().lock(), "{}", tame(line, is_command)) else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        UNREAD.store(true, Ordering::Relaxed);
    } else if !LOST.swap(true, Ordering::Relaxed) {
        complain(&format!("muster: the result could not be printed: {error}"));
    }
}

/// Prints a complaint.
pub(crate) fn complain(line: &str) {
    drop(writeln!(io::stderr().lock(), "{}", tame(line, is_command)));
}

/// Whether some of the results could not be printed, so that whoever has them has not all.
pub(crate) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Whether it makes no sense to print any more.
pub(crate) fn is_unread() -> bool {
    is_lost() || UNREAD.load(Ordering::Relaxed)
}

/// A text that others have written, for one line: it has no line breaks, so that it makes up none.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    tame(text, char::is_control)
}

/// Control characters would command the terminal, whoever has put them into a name.
fn is_command(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}

/// Writes such characters as JSON does: in JSON they stand in texts only.
fn tame(text: &str, is_wild: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(is_wild) {
        return text.into();
    }
    let mut tame = String::with_capacity(text.len());
    for c in text.chars() {
        if is_wild(c) {
            // Writing to memory cannot fail.
            let _ = write!(tame, "\\u{:04x}", u32::from(c));
        } else {
            tame.push(c);
        }
    }
    tame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_command_a_terminal() {
        let name = "Eve\u{1b}[2J\u{9b}31m\n9  removed\tby";
        assert_eq!(tame(name, is_command), "Eve\\u001b[2J\\u009b31m\n9  removed\tby");
        assert_eq!(one_line(name), "Eve\\u001b[2J\\u009b31m\\u000a9  removed\\u0009by");
        let said = serde_json::json!({ "name": name }).to_string();
        let read: serde_json::Value = serde_json::from_str(&tame(&said, is_command)).unwrap();
        assert_eq!(read["name"], name, "JSON says what is there");
    }
}
