//! SCIM 2.0 as data and functions: schemas, resources, filters, PATCH, projection, errors.
//!
//! The protocol of RFC 7643 and RFC 7644 without a server: nothing here does I/O, waits, reads a
//! clock, makes an id or logs, so that the same code decides inside an aggregate, filters rows of
//! a read model and answers a client, and can be tested with random input. What IdPs send beyond
//! the standards is accepted by default and named where it is accepted; no code asks which IdP it
//! is.
//!
//! Start at [`resource::Resource`], which is what everything else is about.
//!
//! Invariant: a [`resource::Resource`] is canonical. Names are in the catalogue's spelling, values
//! have the schema's type, nothing is null or empty, at most one value of a list is primary.
//! Invariant: no parser panics, whatever it is given, and each has bounds.

pub mod attributes;
pub mod bulk;
pub mod coerce;
pub mod discovery;
pub mod error;
pub mod etag;
pub mod filter;
pub mod fold;
pub mod list;
pub mod members;
pub mod patch;
pub mod path;
pub mod project;
pub mod query;
pub mod resource;
pub mod schema;
pub mod sort;
pub mod urn;

mod bounds;
mod datetime;
mod elements;
mod envelope;
mod immutable;
mod object;
mod syntax;

pub use bounds::{ATTRIBUTES_MAX, NAME_CHARS_MAX, RESOURCE_BYTES_MAX, TEXT_BYTES_MAX};
pub use coerce::Leniency;
pub use elements::VALUES_MAX;
pub use error::{Error, ErrorType};
pub use resource::{Changes, Meta, Resource};
pub use schema::{Catalogue, Kind};
