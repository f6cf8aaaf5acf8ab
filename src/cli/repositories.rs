//! `ewmirror repositories`: what the server offers to this login, and what of it is mirrored.

use std::fmt::Write as _;
use std::path::Path;

use super::{Exit, online, output};
use crate::client::ListedRepository;
use crate::config::{Environment, RepositoryConfig};
use crate::text::name;

/// The heads of the columns.
const HEADS: [&str; 3] = ["ID", "NAME", "MIRROR"];
/// The most characters of a name that are shown: more than any column wants.
const LONGEST_NAME: usize = 80;
/// What stands for nothing.
const NOTHING: &str = "-";

/// Asks the server and prints a table.
pub(super) fn run(file: &Path, environment: &Environment) -> Exit {
    online::run(file, environment, async |client, config, session| {
        let offer = online::OfferedList::new(client, session);
        let offer = offer.list().await.map_err(online::failed)?;
        if offer.skipped > 0 {
            output::note(&format!(
                "{} entries of the server's list have no id and are left out\n",
                offer.skipped
            ));
        }
        let configured = match online::taken(config, offer) {
            Ok((config, _)) => config.repositories,
            Err(error) => {
                output::note(&format!("ewmirror: {error}\n"));
                config.repositories.clone()
            }
        };
        Ok(table(offer.repositories.clone(), &configured))
    })
}

/// One line for each repository, ordered by id.
pub(super) fn table(mut offered: Vec<ListedRepository>, configured: &[RepositoryConfig]) -> String {
    offered.sort_by_key(|repository| repository.id);
    let rows: Vec<[String; 3]> = offered
        .iter()
        .map(|ListedRepository { id, name, can_read }| {
            let mirrored = configured.iter().find(|config| config.id == *id).map(|config| {
                let name = config.name.as_deref().map(shown);
                name.map_or_else(|| "mirrored".to_owned(), |name| format!("mirrored as {name}"))
            });
            let name = name.as_deref().map(shown).filter(|name| !name.is_empty());
            let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
            let mut mirrored = or_nothing(mirrored);
            if *can_read == Some(false) {
                mirrored.push_str(", this user may not read it (canRead = false)");
            }
            [id.to_string(), or_nothing(name), mirrored]
        })
        .collect();
    let lines = std::iter::once(HEADS.map(str::to_owned)).chain(rows);
    let lines: Vec<[String; 3]> = lines.collect();
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let (id_width, name_width) = (width(0), width(1));
    let mut table = String::new();
    for [id, name, mirrored] in &lines {
        writeln!(table, "{id:>id_width$}  {name:name_width$}  {mirrored}")
            .expect("a string takes any text");
    }
    table
}

/// A name from outside as a terminal can stand it: on one line, with an end, and nothing hidden.
fn shown(text: &str) -> String {
    name(text, LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::domain::RepositoryId;

    fn configured(repositories: &str) -> Vec<RepositoryConfig> {
        let text = format!(
            "[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n{repositories}"
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        load_text(&text, "test", &environment).unwrap().config.repositories
    }

    fn offered(id: u64, name: Option<&str>) -> ListedRepository {
        ListedRepository { id: RepositoryId(id), name: name.map(str::to_owned), can_read: None }
    }

    #[test]
    fn the_table_is_aligned_and_ordered_by_id() {
        let configured =
            configured("[[repository]]\nid = 7\nname = 'Waren'\n[[repository]]\nid = 1");
        let offered = vec![
            offered(10_149, Some("Größen")),
            offered(7, Some("Products and more")),
            offered(9, None),
            offered(1, Some("")),
        ];
        let expected = [
            "   ID  NAME               MIRROR",
            "    1  -                  mirrored",
            "    7  Products and more  mirrored as Waren",
            "    9  -                  -",
            "10149  Größen             -",
        ]
        .map(|line| format!("{line}\n"));
        assert_eq!(table(offered, &configured), expected.concat());
    }

    #[test]
    fn nothing_offered_is_a_table_without_lines() {
        assert_eq!(table(Vec::new(), &configured("[[repository]]\nid = 7")), "ID  NAME  MIRROR\n");
    }

    #[test]
    fn a_name_controls_no_terminal() {
        let names = "a\u{1b}[2J\u{7f}\u{9b}b\r\n\tc  d";
        let toml = "[[repository]]\nid = 7\nname = \"x\\u001b\\ny\"";
        let shown = table(vec![offered(7, Some(names))], &configured(toml));
        assert_eq!(shown.lines().nth(1), Some(" 7  a [2J b c d  mirrored as x y"));
        assert!(!shown.replace('\n', "").contains(char::is_control));
    }

    #[test]
    fn a_name_as_long_as_a_book_is_cut() {
        let long = "x".repeat(65_536);
        let shown = table(
            vec![offered(7, Some(&long)), offered(8, None)],
            &configured("[[repository]]\nid = 7"),
        );
        assert!(shown.len() < 400, "{}", shown.len());
    }
}
