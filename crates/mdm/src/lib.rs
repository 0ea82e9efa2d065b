//! mdm.
