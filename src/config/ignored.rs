//! Which members the comparison of items leaves out. Pure.

use std::sync::Arc;

use super::table::RepositoryConfig;
use crate::json::JsonPointer;
use crate::model::LAST_UPDATED;

impl RepositoryConfig {
    /// What `ignore` says; where it says nothing, the time of the last change by its own name and under
    /// these field ids, by which the model calls it.
    pub fn ignored(&self, last_updated: &[String]) -> Arc<[JsonPointer]> {
        if let Some(ignore) = &self.ignore {
            return Arc::clone(ignore);
        }
        let names = std::iter::once(LAST_UPDATED).chain(last_updated.iter().map(String::as_str));
        let pointers = names.filter_map(JsonPointer::to_member);
        pointers.filter(|it| !self.item_id.tokens().starts_with(it.tokens())).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Environment, RepositoryConfig, load_text};

    fn config(keys: &str) -> RepositoryConfig {
        let text = format!(
            "[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n\
             [[repository]]\nid = 1\n{keys}"
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        load_text(&text, "test", &environment).unwrap().config.repositories.remove(0)
    }

    #[test]
    fn the_time_of_the_last_change_is_left_out_unless_something_else_is_said() {
        let ignored = |keys: &str, known: &[&str]| -> Vec<String> {
            let known: Vec<String> = known.iter().map(|it| (*it).to_owned()).collect();
            config(keys).ignored(&known).iter().map(ToString::to_string).collect()
        };
        assert_eq!(ignored("", &[]), ["/Last_Updated"]);
        assert_eq!(ignored("", &["F_17", "a/b~"]), ["/Last_Updated", "/F_17", "/a~1b~0"]);
        assert_eq!(ignored("ignore = []", &["F_17"]), [""; 0]);
        assert_eq!(ignored("ignore = ['/F_1']", &["F_17"]), ["/F_1"]);
        assert_eq!(ignored("item_id = '/Last_Updated'", &["F_17"]), ["/F_17"]);
    }
}
