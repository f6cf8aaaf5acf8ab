//! Answers of the wrong shape, over the wire: each a failure that says what is wrong.

use super::server::{answer, json};
use super::*;

/// What the client says about a search answered with this body.
async fn complaint(body: &str) -> String {
    let error = failed(searched(json(body)).await);
    assert_eq!((error.endpoint, error.status), (ApiEndpoint::Search, Some(200)));
    match error.kind {
        RequestErrorKind::WrongShape { what }
        | RequestErrorKind::WrongPage { what }
        | RequestErrorKind::ItemId { what } => {
            assert!(!what.contains("VALUE"), "names may be told, values not: {what}");
            what
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[tokio::test]
async fn an_answer_of_the_wrong_shape_is_never_an_empty_page() {
    let page = |list: &str, total: &str, returned: &str| {
        format!(
            r#"{{"data":{{"itemList":{list},"searchTotal":{total},"returnTotal":{returned}}}}}"#
        )
    };
    let many = vec![r#"{"itemId":1}"#; 21].join(",");
    let cases = [
        (String::new(), "empty"),
        ("  \n".to_owned(), "empty"),
        ("null".to_owned(), "not an object"),
        ("[]".to_owned(), "not an object"),
        ("\"text\"".to_owned(), "not an object"),
        ("7".to_owned(), "not an object"),
        ("{}".to_owned(), "no data"),
        ("nonsense".to_owned(), "not the JSON expected"),
        (PAGE.trim_end_matches('}').to_owned(), "EOF"),
        (PAGE.split_at(40).0.to_owned(), "EOF"),
        (format!("{PAGE}x"), "trailing"),
        (format!("{PAGE}{PAGE}"), "trailing"),
        (r#"{"status":0,"data":null}"#.to_owned(), "data is not an object"),
        (r#"{"status":0,"data":[]}"#.to_owned(), "data is not an object"),
        (r#"{"status":0,"data":[[],1,1]}"#.to_owned(), "data is not an object"),
        (r#"{"status":0,"data":"VALUE"}"#.to_owned(), "data is not an object"),
        (r#"{"status":1,"data":{}}"#.to_owned(), "status is 1"),
        (r#"{"status":"00","data":{}}"#.to_owned(), "status is not"),
        (r#"{"status":0.5,"data":{}}"#.to_owned(), "status is not"),
        (r#"{"success":1,"data":{}}"#.to_owned(), "success is neither"),
        (r#"{"data":{"searchTotal":1,"returnTotal":0}}"#.to_owned(), "no itemList"),
        (r#"{"data":{"searchTotal":0}}"#.to_owned(), "no itemList"),
        (r#"{"data":{"itemList":[],"returnTotal":0}}"#.to_owned(), "no searchTotal"),
        (r#"{"data":{"itemList":[],"searchTotal":0}}"#.to_owned(), "no returnTotal"),
        (page("null", "1", "0"), "itemList is not a list"),
        (page("{}", "0", "0"), "itemList is not a list"),
        (page("[]", "-1", "0"), "searchTotal is not"),
        (page("[]", "20.5", "0"), "searchTotal is not"),
        (page("[]", "2e-1", "0"), "searchTotal is not"),
        (page("[]", "\"020\"", "0"), "searchTotal is not"),
        (page("[]", "\" 20\"", "0"), "searchTotal is not"),
        (page("[]", "99999999999999999999", "0"), "searchTotal is not"),
        (page("[]", "\"VALUE\"", "0"), "searchTotal is not"),
        (page("[]", "null", "0"), "searchTotal is not"),
        (page("[]", "0", "null"), "returnTotal is not"),
        (page("[]", "5", "2"), "returnTotal is 2, but 0 items came"),
        (page(r#"[{"itemId":1}]"#, "5", "0"), "returnTotal is 0, but 1 items came"),
        (page(&format!("[{many}]"), "99", "21"), "21 items came where 20 were asked for"),
        (page("[null]", "1", "1"), "item 1 of the list: it is not an object"),
        (page("[],\"itemList\":[]", "0", "0"), "itemList appears twice"),
        (r#"{"status":0,"status":1}"#.to_owned(), "status appears twice"),
        (r#"{"data":{},"\u0064ata":{}}"#.to_owned(), "data appears twice"),
    ];
    for (body, expected) in cases {
        let what = complaint(&body).await;
        assert!(what.contains(expected), "{body}: {what}");
    }
}

#[tokio::test]
async fn a_whole_number_is_one_however_it_is_written_and_nothing_is_a_list_where_there_is_nothing()
{
    let items = r#"[{"itemId":5E1},{"itemId":50.0},{"itemId":"50"}]"#;
    for (status, total, returned) in
        [("0.0", "50.0", "3.0"), ("\"0\"", "5E1", "3"), ("0", "\"50\"", "\"3\"")]
    {
        let body = format!(
            r#"{{"status":{status},"data":{{"itemList":{items},"searchTotal":{total},"returnTotal":{returned}}}}}"#
        );
        let answer = searched(json(&body)).await.unwrap();
        let ids: Vec<ItemId> = answer.items.into_iter().map(|item| item.id).collect();
        // In quotes an id is text, as it is in an item.
        let fifty = ItemId::Integer(50);
        assert_eq!(ids, [fifty.clone(), fifty, ItemId::Text("50".into())]);
        assert_eq!(answer.total, 50);
    }
    for list in ["", r#""itemList":null,"#] {
        let body = format!(r#"{{"data":{{{list}"searchTotal":0,"returnTotal":"0"}}}}"#);
        let answer = searched(json(&body)).await.unwrap();
        assert_eq!((answer.items.len(), answer.total), (0, 0), "{body}");
    }
}

#[tokio::test]
async fn a_page_without_its_counts_is_no_fault_of_the_url() {
    let error = failed(searched(json(r#"{"status":0,"data":{"itemList":[]}}"#)).await);
    let remedy = error.remedy().unwrap();
    assert!(remedy.contains("search") && !remedy.contains("server.url"), "{remedy}");
}

#[tokio::test]
async fn an_html_page_that_asks_for_no_password_is_of_the_wrong_shape() {
    let html = [("Content-Type", "text/html")];
    let pages = [
        "<html><title>Product catalog in use</title>",
        "<html><title>Dialog in progress</title><form action=/search>",
        "plain words with the type of a page",
        "<!doctype html><input type=\"text\" name=\"password-hint\"> please log in tomorrow",
    ];
    for page in pages {
        let error = failed(searched(answer(200, &html, page)).await);
        let what = RequestErrorKind::WrongShape { what: "it is an HTML page".to_owned() };
        assert_eq!(error.kind, what, "{page}");
        assert!(error.remedy().unwrap().contains("server.url"));
        assert!(error.beginning.is_some());
    }
    // A server that calls its JSON a page is forgiven.
    assert_eq!(searched(answer(200, &html, PAGE)).await.unwrap().total, 7);
}

#[tokio::test]
async fn an_item_without_an_id_names_its_members_and_the_key_to_set() {
    let body = |item: &str| {
        format!(r#"{{"data":{{"itemList":[{item}],"searchTotal":2,"returnTotal":1}}}}"#)
    };
    let what = complaint(&body(r#"{"id":"VALUE","F_\u001b1":"VALUE","naïve":null}"#)).await;
    assert_eq!(
        what,
        "item 1 of the list: it has no member at /itemId: set the repository's item_id to where \
         the id is; its members are id, F_\\u{1b}1, naïve"
    );
    let names: Vec<_> = (0..300).map(|n| format!(r#""{}{n}":1"#, "n".repeat(300))).collect();
    let what = complaint(&body(&format!("{{{}}}", names.join(",")))).await;
    assert!(what.ends_with("and 288 more"), "{what}");
    assert!(what.len() < 800, "{}", what.len());
    assert!(complaint(&body("{}")).await.ends_with("its members are none"));

    let cases = [
        ("1.5", "is a fraction"),
        ("1e-3", "is a fraction"),
        ("true", "is true or false"),
        ("null", "is null"),
        ("{}", "is an object"),
        ("[1]", "is a list"),
        ("\"\\ud800\"", "is not well-formed text"),
        ("170141183460469231731687303715884105728", "too many digits"),
    ];
    for (value, expected) in cases {
        let what = complaint(&body(&format!(r#"{{"itemId":{value}}}"#))).await;
        assert!(what.contains(expected) && what.contains("item_id"), "{value}: {what}");
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_is_of_the_wrong_shape() {
    let at_value = PAGE.find("\"a\"").unwrap() + 1;
    let at_name = PAGE.find("searchTotal").unwrap();
    for (at, what) in [(at_value, "record"), (at_name, "envelope")] {
        for broken in [0xff, 0xc3, 0x80] {
            let mut body = PAGE.as_bytes().to_vec();
            body[at] = broken;
            match searched(json(&body)).await {
                Ok(answer) => assert_eq!((what, answer.unreadable.len()), ("record", 1)),
                Err(error) => {
                    let kind = failed(Err::<(), _>(error)).kind;
                    let of_page = matches!(kind, RequestErrorKind::WrongPage { .. });
                    assert!(of_page || matches!(kind, RequestErrorKind::WrongShape { .. }));
                    assert_eq!(what, "envelope");
                }
            }
        }
    }
}
