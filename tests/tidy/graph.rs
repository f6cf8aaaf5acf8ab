//! Which file imports which, read from the text of the sources.
//!
//! A path is followed to the file that defines what it names: through `pub use` of the module that
//! re-exports a name, so that a re-export hides no edge. Declaring a module, and re-exporting from it,
//! is no import. Macros and glob imports (of which `use super::*` in tests is the only one) are not
//! followed.

use std::collections::{BTreeMap, BTreeSet};

use crate::Source;

/// The files of `src`, by module path (`pager::proof::pass`), and what they import.
pub(crate) struct Graph {
    /// For each module its imports, as module paths.
    pub(crate) edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the imports of all shipped files.
    pub(crate) fn of(sources: &[Source]) -> Self {
        let modules: BTreeMap<String, Uses> = sources
            .iter()
            .filter(|source| !source.shipped().is_empty())
            .filter_map(|source| Some((module_path(&source.name)?, Uses::of(source.shipped()))))
            .collect();
        let resolver = Resolver(&modules);
        let edges = modules
            .iter()
            .map(|(module, uses)| {
                let targets = uses
                    .imports
                    .iter()
                    .filter_map(|path| resolver.file_of(module, path, 0))
                    .filter(|target| target != module)
                    .collect();
                (module.clone(), targets)
            })
            .collect();
        Self { edges }
    }

    /// Each import of a module that contains the importing one.
    pub(crate) fn imports_of_parents(&self) -> Vec<String> {
        self.edges
            .iter()
            .flat_map(|(from, targets)| targets.iter().map(move |to| (from, to)))
            .filter(|(from, to)| from.starts_with(&format!("{to}::")))
            .map(|(from, to)| format!("{from} imports what contains it: {to}"))
            .collect()
    }

    /// The groups of modules that import each other, directly or around a corner.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&String, BTreeSet<&String>> =
            self.edges.keys().map(|module| (module, self.reached_from(module))).collect();
        let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
        for (module, below) in &reached {
            let mut circle: Vec<String> = below
                .iter()
                .filter(|other| reached.get(**other).is_some_and(|back| back.contains(module)))
                .map(|other| (*other).clone())
                .collect();
            if !circle.is_empty() {
                circle.push((*module).clone());
                circle.sort();
                circle.dedup();
                circles.insert(circle);
            }
        }
        circles.into_iter().filter(|circle| circle.len() > 1).collect()
    }

    fn reached_from(&self, module: &str) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&String> = self.edges.get(module).into_iter().flatten().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.edges.get(next).into_iter().flatten());
            }
        }
        reached
    }
}

/// What one file says of others.
struct Uses {
    /// Paths that it imports or names, as written.
    imports: BTreeSet<String>,
    /// Names that it re-exports, each with the path it comes from.
    exports: BTreeMap<String, String>,
}

impl Uses {
    fn of(text: &str) -> Self {
        let code: String = crate::code(text).flat_map(|line| [line, "\n"]).collect();
        let (mut imports, mut exports) = (BTreeSet::new(), BTreeMap::new());
        let mut rest = String::new();
        for statement in code.split_inclusive(';') {
            let Some((before, tree)) = use_tree(statement) else {
                rest.push_str(statement);
                continue;
            };
            rest.push_str(before);
            let exported = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
            for path in expanded(tree.trim_end_matches(';')) {
                let (path, name) = match path.split_once(" as ") {
                    Some((path, name)) => (path.to_owned(), name.to_owned()),
                    None => (path.clone(), path.rsplit("::").next().unwrap_or_default().to_owned()),
                };
                if exported {
                    exports.insert(name, path);
                } else {
                    imports.insert(path);
                }
            }
        }
        for start in ["crate::", "super::"] {
            for (at, _) in rest.match_indices(start) {
                let follows = |it: char| it.is_alphanumeric() || it == '_' || it == ':';
                // A visibility is no import.
                let (before, path) = rest.split_at(at);
                if before.ends_with(follows) || before.ends_with("pub(in ") {
                    continue;
                }
                let path: String = path.chars().take_while(|it| follows(*it)).collect();
                imports.insert(path.trim_end_matches(':').to_owned());
            }
        }
        Self { imports, exports }
    }
}

/// The tree of a statement that is a `use`, and what stands before it.
fn use_tree(statement: &str) -> Option<(&str, &str)> {
    let at = if statement.starts_with("use ") {
        0
    } else {
        let spaced = ["\nuse ", " use "].iter().filter_map(|word| statement.rfind(word)).max()?;
        spaced + 1
    };
    let (before, tree) = statement.split_at(at);
    let begins_line = before.trim_end_matches(' ').is_empty()
        || before.ends_with('\n')
        || before.trim_end().ends_with("pub")
        || before.trim_end().ends_with(')')
        || before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
    begins_line.then(|| (before, tree.trim_start_matches("use ")))
}

/// `a::{b, c::{self, d}}` as `a::b`, `a::c` and `a::c::d`.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((stem, inside)) = tree.split_once('{') else {
        return vec![tree.trim().to_owned()];
    };
    let inside = inside.trim_end().strip_suffix('}').unwrap_or(inside);
    let (mut level, mut part, mut parts) = (0, String::new(), Vec::new());
    for character in inside.chars() {
        match character {
            ',' if level == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                level += i32::from(character == '{') - i32::from(character == '}');
                part.push(character);
            }
        }
    }
    parts.push(part);
    parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .flat_map(expanded)
        .map(|part| match part.as_str() {
            "self" => stem.trim().trim_end_matches("::").to_owned(),
            _ => format!("{}{part}", stem.trim()),
        })
        .collect()
}

struct Resolver<'a>(&'a BTreeMap<String, Uses>);

impl Resolver<'_> {
    /// The module whose file defines what a path names; `None`: it is not of this crate.
    fn file_of(&self, from: &str, path: &str, depth: usize) -> Option<String> {
        let (mut at, mut parts) = (from.to_owned(), path.split("::").peekable());
        let mut inside = false;
        while let Some(part) = parts.peek().copied() {
            match part {
                "crate" => at.clear(),
                "super" => at.truncate(at.rfind("::").unwrap_or_default()),
                "self" => {}
                _ => break,
            }
            inside = true;
            parts.next();
        }
        for part in parts {
            let below = if at.is_empty() { part.to_owned() } else { format!("{at}::{part}") };
            if self.0.contains_key(&below) {
                (at, inside) = (below, true);
                continue;
            }
            if !inside {
                return None;
            }
            // A name of this file, or one that it hands on.
            return match self.0.get(&at).and_then(|uses| uses.exports.get(part)) {
                Some(source) if depth < 5 => {
                    self.file_of(&at, source, depth + 1).or(Some(at.clone()))
                }
                _ => Some(at),
            };
        }
        (inside && !at.is_empty()).then_some(at)
    }
}

/// `src/pager/pass/mod.rs` is `pager::pass`; the roots are none.
fn module_path(name: &str) -> Option<String> {
    let inside = name.strip_prefix("src/")?.strip_suffix(".rs")?;
    let path = inside.strip_suffix("/mod").unwrap_or(inside).replace('/', "::");
    (!matches!(path.as_str(), "lib" | "main")).then_some(path)
}
