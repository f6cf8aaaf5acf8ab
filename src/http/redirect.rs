//! Which redirects are followed. Pure; table-tested.
//!
//! A redirect is followed with method and body where it asks for the same thing at the same server:
//! to the same path give or take a final slash or `;jsessionid=`, whatever its status, since servers
//! say 301 and 302 where they mean 308; and with 307 and 308, which say that method and body stay, to
//! any path there. From http to https on the same host is the same server.
//!
//! Guarantees: nothing is ever sent to another host or port, nor from https to http; a sign-in page
//! is never asked for anything; a target that is not followed is told without its query, its
//! parameters and its user.

use url::Url;

/// Words in the path of a page that asks people to sign in.
const SIGN_IN: [&str; 6] = ["login", "logon", "signin", "sign-in", "sso", "saml"];

/// Where a redirect leads that we do not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignRedirect {
    /// Scheme, host, port and path, if they could be read.
    pub(crate) target: Option<String>,
    /// Whether that is a page of the same server that asks people to sign in.
    pub(crate) sign_in: bool,
}

/// Where an answer sends us.
#[derive(Debug, PartialEq)]
pub(crate) enum Redirect {
    /// Nowhere: it is an answer.
    None,
    /// To the same thing at the same server.
    Follow(Url),
    /// Anywhere else.
    Foreign(ForeignRedirect),
}

/// What an answer with this status and this `Location` to a request to `from` means.
pub(crate) fn redirect(from: &Url, status: u16, location: Option<&str>) -> Redirect {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Redirect::None;
    }
    let Some(mut target) = location.and_then(|location| from.join(location).ok()) else {
        return Redirect::Foreign(ForeignRedirect { target: None, sign_in: false });
    };
    target.set_fragment(None);
    let keeps_all = matches!(status, 307 | 308);
    let sign_in = asks_to_sign_in(from, &target);
    if is_same_server(from, &target) && (is_same_call(from, &target) || (keeps_all && !sign_in)) {
        Redirect::Follow(target)
    } else {
        Redirect::Foreign(foreign_redirect(from, &target))
    }
}

/// What is told of a redirect that is not followed.
pub(crate) fn foreign_redirect(from: &Url, target: &Url) -> ForeignRedirect {
    // A page for people of the very server that we talk to: the session is not good there.
    let sign_in = is_same_server(from, target) && asks_to_sign_in(from, target);
    ForeignRedirect { target: shown(target), sign_in }
}

/// Whether a target is at the server that we talk to, and not out of https.
fn is_same_server(from: &Url, to: &Url) -> bool {
    let same_door =
        from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    let secured = from.scheme() == "http" && to.scheme() == "https";
    from.host() == to.host()
        && to.username().is_empty()
        && to.password().is_none()
        && (same_door || secured)
}

/// Whether a target is the same call, as servers spell it.
fn is_same_call(from: &Url, to: &Url) -> bool {
    from.query() == to.query() && plain_path(from) == plain_path(to)
}

/// A path without parameters such as `;jsessionid=`, and without a final slash.
fn plain_path(url: &Url) -> String {
    let segments =
        url.path().split('/').map(|segment| segment.split(';').next().unwrap_or(segment));
    let path = segments.collect::<Vec<_>>().join("/");
    path.trim_end_matches('/').to_owned()
}

/// Whether a target is a page that asks people to sign in, where the call itself is none.
fn asks_to_sign_in(from: &Url, to: &Url) -> bool {
    let (from, to) = (from.path().to_ascii_lowercase(), to.path().to_ascii_lowercase());
    SIGN_IN.iter().any(|word| to.contains(word) && !from.contains(word))
}

/// As much of a target as may be shown: its query and its parameters may carry anything.
fn shown(target: &Url) -> Option<String> {
    let host = target.host_str()?;
    let port = target.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = plain_path(target);
    let path = if path.is_empty() { "/" } else { &path };
    Some(format!("{}://{host}{port}{path}", target.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: &str = "http://pim.example/webcm/rest/api/items/search";

    fn judged(from: &str, status: u16, location: &str) -> Redirect {
        redirect(&Url::parse(from).unwrap(), status, Some(location))
    }

    fn followed(from: &str, status: u16, location: &str) -> bool {
        matches!(judged(from, status, location), Redirect::Follow(_))
    }

    #[test]
    fn the_same_call_is_followed_however_it_is_spelt_and_whatever_the_status() {
        let locations = [
            "/webcm/rest/api/items/search",
            "/webcm/rest/api/items/search/",
            "/webcm/rest/api/items/search;jsessionid=1F.node2",
            "/webcm;v=1/rest/api/items/search/;jsessionid=1F",
            "search;jsessionid=1F",
            "http://pim.example:80/webcm/rest/api/items/search#top",
            "https://pim.example/webcm/rest/api/items/search",
            "https://pim.example:8443/webcm/rest/api/items/search/",
        ];
        for location in locations {
            for status in [301, 302, 303, 307, 308] {
                assert!(followed(SEARCH, status, location), "{status} {location}");
            }
        }
        assert!(followed(&format!("{SEARCH}/"), 301, SEARCH));
        let login = "http://pim.example/enable-api/login";
        assert!(followed(login, 308, "/enable-api/login/"));
        assert!(followed(login, 307, "/v2/enable-api/login"));
    }

    #[test]
    fn another_path_of_the_server_is_followed_where_method_and_body_stay() {
        for (status, expected) in
            [(301, false), (302, false), (303, false), (307, true), (308, true)]
        {
            for location in ["/pim/webcm/rest/api/items/search", "?page=2", "/items?x=1"] {
                assert_eq!(followed(SEARCH, status, location), expected, "{status} {location}");
            }
        }
    }

    #[test]
    fn nothing_goes_to_another_server_out_of_https_or_to_a_sign_in_page() {
        let locations = [
            "http://other.example/webcm/rest/api/items/search",
            "//other.example/webcm/rest/api/items/search",
            "http://pim.example:8080/webcm/rest/api/items/search",
            "http://user:secret@pim.example/webcm/rest/api/items/search",
            "ftp://pim.example/webcm/rest/api/items/search",
            "/webcm/login",
            "/webcm/Login.jsp;jsessionid=1F?next=/",
            "/sso/start",
            "http://[broken",
        ];
        for location in locations {
            for status in [301, 302, 303, 307, 308] {
                assert!(!followed(SEARCH, status, location), "{status} {location}");
            }
        }
        assert!(!followed("https://pim.example/x", 308, "http://pim.example/x"));
        assert!(!followed("https://pim.example/x", 308, "http://pim.example:443/x"));
    }

    #[test]
    fn a_target_is_told_without_what_may_be_secret() {
        let cases = [
            ("http://other.example:81/a/b?token=x#y", "http://other.example:81/a/b", false),
            ("https://u:p@pim.example/a/;t=x", "https://pim.example/a", false),
            ("/webcm/login;jsessionid=1F?error", "http://pim.example/webcm/login", true),
            ("https://sso.example/saml/login?r=1", "https://sso.example/saml/login", false),
            ("https://other.example", "https://other.example/", false),
            ("https://other.example/a//", "https://other.example/a", false),
        ];
        for (location, target, sign_in) in cases {
            let target = Some(target.to_owned());
            let expected = Redirect::Foreign(ForeignRedirect { target, sign_in });
            assert_eq!(judged(SEARCH, 302, location), expected, "{location}");
        }
        let nowhere = ForeignRedirect { target: None, sign_in: false };
        let from = Url::parse(SEARCH).unwrap();
        assert_eq!(redirect(&from, 302, None), Redirect::Foreign(nowhere));
        assert_eq!(redirect(&from, 304, Some("/x")), Redirect::None);
    }
}
