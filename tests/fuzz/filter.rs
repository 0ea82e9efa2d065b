//! Filters: printed and parsed again they are the same, and what is checked can be evaluated.

use scim::filter::{Filter, Matcher};
use scim::schema::Kind;

use super::world::{CATALOGUE, DOCUMENTS};

/// Checks a filter.
pub fn check(text: &str) {
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.is_char_boundary(error.offset), "the error is at {}", error.offset);
            return;
        }
    };
    let printed = filter.to_string();
    assert_eq!(Filter::parse(&printed), Ok(filter.clone()), "{printed}");
    let not = Filter::Not(Box::new(filter.clone()));
    for kind in Kind::ALL {
        let matcher = Matcher::new(&filter, kind, &CATALOGUE);
        if filter.check(kind, &CATALOGUE).is_ok() {
            assert!(matcher.is_ok(), "{kind:?} was checked");
            let all = filter.check_kinds(&[kind], &CATALOGUE);
            assert!(all.is_ok(), "of one kind, less is refused where there could be several");
        }
        let (Ok(matcher), Ok(not)) = (matcher, Matcher::new(&not, kind, &CATALOGUE)) else {
            continue;
        };
        for document in &*DOCUMENTS {
            assert_ne!(matcher.matches(document), not.matches(document), "{document}");
            let all = filter.conjuncts().all(|term| term.matches(document, kind, &CATALOGUE));
            assert_eq!(matcher.matches(document), all, "{document}");
        }
    }
    let _ = filter.check_kinds(&Kind::ALL, &CATALOGUE);
}
