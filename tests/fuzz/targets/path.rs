//! Fuzzes paths, lists of names and orders: see `fuzz::path`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::seeds::write("path"), |bytes: &[u8]| {
    fuzz::on_text(bytes, fuzz::path::check);
});
