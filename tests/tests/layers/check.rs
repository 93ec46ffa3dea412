//! Which module of a crate imports which, and whether that goes upwards.
//!
//! A file `a.rs` and everything in the folder `a` are the module `a`. What counts as an import is a path from the crate's root
//! (`crate::…`, `$crate::…`, the crate's own name, `super::…` as far up as the root) wherever it stands in code, and a call of
//! another module's macro. A name that the root re-exports counts as what it is re-exported from. The root itself stands above
//! everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Token, tokens};

/// A source file: its path below `src`, and its text.
pub(crate) type Source = (String, String);

/// Says of each import that goes upwards in this crate where it is, and of each module whether it is missing from the list
/// or listed without being there. `layers` is the list, from the bottom up.
pub(crate) fn faults(crate_name: &str, layers: &[String], sources: &[Source]) -> Vec<String> {
    let files: Vec<File> = sources.iter().map(|(path, text)| File::new(path, text)).collect();
    let names = Names::new(&files);
    let mut faults = Vec::new();
    for module in &names.modules {
        if !layers.contains(module) {
            faults.push(format!("the module {module} is in no layer"));
        }
    }
    for layer in layers.iter().filter(|layer| !names.modules.contains(*layer)) {
        faults.push(format!("there is no module {layer}"));
    }
    let height = |module: &str| layers.iter().position(|layer| layer == module);
    for file in &files {
        for import in file.imports(crate_name) {
            let Some(from) = import.module else { continue };
            let place = format!(
                "{}:{}: {from} imports {}",
                file.path,
                import.line,
                import.path.join("::").replace("::as::", " as ")
            );
            match names.module_of(&import.path[0], &from) {
                Some(to) if height(&to) > height(&from) => faults.push(format!("{place}: {to} stands above {from}")),
                Some(_) => {}
                None => faults.push(format!("{place}, which is neither a module nor re-exported by the root")),
            }
        }
    }
    faults
}

struct File {
    path: String,
    /// Where its contents are below the root.
    module: Vec<String>,
    tokens: Vec<Token>,
}

/// A path from the root that stands in code. All that matters of it is its first word.
struct Import {
    /// The module that it stands in; `None` is the root.
    module: Option<String>,
    line: usize,
    path: Vec<String>,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        Self { path: path.to_owned(), module, tokens: tokens(text) }
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    /// Every place in the code, with the module around it, modules inside the file included.
    fn places(&self) -> Vec<(usize, Vec<String>)> {
        let (mut inner, mut depth) = (Vec::<(String, usize)>::new(), 0);
        let mut places = Vec::new();
        for at in 0..self.tokens.len() {
            match self.text(at) {
                "{" => {
                    depth += 1;
                    if at >= 2 && self.text(at - 2) == "mod" {
                        inner.push((self.text(at - 1).to_owned(), depth));
                    }
                }
                "}" => {
                    inner.retain(|(_, opened)| *opened < depth);
                    depth -= 1;
                }
                _ => {}
            }
            let around = self.module.iter().cloned().chain(inner.iter().map(|(name, _)| name.clone()));
            places.push((at, around.collect()));
        }
        places
    }

    fn imports(&self, crate_name: &str) -> Vec<Import> {
        let own_name = crate_name.replace('-', "_");
        let mut imports = Vec::new();
        for (at, mut around) in self.places() {
            let module = around.first().cloned();
            let mut add = |paths: Vec<Vec<String>>| {
                let line = self.tokens[at].line;
                imports.extend(paths.into_iter().map(|path| Import { module: module.clone(), line, path }));
            };
            let starts = at == 0 || self.text(at - 1) != "::";
            match (self.text(at), self.text(at + 1)) {
                (word, "::") if starts && (word == "crate" || word == own_name) => add(self.tree(at + 2)),
                ("super", "::") if starts => {
                    let mut behind = at;
                    while self.text(behind) == "super" {
                        around.pop();
                        behind += 2;
                    }
                    if around.is_empty() {
                        add(self.tree(behind));
                    }
                }
                (name, "!") if starts && self.text(at + 2) != "=" => add(vec![vec![format!("{name}!")]]),
                _ => {}
            }
        }
        imports
    }

    /// The paths of the use tree, or of the plain path, that begins here.
    fn tree(&self, at: usize) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        self.branch(at, &[], &mut paths);
        paths
    }

    /// Adds the paths of one branch, and returns where it ends.
    fn branch(&self, mut at: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
        let mut path = before.to_vec();
        loop {
            match self.text(at) {
                "{" => {
                    at += 1;
                    while !matches!(self.text(at), "}" | "") {
                        at = self.branch(at, &path, paths);
                        at += usize::from(self.text(at) == ",");
                    }
                    return at + 1;
                }
                // What a macro's argument is called is not known here.
                "$" => return at,
                word => path.push(word.to_owned()),
            }
            at += 1;
            match self.text(at) {
                "::" if self.text(at + 1) != "<" => at += 1,
                "!" => {
                    path.last_mut().expect("the macro has a name").push('!');
                    break;
                }
                "as" => {
                    path.extend(["as".to_owned(), self.text(at + 1).to_owned()]);
                    at += 2;
                    break;
                }
                _ => break,
            }
        }
        paths.push(path);
        at
    }
}

/// What can be named from the root.
struct Names {
    modules: BTreeSet<String>,
    /// The macros of each name, by the modules that define them.
    macros: BTreeMap<String, Vec<String>>,
    /// What the root re-exports, and the first word of where from.
    exports: BTreeMap<String, String>,
}

impl Names {
    fn new(files: &[File]) -> Self {
        let mut names = Self { modules: BTreeSet::new(), macros: BTreeMap::new(), exports: BTreeMap::new() };
        for file in files {
            names.modules.extend(file.module.first().cloned());
            for (at, around) in file.places() {
                let module = around.first().cloned().unwrap_or_default();
                names.modules.extend((!module.is_empty()).then(|| module.clone()));
                match (file.text(at), file.text(at + 1)) {
                    ("macro_rules", "!") => {
                        names.macros.entry(file.text(at + 2).to_owned()).or_default().push(module);
                    }
                    ("use", _) if file.module.is_empty() => {
                        let skip = if file.text(at + 1) == "crate" { 3 } else { 1 };
                        for path in file.tree(at + skip) {
                            names.exports.insert(path[path.len() - 1].clone(), path[0].clone());
                        }
                    }
                    _ => {}
                }
            }
        }
        names
    }

    /// The module that a first word of a path stands for: the importing one if it is nothing of this crate's modules, `None` if
    /// nobody knows.
    fn module_of(&self, word: &str, from: &str) -> Option<String> {
        if self.modules.contains(word) {
            return Some(word.to_owned());
        }
        let name = word.trim_end_matches('!');
        if let Some(defined) = self.macros.get(name) {
            let elsewhere = defined.iter().find(|_| defined.iter().all(|module| module != from));
            return Some(elsewhere.map_or(from, String::as_str).to_owned());
        }
        // A macro of another crate.
        if name != word {
            return Some(from.to_owned());
        }
        let source = self.exports.get(word)?;
        Some(self.modules.get(source).map_or(from, String::as_str).to_owned())
    }
}
