//! The manual page of the configuration file, in roff, made from the table of keys: what stands in
//! the commented file about a key is what stands here.

use clap_mangen::roff::{Roff, bold, roman};

use crate::config::{ConfigKey, Requirement, SCHEMA, SectionSchema};

/// What holds for all keys.
const DESCRIPTION: [&str; 3] = [
    "What has neither a default nor a mark of being optional must be set. `ewmirror check` tells \
     every fault of the file at once; `systemctl reload ewmirror` (or SIGHUP) makes the daemon read \
     it again.",
    "Any key but those of [[repository]] and [[feed]] can also be set by an environment variable, which \
     then comes before the file: EWMIRROR_, the section, two underscores, the key, all in upper case, \
     such as EWMIRROR_PAGING__PAGE_SIZE.",
    "Durations need a unit: \"500ms\", \"60s\", \"5m\", \"23h\" (m is minutes). So do sizes: \"64MiB\".",
];

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
    for paragraph in DESCRIPTION {
        page.control("PP", []);
        page.text([roman(paragraph)]);
    }
    for section in SCHEMA.0 {
        entries(&mut page, section);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("ewmirror"), roman("(1), "), bold("systemd.exec"), roman("(5)")]);
    page.render()
}

fn entries(page: &mut Roff, section: &SectionSchema) {
    page.control("SH", [section.header().as_str()]);
    prose(page, section.doc);
    for key in section.keys {
        page.control("TP", []);
        page.text([bold(head(key))]);
        prose(page, key.doc);
    }
}

/// What stands above the words about a key: the key with its default or an example.
fn head(key: &ConfigKey) -> String {
    let name = key.name();
    match key.requirement {
        _ if key.is_secret() => key.variable(),
        Requirement::Default(value) => format!("{name} = {value}"),
        Requirement::Optional(example) => format!("{name} = {example} (optional)"),
        Requirement::Required { example, .. } => format!("{name} = {example} (must be set)"),
    }
}

fn prose(page: &mut Roff, lines: &[&str]) {
    page.text(
        lines.iter().flat_map(|line| [roman(line.trim_start()), roman("\n")]).collect::<Vec<_>>(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_section_and_every_key() {
        let page = configuration().replace("\\-", "-");
        for section in SCHEMA.0 {
            assert!(page.contains(&format!(".SH {}", section.header())), "{page}");
            for key in section.keys {
                let name = if key.is_secret() { key.variable() } else { key.name().to_owned() };
                assert!(page.contains(&format!(".TP\n\\fB{name}")), "{name}: {page}");
            }
        }
        assert!(page.contains(".TP\n\\fBpage_size = 200\\fR\n"), "{page}");
    }

    #[test]
    fn the_page_says_of_a_key_what_the_table_says() {
        let page = configuration();
        let keys = SCHEMA.0.iter().flat_map(|section| section.keys);
        for line in keys.flat_map(|key| key.doc) {
            let plain = line.chars().all(|letter| letter.is_alphanumeric() || letter == ' ');
            assert!(!plain || page.contains(line.trim()), "{line}");
        }
    }
}
