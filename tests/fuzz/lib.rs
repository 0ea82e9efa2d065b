//! What has to hold for any input to `crates/scim`, as functions that panic where it does not.
//!
//! Each module is the check of one fuzz target. Inputs are texts that can be read and edited: a
//! filter, a path, a body. [`world`] has what they are applied to.

pub mod body;
pub mod bulk;
pub mod filter;
pub mod mutate;
pub mod patch;
pub mod path;
pub mod query;
pub mod seeds;
pub mod world;

/// Calls a check with an input if that is a text, as everything is that comes over HTTP.
pub fn on_text(bytes: &[u8], check: fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
}

/// Changes an input that is JSON as JSON, and now and then, or if it is none, its bytes. Returns the
/// new length.
pub fn change_json(bytes: &mut [u8], length: usize, length_max: usize, seed: u32) -> usize {
    let changed = mutate::mutated(&bytes[..length], seed, length_max);
    match changed.filter(|_| !seed.is_multiple_of(5)) {
        Some(text) => {
            bytes[..text.len()].copy_from_slice(&text);
            text.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(bytes, length, length_max),
    }
}
