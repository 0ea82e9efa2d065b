//! Erasing a person (rule 32): asking for it, seeing to it that nothing is left, and saying how.
//!
//! The decision is the aggregate's, one append that ends entries and account and says what remains. What
//! follows makes it true for every file of the data directory. It is owed from then on, found again after a
//! crash, and may be done twice (`carry_out`):
//!
//! 1. values that name the person are dropped from groups that wait for them (`traces` finds them), and names
//!    from devices that were theirs (`device_names`),
//! 2. the keys of all that was said of them stand in the ledger, and are destroyed,
//! 3. the journal forgets their names and all bodies,
//! 4. read models are purged, and those of the past go.
//!
//! - `request`: what is asked for, what would be done, and who may not be erased
//! - `names`: what a person was called, and when
//! - `namesakes`: the other persons of the same userName
//! - `certificate`: what is said of it afterwards
//! - `owed`: what is not done yet
//! - `again`: what can be known of somebody whose erasure a restored log does not have
//! - `gone`: what time travel shows of them
//! - `reading`: the record, part by part

mod again;
mod carry_out;
mod certificate;
mod device_names;
mod gone;
mod names;
mod namesakes;
mod owed;
mod reading;
mod request;
mod traces;

pub use certificate::{Certificate, PLACES};
pub(crate) use gone::Gone;
pub use names::NameHad;
pub use namesakes::Other;
pub(crate) use owed::{Erasures, Hearing, run};
pub(crate) use request::is_owner;
pub use request::{Asked, Prospect};
