//! Which repositories a request for the status document asks for. Pure.

use std::collections::BTreeSet;

use url::form_urlencoded;

/// One answer tells so many repositories by name at most: such an answer is made for one who asks alone.
const MOST: usize = 20;

/// The name of the parameter.
const REPOSITORY: &str = "repository";

/// What is said of anything else.
const WORDS: &str = "a parameter of /status is repository=ID (up to 20 times), repository=differing or \
                     repository=all\n";

/// Which repositories are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WantedRepositories {
    /// All; of many those that are as all others are without their passes.
    Usual,
    /// Those that differ from the others; each of a few.
    Differing,
    /// All, with their passes.
    All,
    /// Some, with their passes.
    These(BTreeSet<u64>),
}

/// Which repositories a query asks for; else what is wrong with it.
pub(super) fn wanted_repositories(query: &str) -> Result<WantedRepositories, &'static str> {
    let mut values = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != REPOSITORY || values.len() == MOST {
            return Err(WORDS);
        }
        values.push(value);
    }
    let words: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    match words[..] {
        [] => Ok(WantedRepositories::Usual),
        ["differing"] => Ok(WantedRepositories::Differing),
        ["all"] => Ok(WantedRepositories::All),
        _ => {
            let ids = words.iter().map(|id| id.parse().map_err(|_| WORDS));
            ids.collect::<Result<_, _>>().map(WantedRepositories::These)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_repositories_or_says_which() {
        let these = |ids: &[u64]| Ok(WantedRepositories::These(ids.iter().copied().collect()));
        assert_eq!(wanted_repositories(""), Ok(WantedRepositories::Usual));
        assert_eq!(wanted_repositories("repository=differing"), Ok(WantedRepositories::Differing));
        assert_eq!(wanted_repositories("repository=all"), Ok(WantedRepositories::All));
        assert_eq!(wanted_repositories("repository=7"), these(&[7]));
        assert_eq!(wanted_repositories("repository=9&repository=7&repository=9"), these(&[7, 9]));
    }

    #[test]
    fn whatever_else_is_asked_for_is_refused_in_constant_words() {
        let many = vec!["repository=1"; MOST + 1].join("&");
        for query in ["a=1", "repository=", "repository=-1", "repository=all&repository=7", &many] {
            assert_eq!(wanted_repositories(query), Err(WORDS), "{query}");
        }
    }
}
