//! Filters of groups: who is let in, and who sees what (rules 16 and 17).
//!
//! A filter is lines of group names. A line means "in all of these"; the lines are alternatives; no
//! line at all means everybody. A name that no group has matches nobody, until such a group arrives.

use std::collections::{BTreeSet, HashSet};

use scim::fold;
use serde::{Deserialize, Serialize};

/// How many lines a filter may have.
pub const LINES_MAX: usize = 100;
/// How many groups a line may name.
pub const GROUPS_MAX: usize = 20;
/// The length of a group's name in a filter, at most, in characters.
pub const NAME_CHARACTERS_MAX: usize = 500;

/// Lines of groups, by displayName, as an administrator wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupFilter {
    /// The lines.
    pub lines: Vec<Vec<String>>,
}

/// A filter that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGroupFilter {
    /// It would mean everybody, which nobody writes like that on purpose.
    #[error("groups[{0}] names no group: leave that line out (no line at all means everybody)")]
    EmptyLine(usize),
    /// A name of nothing.
    #[error("groups[{0}][{1}] must be the displayName of a group")]
    NoName(usize, usize),
    /// A name that no group should have.
    #[error("groups[{0}][{1}] is longer than {NAME_CHARACTERS_MAX} characters")]
    LongName(usize, usize),
    /// More than a question should have to look through.
    #[error("groups has more than {LINES_MAX} lines")]
    TooManyLines,
    /// The same, in one line.
    #[error("groups[{0}] names more than {GROUPS_MAX} groups")]
    TooManyGroups(usize),
}

impl GroupFilter {
    /// Checks the filter.
    ///
    /// # Errors
    /// [`BadGroupFilter`] names the first place that does not fit.
    pub fn check(&self) -> Result<(), BadGroupFilter> {
        if self.lines.len() > LINES_MAX {
            return Err(BadGroupFilter::TooManyLines);
        }
        for (at, line) in self.lines.iter().enumerate() {
            if line.is_empty() {
                return Err(BadGroupFilter::EmptyLine(at));
            }
            if line.len() > GROUPS_MAX {
                return Err(BadGroupFilter::TooManyGroups(at));
            }
            for (within, name) in line.iter().enumerate() {
                if name.trim().is_empty() {
                    return Err(BadGroupFilter::NoName(at, within));
                }
                if name.chars().count() > NAME_CHARACTERS_MAX {
                    return Err(BadGroupFilter::LongName(at, within));
                }
            }
        }
        Ok(())
    }

    /// Whether it means everybody.
    pub fn is_everybody(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines as they are compared: folded names, each once in its line.
    pub fn folded(&self) -> Vec<BTreeSet<String>> {
        let line = |line: &Vec<String>| line.iter().map(|name| fold::text(name)).collect();
        self.lines.iter().map(line).collect()
    }

    /// The first line whose groups somebody is in, who is in groups of these folded names.
    pub fn line_of(&self, groups: &HashSet<String>) -> Option<&[String]> {
        let fits = |line: &&Vec<String>| line.iter().all(|name| groups.contains(&fold::text(name)));
        self.lines.iter().find(fits).map(Vec::as_slice)
    }

    /// Whether it lets somebody pass who is in groups of these folded names.
    pub fn matches(&self, groups: &HashSet<String>) -> bool {
        self.is_everybody() || self.line_of(groups).is_some()
    }

    /// About how many bytes it keeps in memory.
    pub(crate) fn weight(&self) -> usize {
        self.lines.iter().flatten().map(|name| 32 + name.len()).sum::<usize>() + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(lines: &[&[&str]]) -> GroupFilter {
        let line = |line: &&[&str]| line.iter().map(|name| (*name).to_owned()).collect();
        GroupFilter { lines: lines.iter().map(line).collect() }
    }

    fn groups(names: &[&str]) -> HashSet<String> {
        names.iter().map(|name| fold::text(name)).collect()
    }

    #[test]
    fn rule_17_a_line_means_all_of_these_and_lines_are_alternatives() {
        let filter = filter(&[&["sales", "EMEA"], &["Board"]]);
        for (names, passes) in [
            (&["Sales", "emea"][..], true),
            (&["board"], true),
            (&["Board", "Sales"], true),
            (&["sales"], false),
            (&["emea", "chess"], false),
            (&[], false),
        ] {
            assert_eq!(filter.matches(&groups(names)), passes, "{names:?}");
        }
        assert_eq!(filter.line_of(&groups(&["board"])), Some(&["Board".to_owned()][..]));
    }

    #[test]
    fn rule_17_no_line_means_everybody() {
        assert!(filter(&[]).matches(&groups(&[])));
        assert_eq!(filter(&[]).check(), Ok(()));
    }

    #[test]
    fn a_name_counts_once_in_its_line() {
        let folded = filter(&[&["Sales", "SALES", "emea"]]).folded();
        assert_eq!(folded, [BTreeSet::from(["emea".to_owned(), "sales".to_owned()])]);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let refused = |lines: &[&[&str]]| filter(lines).check().unwrap_err();
        assert_eq!(refused(&[&["a"], &[]]), BadGroupFilter::EmptyLine(1));
        assert_eq!(refused(&[&["a", " "]]), BadGroupFilter::NoName(0, 1));
        let long = "x".repeat(NAME_CHARACTERS_MAX + 1);
        assert_eq!(refused(&[&[&long]]), BadGroupFilter::LongName(0, 0));
        assert_eq!(refused(&[&["a"; GROUPS_MAX + 1]]), BadGroupFilter::TooManyGroups(0));
        assert_eq!(refused(&[&["a"][..]; LINES_MAX + 1]), BadGroupFilter::TooManyLines);
        assert_eq!(filter(&[&["a"; GROUPS_MAX][..]; LINES_MAX]).check(), Ok(()));
    }
}
