//! What is kept, what is sent, and what is not.

use std::time::Duration;

use super::*;

const HERE: &str = "http://pim.example/webcm/rest/api/items/search";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn taken(cookies: &[&str]) -> Cookies {
    let jar = Cookies::default();
    for cookie in cookies {
        jar.take(cookie, &url(HERE));
    }
    jar
}

fn sent(cookies: &[&str], to: &str) -> Option<String> {
    taken(cookies).header(&url(to))
}

#[test]
fn a_cookie_goes_where_rfc_6265_has_it_go() {
    let cases: &[(&[&str], &str, Option<&str>)] = &[
        (&["A=1"], HERE, Some("A=1")),
        // The default path is the directory of the request.
        (&["A=1"], "http://pim.example/webcm/rest/api/repositories", None),
        (&["A=1; Path=/"], "http://pim.example/enable-api/reauth", Some("A=1")),
        (&["A=1; Path=/webcm"], "http://pim.example/webcmx", None),
        (&["A=1; Path=/webcm"], "http://pim.example/webcm/x", Some("A=1")),
        // Host-only, unless it says otherwise; and never for a host that is not the server's.
        (&["A=1; Path=/"], "http://www.pim.example/", None),
        (&["A=1; Path=/; Domain=pim.example"], "http://www.pim.example/", Some("A=1")),
        (&["A=1; Path=/; Domain=other.example"], "http://pim.example/", None),
        (&["A=1; Path=/; Domain=other.example"], "http://other.example/", None),
        // Ports share cookies; schemes do unless the cookie is for secured connections alone.
        (&["A=1; Path=/"], "https://pim.example:8443/", Some("A=1")),
        (&["A=1; Path=/; Secure; HttpOnly; SameSite=None"], "http://pim.example/", None),
        (&["A=1; Path=/; Secure; HttpOnly"], "https://pim.example/", Some("A=1")),
        // A later one replaces it, deletes it, or stands beside it at another path.
        (&["A=1; Path=/", "A=2; Path=/"], "http://pim.example/", Some("A=2")),
        (&["A=1; Path=/", "A=; Path=/; Max-Age=0"], "http://pim.example/", None),
        (
            &["A=1; Path=/", "A=x; Path=/; Expires=Tue, 03 Mar 2015 10:00:00 GMT"],
            "http://pim.example/",
            None,
        ),
        (&["S=a; Path=/", "S=b; Path=/webcm", "A=c; Path=/"], HERE, Some("S=b; A=c; S=a")),
        // As it came.
        (&["A=\"a b\"; Path=/", "B=%7E=; Path=/"], HERE, Some("A=\"a b\"; B=%7E=")),
        (&["no cookie", "", "=x", ";;"], HERE, None),
    ];
    for (cookies, to, expected) in cases {
        assert_eq!(sent(cookies, to).as_deref(), *expected, "{cookies:?} to {to}");
    }
}

#[test]
fn a_secure_cookie_does_not_go_in_the_clear_to_this_machine_either() {
    let jar = Cookies::default();
    jar.take("A=1; Path=/; Secure", &url("https://127.0.0.1/"));
    assert_eq!(jar.header(&url("http://127.0.0.1/")), None);
    assert_eq!(jar.header(&url("https://127.0.0.1/")).as_deref(), Some("A=1"));
}

#[test]
fn copies_share_a_jar_and_another_login_has_another() {
    let first = taken(&[]);
    let copy = first.clone();
    copy.take("A=1; Path=/", &url(HERE));
    assert_eq!(first.header(&url(HERE)).as_deref(), Some("A=1"));
    assert_eq!(first, copy);
    let second = Cookies::default();
    assert_ne!(first, second);
    assert_eq!(second.header(&url(HERE)), None);
}

#[test]
fn the_jar_is_bounded_and_says_what_it_did_not_keep() {
    let jar = taken(&[&format!("A={}", "x".repeat(LONGEST))]);
    assert_eq!((jar.values().len(), jar.refused()), (0, Some(TooMuch::Long)));

    let jar = Cookies::default();
    for number in 0..10 * MOST {
        jar.take(&format!("C{number}=1; Path=/"), &url(HERE));
    }
    assert_eq!((jar.values().len(), jar.refused()), (MOST, Some(TooMuch::Many)));
    // Those that are there can still change, and go.
    jar.take("C7=2; Path=/", &url(HERE));
    assert!(jar.header(&url(HERE)).unwrap().contains("C7=2"));
    jar.take("C7=; Path=/; Max-Age=0", &url(HERE));
    jar.take("New=1; Path=/", &url(HERE));
    assert!(jar.header(&url(HERE)).unwrap().contains("New=1"));

    let jar = Cookies::default();
    for number in 0..10 {
        jar.take(&format!("C{number}={}; Path=/", "x".repeat(1000)), &url(HERE));
    }
    assert_eq!(jar.refused(), Some(TooMuch::Bytes));
    assert!(jar.header(&url(HERE)).unwrap().len() <= MOST_BYTES);
    let before = jar.header(&url(HERE));
    jar.take(&format!("C1={}; Path=/", "y".repeat(3000)), &url(HERE));
    assert_eq!(jar.header(&url(HERE)), before, "the value of before stays");
}

#[test]
fn cookies_that_lapse_take_no_room() {
    let jar = Cookies::default();
    for number in 0..10 * MOST {
        jar.take(&format!("C{number}=1; Path=/"), &url(HERE));
        jar.take(&format!("C{number}=1; Path=/; Max-Age=0"), &url(HERE));
    }
    assert_eq!((jar.values().len(), jar.refused()), (0, None));
}

#[test]
fn no_value_is_shown() {
    let jar = taken(&["MARKER-name=MARKER-value; Path=/"]);
    assert!(!format!("{jar:?} {jar:#?}").contains("MARKER"));
    assert_eq!(jar.values(), ["MARKER-value"]);
}

#[test]
fn a_pair_is_read_and_a_deletion_at_any_past_time_is_none() {
    // 2023-11-14T22:13:20Z
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let cases = [
        ("ewtoken=abc", Some("abc")),
        ("ewtoken=abc; Path=/; HttpOnly; Secure", Some("abc")),
        (" ewtoken = \"abc\" ;Path=/", Some("abc")),
        ("ewtoken=a=b==; Max-Age=86400", Some("a=b==")),
        ("ewtoken=abc; Expires=Wed, 21 Oct 2099 07:28:00 GMT", Some("abc")),
        ("ewtoken=abc; Expires=Tue, 14 Nov 2023 22:13:21 GMT", Some("abc")),
        ("ewtoken=abc; Expires=Tue, 14 Nov 2023 22:13:20 GMT", None),
        ("ewtoken=abc; Expires=Tue, 03 Mar 2015 10:00:00 GMT", None),
        ("ewtoken=abc; Expires=Tuesday, 03-Mar-15 10:00:00 GMT", None),
        ("ewtoken=abc; Expires=Thu, 01-Jan-1970 00:00:10 GMT", None),
        ("ewtoken=abc; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", Some("abc")),
        ("ewtoken=abc; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Max-Age=0", None),
        ("ewtoken=abc; Max-Age=0", None),
        ("ewtoken=abc; max-age=-1", None),
        ("ewtoken=; Path=/", None),
        ("ewtoken=\"\"", None),
        ("ewtoken", None),
        ("", None),
    ];
    for (header, expected) in cases {
        let expected = expected.map(|value| ("ewtoken".to_owned(), value.to_owned()));
        assert_eq!(pair(header, now), expected, "{header}");
    }
}
