//! TLS and tokens from end to end: what works, and the message and the exit code of each refusal. Nothing is sent in the clear instead.

mod support;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use support::{
    Server, beanstalk,
    front::{Authority, start},
};

/// A folder for certificates, keys and tokens, for as long as it lives.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("beanstalk-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("there is room");
        Self(folder)
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).expect("there is room");
        path.to_str().expect("it is text").to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What it exits with, prints, and reports.
fn run(args: &[&str], change: impl FnOnce(&mut Command)) -> (i32, String, String) {
    let mut command = beanstalk(args);
    change(command.stdin(Stdio::null()));
    let output = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn refused(args: &[&str], exit: i32, parts: &[&str]) {
    let (code, out, errors) = run(args, |_| {});
    assert_eq!((code, &*out), (exit, ""), "{errors}");
    for part in parts {
        assert!(errors.contains(part), "{part:?} is not in {errors:?}");
    }
    assert_eq!(errors.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{errors}");
}

fn address(server: &Server) -> String {
    match server {
        Server::Embedded(server) => server.addr().to_owned(),
        Server::Real { .. } => unreachable!("it is embedded"),
    }
}

#[test]
fn verbs_of_every_kind_work_over_tls_and_with_a_client_certificate() {
    let _bound = beanstalk_watchdog::bound();
    let (files, server) = (Files::new("tls"), Server::embedded());
    let (authority, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = clients.issue_pem("operator");
    let (certificate, key) = (files.write("cert.pem", &certificate), files.write("key.pem", &key));
    let ca = files.write("ca.pem", &authority.pem());
    let long = "x".repeat(60_000);
    for (tls, identity) in [
        (authority.server("localhost", None), vec![]),
        (authority.server("localhost", Some(&clients)), vec!["--cert", &certificate, "--key", &key]),
    ] {
        let endpoint = format!("beanstalks://localhost:{}", start(&address(&server), Some(tls), None));
        let done = |args: &[&str]| {
            let all: Vec<&str> = args.iter().chain(&["-s", &endpoint, "--ca", &ca]).chain(&identity).copied().collect();
            let (code, out, errors) = run(&all, |_| {});
            assert_eq!(code, 0, "{args:?}: {errors}");
            out
        };
        let id = done(&["put", &long, "-o", "plain"]);
        assert_eq!(done(&["peek", id.trim(), "--raw"]), long);
        assert!(done(&["tubes"]).contains("default"));
        assert!(done(&["metrics", "--once"]).contains(&format!("beanstalkd_up{{server=\"{endpoint}\"}} 1\n")));
        assert_eq!(done(&["jobs", "--raw"]), long);
        assert_eq!(done(&["clear", "default", "--yes", "-o", "plain"]), "1\n");
    }
}

#[test]
fn each_refusal_by_tls_names_what_is_wrong() {
    let _bound = beanstalk_watchdog::bound();
    let (files, server) = (Files::new("refused"), Server::embedded());
    let (authority, other) = (Authority::new(), Authority::new());
    let (ca, wrong_ca) = (files.write("ca.pem", &authority.pem()), files.write("other.pem", &other.pem()));
    let port = start(&address(&server), Some(authority.server("localhost", None)), None);
    let endpoint = format!("beanstalks://localhost:{port}");

    refused(&["stats", "-s", &endpoint, "--ca", &wrong_ca], 5, &["certificate", "--ca FILE"]);
    // Those that the system trusts have not issued it either.
    refused(&["stats", "-s", &endpoint], 5, &["certificate", "--ca FILE"]);
    let by_number = format!("beanstalks://127.0.0.1:{port}");
    refused(&["stats", "-s", &by_number, "--ca", &ca], 5, &["127.0.0.1", "localhost"]);

    // In the clear to a server with TLS, and with TLS to one without.
    refused(&["stats", "-s", &format!("localhost:{port}")], 5, &["beanstalks://"]);
    let plain = format!("beanstalks://{}", server.endpoint());
    refused(&["stats", "-s", &plain, "--ca", &ca], 5, &["TLS", "beanstalk://"]);

    // No certificate of one's own where one is wanted, and one of somebody else's.
    let wants = start(&address(&server), Some(authority.server("localhost", Some(&authority))), None);
    let wants = format!("beanstalks://localhost:{wants}");
    refused(&["stats", "-s", &wants, "--ca", &ca], 5, &["certificate", "--cert FILE"]);
    let (certificate, key) = other.issue_pem("operator");
    let (certificate, key) = (files.write("cert.pem", &certificate), files.write("key.pem", &key));
    let identity = ["--cert", &certificate, "--key", &key];
    let args: Vec<&str> = ["stats", "-s", &wants, "--ca", &ca].iter().chain(&identity).copied().collect();
    refused(&args, 5, &["certificate", "--cert FILE"]);
    // A certificate where its key should be.
    refused(&["stats", "-s", &wants, "--cert", &certificate, "--key", &certificate], 1, &["cert.pem"]);
}

#[test]
fn a_token_lets_in_and_is_never_shown() {
    let _bound = beanstalk_watchdog::bound();
    let (files, server, authority) = (Files::new("token"), Server::embedded(), Authority::new());
    let (token, wrong) = (files.write("token", "let-me-in\n"), files.write("wrong", "secret\n"));
    let ca = files.write("ca.pem", &authority.pem());
    let port = start(&address(&server), Some(authority.server("localhost", None)), Some("let-me-in"));
    let endpoint = format!("beanstalks://localhost:{port}");
    let args = ["quit", "-s", &endpoint, "--ca", &ca];
    let with = |more: &[&str], env: Option<&str>| {
        let all: Vec<&str> = args.iter().chain(more).copied().collect();
        run(&all, |command| {
            if let Some(token) = env {
                command.env("BEANSTALK_TOKEN", token);
            }
        })
    };
    assert_eq!(with(&["--token-file", &token], None).0, 0);
    assert_eq!(with(&[], Some("let-me-in")).0, 0);
    assert_eq!(with(&["--token-file", &token], Some("secret")).0, 0, "the file comes first");
    for (more, env) in [(&["--token-file", &*wrong][..], None), (&[], Some("secret"))] {
        let (code, out, errors) = with(more, env);
        assert_eq!((code, &*out), (3, ""), "{errors}");
        assert!(errors.contains("UNAUTHORIZED") && errors.contains("--token-file"), "{errors}");
        assert!(!errors.contains("secret"), "{errors}");
    }
    let (code, _, errors) = with(&[], None);
    assert!(code != 0 && errors.contains("--token-file"), "{code}: {errors}");
}

#[test]
fn a_server_without_tls_or_tokens_is_no_substitute_for_one_with_them() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let output = server.command(&["stats"]).env("BEANSTALK_TOKEN", "secret").output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("UNKNOWN_COMMAND") && !errors.contains("secret"), "{errors}");
}
