//! Fuzzes the bodies of POST and PUT: see `fuzz::body`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::seeds::write("body"), |bytes: &[u8]| {
    fuzz::on_text(bytes, fuzz::body::check);
});

libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], length: usize, length_max: usize, seed: u32| {
    fuzz::change_json(bytes, length, length_max, seed)
});
