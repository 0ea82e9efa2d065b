//! A lock that outlives a panic.
//!
//! What our locks guard is changed in steps that each leave it whole, so that a thread that
//! panicked elsewhere is no reason to stop all others.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
