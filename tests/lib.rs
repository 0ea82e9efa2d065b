//! End-to-end tests of Muster.
