//! Copies the pages, with a bound for each program in them: so a page holds only what a reader can copy, and one that hangs fails by name.

use std::{env, error::Error, fs, path::Path};

const BOUND: &str = " let _bound = beanstalk_watchdog::bound();";

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let pages = fs::read_dir("src")?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let readme = Path::new("../../README.md").to_owned();
    for page in pages.into_iter().filter(|page| page.extension().is_some_and(|end| end == "md")).chain([readme]) {
        println!("cargo::rerun-if-changed={}", page.display());
        let name = page.file_name().ok_or("a page has a name")?;
        fs::write(Path::new(&out).join(name), bounded(&fs::read_to_string(&page)?))?;
    }
    println!("cargo::rerun-if-changed=src");
    Ok(())
}

/// Each program has its bound on the line of its `main`, so that line numbers stay.
fn bounded(page: &str) -> String {
    let starts =
        |line: &str| (line.starts_with("fn main(") || line.starts_with("async fn main(")) && line.ends_with('{');
    page.lines().flat_map(|line| [line, if starts(line) { BOUND } else { "" }, "\n"]).collect()
}
