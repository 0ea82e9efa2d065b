//! Fuzzes what lists are asked for: see `fuzz::query`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::seeds::write("query"), |bytes: &[u8]| {
    fuzz::on_text(bytes, fuzz::query::check);
});
