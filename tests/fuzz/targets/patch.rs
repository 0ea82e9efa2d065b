//! Fuzzes PATCH requests: see `fuzz::patch`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::seeds::write("patch"), |bytes: &[u8]| {
    fuzz::on_text(bytes, fuzz::patch::check);
});

libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], length: usize, length_max: usize, seed: u32| {
    fuzz::change_json(bytes, length, length_max, seed)
});
