#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| beanstalk_fuzz::shared_client::run(data));
