#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| beanstalk_fuzz::engine_ops::run(data));
