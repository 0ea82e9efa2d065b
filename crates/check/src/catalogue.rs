//! The list of all cases, and the choice of some of them.

use serde::Serialize;

use crate::{
    case::{Case, Group, Level},
    groups::ALL,
};

/// The word that stands for all groups about identity providers.
const DIALECTS: &str = "dialects";

/// A group, for who wants to see the list.
#[derive(Clone, Debug, Serialize)]
pub struct ListedGroup {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What a server must offer for it to apply, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// Its cases.
    pub cases: Vec<ListedCase>,
}

/// A case, for who wants to see the list.
#[derive(Clone, Debug, Serialize)]
pub struct ListedCase {
    /// Its id.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// What it demands.
    pub demand: &'static str,
    /// Who demands it.
    pub source: &'static str,
}

/// Returns all groups with their cases, in the order in which they run.
pub fn list() -> Vec<ListedGroup> {
    let case = |group: &Group, case: &Case| ListedCase {
        id: group.id(case),
        level: case.level,
        demand: case.demand,
        source: case.source,
    };
    let listed = |group: &Group| ListedGroup {
        name: group.name,
        about: group.about,
        needs: group.needs.map(|feature| feature.to_string()),
        cases: group.cases().map(|known| case(group, known)).collect(),
    };
    ALL.iter().map(listed).collect()
}

/// Tells whether a word means a case: its id, the name of its group, or `dialects`.
fn means(word: &str, group: &Group, case: &Case) -> bool {
    word == group.name || word == group.id(case) || (word == DIALECTS && group.is_dialect())
}

/// Returns the first of the words that means no case.
pub(crate) fn unknown_word<'a>(mut words: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    words.find(|word| !ALL.iter().any(|group| group.cases().any(|case| means(word, group, case))))
}

/// Returns the groups with those of their cases that are wanted: all but `skip` of what `only`
/// names, or of everything when it names nothing.
pub(crate) fn chosen(
    only: &[String],
    skip: &[String],
) -> Vec<(&'static Group, Vec<&'static Case>)> {
    let wanted = |group: &Group, case: &Case| {
        let named = |words: &[String]| words.iter().any(|word| means(word, group, case));
        (only.is_empty() || named(only)) && !named(skip)
    };
    let cases = |group: &'static Group| {
        (group, group.cases().filter(|case| wanted(group, case)).collect::<Vec<_>>())
    };
    ALL.iter().map(cases).filter(|(_, cases)| !cases.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn ids_are_unique_and_every_case_says_who_demands_it() {
        let mut ids = HashSet::new();
        for group in list() {
            assert!(!group.cases.is_empty(), "{} has no case", group.name);
            for case in group.cases {
                let named = case.source.contains("RFC ") || case.source.contains("noted on 20");
                assert!(named, "{} names no source", case.id);
                assert!(!case.demand.ends_with('.') && !case.demand.is_empty(), "{}", case.id);
                assert!(ids.insert(case.id.clone()), "{} is there twice", case.id);
            }
        }
    }

    #[test]
    fn a_group_is_of_the_standard_or_of_a_provider() {
        for group in ALL {
            let dialects = group.cases().filter(|case| case.level == Level::Dialect).count();
            assert!(
                dialects == 0 || dialects == group.cases().count(),
                "{} mixes them",
                group.name
            );
        }
    }

    #[test]
    fn groups_and_cases_are_chosen_by_name() {
        let names = |only: &[&str], skip: &[&str]| {
            let chosen = chosen(&words(only), &words(skip));
            chosen.iter().map(|(group, cases)| (group.name, cases.len())).collect::<Vec<_>>()
        };
        assert_eq!(names(&["patch.remove-without-path"], &[]), [("patch", 1)]);
        assert_eq!(names(&["delete", "sort"], &["sort"]).len(), 1);
        assert_eq!(names(&[], &[]).len(), ALL.len());
        assert_eq!(names(&["dialects"], &["dialects"]), []);
        let dialects: Vec<_> =
            names(&["dialects"], &[]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(dialects, ["entra", "entra-flag", "okta", "onelogin"]);
    }

    #[test]
    fn a_word_that_means_nothing_is_found() {
        assert_eq!(unknown_word(words(&["patch", "dialects", "pach"]).iter()).unwrap(), "pach");
        assert!(unknown_word(words(&["create.created"]).iter()).is_none());
    }
}
