//! End-to-end tests of Muster, and the checks that keep its workspace tidy.
//!
//! The tests are this package's targets; the library is empty, because a package needs one.
