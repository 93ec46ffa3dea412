#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| beanstalk_fuzz::endpoints::run(data));
