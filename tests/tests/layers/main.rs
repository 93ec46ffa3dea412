//! Inside every crate imports go downwards, in the order that ARCHITECTURE.md lists: a module imports only from those below
//! it. So there is no circle either.

mod check;
mod tokens;

use std::{fs, path::Path};

use check::{Source, faults};

/// The crates in the order of the page, each with its modules from the bottom up: the rows of the table there whose first cell
/// is the crate's name.
fn lists(page: &str) -> Vec<(String, Vec<String>)> {
    let section = page.split("\n## ").find(|section| section.starts_with("Inside a crate\n"));
    let rows = section.expect("ARCHITECTURE.md has a section \"Inside a crate\"").lines();
    let quoted = |row: &str| row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = rows.filter(|row| row.starts_with("| `")).map(quoted);
    rows.map(|mut names| (names.remove(0), names)).collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn listed() -> Vec<(String, Vec<String>)> {
    lists(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap())
}

fn sources(crate_name: &str) -> Vec<Source> {
    fn add(folder: &Path, below: &str, sources: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
            match path.is_dir() {
                true => add(&path, &format!("{name}/"), sources),
                false => sources.push((name, fs::read_to_string(path).unwrap())),
            }
        }
    }
    let mut sources = Vec::new();
    add(&root().join(crate_name).join("src"), "", &mut sources);
    sources.sort();
    sources
}

#[test]
fn every_crate_is_listed() {
    let mut crates: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("beanstalk-") && root().join(name).join("src").exists())
        .collect();
    let mut listed: Vec<String> = listed().into_iter().map(|(name, _)| name).collect();
    crates.sort();
    listed.sort();
    assert_eq!(listed, crates);
}

#[test]
fn no_import_goes_upwards() {
    let found: Vec<String> = listed()
        .iter()
        .flat_map(|(name, layers)| {
            let faults = faults(name, layers, &sources(name));
            faults.into_iter().map(move |fault| format!("{name}: {fault}"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The check can fail: the highest module is planted as an import at the end of a file of every other one.
#[test]
fn an_import_planted_in_any_module_is_found() {
    for (name, layers) in listed() {
        let (top, below) = layers.split_last().expect("a crate has modules");
        let sources = sources(&name);
        let mut planted = 0;
        for module in below {
            let of_module = |path: &str| path.split(['/', '.']).next() == Some(module);
            // A module inside the root has no file.
            let Some(at) = sources.iter().rposition(|(path, _)| of_module(path)) else { continue };
            let mut with = sources.clone();
            // What stands in the other files is not needed, except in the root.
            for (other, (path, text)) in with.iter_mut().enumerate() {
                if other != at && path != "lib.rs" {
                    text.clear();
                }
            }
            with[at].1.push_str(&format!("\nuse crate::{top}::Planted;\n"));
            let (path, line) = (&with[at].0, with[at].1.lines().count());
            let expected = format!("{path}:{line}: {module} imports {top}::Planted: {top} stands above {module}");
            let mut found = faults(&name, &layers, &with);
            found.retain(|fault| fault.contains("Planted"));
            assert_eq!(found, [expected]);
            planted += 1;
        }
        assert!(planted > 0, "{name}");
    }
}

/// What is found in a crate of two modules, `low` with this text and `high`.
fn found_in(low: &str) -> Vec<String> {
    let root = "mod low;\nmod high;\npub use high::{Thing, deep::Other as Renamed};\npub use std::fmt;";
    let high =
        "pub struct Thing;\n#[macro_export]\nmacro_rules! exported { () => {} }\nmacro_rules! plain { () => {} }";
    let sources = [("lib.rs", root), ("high.rs", high), ("low/mod.rs", ""), ("low/part/mod.rs", low)];
    let sources = sources.map(|(path, text)| (path.to_owned(), text.to_owned()));
    faults("own-name", &["low".to_owned(), "high".to_owned()], &sources)
}

#[test]
fn every_form_of_import_is_one() {
    for (code, shown) in [
        ("use crate::high::Thing;", "high::Thing"),
        ("use crate::{low::Part, high::{Thing}};", "high::Thing"),
        ("use crate::{\n    low,\n    high,\n};", "high"),
        ("use own_name::high::Thing;", "high::Thing"),
        ("use super::super::high::Thing;", "high::Thing"),
        ("use super::super::{high};", "high"),
        ("mod tests { use super::super::super::high; }", "high"),
        ("fn f<'a>(c: char) -> bool { c == '\"' && crate::high::is('\\'', c) }", "high::is"),
        ("macro_rules! m { () => { $crate::high::Thing } }", "high::Thing"),
        ("pub(in crate::high) struct S;", "high"),
        ("use crate::Thing;", "Thing"),
        ("fn f(_: crate::Renamed) {}", "Renamed"),
        ("crate::exported!();", "exported!"),
        ("plain!();", "plain!"),
    ] {
        let line = 1 + code.split("high").next().unwrap().matches('\n').count();
        let line = if code.starts_with("use") { 1 } else { line };
        let expected = format!("low/part/mod.rs:{line}: low imports {shown}: high stands above low");
        assert_eq!(found_in(code), [expected], "{code}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_none() {
    for code in [
        "// use crate::high::Thing;",
        "/// [`Thing`](crate::high::Thing)\n/* crate::high /* */ crate::high */ struct S;",
        "const S: &str = \"crate::high\"; const R: &str = r#\"\" crate::high\"#; const B: u8 = b'\"';",
        "use super::high::Thing; mod high {}",
        "use crate::low::high::Thing;",
        "use crate::fmt;",
        "fn f(high: bool) -> bool { !high && other::crate_::high }",
        "macro_rules! plain { () => {} } plain!();",
        "fn f(x: u8) -> bool { x != 3 && matches!(x, 1) }",
    ] {
        assert_eq!(found_in(code), [""; 0], "{code}");
    }
}

#[test]
fn a_list_is_of_the_modules_that_there_are() {
    let sources = [("lib.rs".to_owned(), "mod a;\nmod b;".to_owned()), ("a.rs".to_owned(), "struct A;".to_owned())];
    assert_eq!(faults("x", &["b".to_owned()], &sources), ["the module a is in no layer", "there is no module b"]);
    let unknown = [("lib.rs".to_owned(), String::new()), ("a.rs".to_owned(), "use crate::what::Ever;".to_owned())];
    let fault = "a.rs:1: a imports what::Ever, which is neither a module nor re-exported by the root";
    assert_eq!(faults("x", &["a".to_owned()], &unknown), [fault]);
}
