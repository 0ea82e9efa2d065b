//! The names of a filter: whether there is such an attribute, and whether it may be read.
//!
//! Apart from the matcher, which takes every name: filters are also evaluated for what was stored
//! when other schemas were declared.

use super::Filter;
use crate::error::Echo;
use crate::path::AttributePath;
use crate::schema::known::{BadName, has_sub, never_returned, no_sub};
use crate::schema::{Attribute, Catalogue, Kind};

/// Against what the names are checked.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) kind: Kind,
    pub(super) catalogue: &'a Catalogue,
    /// Whether a name that no schema has is one without a value, instead of a mistake.
    pub(super) takes_unknown: bool,
}

impl Names<'_> {
    /// Checks every name in a filter on resources; the error is a sentence about the first bad one.
    pub(super) fn check(self, filter: &Filter) -> Result<(), String> {
        let Self { kind, catalogue, .. } = self;
        match filter {
            Filter::Compare { path, .. } => self.judge(catalogue.check_comparable(kind, path)),
            Filter::Present(path) => self.judge(catalogue.check_readable(kind, path).map(drop)),
            Filter::Element { path, filter } => match catalogue.check_readable(kind, path) {
                Ok(Some(attribute)) if attribute.is_complex() => self.check_subs(filter, attribute),
                other => self.judge(other.map(drop)),
            },
            Filter::Not(filter) => self.check(filter),
            Filter::And(terms) | Filter::Or(terms) => {
                terms.iter().try_for_each(|term| self.check(term))
            }
        }
    }

    /// Checks every name in the brackets after a complex attribute.
    fn check_subs(self, filter: &Filter, attribute: &Attribute) -> Result<(), String> {
        match filter {
            Filter::Compare { path, .. } | Filter::Present(path) | Filter::Element { path, .. } => {
                self.judge(sub_name(path, attribute))
            }
            Filter::Not(filter) => self.check_subs(filter, attribute),
            Filter::And(terms) | Filter::Or(terms) => {
                terms.iter().try_for_each(|term| self.check_subs(term, attribute))
            }
        }
    }

    fn judge(self, checked: Result<(), BadName>) -> Result<(), String> {
        match checked {
            Err(BadName::Unknown(_)) if self.takes_unknown => Ok(()),
            checked => checked.map_err(BadName::into_text),
        }
    }
}

fn sub_name(path: &AttributePath, attribute: &Attribute) -> Result<(), BadName> {
    if path.schema.is_some() {
        return Ok(()); // Free: it has no value.
    }
    match attribute.sub(&path.name) {
        Some(sub) if sub.is_hidden() => Err(never_returned(sub)),
        _ if path.sub.is_none() && has_sub(attribute, &path.name) => Ok(()),
        _ => Err(BadName::Unknown(no_sub(attribute, &Echo(path).to_string()))),
    }
}
