//! `--repository` with a name in place of a number.

use super::Mirror;

/// The name of repository 1, of the sort that people give.
const NAME: &str = "Größen & Farben";

/// What each command answers about a repository that is named so.
fn questions(repository: &str) -> [Vec<&str>; 4] {
    [
        vec!["export", "--repository", repository],
        vec!["changes", "--repository", repository],
        vec!["history", "--repository", repository, "--item", "5"],
        vec!["approve-deletes", "--repository", repository, "--list"],
    ]
}

fn repository(id: u32, name: &str) -> String {
    format!("[[repository]]\nid = {id}\nname = \"{name}\"\n")
}

/// A mirror with an item in each of its repositories, a deletion of the first held back.
fn mirror() -> Mirror {
    let mirror = Mirror::new();
    mirror.put(5, Some("{\"itemId\":5,\"a\":\"of the first\"}"));
    mirror.put_in(2, 5, Some("{\"itemId\":5,\"a\":\"of the second\"}"));
    crate::support::kept::hold(&mirror.writer, 5..6);
    mirror
}

#[test]
fn a_name_gets_the_answers_that_its_number_gets() {
    let mirror = mirror();
    mirror.configure_repositories(&(repository(7, "Other") + &repository(1, NAME)));
    for (by_name, by_number) in questions(NAME).iter().zip(questions("1")) {
        let answer = mirror.answer(by_name);
        assert!(answer.contains("of the first") && !answer.contains("of the second"), "{answer}");
        assert_eq!(answer, mirror.answer(&by_number));
    }
    let approved = mirror.answer(&["approve-deletes", "--repository", NAME]);
    assert!(approved.starts_with("approved 1 deletion of repository 1: "), "{approved}");
}

#[test]
fn a_number_is_the_id_whatever_is_called_so() {
    let mirror = mirror();
    mirror.configure_repositories(&repository(1, "2"));
    let answer = mirror.answer(&["export", "--repository", "2"]);
    assert_eq!(answer, "{\"itemId\":5,\"a\":\"of the second\"}\n", "configured no longer");
}

#[test]
fn a_name_that_nothing_has_is_wrong_usage_and_the_error_says_what_there_is() {
    let mirror = mirror();
    mirror.configure_repositories(&(repository(1, "a\\u001b[2J") + &repository(7, "Other")));
    for question in questions("other\u{9b}") {
        assert_eq!(
            mirror.refusal(&question, 2),
            "ewmirror: no repository has the name \"other\\u009b\" in the configuration; \
             configured: 1 (a\\u001b[2J), 7 (Other)\n"
        );
    }
}

#[test]
fn a_name_that_two_have_is_wrong_usage_and_nothing_is_approved() {
    let mirror = mirror();
    mirror.configure_repositories(&(repository(1, NAME) + &repository(2, NAME)));
    let approval = vec!["approve-deletes", "--repository", NAME];
    for question in questions(NAME).into_iter().chain([approval]) {
        assert_eq!(
            mirror.refusal(&question, 2),
            format!(
                "ewmirror: more than one repository has the name \"{NAME}\": take a number for \
                 --repository, one of 1, 2\n"
            )
        );
    }
    let waiting = mirror.answer(&["approve-deletes", "--repository", "1", "--list"]);
    assert!(waiting.contains("of the first"), "{waiting}");
}
