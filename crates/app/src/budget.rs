//! What the filters of one HTTP request may cost, all operations of a bulk request together.
//!
//! A filter is compared with every member of a group. What one request has spent stands with its
//! caller, so that a thousand operations cost no more than one that says the same.

use std::sync::Arc;

use domain::group::COMPARED_MAX;
use parking_lot::Mutex;

/// How many members the filters of one request may look at as clients see them, each comparison
/// counted: every one of them is read for that.
const SEEN_MAX: usize = 200_000;

/// What the filters of a request have cost so far.
#[derive(Clone, Debug, Default)]
pub struct Budget(Arc<Mutex<Spent>>);

#[derive(Debug, Default)]
struct Spent {
    seen: usize,
    compared: usize,
}

impl Budget {
    /// Takes what it costs to look at members as clients see them.
    ///
    /// # Errors
    /// `tooMany` when that is more than there is left; nothing is taken then.
    pub(crate) fn see(&self, members: usize) -> Result<(), scim::Error> {
        let mut spent = self.0.lock();
        let seen = spent.seen.saturating_add(members);
        if seen > SEEN_MAX {
            return Err(scim::Error::too_many(format!(
                "the filters look at {seen} members, more than {SEEN_MAX}: name them by their value"
            )));
        }
        spent.seen = seen;
        Ok(())
    }

    /// Takes what it costs to compare the values of members. One command has the limit to itself,
    /// and a group counts that more exactly: the first one is left to it.
    ///
    /// # Errors
    /// `tooMany` when that is more than earlier commands have left; nothing is taken then.
    pub(crate) fn compare(&self, comparisons: usize) -> Result<(), scim::Error> {
        let mut spent = self.0.lock();
        let compared = spent.compared.saturating_add(comparisons);
        let is_first = spent.compared == 0;
        if comparisons > 0 && !is_first && compared > COMPARED_MAX {
            return Err(scim::Error::too_many(format!(
                "the filters of this request make {compared} comparisons with members, more than \
                 {COMPARED_MAX}: name the members by their value"
            )));
        }
        spent.compared = compared;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_caller_share_what_there_is() {
        let budget = Budget::default();
        assert!(budget.clone().see(SEEN_MAX - 1).is_ok());
        let refused = budget.see(2).unwrap_err();
        assert!(refused.detail.contains("more than 200000"), "{}", refused.detail);
        assert!(budget.see(1).is_ok(), "what was refused has cost nothing");
        assert!(Budget::default().see(SEEN_MAX).is_ok(), "the next request has its own");
    }

    #[test]
    fn the_first_command_is_left_to_its_group_and_the_others_share_the_rest() {
        let budget = Budget::default();
        assert!(budget.compare(COMPARED_MAX + 1).is_ok());
        assert!(budget.compare(0).is_ok(), "what compares nothing costs nothing");
        let refused = budget.compare(1).unwrap_err();
        assert!(refused.detail.contains("more than 2000000"), "{}", refused.detail);
    }
}
