//! The cases, one file for each subject.
//!
//! A file holds its group: a list with a line for each case, and the functions that ask. A case
//! makes what it needs and asks one thing; it is named after what it demands. What filters and
//! patches are refused has a file besides.

mod bulk;
mod create;
mod delete;
mod discovery;
mod entra;
mod entra_flag;
mod errors;
mod etag;
mod filter;
mod filter_errors;
mod members;
mod okta;
mod onelogin;
mod page_cursor;
mod page_index;
mod patch;
mod patch_errors;
mod project;
mod read;
mod replace;
mod search;
mod sort;

use crate::case::Group;

/// All groups, in the order in which they run.
pub(crate) static ALL: &[Group] = &[
    discovery::GROUP,
    errors::GROUP,
    create::GROUP,
    read::GROUP,
    filter::GROUP,
    project::GROUP,
    sort::GROUP,
    page_index::GROUP,
    page_cursor::GROUP,
    search::GROUP,
    replace::GROUP,
    patch::GROUP,
    members::GROUP,
    delete::GROUP,
    etag::GROUP,
    bulk::GROUP,
    entra::GROUP,
    entra_flag::GROUP,
    okta::GROUP,
    onelogin::GROUP,
];
