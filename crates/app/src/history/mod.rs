//! Time travel (rule 30): what stood at a moment of the past, and what changed between two.
//!
//! Two ways, for two kinds of questions. One person, group or device is folded from its own stream,
//! which takes milliseconds however long the record is (`states`); so is what changed of each between
//! two moments (`diff`). Lists and audiences are asked of a *past* (`pasts`): an app over the log up to a
//! position, with read models of its own. What it answers, it answers with the same code as today's.
//!
//! Events are told in sentences (`sentences`): those about one person in one order (`told`), and those that
//! led to a state, back to the request (`why`).

mod changes;
mod diff;
mod pasts;
mod sentences;
mod states;
mod told;
mod why;

pub use changes::Change;
pub use diff::{Changed, Diff};
pub(crate) use pasts::Pasts;
pub use states::StateAsOf;
pub use told::{Timeline, Told};
pub use why::{Why, WhyOf};
