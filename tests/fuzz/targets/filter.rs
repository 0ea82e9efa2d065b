//! Fuzzes filters: see `fuzz::filter`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::seeds::write("filter"), |bytes: &[u8]| {
    fuzz::on_text(bytes, fuzz::filter::check);
});
