//! `id = "all"`: the repositories that nobody listed, with the keys of one section. Pure.

use std::collections::BTreeSet;

use super::table::RepositoryConfig;
use crate::domain::RepositoryId;

/// How many repositories are taken where `max_repositories` is not set: more than a site has, and few
/// enough that a slip costs no server its day.
const MOST: usize = 200;

/// The section for every repository that has none of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct EveryRepository {
    keys: RepositoryConfig,
    /// Those with a section of their own.
    listed: Vec<RepositoryId>,
}

/// What is to be read of a list of the server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenRepositories {
    /// These are read.
    pub taken: BTreeSet<RepositoryId>,
    /// These are not: the server says that this login may not read them.
    pub unreadable: BTreeSet<RepositoryId>,
}

/// Why nothing is taken of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitOffer {
    /// There are more than are allowed.
    #[error("id = \"all\" would take {many} repositories, and max_repositories is {most}")]
    TooMany {
        /// How many.
        many: usize,
        /// How many are allowed.
        most: usize,
    },
    /// There is none.
    #[error("id = \"all\" takes nothing: the server offers no repository to this user")]
    Nothing,
}

impl UnfitOffer {
    /// What the operator can do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::TooMany { .. } => {
                "set max_repositories in that section to as many, or list those that are meant"
            }
            Self::Nothing => "give the user in login.username the permission to read them",
        }
    }
}

impl EveryRepository {
    /// Takes that section out of all sections, where there is one.
    pub(super) fn split(repositories: &mut Vec<RepositoryConfig>) -> Option<Self> {
        let place = repositories.iter().position(|it| it.id == RepositoryId::EVERY)?;
        let keys = repositories.remove(place);
        Some(Self { keys, listed: repositories.iter().map(|it| it.id).collect() })
    }

    /// The section itself.
    pub fn keys(&self) -> &RepositoryConfig {
        &self.keys
    }

    /// What is to be read of a list of repositories, each with whether the login may read it, where that
    /// is said; `before` is what is read of the list before.
    ///
    /// # Errors
    ///
    /// A list of too many; or one from which nothing is taken, where there is nothing else to read, or where
    /// something was read before and not even a repository with a section of its own can be: a list is
    /// more often empty by mistake than because all repositories have gone.
    pub fn choose(
        &self,
        offered: impl IntoIterator<Item = (RepositoryId, Option<bool>)>,
        before: &[RepositoryId],
    ) -> Result<ChosenRepositories, UnfitOffer> {
        let mut chosen = ChosenRepositories::default();
        let mut is_blank = true;
        for (id, can_read) in offered {
            if id == RepositoryId::EVERY {
                continue;
            }
            is_blank &= can_read == Some(false);
            if self.lists(id) {
                continue;
            }
            match can_read {
                Some(false) => chosen.unreadable.insert(id),
                Some(true) | None => chosen.taken.insert(id),
            };
        }
        let (many, most) = (chosen.taken.len(), self.most());
        if many > most {
            return Err(UnfitOffer::TooMany { many, most });
        }
        if many == 0 && (self.listed.is_empty() || (is_blank && !before.is_empty())) {
            return Err(UnfitOffer::Nothing);
        }
        Ok(chosen)
    }

    /// The most repositories that it takes.
    pub fn most(&self) -> usize {
        self.keys.max_repositories.map_or(MOST, |most| most.get() as usize)
    }

    /// Whether a repository has a section of its own.
    pub fn lists(&self, repository: RepositoryId) -> bool {
        self.listed.contains(&repository)
    }

    /// Whether any repository has a section of its own.
    pub fn lists_some(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Puts these repositories, and no others, beside those that have a section of their own.
    pub(super) fn take(&self, repositories: &mut Vec<RepositoryConfig>, offered: &[RepositoryId]) {
        repositories.retain(|it| self.lists(it.id));
        let taken = offered.iter().filter(|id| !self.lists(**id));
        repositories.extend(taken.map(|id| RepositoryConfig { id: *id, ..self.keys.clone() }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load_text};

    fn every(more: &str) -> EveryRepository {
        let text = format!(
            "[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n[[repository]]\n\
             id = 'all'\nmax_repositories = 2\n{more}"
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        load_text(&text, "test", &environment).unwrap().config.every.unwrap()
    }

    fn ids(ids: &[u64]) -> BTreeSet<RepositoryId> {
        ids.iter().copied().map(RepositoryId).collect()
    }

    #[test]
    fn what_is_listed_or_unreadable_is_left_out_and_twice_is_once() {
        let chosen = every("[[repository]]\nid = 4").choose(
            [(1, None), (1, Some(true)), (2, Some(false)), (4, None), (0, None), (3, Some(true))]
                .map(|(id, can_read)| (RepositoryId(id), can_read)),
            &[],
        );
        assert_eq!(chosen.map(|it| (it.taken, it.unreadable)), Ok((ids(&[1, 3]), ids(&[2]))));
    }

    #[test]
    fn too_many_and_none_are_not_believed() {
        let all = |many: u64| (1..=many).map(|id| (RepositoryId(id), None));
        let (alone, beside) = (every(""), every("[[repository]]\nid = 9"));
        assert_eq!(alone.choose(all(3), &[]), Err(UnfitOffer::TooMany { many: 3, most: 2 }));
        assert_eq!(alone.choose(all(0), &[]), Err(UnfitOffer::Nothing));
        assert!(beside.choose(all(0), &[]).is_ok());
        // What was read is not given up for an empty list.
        assert_eq!(beside.choose(all(0), &[RepositoryId(1)]), Err(UnfitOffer::Nothing));
        let none_readable = all(2).map(|(id, _)| (id, Some(false)));
        assert_eq!(beside.choose(none_readable, &[RepositoryId(1)]), Err(UnfitOffer::Nothing));
        // Its own section can be read, so that the list is none by mistake.
        assert!(beside.choose([(RepositoryId(9), None)], &[RepositoryId(1)]).is_ok());
    }
}
