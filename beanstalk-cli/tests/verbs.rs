//! Of every verb there is a snapshot of each form that it prints in, of wrong usage, and of a server that is not there.

mod support;

use std::{collections::BTreeSet, fs, path::Path};

use support::verbs;

/// Verbs that print what they are asked for in one form only, or run until they are stopped: tests of their own run them.
const ONE_FORM: [&str; 6] = ["export", "top", "metrics", "work", "completions", "man"];
/// Verbs that ask no server, or go on trying to connect until they are stopped. `import` fails as `put` does.
const NO_SERVER: [&str; 6] = ["top", "work", "completions", "man", "import", "help"];

/// What is known of a command line: its verb, the form that it asks for, whether its server exists, and what it exits with.
fn cases() -> BTreeSet<(String, String, bool, u8)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let mut cases = BTreeSet::new();
    let verbs = verbs();
    for file in fs::read_dir(folder).expect("it is there") {
        let text = fs::read_to_string(file.expect("it can be read").path()).expect("it is text");
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(line) = line.strip_prefix("$ beanstalk ") else { continue };
            let exit = lines.peek().and_then(|next| next.strip_prefix("? ")?.parse().ok()).unwrap_or(0);
            let words: Vec<&str> = line.split_whitespace().collect();
            let form = words.iter().skip_while(|word| **word != "-o").nth(1).unwrap_or(&"table");
            if let Some(verb) = words.iter().find(|word| verbs.iter().any(|verb| verb == *word)) {
                cases.insert(((*verb).to_owned(), (*form).to_owned(), !line.contains("127.0.0.1:1"), exit));
            }
        }
    }
    cases
}

#[test]
fn every_verb_is_in_the_snapshots() {
    let _bound = beanstalk_watchdog::bound();
    let (verbs, cases) = (verbs(), cases());
    assert!(verbs.len() > 30, "{verbs:?}");
    let has = |verb: &str, form: &str, there, exit| cases.contains(&(verb.to_owned(), form.to_owned(), there, exit));
    let mut missing = Vec::new();
    for verb in verbs.iter().map(String::as_str).filter(|verb| *verb != "help") {
        if !ONE_FORM.contains(&verb) {
            let forms = ["table", "json", "jsonl", "plain"];
            missing
                .extend(forms.iter().filter(|form| !has(verb, form, true, 0)).map(|form| format!("{verb} -o {form}")));
        }
        if !has(verb, "table", true, 2) {
            missing.push(format!("{verb} used wrongly"));
        }
        if !NO_SERVER.contains(&verb) && !has(verb, "table", false, 5) {
            missing.push(format!("{verb} without a server"));
        }
    }
    assert!(missing.is_empty(), "there is no snapshot of {missing:#?}");
}
