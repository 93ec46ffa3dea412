//! Which beanstalkd is installed. The server's own tests take in this file, so it needs nothing but the standard library.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The beanstalkd to run: the one that `BEANSTALKD` names, else the first in `PATH`.
///
/// Where there is none, the scenarios for it are ignored, loudly; with `BEANSTALK_REQUIRE_SERVER=1` that is a failure.
pub fn installed() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let found = find();
            if found.is_none() {
                assert_ne!(
                    env::var("BEANSTALK_REQUIRE_SERVER").as_deref(),
                    Ok("1"),
                    "BEANSTALK_REQUIRE_SERVER=1, and there is no beanstalkd: install it or name it in BEANSTALKD"
                );
                let _ = writeln!(
                    io::stderr(),
                    "\n*** NO BEANSTALKD FOUND: the half of these tests that needs a real server is ignored. ***\n\
                     *** Install beanstalkd, or name its program in the environment variable BEANSTALKD.  ***\n"
                );
            }
            found
        })
        .as_deref()
}

fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os("BEANSTALKD").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "BEANSTALKD names {}, which is no file", named.display());
        return Some(named);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join("beanstalkd")).find(|file| file.is_file())
}
