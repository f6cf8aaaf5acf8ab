//! What the server offers, in whatever words it says so.

use super::server::{Server, answer, json};
use super::verdicts::reply;
use super::*;
use crate::client::repository_list;
use crate::client::verdict::Verdict;

/// Ids and names, and how many entries were left out.
fn offered(body: &str) -> (Vec<(u64, Option<String>)>, usize) {
    match repository_list::repositories(&reply(200, body)) {
        Verdict::Answer(RepositoryList { repositories, skipped }) => {
            (repositories.into_iter().map(|it| (it.id.0, it.name)).collect(), skipped)
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn the_list_is_found_wherever_it_stands() {
    let list = r#"[{"repositoryId":7,"name":"Products"},{"repositoryId":8}]"#;
    let expected = (vec![(7, Some("Products".to_owned())), (8, None)], 0);
    for body in [
        list.to_owned(),
        format!(" \n{list}"),
        format!(r#"{{"status":0,"data":{list},"epimresttoken":"t"}}"#),
        format!(r#"{{"data":{{"total":2,"empty":[],"names":["a"],"repositories":{list}}}}}"#),
        format!(r#"{{"success":true,"data":{{"more":[]}},"warnings":[],"list":{list}}}"#),
        format!(r#"{{"repositories":{list}}}"#),
        format!(r#"{{"status":null,"data":null,"repositories":{list}}}"#),
    ] {
        assert_eq!(offered(&body), expected, "{body}");
    }
    for none in ["[]", r#"{"status":0,"data":[]}"#, r#"{"data":{"repositories":[]}}"#] {
        assert_eq!(offered(none), (vec![], 0), "{none}");
    }
}

#[test]
fn id_and_name_are_found_under_any_of_their_names() {
    let one = |entry: &str| {
        let (mut found, skipped) = offered(&format!(r#"{{"data":[{entry}]}}"#));
        assert_eq!((found.len(), skipped), (1, 0), "{entry}");
        let (id, name) = found.remove(0);
        (id, name.unwrap_or_default())
    };
    for (entry, id, name) in [
        (r#"{"id":1,"name":"a"}"#, 1, "a"),
        (r#"{"id":1,"repositoryId":2,"label":"b","name":"a"}"#, 2, "a"),
        (r#"{"repositoryID":3,"repositoryName":"c"}"#, 3, "c"),
        (r#"{"repoId":"0004","displayName":"d"}"#, 4, "d"),
        (r#"{"valid":true,"Repo_ID":5,"ShortName":"e"}"#, 5, "e"),
        (r#"{"id":"x","guid":"6f","theId":6,"name":null,"repoName":"f"}"#, 6, "f"),
        (r#"{"id":9007199254740993,"name":"\u001b[2J"}"#, 9_007_199_254_740_993, "\u{1b}[2J"),
        (r#"{"id":8,"name":7,"title":"h"}"#, 8, ""),
    ] {
        assert_eq!(one(entry), (id, name.to_owned()), "{entry}");
    }
    let some = r#"{"data":[{"id":1},{"name":"a"},{"id":-1},{"id":1.5},"text",{"ID":2}]}"#;
    assert_eq!(offered(some), (vec![(1, None), (2, None)], 4));
}

#[test]
fn whether_this_login_may_read_is_told_by_can_read_and_by_nothing_else() {
    let cases = [
        (r#"{"id":1,"canRead":true,"canEdit":false}"#, Some(true)),
        (r#"{"id":1,"canRead":false,"canEdit":true}"#, Some(false)),
        (r#"{"id":1,"CanRead":"false"}"#, Some(false)),
        (r#"{"id":1,"permissions":{"canRead":false}}"#, Some(false)),
        (r#"{"id":1,"canRead":true,"permissions":{"canRead":false}}"#, Some(true)),
        (r#"{"id":1,"canRead":null,"permissions":["canRead"]}"#, None),
        (r#"{"id":1,"canReadAll":false,"canRead":0}"#, None),
        (r#"{"id":1,"categoryCanRead":false}"#, None),
        (r#"{"id":1}"#, None),
    ];
    for (entry, expected) in cases {
        match repository_list::repositories(&reply(200, &format!("[{entry}]"))) {
            Verdict::Answer(list) => assert_eq!(list.repositories[0].can_read, expected, "{entry}"),
            other => panic!("{entry}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_without_such_a_list_is_a_failure_or_a_refusal() {
    let what = |body: &str| match repository_list::repositories(&reply(200, body)) {
        Verdict::Failed(RequestErrorKind::WrongShape { what }) => what,
        other => panic!("{body}: {other:?}"),
    };
    for (body, expected) in [
        ("", "it is empty"),
        ("7", "not an object"),
        ("[7", "not the JSON expected"),
        ("{}", "no list of repositories"),
        (r#"{"status":0,"data":{}}"#, "no list of repositories"),
        (r#"{"status":0,"errors":[]}"#, "no list of repositories"),
        (r#"{"status":0,"data":{"names":["a","b"]}}"#, "no list of repositories"),
        (r#"{"data":[{"name":"a"},{"name":"b"}]}"#, "none of its 2 repositories has an id"),
        (r#"{"status":1,"data":[{"id":1}]}"#, "status is 1"),
        ("<html><h1>It works!</h1>", "HTML"),
    ] {
        assert!(what(body).contains(expected), "{body}: {}", what(body));
    }
    for body in [r#"{"success":false}"#, r#"{"status":2}"#, "<html><input type=password>"] {
        let verdict = repository_list::repositories(&reply(200, body));
        assert!(matches!(verdict, Verdict::Refused(..)), "{body}: {verdict:?}");
    }
}

#[tokio::test]
async fn repositories_are_asked_for_with_the_tokens() {
    let server = Server::start(|_| json(r#"[{"id":7,"name":"Products"}]"#)).await;
    let client = Setup::new(&server.url()).client();
    let repository_list = client.repositories(&credentials()).await.unwrap();
    let name = Some("Products".to_owned());
    let products = ListedRepository { id: RepositoryId(7), name, can_read: None };
    assert_eq!(repository_list, RepositoryList { repositories: vec![products], skipped: 0 });
    let received = &server.received()[0];
    assert_eq!(received.method, "GET");
    assert_eq!(received.target, "/webcm/rest/api/repositories");
    assert_eq!(received.header("ewtoken"), Some(SESSION_TOKEN));

    let server = Server::start(|_| answer(404, &[], "")).await;
    let error = failed(Setup::new(&server.url()).client().repositories(&credentials()).await);
    assert_eq!((error.endpoint, error.status), (ApiEndpoint::Repositories, Some(404)));
}
