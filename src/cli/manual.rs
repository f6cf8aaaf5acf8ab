//! The manual page of the configuration file, in roff, made from the file that is shipped: what
//! stands there about a key is what stands here.
//!
//! A paragraph of the file is a run of lines without an empty one: comments, and then what they
//! are about, a section or keys. It knows no TOML beyond that.

use clap_mangen::roff::{Roff, bold, roman};

/// The configuration as it is shipped, every key in it.
const SHIPPED: &str = include_str!("../../config/ewmirror.toml");

/// The page `ewmirror.toml(5)`.
pub(super) fn configuration() -> String {
    let mut page = Roff::new();
    let version = concat!("ewmirror ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["ewmirror.toml", "5", "", version]);
    page.control("SH", ["NAME"]);
    page.text([roman("ewmirror.toml - the configuration of ewmirror(1)")]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([roman("/etc/ewmirror/ewmirror.toml")]);
    page.control("SH", ["DESCRIPTION"]);
    let mut paragraphs = SHIPPED.split("\n\n");
    let head = paragraphs.next().unwrap_or_default();
    // Its first line is a title, and the page has one.
    for paragraph in head.split("\n#\n").skip(1) {
        page.control("PP", []);
        prose(&mut page, paragraph.lines().map(text));
    }
    for paragraph in paragraphs {
        entry(&mut page, paragraph);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("ewmirror"), roman("(1), "), bold("systemd.exec"), roman("(5)")]);
    page.render()
}

/// One paragraph of the file below its head.
fn entry(page: &mut Roff, paragraph: &str) {
    let mut told = Vec::new();
    let mut keys = Vec::new();
    for line in paragraph.lines() {
        if line.starts_with('[') {
            page.control("SH", [line]);
            prose(page, told.drain(..));
        } else if let Some(key) = key(line) {
            keys.push(key);
        } else {
            told.push(text(line));
        }
    }
    for (number, key) in keys.into_iter().enumerate() {
        page.control(if number == 0 { "TP" } else { "TQ" }, []);
        page.text([bold(key)]);
    }
    prose(page, told);
}

/// `in_flight = 1`, also where it is commented out: prose has a space after its mark.
fn key(line: &str) -> Option<&str> {
    let line = line.strip_prefix('#').unwrap_or(line);
    line.starts_with(|first: char| first.is_ascii_lowercase()).then_some(line)
}

/// A line of prose without its mark.
fn text(line: &str) -> &str {
    line.strip_prefix('#').map_or(line, |line| line.strip_prefix(' ').unwrap_or(line))
}

/// Lines of prose; one that begins with spaces stands on a line of its own.
fn prose<'a>(page: &mut Roff, lines: impl IntoIterator<Item = &'a str>) {
    for line in lines {
        if line.starts_with(' ') {
            page.control("br", []);
        }
        page.text([roman(line.trim_start())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_section_and_every_key_of_the_file() {
        let page = configuration().replace("\\-", "-");
        for line in SHIPPED.lines() {
            let wanted = match key(line) {
                Some(key) => key.split(" = ").next().unwrap(),
                None if line.starts_with('[') => line,
                None => continue,
            };
            assert!(page.contains(wanted), "{wanted}");
        }
        assert!(page.contains(".SH [paging]"), "{page}");
        assert!(page.contains(".TP\n\\fBpage_size = 200\\fR\n"), "{page}");
    }

    #[test]
    fn the_page_says_of_a_key_what_the_file_says() {
        let page = configuration();
        for line in SHIPPED.lines().filter(|line| key(line).is_none() && line.starts_with("# ")) {
            let words = line.trim_start_matches(['#', ' ']);
            let plain = words.chars().all(|letter| letter.is_alphanumeric() || letter == ' ');
            assert!(!plain || page.contains(words), "{words}");
        }
    }
}
