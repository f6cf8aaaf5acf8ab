//! The verdict on any reply, as a table over status and body, without a socket.

use bytes::Bytes;

use super::*;
use crate::client::page::{PageQuery, search};
use crate::client::sign_in::{login, token};
use crate::client::verdict::{Reply, TokenCookies, Verdict};
use crate::http::ForeignRedirect;

pub(super) fn reply(status: u16, body: &str) -> Reply {
    let content_type = "application/json".to_owned();
    Reply {
        status,
        limited: false,
        content_type,
        foreign_redirect: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// One letter for each meaning.
fn letter<T>(verdict: &Verdict<T>) -> char {
    match verdict {
        Verdict::Answer(_) => 'A',
        Verdict::Refused(..) => 'R',
        Verdict::Denied(_) => 'D',
        Verdict::Failed(RequestErrorKind::Status) => 'S',
        Verdict::Failed(RequestErrorKind::WrongShape { .. }) => 'W',
        Verdict::Failed(RequestErrorKind::Redirect { .. }) => 'E',
        Verdict::Failed(_) => '?',
    }
}

#[test]
fn each_status_with_each_body_means_what_it_should() {
    let statuses = [200, 201, 204, 299, 301, 400, 401, 403, 404, 407, 429, 500, 503];
    let bodies = [
        // search, login, token
        ("", "WWWWSSRRSSSSS", "WWWWSDDDSSSSS", "WWWWSDDDSSSSS"),
        (PAGE, "AAAASSRRSSSSS", "WWWWSDDDSSSSS", "WWWWSDDDSSSSS"),
        (r#"{"success":false}"#, "RRRRSSRRSSSSS", "DDDDSDDDSSSSS", "DDDDSDDDSSSSS"),
        (r#"{"status":3}"#, "RRRRSSRRSSSSS", "DDDDSDDDSSSSS", "DDDDSDDDSSSSS"),
        ("<html><input type=password>", "RRRRSSRRSSSSS", "DDDDSDDDSSSSS", "DDDDSDDDSSSSS"),
        ("<html><h1>It works!</h1>", "WWWWSSRRSSSSS", "WWWWSDDDSSSSS", "WWWWSDDDSSSSS"),
        (r#"{"token":{"token":"t"}}"#, "WWWWSSRRSSSSS", "AAAASDDDSSSSS", "WWWWSDDDSSSSS"),
        (r#"{"token":"t"}"#, "WWWWSSRRSSSSS", "AAAASDDDSSSSS", "WWWWSDDDSSSSS"),
        (r#"{"token":null}"#, "WWWWSSRRSSSSS", "DDDDSDDDSSSSS", "DDDDSDDDSSSSS"),
        (r#"{"access_token":"t"}"#, "WWWWSSRRSSSSS", "WWWWSDDDSSSSS", "AAAASDDDSSSSS"),
        (r#"{"error":"invalid_grant"}"#, "WWWWSSRRSSSSS", "DDDDSDDDSSSSS", "DDDDSDDDSSSSS"),
    ];
    let pointer = "/itemId".parse::<JsonPointer>().unwrap();
    let asked = PageQuery { page_size: 20, item_id: &pointer, fingerprints: None };
    for (body, searched, logged_in, tokened) in bodies {
        let row = |judge: &dyn Fn(&Reply) -> char| -> String {
            statuses.iter().map(|status| judge(&reply(*status, body))).collect()
        };
        assert_eq!(row(&|it| letter(&search(it, asked))), searched, "search: {body}");
        assert_eq!(
            row(&|it| letter(&login(it, TokenCookies::default()))),
            logged_in,
            "login: {body}"
        );
        assert_eq!(
            row(&|it| letter(&token(it, TokenCookies::default()))),
            tokened,
            "token: {body}"
        );
    }
}

#[test]
fn a_redirect_to_elsewhere_outweighs_its_body() {
    let pointer = "/itemId".parse::<JsonPointer>().unwrap();
    let asked = PageQuery { page_size: 20, item_id: &pointer, fingerprints: None };
    let foreign_redirect =
        Some(ForeignRedirect { target: Some("https://sso.example/".to_owned()), sign_in: false });
    let away = Reply { foreign_redirect, ..reply(302, PAGE) };
    assert_eq!(letter(&search(&away, asked)), 'R');
    assert_eq!(letter(&login(&away, TokenCookies::default())), 'E');
    assert_eq!(letter(&token(&away, TokenCookies::default())), 'E');
    let target = Some("https://pim.example/webcm/login".to_owned());
    let to_sign_in = Reply {
        foreign_redirect: Some(ForeignRedirect { target, sign_in: true }),
        ..reply(302, PAGE)
    };
    assert_eq!(letter(&login(&to_sign_in, TokenCookies::default())), 'D');
}

#[test]
fn a_403_that_is_a_limit_on_requests_refuses_and_denies_nothing() {
    let pointer = "/itemId".parse::<JsonPointer>().unwrap();
    let asked = PageQuery { page_size: 20, item_id: &pointer, fingerprints: None };
    let limited = Reply { limited: true, ..reply(403, "{\"success\":false}") };
    assert_eq!(letter(&search(&limited, asked)), 'S');
    assert_eq!(letter(&login(&limited, TokenCookies::default())), 'S');
    assert_eq!(letter(&token(&limited, TokenCookies::default())), 'S');
}

#[test]
fn success_and_status_may_be_null_or_absent() {
    let pointer = "/itemId".parse::<JsonPointer>().unwrap();
    let asked = PageQuery { page_size: 20, item_id: &pointer, fingerprints: None };
    for more in ["", r#""success":null,"#, r#""success":true,"#, r#""message":{"any":["thing"]},"#]
    {
        let body = PAGE.replacen("{\"status\":0,", &format!("{{{more}"), 1);
        assert_eq!(letter(&search(&reply(200, &body), asked)), 'A', "{body}");
    }
    let body = PAGE.replacen("\"status\":0", "\"status\":null", 1);
    assert_eq!(letter(&search(&reply(200, &body), asked)), 'A');
    let body = PAGE.replacen("\"status\":0", "\"success\":false", 1);
    assert_eq!(letter(&search(&reply(200, &body), asked)), 'R', "false outweighs data");
}
