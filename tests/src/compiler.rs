//! What the compiler reports of code that is wrong.

use std::{env, fs, path::Path, process::Command};

use crate::temp::TempDir;

/// Returns what the compiler reports of a library on top of one of the crates that this test was built with.
pub fn compile_errors(krate: &str, source: &str) -> String {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(format!("{krate}.rs")), source).unwrap();
    let built = env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let mut rustc = Command::new("rustc");
    rustc.current_dir(directory.path()).args([
        "--edition=2024",
        "--crate-type=lib",
        "--emit=metadata",
        "--color=never",
    ]);
    rustc.arg("--extern").arg(format!("{krate}={}", newest(&built, krate)));
    rustc.arg("-L").arg(format!("dependency={}", built.display())).arg(format!("{krate}.rs"));
    let output = rustc.output().expect("rustc runs where cargo does");
    String::from_utf8(output.stderr).unwrap()
}

/// The library of that name that was built last.
fn newest(directory: &Path, name: &str) -> String {
    let libraries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")
    });
    let newest = libraries.max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
    newest.expect("a dependency of this test was built").display().to_string()
}
