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

/// A list that is being read, and nobody knows how long it is; what it is read from may have to be built
/// first. Goes from the terminal when it is dropped.
pub(crate) struct Reading {
    what: String,
    bar: Option<ProgressBar>,
    is_read: bool,
}

impl Reading {
    /// Shows nothing yet: most lists are there at once.
    pub(crate) fn new(what: &str) -> Self {
        Self { what: what.to_owned(), bar: None, is_read: false }
    }

    /// So many events of so many are in what is being built.
    pub(crate) fn built(&mut self, done: u64, of: u64) {
        let bar = self.bar.get_or_insert_with(|| bar("building"));
        bar.set_length(of);
        bar.set_position(done);
    }

    /// So many items have been read.
    pub(crate) fn read(&mut self, items: u64) {
        if !self.is_read {
            self.clear();
            self.is_read = true;
            let bar = ProgressBar::no_length().with_prefix(self.what.clone());
            self.bar = Some(styled(bar, "{prefix:16} {spinner} {human_pos} {per_sec}"));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(items);
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.clear();
    }
}
