//! The answers to login, OAuth's token call, reauth and logout.
#![no_main]

use ewmirror::fuzzing::{self, FuzzedReply, FuzzedVerdict, SessionStatus, Tokens};
use ewmirror_fuzz::json::{self, Json};
use ewmirror_fuzz::parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [manner, one, other, body] = parts(data);
    let manner = manner.first().copied().unwrap_or_default();
    let came = FuzzedReply {
        status: [200, 200, 204, 400, 401, 403, 429, 500][usize::from(manner & 7)],
        content_type: ["application/json", "", "text/html"][usize::from(manner >> 3 & 3).min(2)],
        foreign_redirect: manner & 0x20 != 0,
        cookies: &[one, other],
        body,
    };
    let succeeded = (200..=299).contains(&came.status) && !came.foreign_redirect;
    let read = json::read(body);
    let member = |name: &str| read.as_ref().and_then(|json| json.member(name));
    let written = |name: &str| member(name).map(|member| member.raw);
    let blank = body.iter().all(u8::is_ascii_whitespace);
    let text = |json: Option<&Json<'_>>| json.and_then(Json::text);

    // A login's tokens stand word for word in its body or in a cookie.
    let in_cookie = |token: &str| {
        came.cookies.iter().any(|cookie| String::from_utf8_lossy(cookie).contains(token))
    };
    let checked = |tokens: &Tokens, in_body: Option<String>| {
        let session = tokens.session.expose();
        assert!(in_body.as_deref() == Some(session) || in_cookie(session), "a token from nowhere");
        for token in [Some(&tokens.session), tokens.rest.as_ref()].into_iter().flatten() {
            let sendable = |byte: u8| byte.is_ascii_graphic() && byte != b';';
            assert!(!token.expose().is_empty() && token.expose().bytes().all(sendable));
        }
        assert!(tokens.rest.as_ref().is_none_or(|rest| in_cookie(rest.expose())));
    };
    let readable = read.is_some();
    if let FuzzedVerdict::Answer(tokens) = fuzzing::login(came)
        && (readable || blank)
    {
        // What is no success is none however it looks.
        assert!(succeeded || blank && (200..=299).contains(&came.status));
        assert!(matches!(written("success"), None | Some("true" | "null")), "no success");
        // The member itself, or one level down.
        let token = member("token");
        let inner = || text(token.and_then(|token| token.member("token")));
        checked(&tokens, text(token).or_else(inner));
    }
    if let FuzzedVerdict::Answer(tokens) = fuzzing::token(came)
        && readable
    {
        assert!(succeeded);
        let in_body = text(member("access_token"));
        assert!(in_body.is_some(), "an OAuth token from elsewhere than the body");
        checked(&tokens, in_body);
    }
    // The plain answer of each call is taken for what it is.
    let plain = readable
        && succeeded
        && came.content_type != "text/html"
        && read.as_ref().is_some_and(|json| {
            json.is_object()
                && [
                    "success",
                    "status",
                    "error",
                    "message",
                    "error_description",
                    "token",
                    "access_token",
                    "epimresttoken",
                    "data",
                ]
                .iter()
                .all(|name| json.times(name) <= 1)
        });
    if plain && written("success") == Some("true") {
        assert_eq!(fuzzing::reauth(came), FuzzedVerdict::Answer(SessionStatus::Valid));
        assert_eq!(fuzzing::logout(came), FuzzedVerdict::Answer(()));
        if text(member("access_token"))
            .is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            && one.is_empty()
            && other.is_empty()
        {
            assert!(
                matches!(fuzzing::token(came), FuzzedVerdict::Answer(_)),
                "a token is not taken"
            );
        }
    }
    if plain && written("success") == Some("false") {
        assert_eq!(fuzzing::login(came), FuzzedVerdict::Denied);
        assert_eq!(fuzzing::reauth(came), FuzzedVerdict::Answer(SessionStatus::Ended));
    }
    if fuzzing::reauth(came) == FuzzedVerdict::Answer(SessionStatus::Valid) && readable {
        assert!(succeeded && matches!(written("success"), Some("true" | "null")));
    }
    // A redirect to elsewhere is judged by where it leads.
    if matches!(came.status, 401 | 403) && !came.foreign_redirect {
        assert_eq!(fuzzing::login(came), FuzzedVerdict::Denied);
        assert_eq!(fuzzing::token(came), FuzzedVerdict::Denied);
        assert_eq!(fuzzing::reauth(came), FuzzedVerdict::Answer(SessionStatus::Ended));
    }
});
