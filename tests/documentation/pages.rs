//! A page of the documentation, taken apart: its code, its prose, its links and its headings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

/// One file of the tree.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its path from the top of the tree.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A block of code.
#[derive(Debug)]
pub(crate) struct Block {
    /// What stands behind the fence; nothing for a block that is indented.
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
}

impl Block {
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// Whether the lines are meant for a shell.
    pub(crate) fn is_shell(&self) -> bool {
        matches!(self.language.as_str(), "" | "sh")
    }
}

/// Every page of the documentation.
pub(crate) fn pages() -> Vec<Page> {
    let mut names: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(str::to_owned).into();
    for folder in ["docs", ".github", ".github/ISSUE_TEMPLATE"] {
        let entries = fs::read_dir(top().join(folder)).expect("a folder of the documentation");
        for entry in entries {
            let name = entry.expect("a folder lists its entries").file_name();
            let name = name.to_str().expect("our files have plain names").to_owned();
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                names.push(format!("{folder}/{name}"));
            }
        }
    }
    names.iter().map(|name| read(name)).collect()
}

/// The pages that say how things are now; the changelog says how they were, too.
pub(crate) fn current() -> Vec<Page> {
    pages().into_iter().filter(|page| page.name != "CHANGELOG.md").collect()
}

/// Reads a file of the tree.
pub(crate) fn read(name: &str) -> Page {
    let text = fs::read_to_string(top().join(name));
    Page { name: name.to_owned(), text: text.unwrap_or_else(|error| panic!("{name}: {error}")) }
}

/// All sources of the program, one after the other; a text that goes on on the next line is whole.
pub(crate) fn sources() -> String {
    let (mut folders, mut sources) = (vec![top().join("src")], String::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a source folder can be read") {
            let path = entry.expect("a folder lists its entries").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(path).expect("a source can be read"));
            }
        }
    }
    let mut parts = sources.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + part.trim_start())
}

/// Whether the tree has such a file or folder.
pub(crate) fn exists(name: &str) -> bool {
    top().join(name).exists()
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A path without steps up.
pub(crate) fn normal(path: &Path) -> String {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(part) => {
                parts.push(part.to_str().expect("our files have plain names"));
            }
            _ => {}
        }
    }
    parts.join("/")
}

/// The anchor of a heading, as the hosts of repositories make it.
pub(crate) fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// What is marked as code in a text, but for what stands in parentheses.
pub(crate) fn spans_outside_parentheses(text: &str) -> BTreeSet<String> {
    let (mut bare, mut depth) = (String::new(), 0_usize);
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => bare.push(letter),
            _ => {}
        }
    }
    if !bare.contains('`') && !bare.trim().is_empty() {
        // A cell of one span alone has lost its marks.
        bare = format!("`{bare}`");
    }
    bare.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

impl Page {
    /// The blocks of code, in their order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        self.apart().0
    }

    /// What is marked as code within prose and tables.
    pub(crate) fn spans(&self) -> Vec<String> {
        let paragraphs = self.apart().1;
        let spans = paragraphs.iter().flat_map(|paragraph| {
            paragraph.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        });
        spans.collect()
    }

    /// The targets of the links.
    pub(crate) fn links(&self) -> Vec<String> {
        let paragraphs = self.apart().1;
        let targets = paragraphs.iter().flat_map(|paragraph| {
            let targets = paragraph.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            targets.map(|(target, _)| target.to_owned()).collect::<Vec<_>>()
        });
        targets.collect()
    }

    /// The headings, without their marks.
    pub(crate) fn headings(&self) -> Vec<String> {
        let paragraphs = self.apart().1;
        let headings = paragraphs.iter().filter_map(|line| line.strip_prefix('#'));
        headings.map(|heading| heading.trim_start_matches('#').trim().to_owned()).collect()
    }

    /// The rows of all tables whose head begins so.
    pub(crate) fn rows(&self, head: &str) -> Vec<Vec<String>> {
        let (mut rows, mut inside) = (Vec::new(), false);
        for line in self.text.lines() {
            let begins = line.starts_with(head);
            inside = line.starts_with('|') && (inside || begins);
            if inside && !begins && !line.starts_with("| ---") {
                let cells = line.trim_matches('|').split('|');
                rows.push(cells.map(|cell| cell.trim().to_owned()).collect());
            }
        }
        assert!(!rows.is_empty(), "{} has no table {head}", self.name);
        rows
    }

    /// The same, without the marks of a cell that is code and nothing else.
    pub(crate) fn table(&self, head: &str) -> Vec<Vec<String>> {
        let bare = |cell: String| match cell.strip_prefix('`').and_then(|it| it.split_once('`')) {
            Some((code, "")) => code.to_owned(),
            _ => cell,
        };
        self.rows(head).into_iter().map(|row| row.into_iter().map(bare).collect()).collect()
    }

    /// Blocks of code, and paragraphs: a run of lines between empty ones, joined; a row of a table, a
    /// heading and an item of a list each for itself.
    fn apart(&self) -> (Vec<Block>, Vec<String>) {
        let (mut blocks, mut paragraphs) = (Vec::<Block>::new(), vec![String::new()]);
        let (mut fenced, mut before) = (false, "");
        for line in self.text.lines() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                fenced = !fenced;
                if fenced {
                    blocks.push(Block { language: language.to_owned(), lines: Vec::new() });
                }
                paragraphs.push(String::new());
            } else if fenced {
                blocks.last_mut().expect("a fence opened it").lines.push(line.to_owned());
            } else if let Some(code) = line.strip_prefix("    ")
                && before.is_empty()
            {
                blocks.push(Block { language: String::new(), lines: vec![code.to_owned()] });
                continue;
            } else {
                let item = line.trim_start();
                let begins = line.is_empty()
                    || ["| ", "#", "- ", "1. ", "2. ", "3. "].iter().any(|it| item.starts_with(it));
                if begins || before.starts_with('#') {
                    paragraphs.push(String::new());
                }
                let paragraph = paragraphs.last_mut().expect("there is one from the start");
                paragraph.push_str(item);
                paragraph.push(' ');
            }
            before = line;
        }
        assert!(!fenced, "{} has an open block", self.name);
        (blocks, paragraphs)
    }
}
