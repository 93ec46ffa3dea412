//! Tables, and the sections of a document that a measurement rewrites.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// A table in Markdown; the first column is text, the others are figures.
#[derive(Debug)]
pub(crate) struct Table {
    columns: usize,
    text: String,
}

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        let rule = "|---:".repeat(heads.len().saturating_sub(1));
        Self { columns: heads.len(), text: format!("| {} |\n|---{rule}|\n", heads.join(" | ")) }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns, "a cell for every column");
        self.text += &format!("| {} |\n", cells.join(" | "));
    }

    pub(crate) fn render(&self) -> String {
        self.text.clone()
    }
}

/// A whole number with its thousands apart.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if number < -0.5 { format!("-{text}") } else { text }
}

/// Nanoseconds in a unit that suits them.
pub(crate) fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// Puts a text between the markers of its section: `<!-- begin NAME -->` and `<!-- end NAME -->`.
pub(crate) fn replace_section(document: &Path, name: &str, text: &str) -> Result<()> {
    let whole = fs::read_to_string(document).with_context(|| format!("could not read {}", document.display()))?;
    let (begin, end) = (format!("<!-- begin {name} -->"), format!("<!-- end {name} -->"));
    let (before, rest) = whole.split_once(&begin).with_context(|| format!("the document has no {begin}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("the document has no {end}"))?;
    fs::write(document, format!("{before}{begin}\n{}\n{end}{after}", text.trim()))?;
    Ok(())
}
