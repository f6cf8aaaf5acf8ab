//! What the commands that ask the mirror share: where it is, and whether it can be asked.
//!
//! They need no password and no server, and may run while the daemon writes. They take a repository
//! by its number, by its configured name, or else by what its views are called, which is the server's name.

use std::collections::BTreeSet;
use std::num::{IntErrorKind, ParseIntError};
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::{Exit, output};
use crate::config::{self, Environment, EveryRepository, QueryConfig, RepositoryConfig};
use crate::domain::RepositoryId;
use crate::mirror::{MirrorError, MirrorReader, Store};
use crate::model::shape::{MirrorShape, ShapedPart, ShapedView};

/// The most ids or names that an error lists.
const LISTED: usize = 20;

/// The most characters of a name that an error shows.
const LONGEST_NAME: usize = 80;

/// A configured mirror, open to be asked.
pub(super) struct MirrorQuery {
    /// What the configuration says of it.
    pub(super) config: QueryConfig,
    /// Where it is.
    pub(super) store: Store,
    /// What can be asked; this process has no other way into the store.
    pub(super) mirror: Arc<dyn MirrorReader>,
    runtime: Runtime,
}

impl MirrorQuery {
    /// Opens the mirror of a configuration.
    pub(super) fn open(file: &Path, environment: &Environment) -> Result<Self, Exit> {
        let config = config::load_for_queries(file, environment).map_err(|faults| {
            Exit::Wrong(format!("{}: {}\n{faults}", file.display(), faults.count()))
        })?;
        let store = Store::of(&config.mirror);
        if let Err(error) = store.expect_kept() {
            return Err(Exit::Wrong(error.to_string()));
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Exit::Failed(format!("cannot start the runtime: {error}")))?;
        let mirror = runtime.block_on(store.open_to_read()).map_err(|error| failed(&error))?;
        Ok(Self { config, store, mirror, runtime })
    }

    /// Waits for an answer.
    pub(super) fn block_on<T>(
        &self,
        answer: impl Future<Output = Result<T, MirrorError>>,
    ) -> Result<T, MirrorError> {
        self.runtime.block_on(answer)
    }

    /// Waits for an answer; the end of the command where there is none.
    pub(super) fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, MirrorError>>,
    ) -> Result<T, Exit> {
        self.block_on(answer).map_err(|error| failed(&error))
    }

    /// Sees that this repository is configured, or else in the mirror: an answer about any other
    /// would be empty and look like one.
    pub(super) fn expect(&self, repository: RepositoryId) -> Result<(), Exit> {
        let known = &self.config.repositories;
        let configured = known.iter().any(|known| known.id == repository);
        if configured || self.wait(self.mirror.knows(repository))? {
            return Ok(());
        }
        Err(Exit::Failed(format!(
            "repository {repository} is neither configured nor in the mirror; {}",
            there_are(known)
        )))
    }

    /// What the configuration says of a repository.
    pub(super) fn configured(&self, repository: RepositoryId) -> Option<&RepositoryConfig> {
        configured(&self.config, repository)
    }

    /// The repository that a flag names.
    pub(super) fn find(&self, wanted: &RepositorySelector) -> Result<RepositoryId, Exit> {
        let configured = &self.config.repositories;
        let shape = match wanted {
            RepositorySelector::Name(name) if called(name, configured).next().is_none() => {
                self.wait(self.mirror.shape())?
            }
            _ => MirrorShape::default(),
        };
        find(wanted, configured, &shape).map_err(Exit::Wrong)
    }
}

/// What a configuration says of a repository.
pub(super) fn configured(
    config: &QueryConfig,
    repository: RepositoryId,
) -> Option<&RepositoryConfig> {
    let own = config.repositories.iter().find(|known| known.id == repository);
    own.or(config.every.as_ref().map(EveryRepository::keys))
}

/// The end of a command whose question has no answer.
pub(super) fn failed(error: &MirrorError) -> Exit {
    Exit::Failed(format!("{}; {}", output::chain(error), error.remedy()))
}

/// A repository as a flag names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RepositorySelector {
    /// By its number, which may be that of one that is configured no longer.
    Id(RepositoryId),
    /// By its configured name, which is no number.
    Name(String),
}

/// Reads such a flag. A number is always an id, also where a repository has it for a name: else a
/// name could take another repository's place.
pub(super) fn repository(text: &str) -> Result<RepositorySelector, ParseIntError> {
    match text.parse() {
        Ok(id) => Ok(RepositorySelector::Id(RepositoryId(id))),
        Err(error) if *error.kind() == IntErrorKind::InvalidDigit => {
            Ok(RepositorySelector::Name(text.to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// Which repository is wanted, or why none is. A number stands for itself; a name that none has in the
/// configuration may be that of a view.
pub(super) fn find(
    wanted: &RepositorySelector,
    configured: &[RepositoryConfig],
    shape: &MirrorShape,
) -> Result<RepositoryId, String> {
    let name = match wanted {
        RepositorySelector::Id(id) => return Ok(*id),
        RepositorySelector::Name(name) => name,
    };
    let mut ids: Vec<RepositoryId> = called(name, configured).map(|known| known.id).collect();
    if ids.is_empty() {
        // Two repositories may have been called so, one after the other; the view is one repository's.
        let by = |is_it: fn(&ShapedView) -> &str| -> BTreeSet<RepositoryId> {
            main_views(shape)
                .filter(|view| is_it(view) == name)
                .map(|view| view.repository)
                .collect()
        };
        ids.extend(by(|view| &view.name));
        if ids.is_empty() {
            ids.extend(by(|view| &view.base));
        }
    }
    match ids[..] {
        [id] => Ok(id),
        [] => {
            let (name, mut there_are) = (shown(name), there_are(configured));
            let views: Vec<String> = main_views(shape)
                .map(|view| format!("{} ({})", view.repository, shown(&view.name)))
                .collect();
            if !views.is_empty() {
                there_are.push_str("; by the server's names: ");
                there_are.push_str(&listed(views));
            }
            Err(format!("no repository has the name \"{name}\" in the configuration; {there_are}"))
        }
        _ => {
            let (name, ids) = (shown(name), listed(ids.iter().map(RepositoryId::to_string)));
            Err(format!(
                "more than one repository has the name \"{name}\": take a number for \
                 --repository, one of {ids}"
            ))
        }
    }
}

/// The views of items, each of which has a repository's name.
fn main_views(shape: &MirrorShape) -> impl Iterator<Item = &ShapedView> {
    shape.views.iter().filter(|view| view.part == ShapedPart::Main)
}

/// The repositories that the configuration calls so.
fn called<'a>(
    name: &'a str,
    configured: &'a [RepositoryConfig],
) -> impl Iterator<Item = &'a RepositoryConfig> {
    configured.iter().filter(move |known| known.name.as_deref() == Some(name))
}

/// What could be asked for instead.
fn there_are(configured: &[RepositoryConfig]) -> String {
    let each = configured.iter().map(|known| match &known.name {
        Some(name) => format!("{} ({})", known.id, shown(name)),
        None => known.id.to_string(),
    });
    format!("configured: {}", listed(each))
}

/// A name as it is to be typed, as far as a terminal can stand it.
fn shown(name: &str) -> String {
    let mut rest = name.chars();
    let mut start = output::visible(&rest.by_ref().take(LONGEST_NAME).collect::<String>());
    if rest.next().is_some() {
        start.push_str("...");
    }
    start
}

/// The first of these, and how many more there are.
pub(super) fn listed(all: impl IntoIterator<Item = String>) -> String {
    let mut all = all.into_iter();
    let mut some: Vec<String> = all.by_ref().take(LISTED).collect();
    let more = all.count();
    if more > 0 {
        some.push(format!("{more} more"));
    }
    some.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    fn configured(repositories: &str) -> Vec<RepositoryConfig> {
        let text = format!(
            "[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n{repositories}"
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        load_text(&text, "test", &environment).unwrap().config.repositories
    }

    fn found(text: &str, configured: &[RepositoryConfig]) -> Result<u64, String> {
        find(&repository(text).unwrap(), configured, &MirrorShape::default()).map(|id| id.0)
    }

    #[test]
    fn a_number_is_an_id_and_whatever_else_is_a_name() {
        assert_eq!(repository("10149"), Ok(RepositorySelector::Id(RepositoryId(10_149))));
        for name in ["products", "10149a", " 10149", "-1", "1.5", "٣"] {
            assert_eq!(repository(name), Ok(RepositorySelector::Name(name.to_owned())));
        }
        for neither in ["", "18446744073709551616"] {
            repository(neither).unwrap_err();
        }
    }

    #[test]
    fn a_name_is_that_of_one_repository_to_the_letter() {
        let known = configured(
            "[[repository]]\nid = 7\nname = 'Waren'\n[[repository]]\nid = 8\nname = '7'\n\
             [[repository]]\nid = 9\nname = 'Größen und Farben'",
        );
        assert_eq!(found("Waren", &known), Ok(7));
        assert_eq!(found("Größen und Farben", &known), Ok(9));
        assert_eq!(found("7", &known), Ok(7), "a number is the id, not the name");
        assert_eq!(found("123", &known), Ok(123), "the mirror may know it");
        for other in ["waren", "Waren ", "Ware", "8a"] {
            assert_eq!(
                found(other, &known).unwrap_err(),
                format!(
                    "no repository has the name \"{other}\" in the configuration; configured: \
                     7 (Waren), 8 (7), 9 (Größen und Farben)"
                )
            );
        }
    }

    #[test]
    fn a_name_that_several_have_is_refused_with_their_ids() {
        let known = configured(
            "[[repository]]\nid = 7\nname = 'Waren'\n[[repository]]\nid = 8\n\
             [[repository]]\nid = 9\nname = 'Waren'\n[[repository]]\nid = 2\nname = 'Waren'",
        );
        let told = found("Waren", &known).unwrap_err();
        assert!(told.ends_with("--repository, one of 7, 9, 2"), "{told}");
    }

    #[test]
    fn an_error_has_an_end_and_nothing_that_a_terminal_obeys() {
        let name = "ü".repeat(1000);
        let each = (1..=50)
            .map(|id| format!("[[repository]]\nid = {id}\nname = \"\\u001b[2J{name}{id}\"\n"));
        let many = each.collect::<Vec<_>>().concat();
        let told =
            found(&format!("\u{9b}2J{}", "x".repeat(60_000)), &configured(&many)).unwrap_err();
        assert!(told.chars().count() < 3000, "{told}");
        assert!(told.contains("\\u009b2Jxxx") && told.contains("xxx...\""), "{told}");
        assert!(told.contains("20 (\\u001b[2Jüü") && told.ends_with("üü...), 30 more"), "{told}");
        assert!(!told.contains(char::is_control), "{told:?}");
    }
}
