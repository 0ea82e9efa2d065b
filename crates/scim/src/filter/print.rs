//! The printer of filters: the one spelling that the parser reads back as the same filter.
//!
//! It decides where brackets are needed, so that a filter can be built in code, logged, stored in
//! a rule and read again. A nested `and` or `or` keeps its brackets: they are part of the value.

use std::fmt::{self, Display, Formatter};

use super::{Filter, Operator};

impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { path, operator, value } => write!(f, "{path} {operator} {value}"),
            Self::Present(path) => write!(f, "{path} pr"),
            Self::Element { path, filter } => write!(f, "{path}[{filter}]"),
            Self::Not(filter) => write!(f, "not ({filter})"),
            Self::And(terms) => {
                join(f, terms, " and ", |term| matches!(term, Self::And(_) | Self::Or(_)))
            }
            Self::Or(terms) => join(f, terms, " or ", |term| matches!(term, Self::Or(_))),
        }
    }
}

fn join(
    f: &mut Formatter<'_>,
    terms: &[Filter],
    word: &str,
    needs_brackets: fn(&Filter) -> bool,
) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        if needs_brackets(term) { write!(f, "({term})")? } else { write!(f, "{term}")? }
    }
    Ok(())
}
