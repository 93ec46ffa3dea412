//! TLS and tokens towards servers that have neither: nothing is sent in the clear instead, and the error says why.

mod support;

use support::Server;

#[test]
fn a_server_without_tls_or_tokens_is_no_substitute_for_one_with_them() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let output = server.command(&["stats"]).env("BEANSTALK_TOKEN", "secret").output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("UNKNOWN_COMMAND") && !errors.contains("secret"), "{errors}");

    let endpoint = format!("beanstalks://{}", server.endpoint());
    let output = support::beanstalk(&["stats", "-s", &endpoint]).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(errors.contains("TLS"), "{errors}");
}
