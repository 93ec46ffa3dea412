//! Completions and man pages are made of the arguments that the program takes.

#![allow(clippy::print_stderr, reason = "a test tells what it could not try")]

mod support;

use std::process::{Command, Stdio};

use support::{beanstalk, verbs};

fn printed(args: &[&str]) -> String {
    let output = beanstalk(args).output().expect("it runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn every_verb_has_help_and_a_man_page() {
    let _bound = beanstalk_watchdog::bound();
    let page = printed(&["man"]);
    assert!(page.starts_with(".ie") && page.contains(".TH beanstalk 1") && page.contains("partial success"));
    for verb in verbs().iter().filter(|verb| *verb != "help") {
        assert!(page.contains(&verb.replace('-', "\\-")), "{verb} is not on the man page");
        assert!(printed(&["man", verb]).contains(".SH DESCRIPTION"), "{verb}");
        assert!(printed(&[verb, "--help"]).contains("Usage: beanstalk"), "{verb}");
    }
}

#[test]
fn completions_have_the_verbs_and_are_scripts() {
    let _bound = beanstalk_watchdog::bound();
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for verb in verbs() {
            assert!(script.contains(&verb), "{shell}: {verb}");
        }
        let check = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn();
        match check {
            Ok(mut check) => {
                use std::io::Write;
                check.stdin.take().expect("it was asked for").write_all(script.as_bytes()).expect("it reads");
                assert!(check.wait().expect("it ends").success(), "{shell} cannot read it");
            }
            Err(_) => eprintln!("there is no {shell}: its script was not read by it"),
        }
    }
}
