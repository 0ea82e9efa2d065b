//! What a command shows of its progress: on standard error, and nothing where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with rate and time left, for so many things as there are.
pub(crate) fn bar(what: &str) -> ProgressBar {
    styled(
        ProgressBar::no_length().with_prefix(what.to_owned()),
        "{prefix:16} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
    )
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
