//! Filters, paths and comparison forms.

use proptest::prelude::*;
use scim::filter::{Filter, Matcher};
use scim::fold;
use scim::path::{AttributePath, Path};
use scim::project::Projection;
use scim::schema::{Catalogue, Kind};

use super::input::{any_json, filter, nearly, path};

proptest! {
    #[test]
    fn a_filter_is_what_its_printed_form_parses_to(filter in filter()) {
        let printed = filter.to_string();
        prop_assert_eq!(Filter::parse(&printed), Ok(filter), "{}", printed);
    }

    #[test]
    fn a_path_is_what_its_printed_form_parses_to(path in path()) {
        let printed = path.to_string();
        prop_assert_eq!(Path::parse(&printed), Ok(path), "{}", printed);
    }

    #[test]
    fn whatever_parses_prints_and_parses_again(text in prop_oneof![nearly(), any::<String>()]) {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
        if let Ok(path) = Path::parse(&text) {
            prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
        }
        if let Ok(path) = AttributePath::parse(&text) {
            prop_assert_eq!(AttributePath::parse(&path.to_string()), Ok(path));
        }
        let _ = Projection::parse(Some(&text), None);
    }

    #[test]
    fn errors_point_into_the_text(text in prop_oneof![nearly(), any::<String>()]) {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset), "{}", error);
        }
        if let Err(error) = Path::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset), "{}", error);
        }
    }

    #[test]
    fn filters_are_evaluated_on_anything(filter in filter(), document in any_json()) {
        let catalogue = Catalogue::standard();
        let matches = |filter: &Filter| filter.matches(&document, Kind::User, catalogue);
        let not = Filter::Not(Box::new(filter.clone()));
        let is_valid = Matcher::new(&filter, Kind::User, catalogue).is_ok();
        let _ = filter.check(Kind::User, catalogue);
        prop_assert_eq!(matches(&not), is_valid && !matches(&filter));
        let all: Vec<_> = filter.conjuncts().collect();
        prop_assert_eq!(matches(&filter), is_valid && all.into_iter().all(matches));
    }

    #[test]
    fn folding_again_changes_nothing(text in any::<String>()) {
        let folded = fold::text(&text);
        prop_assert_eq!(fold::text(&folded), folded);
        let folded = fold::user_name(&text);
        prop_assert_eq!(fold::user_name(&folded), folded);
    }
}
