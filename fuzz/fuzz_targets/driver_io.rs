#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| beanstalk_fuzz::driver_io::run(data));
