//! Every link in the repository's Markdown leads somewhere: to a file, or to a heading of a page. Addresses on other hosts are not tried.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// Where a page is shown decides how far its links may lead.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The repository, where files are beside each other.
    Repository,
    /// The guide as a book, which consists of its own folder.
    Book,
    /// A crate's front page, which is shown without the repository's other files.
    Crate,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All pages, by their paths below the root.
fn pages() -> Vec<PathBuf> {
    fn add(folder: &Path, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if entry.file_type().unwrap().is_dir() {
                let skipped = name == "target" || name.starts_with('.') && name != ".github";
                if !skipped {
                    add(&path, pages);
                }
            } else if name.ends_with(".md") {
                pages.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    add(Path::new(""), &mut pages);
    pages.sort();
    pages
}

fn place(page: &Path) -> Place {
    let crate_page = page.ends_with("README.md") && page.to_str().is_some_and(|path| path.starts_with("beanstalk-"));
    match page.starts_with("docs/guide/src") {
        true => Place::Book,
        false if crate_page => Place::Crate,
        false => Place::Repository,
    }
}

/// The lines of a page that are text, with their numbers: no blocks of code.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    page.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then_some((number, line))
    })
}

/// What the links of a line lead to. A link in quoted code is none.
fn targets(line: &str) -> Vec<String> {
    let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).map(str::to_owned).collect()
}

/// The anchors of a page, as both GitHub and mdBook make them of its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(page) {
        let Some((level, heading)) = line.split_once(' ') else { continue };
        if level.is_empty() || level.chars().any(|c| c != '#') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String =
            heading.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect();
        let again = (1..).map(|n| format!("{anchor}-{n}"));
        let free = [anchor.clone()].into_iter().chain(again).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

/// A path without `..`, or `None` where it leaves the root.
fn within_root(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => plain.pop().then_some(())?,
            part => plain.push(part),
        }
    }
    Some(plain)
}

/// What is wrong with a link in a page, if anything.
fn fault(page: &Path, text: &str, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let Some(file) = within_root(&page.parent()?.join(path)) else { return Some("leaves the repository".to_owned()) };
    let reach = match place(page) {
        Place::Repository => Path::new(""),
        Place::Book | Place::Crate => page.parent()?,
    };
    if !file.starts_with(reach) {
        return Some(format!("leaves {}, where this page is shown without it", reach.display()));
    }
    if !path.is_empty() && !root().join(&file).exists() {
        return Some("there is no such file".to_owned());
    }
    let other = || fs::read_to_string(root().join(&file)).unwrap_or_default();
    let headings = |_: &&str| anchors(&if path.is_empty() { text.to_owned() } else { other() });
    let missing = anchor.filter(|anchor| !headings(anchor).contains(*anchor));
    missing.map(|anchor| format!("no heading has the anchor {anchor}"))
}

fn faults(page: &Path, text: &str) -> Vec<String> {
    let links = prose(text).flat_map(|(number, line)| targets(line).into_iter().map(move |target| (number, target)));
    let wrong = links.filter_map(|(number, target)| Some((number, fault(page, text, &target)?, target)));
    wrong.map(|(number, fault, target)| format!("{}:{number}: {target}: {fault}", page.display())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.iter().any(|page| page == Path::new("docs/guide/src/workers.md")), "{pages:?}");
    let wrong: Vec<String> =
        pages.iter().flat_map(|page| faults(page, &fs::read_to_string(root().join(page)).unwrap())).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_link_is_found() {
    let wrong = |page: &str, text: &str| faults(Path::new(page), text).len();
    assert_eq!(
        wrong("README.md", "[a](ARCHITECTURE.md), [b](docs/guide/src/workers.md#shutdown), [c](https://example.org)"),
        0
    );
    assert_eq!(wrong("README.md", "# Its `own` heading, once\n[a](#its-own-heading-once)"), 0);
    assert_eq!(wrong("README.md", "`[a](NOWHERE.md)`\n```\n[b](NOWHERE.md)\n```"), 0);
    assert_eq!(wrong("README.md", "[a](NOWHERE.md)"), 1);
    assert_eq!(wrong("README.md", "`code` [a](NOWHERE.md), [b](ARCHITECTURE.md#nowhere), [c](#nowhere)"), 3);
    assert_eq!(wrong("README.md", "[a](../NOWHERE.md)"), 1);
    assert_eq!(wrong("docs/guide/src/faq.md", "[a](workers.md), [b](../book.toml), [c](../../../README.md)"), 2);
    assert_eq!(wrong("beanstalk-cli/README.md", "[a](pictures/top.svg), [b](../README.md)"), 1);
}
