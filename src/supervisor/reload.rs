//! What a new configuration changes. Pure.

use crate::config::{Config, RepositoryConfig};
use crate::ids::RepositoryId;

/// The difference between two configurations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// What changed, as keys and sections.
    pub keys: Vec<String>,
    /// Keys that hold only from the next start on.
    pub need_restart: Vec<&'static str>,
    /// Whether the session belongs to another server or user now.
    pub signs_in_anew: bool,
    /// Whether a login would be another one: at another server, or with another name or password.
    pub other_login: bool,
    /// Whether the server is reached in another way.
    pub other_way: bool,
    /// Whether passes under way would go on in another list: of another server or user.
    pub starts_over: bool,
    /// Repositories that are new.
    pub added: Vec<RepositoryConfig>,
    /// Repositories that are no longer there.
    pub removed: Vec<RepositoryId>,
    /// Repositories with other settings than before.
    pub changed: Vec<RepositoryConfig>,
}

/// What is different in `new`.
pub fn changes(old: &Config, new: &Config) -> Changes {
    let mut changes = Changes::default();
    changes.starts_over =
        old.server.url != new.server.url || old.login.username != new.login.username;
    changes.other_login = changes.starts_over || old.login != new.login;
    changes.other_way = old.server != new.server;
    changes.signs_in_anew = changes.other_login || old.session.transport != new.session.transport;
    let need_restart = [
        ("mirror.url", old.mirror != new.mirror),
        ("status.listen", old.status.listen != new.status.listen),
        ("log.format", old.log.format != new.log.format),
    ];
    changes.need_restart =
        need_restart.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect();
    let applied = [
        ("server", old.server != new.server),
        ("login", old.login != new.login),
        ("session", old.session != new.session),
        (
            "paging.max_requests_per_second",
            old.max_requests_per_second != new.max_requests_per_second,
        ),
        ("changes", old.changes != new.changes),
        ("status.max_age", old.status.max_age != new.status.max_age),
        ("log.level", old.log.level != new.log.level),
    ];
    changes.keys = applied
        .iter()
        .chain(&need_restart)
        .filter(|(_, differs)| *differs)
        .map(|(key, _)| (*key).to_owned())
        .collect();

    for config in &new.repositories {
        match old.repositories.iter().find(|other| other.id == config.id) {
            None => changes.added.push(config.clone()),
            Some(other) if other != config => changes.changed.push(config.clone()),
            Some(_) => {}
        }
    }
    changes.removed = old
        .repositories
        .iter()
        .map(|config| config.id)
        .filter(|id| !new.repositories.iter().any(|config| config.id == *id))
        .collect();
    let come = changes.added.iter().map(|config| format!("repository {} added", config.id));
    let kept = changes.changed.iter().map(|config| format!("repository {}", config.id));
    let gone = changes.removed.iter().map(|id| format!("repository {id} removed"));
    let repositories: Vec<String> = come.chain(kept).chain(gone).collect();
    changes.keys.extend(repositories);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Secret, load_text};

    fn config(rest: &str) -> Config {
        let text =
            format!("[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n{rest}");
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        load_text(&text, "test", &environment).unwrap().config
    }

    #[test]
    fn nothing_changed_is_nothing() {
        let same = config("[[repository]]\nid = 1");
        assert_eq!(changes(&same, &same), Changes::default());
    }

    #[test]
    fn repositories_come_go_and_change() {
        let old = config("[[repository]]\nid = 1\n[[repository]]\nid = 2");
        let new = config("[[repository]]\nid = 2\npage_size = 50\n[[repository]]\nid = 3");
        let changes = changes(&old, &new);
        assert_eq!(changes.keys, ["repository 3 added", "repository 2", "repository 1 removed"]);
        assert_eq!(changes.removed, [RepositoryId(1)]);
        assert!(!changes.signs_in_anew);
    }

    #[test]
    fn how_long_changes_are_kept_applies_at_once_and_what_is_ignored_to_its_repository() {
        let old = config("[[repository]]\nid = 1\n[[repository]]\nid = 2");
        let new = config(
            "[changes]\nkeep = '90d'\n[[repository]]\nid = 1\nignore = ['/F_1']\n\
             [[repository]]\nid = 2",
        );
        let changes = changes(&old, &new);
        assert_eq!(changes.keys, ["changes", "repository 1"]);
        assert!(changes.need_restart.is_empty() && !changes.starts_over);
    }

    #[test]
    fn another_password_signs_in_anew_and_keeps_the_passes() {
        let old = config("[[repository]]\nid = 1");
        let mut new = old.clone();
        new.login.password = Secret::new("other");
        let changes = changes(&old, &new);
        assert!(changes.signs_in_anew && !changes.starts_over);
    }

    #[test]
    fn another_user_signs_in_anew_and_another_format_waits_for_a_restart() {
        let old = config("[[repository]]\nid = 1");
        let mut new = config("[log]\nformat = 'json'\n[[repository]]\nid = 1");
        new.login.username = "other".to_owned();
        let changes = changes(&old, &new);
        assert!(changes.signs_in_anew && changes.starts_over);
        assert_eq!(changes.need_restart, ["log.format"]);
        assert_eq!(changes.keys, ["login", "log.format"]);
    }
}
