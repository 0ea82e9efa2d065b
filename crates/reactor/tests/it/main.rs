//! The reactor over a real log, with a clock that moves only when it is told to.
//!
//! - `scene`: a workspace in which no policy runs but by the test's own hand; `brake` and
//!   `offboardings` go step by step in it
//! - `running`, `fake`: one in which policies run, and an MDM service
//! - `matrix`: every rule with every number of devices, every service and every crash
//! - `middle`: what happens in the middle of an offboarding
//! - `fairness`: what is slow or down holds up nobody else
//! - `erasures`: what goes on of an erasure that was cut off

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod brake;
mod erasures;
mod fairness;
mod fake;
mod matrix;
mod middle;
mod offboardings;
mod running;
mod scene;
