//! Records that cannot be read, in the middle of a repository: what becomes of them and of all else.

use serde_json::{Value, json};

use crate::support::kept::Kept;
use crate::support::{Daemon, Setup, Sim, for_each, repositories};

/// Which item is spoilt, and which one changed beside it.
const SPOILT: usize = 3;
const CHANGED: usize = 7;

#[test]
fn a_record_that_cannot_be_read_costs_itself_and_the_certificate_and_stays_as_it_was() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let spoilers = ["NaN".to_owned(), "\"a\u{1}b\"".to_owned(), deep];
    for_each(&spoilers, |spoiler| {
        let sim = Sim::start(repositories(&[(1, 20), (2, 20)]));
        let kept = Kept::new(&sim);
        let setup = Setup {
            // Long enough between two passes that the answer below is for the first page of one.
            paging: "page_size = 100\npage_interval = '0s'\npass_interval = '3s'".to_owned(),
            repositories: vec!["id = 1".to_owned(), "id = 2\npass_interval = '1h'".to_owned()],
            ..kept.setup()
        };
        let daemon = Daemon::run(&setup);
        assert!(daemon.wait_for_pass(1, 1).truth("certified"));
        daemon.wait_for_pass(2, 1);

        let before = sim.items(1);
        let mut page = before.clone();
        let id = serde_json::from_str::<Value>(&before[SPOILT]).unwrap()["itemId"].clone();
        page[SPOILT] = page[SPOILT].replacen('{', &format!("{{\"F_0\":{spoiler},"), 1);
        page[CHANGED] = page[CHANGED].replacen('{', "{\"F_0\":\"new\",", 1);
        let body = format!(
            r#"{{"status":0,"data":{{"itemList":[{}],"searchTotal":20,"returnTotal":20}}}}"#,
            page.join(",")
        );
        let answer = json!({"status": 200, "headers": {}, "body": body});
        sim.door(
            "faults",
            &json!([{"endpoint": "search", "kind": "canned", "after": 0, "answer": answer}]),
        );

        let told = daemon.wait_for(|it| it.is("item unreadable"));
        assert_eq!((told.level(), told.number("position")), ("WARN", SPOILT as u64));
        assert_eq!(told.text("item"), id.to_string(), "{}", told.line);
        let pass = told.number("iteration");
        let ended = daemon.wait_for_pass(1, pass);
        assert!(!ended.truth("certified"), "{}", ended.line);
        assert!(ended.text("reason").contains("cannot be read"), "{}", ended.line);
        assert_eq!((ended.number("items"), ended.number("suspects")), (20, 0), "{}", ended.line);
        assert_eq!((ended.number("updated"), ended.number("deleted")), (1, 0), "{}", ended.line);
        // The server is itself again, and so is the next pass.
        assert!(daemon.wait_for_pass(1, pass + 1).truth("certified"));
        let ended = daemon.stop();
        assert!(ended.all("request failed").is_empty(), "no page failed");
        assert_eq!(ended.all("item unreadable").len(), 1);
        let ops: Vec<_> = kept.changes(0).into_iter().filter(|it| it.op != "r").collect();
        let changed = serde_json::from_str::<Value>(&before[CHANGED]).unwrap()["itemId"].clone();
        assert!(ops.iter().all(|it| it.op == "u" && json!(it.source.item) == changed), "{ops:?}");
        assert_eq!(ops.len(), 2, "it changed, and changed back");
    });
}
