#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tierway_probe::answer(bytes));
