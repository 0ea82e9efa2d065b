//! The names of a filter: whether there is such an attribute, and whether it may be read.
//!
//! Apart from the matcher, which takes every name: filters are also evaluated for what was stored
//! when other schemas were declared.

use super::Filter;
use crate::error::Echo;
use crate::path::AttributePath;
use crate::schema::known::{has_sub, never_returned, no_sub};
use crate::schema::{Attribute, Catalogue, Kind};

/// Checks every name in a filter on resources; the error is a sentence about the first bad one.
pub(super) fn names(filter: &Filter, kind: Kind, catalogue: &Catalogue) -> Result<(), String> {
    match filter {
        Filter::Compare { path, .. } => catalogue.check_comparable(kind, path),
        Filter::Present(path) => catalogue.check_readable(kind, path).map(drop),
        Filter::Element { path, filter } => match catalogue.check_readable(kind, path)? {
            Some(attribute) if attribute.is_complex() => sub_names(filter, attribute),
            _ => Ok(()),
        },
        Filter::Not(filter) => names(filter, kind, catalogue),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().try_for_each(|term| names(term, kind, catalogue))
        }
    }
}

/// Checks every name in the brackets after a complex attribute.
fn sub_names(filter: &Filter, attribute: &Attribute) -> Result<(), String> {
    match filter {
        Filter::Compare { path, .. } | Filter::Present(path) | Filter::Element { path, .. } => {
            sub_name(path, attribute)
        }
        Filter::Not(filter) => sub_names(filter, attribute),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().try_for_each(|term| sub_names(term, attribute))
        }
    }
}

fn sub_name(path: &AttributePath, attribute: &Attribute) -> Result<(), String> {
    if path.schema.is_some() {
        return Ok(()); // Free: it has no value.
    }
    match attribute.sub(&path.name) {
        Some(sub) if sub.is_hidden() => Err(never_returned(sub)),
        _ if path.sub.is_none() && has_sub(attribute, &path.name) => Ok(()),
        _ => Err(no_sub(attribute, &Echo(path).to_string())),
    }
}
