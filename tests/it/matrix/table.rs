//! The table: everything that a server can do to one request, and how each call fares then.
//!
//! What is expected stands here as data. The words are the beginning of the error that is logged,
//! after the name of the call.

/// What the server does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Do {
    /// A fault of the look-alike.
    Fault(&'static str),
    /// An answer of this status, with a header or without, and a body.
    Answer(u16, Option<(&'static str, &'static str)>, &'static str),
}

/// How a search fares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Search {
    /// It is an answer like any other.
    Good,
    /// A refusal in these words: the request again, and a login if the session has ended.
    Refused(&'static str),
    /// A failure in these words: the request again, after a wait.
    Failed(&'static str),
    /// A failure in these words, and a wait of the minutes that are obeyed at most.
    Patience(&'static str),
    /// A page that is to be doubted.
    Doubted(Doubted),
    /// Everything is said to be gone, and nothing says otherwise: the guard holds all deletions.
    Vanished,
    /// It depends on the place: at the first page, in the middle, at the last page.
    By(&'static [Search; 3]),
    /// Not asked, for this reason.
    Never(&'static str),
}

/// What comes of a page that is to be doubted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubted {
    /// How often it is told that a range is read again.
    pub(super) steps: usize,
    /// Why the pass is not certified; `None` where it is.
    pub(super) reason: Option<&'static str>,
}

/// How a login fares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Login {
    /// It signs in.
    Good,
    /// The name or the password is said to be wrong: told at ERROR, not tried again for seconds.
    Denied,
    /// A failure in these words: tried again after a wait.
    Failed(&'static str),
    /// A failure in these words, and a wait of the minutes that are obeyed at most.
    Patience(&'static str),
    Never(&'static str),
}

/// How the question fares whether the session stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reauth {
    /// It stands.
    Good,
    /// It has ended: one login.
    Ended,
    /// A failure in these words: asked again when its time comes.
    Failed(&'static str),
    Never(&'static str),
}

/// How the question fares whether the server still has an item that a pass has not seen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    /// It is there.
    Good,
    /// A refusal in these words: the question again, and a login if the session has ended.
    Refused(&'static str),
    /// A failure in these words: the question again, after a wait.
    Failed(&'static str),
    /// It says nothing: the item stays a suspect, and stays.
    Unclear,
    Never(&'static str),
}

/// How a logout fares; it is never tried again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Logout {
    /// The session is gone, or was before.
    Out,
    /// It is told that it failed, in these words.
    Failed(&'static str),
    Never(&'static str),
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) does: Do,
    pub(super) search: Search,
    pub(super) login: Login,
    pub(super) reauth: Reauth,
    pub(super) item: Item,
    pub(super) logout: Logout,
}

const ONLY_SEARCH: &str = "it is a shape of a page, and only a search answers pages";
const NO_PAGE: &str = "no answer to a search is meant by it but what another row has";
const GONE: &str = "it says in so many words that the item is gone, which is the server's word";
const MINUTES: &str = "it is obeyed for five minutes, in which nothing but a stop is seen";

const fn fault(name: &'static str) -> Do {
    Do::Fault(name)
}

const fn body(text: &'static str) -> Do {
    Do::Answer(200, None, text)
}

/// A failure that is the same for each call.
const fn failure(name: &'static str, does: Do, words: &'static str) -> Kind {
    Kind {
        name,
        does,
        search: Search::Failed(words),
        login: Login::Failed(words),
        reauth: Reauth::Failed(words),
        item: Item::Failed(words),
        logout: Logout::Failed(words),
    }
}

/// An answer of the wrong shape: of one item it says nothing.
const fn misshapen(name: &'static str, does: Do, words: &'static str) -> Kind {
    Kind { item: Item::Unclear, ..failure(name, does, words) }
}

/// A shape of a page.
const fn page(name: &'static str, search: Search) -> Kind {
    Kind {
        name,
        does: fault(name),
        search,
        login: Login::Never(ONLY_SEARCH),
        reauth: Reauth::Never(ONLY_SEARCH),
        item: Item::Never(ONLY_SEARCH),
        logout: Logout::Never(ONLY_SEARCH),
    }
}

/// A refusal that every call understands.
const fn refusal(name: &'static str, words: &'static str, login: Login) -> Kind {
    Kind {
        name,
        does: fault(name),
        search: Search::Refused(words),
        login,
        reauth: Reauth::Ended,
        item: Item::Refused(words),
        logout: Logout::Out,
    }
}

/// Read again, so often, and then certified.
const fn again(steps: usize) -> Search {
    Search::Doubted(Doubted { steps, reason: None })
}

/// Read again, so often, and then not certified.
const fn because(steps: usize, reason: &'static str) -> Search {
    Search::Doubted(Doubted { steps, reason: Some(reason) })
}

/// A page that says that there is nothing.
const EMPTY: Search = Search::By(&[Search::Vanished, again(1), again(1)]);

const UNEXPECTED: &str = "unexpected answer";
const BROKE: &str = "the connection broke off";

/// All rows.
pub(super) const KINDS: &[Kind] = &[
    refusal("refuse-401", "status 401", Login::Denied),
    refusal("refuse-403", "status 403", Login::Denied),
    refusal("refuse-success", "\"success\": false", Login::Denied),
    refusal("refuse-html", "a sign-in page", Login::Denied),
    refusal("refuse-redirect", "a redirect to a sign-in page", Login::Denied),
    Kind {
        // An item may have an attribute of this name, so nothing is clear.
        item: Item::Unclear,
        reauth: Reauth::Failed(UNEXPECTED),
        logout: Logout::Failed(UNEXPECTED),
        ..refusal("refuse-status", "\"status\": 401 without data", Login::Denied)
    },
    Kind {
        name: "redirect to another host",
        does: Do::Answer(302, Some(("location", "http://elsewhere.invalid/webcm/login")), ""),
        ..refusal(
            "",
            "a redirect to elsewhere: http://elsewhere.invalid/webcm/login",
            Login::Denied,
        )
    },
    failure("drop", fault("drop"), BROKE),
    failure("truncate", fault("truncate"), BROKE),
    failure("hang", fault("hang"), "no complete answer in time"),
    Kind {
        name: "slow",
        does: fault("slow"),
        search: Search::Good,
        login: Login::Good,
        reauth: Reauth::Good,
        item: Item::Good,
        logout: Logout::Out,
    },
    failure("e500", fault("e500"), "status 500"),
    failure("e502", fault("e502"), "status 502"),
    failure("e503", fault("e503"), "status 503"),
    failure("e429", fault("e429"), "status 429"),
    Kind {
        item: Item::Never(MINUTES),
        search: Search::Patience("status 503"),
        login: Login::Patience("status 503"),
        ..failure(
            "Retry-After of a day",
            Do::Answer(503, Some(("retry-after", "86400")), ""),
            "status 503",
        )
    },
    Kind {
        item: Item::Never(GONE),
        ..failure("404", Do::Answer(404, None, "{\"message\":\"no such page\"}"), "status 404")
    },
    Kind { login: Login::Denied, ..misshapen("418", Do::Answer(418, None, ""), "status 418") },
    misshapen("304", Do::Answer(304, None, ""), "status 304"),
    misshapen("204", Do::Answer(204, None, ""), UNEXPECTED),
    misshapen("garbage", fault("garbage"), UNEXPECTED),
    misshapen("nothing at all", body(""), UNEXPECTED),
    misshapen("null", body("null"), UNEXPECTED),
    misshapen("a list", body("[]"), UNEXPECTED),
    misshapen("a text", body("\"ok\""), UNEXPECTED),
    misshapen("half an answer", body("{\"status\":0,\"data\":{\"itemList\":[{"), UNEXPECTED),
    misshapen("success that is a word", body("{\"success\":\"maybe\"}"), UNEXPECTED),
    misshapen("a member twice", body("{\"success\":true,\"success\":true}"), UNEXPECTED),
    misshapen("no list", body("{\"data\":{\"searchTotal\":1,\"returnTotal\":1}}"), UNEXPECTED),
    Kind {
        search: EMPTY,
        ..misshapen(
            "no list of nothing",
            body("{\"data\":{\"searchTotal\":0,\"returnTotal\":0}}"),
            UNEXPECTED,
        )
    },
    misshapen("no totals", body("{\"data\":{\"itemList\":[]}}"), UNEXPECTED),
    misshapen(
        "a total below nothing",
        body("{\"data\":{\"itemList\":[],\"searchTotal\":-1,\"returnTotal\":0}}"),
        UNEXPECTED,
    ),
    misshapen(
        "an item without an id",
        body("{\"status\":0,\"data\":{\"itemList\":[{}],\"searchTotal\":1,\"returnTotal\":1}}"),
        UNEXPECTED,
    ),
    Kind {
        login: Login::Denied,
        ..misshapen(
            "a status beside data",
            body("{\"status\":7,\"data\":{\"itemList\":[],\"searchTotal\":0,\"returnTotal\":0}}"),
            UNEXPECTED,
        )
    },
    Kind {
        reauth: Reauth::Good,
        logout: Logout::Out,
        ..misshapen("success and no more", body("{\"success\":true}"), UNEXPECTED)
    },
    Kind {
        name: "a token with a line end",
        does: body("{\"success\":true,\"token\":{\"token\":\"a\\nb\"}}"),
        search: Search::Never(NO_PAGE),
        login: Login::Failed(UNEXPECTED),
        reauth: Reauth::Never(NO_PAGE),
        item: Item::Never(NO_PAGE),
        logout: Logout::Never(NO_PAGE),
    },
    page("short", Search::Failed("unexpected answer: returnTotal is")),
    page("huge", Search::Failed("answer larger than server.max_response_size")),
    page(
        "excess",
        Search::By(&[
            Search::Failed("unexpected answer: 41 items came where 40"),
            Search::Failed(UNEXPECTED),
            // There is none.
            Search::Good,
        ]),
    ),
    page("cap", Search::By(&[again(3), again(3), because(3, "the server answers the same page")])),
    // The first page is what the last page of the pass before was.
    page("repeat", Search::By(&[again(3), again(1), again(1)])),
    page("empty", Search::By(&[again(3), again(3), again(3)])),
    page("less", Search::By(&[Search::Good, again(1), again(1)])),
    page("more", Search::By(&[Search::Good, again(0), again(3)])),
    Kind {
        does: body("{\"status\":0,\"data\":{\"itemList\":[],\"searchTotal\":0,\"returnTotal\":0}}"),
        ..page("an empty repository", EMPTY)
    },
];
