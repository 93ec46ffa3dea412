//! What each verb prints, and its exit code: the files of `tests/cmd` and the README, each with a server of its own.
//!
//! `TRYCMD=overwrite cargo test --test snapshots embedded` writes what is printed now into them.

mod support;

use std::{fs, path::PathBuf};

use support::Server;

fn cases() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the cases are there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "trycmd"))
        .collect();
    files.push(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    files.sort();
    assert!(files.len() > 5, "the cases are found");
    files
}

fn run(server: impl Fn() -> Option<Server>) {
    for case in cases() {
        let (Some(server), Some(other)) = (server(), server()) else { return };
        let url = match case.file_stem().and_then(|name| name.to_str()) {
            Some("several") => format!("{} {}", server.endpoint(), other.endpoint()),
            // At the second nobody listens.
            Some("half") => format!("{} 127.0.0.1:1", server.endpoint()),
            _ => server.endpoint(),
        };
        trycmd::TestCases::new()
            .register_bin("beanstalk", PathBuf::from(support::BEANSTALK))
            .env("BEANSTALK_URL", url)
            .env("COLUMNS", "100")
            .env("NO_COLOR", "1")
            .insert_var("[SERVER]", server.endpoint())
            .expect("a name of a variable")
            .insert_var("[OTHER]", other.endpoint())
            .expect("a name of a variable")
            .case(&case)
            .run();
    }
}

#[test]
fn embedded() {
    let _bound = beanstalk_watchdog::bound();
    run(|| Some(Server::embedded()));
}

#[test]
fn beanstalkd() {
    let _bound = beanstalk_watchdog::bound();
    run(Server::real);
}
