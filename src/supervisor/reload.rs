//! What a new configuration changes, key by key as the table of keys has it. Pure.

use crate::config::{Config, ConfigKey, FeedConfig, OnReload, RepositoryConfig, SCHEMA};
use crate::domain::RepositoryId;

/// The configuration that the process started with: some of it holds to the end.
#[derive(Clone, Debug, PartialEq)]
pub struct StartupSettings(Config);

impl StartupSettings {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Self(config.clone())
    }

    /// The keys that wait for a restart to become what they are in another configuration.
    fn differs(&self, new: &Config) -> Vec<&'static str> {
        let changed = self.0.changed(new).into_iter();
        changed.filter(|key| key.on_reload == OnReload::Restart).map(|key| key.path).collect()
    }
}

/// The difference between two configurations.
#[expect(clippy::struct_excessive_bools, reason = "each is an effect of its own")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigChanges {
    /// What changed, as keys and sections.
    pub keys: Vec<String>,
    /// Keys that hold only from the next start on, and are not what the process started with.
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

/// What is different in `new`, in a process that started with `fixed`.
pub fn changes(fixed: &StartupSettings, old: &Config, new: &Config) -> ConfigChanges {
    let mut changes =
        ConfigChanges { need_restart: fixed.differs(new), ..ConfigChanges::default() };
    let keys = old.changed(new);
    for key in &keys {
        let (other_way, starts_over, other_login, signs_in_anew) = match key.on_reload {
            OnReload::NewServer => (true, true, true, true),
            OnReload::NewUser => (false, true, true, true),
            OnReload::NewLogin => (false, false, true, true),
            OnReload::NewSession => (false, false, false, true),
            OnReload::Reconnect => (true, false, false, false),
            // Repositories are compared as a whole below.
            OnReload::Repository | OnReload::NewPass | OnReload::Live | OnReload::Restart => {
                continue;
            }
        };
        changes.other_way |= other_way;
        changes.starts_over |= starts_over;
        changes.other_login |= other_login;
        changes.signs_in_anew |= signs_in_anew;
    }
    let (waiting, applied): (Vec<&ConfigKey>, _) =
        keys.into_iter().partition(|key| key.on_reload == OnReload::Restart);
    changes.keys = applied.into_iter().map(told).map(str::to_owned).collect();
    changes.keys.dedup();
    changes.keys.extend(waiting.into_iter().map(|key| key.path.to_owned()));

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
    changes.keys.extend(feeds(old, new));
    changes
}

/// Which feeds come, change and go.
fn feeds(old: &Config, new: &Config) -> Vec<String> {
    let come = new.feeds.iter().filter_map(|feed| {
        match old.feeds.iter().find(|it| it.name == feed.name) {
            None => Some(format!("feed {} added", feed.name)),
            Some(other) if other != feed => Some(format!("feed {}", feed.name)),
            Some(_) => None,
        }
    });
    let is_gone = |feed: &&FeedConfig| !new.feeds.iter().any(|it| it.name == feed.name);
    let gone = old.feeds.iter().filter(is_gone);
    let gone = gone.map(|feed| format!("feed {} removed", feed.name));
    come.chain(gone).collect()
}

/// How a change that applies at once is told: by its section, where all of that applies at once.
fn told(key: &'static ConfigKey) -> &'static str {
    let at_once =
        |key: &ConfigKey| !matches!(key.on_reload, OnReload::Restart | OnReload::Repository);
    match SCHEMA.section(key.section()) {
        Some(section) if section.keys.iter().all(at_once) => section.name,
        _ => key.path,
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigChanges, StartupSettings};
    use crate::config::{Config, Environment, Secret, load_text};
    use crate::domain::RepositoryId;

    fn config(rest: &str) -> Config {
        let text =
            format!("[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n{rest}");
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        load_text(&text, "test", &environment).unwrap().config
    }

    /// What is different for a process that started with the old one.
    fn changes(old: &Config, new: &Config) -> ConfigChanges {
        super::changes(&StartupSettings::of(old), old, new)
    }

    #[test]
    fn what_was_taken_back_needs_no_restart_and_what_was_not_still_does() {
        let started = config("[[repository]]\nid = 1");
        let json = config("[log]\nformat = 'json'\n[[repository]]\nid = 1");
        let slower = config("[log]\nformat = 'json'\n[[repository]]\nid = 1\npage_size = 7");
        let fixed = StartupSettings::of(&started);
        assert_eq!(super::changes(&fixed, &started, &json).need_restart, ["log.format"]);
        let later = super::changes(&fixed, &json, &slower);
        assert_eq!(
            (later.need_restart, later.keys),
            (vec!["log.format"], vec!["repository 1".into()])
        );
        let back = super::changes(&fixed, &json, &started);
        assert_eq!((back.need_restart, back.keys), (vec![], vec!["log.format".to_owned()]));
    }

    #[test]
    fn nothing_changed_is_nothing() {
        let same = config("[[repository]]\nid = 1");
        assert_eq!(changes(&same, &same), ConfigChanges::default());
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
