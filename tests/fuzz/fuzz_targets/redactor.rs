#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pystrano_fuzz::redactor(bytes));
