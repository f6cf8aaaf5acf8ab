//! Every class of error, and all of them at once.

use super::*;

/// The first error of a text, which must have only one.
fn only(toml: &str, more: &[(&str, &str)]) -> ConfigError {
    let mut found = errors(toml, &environment(more));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

/// The least file and one more line in a section.
fn with(section: &str, line: &str) -> String {
    match LEAST.split_once(&format!("[{section}]\n")) {
        Some((before, after)) => format!("{before}[{section}]\n{line}\n{after}"),
        None => format!("{LEAST}[{section}]\n{line}\n"),
    }
}

#[test]
fn ten_faults_are_told_at_once_in_the_order_of_their_places() {
    let toml = "\
[server]
url = 'ftp://pim'
connect_timeout = 5
[paging]
page_size = 0
overlap = 'yes'
pagesize = 7
[[repository]]
id = 1
[[repository]]
id = 1
search = { pageSize = 3 }
[log]
level = 'loud'
";
    let environment = Environment::from_pairs([
        ("EWMIRROR_PAGING__IN_FLIGHT", "many"),
        ("EWMIRROR_LOGIN__PASSWORD", "pass"),
    ]);
    let found = errors(toml, &environment);
    assert_eq!(
        keys_of(&found),
        [
            "server.url",
            "server.connect_timeout",
            "paging.page_size",
            "paging.overlap",
            "paging.pagesize",
            "repository[2].id",
            "repository[2].search.pageSize",
            "log.level",
            "paging.in_flight",
            "login.username",
        ]
    );
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told[1],
        "\
test.toml:3:1: server.connect_timeout = 5: has no unit
    write \"5s\" if that is what it means"
    );
    assert_eq!(
        told[4],
        "\
test.toml:7:1: paging.pagesize: is not known
    did you mean page_size?"
    );
    assert_eq!(
        told[5],
        "\
test.toml:11:1: repository[2].id = 1: is also the id of repository[1]
    keep one of the two: a repository is paged once"
    );
    assert_eq!(
        told[8],
        "\
EWMIRROR_PAGING__IN_FLIGHT: paging.in_flight = \"many\": is text, not a whole number
    write a whole number from 1 to 64, or \"auto\""
    );
    assert_eq!(
        told[9],
        "\
login.username: is not set
    write the name of the user that signs in, such as \"system\""
    );
}

#[test]
fn the_same_faults_are_told_in_the_same_order_every_time() {
    let toml = "[paging]\na = 1\nb = 2\n[x]\n[y]\n[[repository]]\n";
    let told = |()| format!("{}", load_text(toml, "t", &Environment::empty()).unwrap_err());
    let first = told(());
    for _ in 0..20 {
        assert_eq!(told(()), first);
    }
}

#[test]
fn an_empty_file_lacks_what_has_no_default() {
    let found = errors("", &Environment::empty());
    assert_eq!(keys_of(&found), ["server.url", "login.username", "login.password", "repository"]);
    assert!(found.iter().all(|error| error.error == "is not set"), "{found:#?}");
    let password = &found[2].hint;
    for place in ["credential \"password\"", "login.password_file", "EWMIRROR_LOGIN__PASSWORD"] {
        assert!(password.contains(place), "{password}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_a_fault() {
    for (section, line, expected) in [
        ("server", "no_proxy = 'localhost'", "is text, not a list"),
        ("server", "no_proxy = [1]", "holds a whole number"),
        ("server", "accept_invalid_certificates = 1", "is a whole number, not true or false"),
        ("server", "max_response_size = 1.5", "is a fraction, not text"),
        ("server", "ca_file = true", "is true or false, not text"),
        ("session", "max_age = 1979-05-27", "is not a duration"),
        ("session", "max_age = []", "is a list, not text"),
        ("session", "max_age = { h = 23 }", "is a table, not text"),
        ("paging", "page_size = '200'", "is text, not a whole number"),
        ("paging", "page_size = 200.0", "is a fraction, not a whole number"),
        ("paging", "page_size = 99999999999999999999999", "is too large"),
        ("paging", "page_size = {}", "is a table, not a whole number"),
        ("paging", "page_size = 'large'", "is text, not a whole number"),
        ("deletes", "max_fraction = '0.1'", "is text, not a number"),
        ("log", "level = 3", "is a whole number, not text"),
    ] {
        let toml = with(section, line);
        let error = only(&toml, &[]);
        let key = line.split(' ').next().unwrap();
        assert_eq!((error.key, error.error), (format!("{section}.{key}"), expected.to_owned()));
        assert!(matches!(error.source, SettingSource::File { location: Some(_), .. }), "{toml}");
    }
}

#[test]
fn an_impossible_value_is_a_fault() {
    for (section, line, expected) in [
        ("server", "connect_timeout = '0s'", "is too short"),
        ("server", "max_response_size = '63KiB'", "is too small"),
        ("server", "proxy = 'socks4://p:1'", "has an unknown scheme"),
        (
            "server",
            "ca_file = '/nonexistent'",
            "cannot be read: No such file or directory (os error 2)",
        ),
        ("server", "client_identity_file = '/'", "is not a file"),
        ("login", "method = 'basic'", "is not one of the choices"),
        ("session", "max_age = '0s'", "is too short"),
        ("session", "reauth_interval = '-1s'", "is not a duration"),
        ("session", "transport = 'cookie'", "is not one of the choices"),
        ("paging", "page_size = 100001", "is too large"),
        ("paging", "page_size = -1", "is too small"),
        ("paging", "in_flight = 65", "is too large"),
        ("paging", "in_flight = 'many'", "is text, not a whole number"),
        ("paging", "page_interval = 'atuo'", "is not a duration"),
        ("paging", "max_requests_per_second = 0", "is too small"),
        ("paging", "max_requests_per_second = nan", "is a fraction, not a number"),
        ("paging", "pass_interval = '5M'", "is longer than 30days"),
        ("deletes", "max_fraction = nan", "is not between 0 and 1"),
        ("deletes", "max_fraction = 2", "is not between 0 and 1"),
        ("deletes", "min_count = -1", "is too small"),
        ("changes", "keep = '0s'", "is too short"),
        ("changes", "keep = 'ever'", "is not a duration"),
        ("changes", "keep = 90", "has no unit"),
        ("mirror", "url = 'mysql://h'", "is none of the kinds of mirror"),
        ("status", "listen = ':9464'", "is no address to listen at"),
        ("status", "max_age = '0s'", "is too short"),
        ("log", "format = ''", "is empty"),
    ] {
        assert_eq!(only(&with(section, line), &[]).error, expected, "{line}");
    }
}

#[test]
fn a_url_with_the_daemon_s_own_path_is_a_fault_that_names_the_one_to_write() {
    for (url, end, base) in [
        ("https://pim/webcm", "/webcm/", "https://pim"),
        ("https://pim/webcm//", "/webcm/", "https://pim"),
        ("https://pim:8443/ew/enable-api/", "/enable-api/", "https://pim:8443/ew"),
        ("https://pim//webcm/enable-api", "/enable-api/", "https://pim"),
    ] {
        let error = only(LEAST, &[("EWMIRROR_SERVER__URL", url)]);
        assert_eq!(
            error.to_string(),
            format!(
                "\
EWMIRROR_SERVER__URL: server.url = {url:?}: ends in {end}, which ewmirror appends by itself
    write {base:?}"
            )
        );
        // What the hint says helps.
        let url = config(LEAST, &[("EWMIRROR_SERVER__URL", base)]).server.url;
        assert_eq!(url.as_str(), format!("{base}/"));
    }
    let url = config(LEAST, &[("EWMIRROR_SERVER__URL", "https://pim/webcm2")]).server.url;
    assert_eq!(url.as_str(), "https://pim/webcm2/");
}

#[test]
fn a_repository_is_checked_like_the_rest() {
    let second = |lines: &str| only(&format!("{LEAST}[[repository]]\n{lines}\n"), &[]);
    assert_eq!(
        second("").to_string(),
        "\
test.toml:7:1: repository[2].id: is not set
    write the repository's number"
    );
    for (lines, key, expected) in [
        ("id = 0", "id", "is too small"),
        ("id = 'x'", "id", "is text, not a whole number"),
        ("id = 2\nitem_id = 'itemId'", "item_id", "does not begin with a slash"),
        ("id = 2\nname = ''", "name", "is empty"),
        ("id = 2\nin_flight = 0", "in_flight", "is too small"),
        ("id = 2\nurl = 'x'", "url", "is not known"),
        ("id = 2\nignore = '/F_1'", "ignore", "is text, not a list"),
        ("id = 2\nignore = ['']", "ignore", "holds an empty text"),
        ("id = 2\nignore = [1]", "ignore", "holds a whole number"),
        (
            "id = 2\nignore = ['/F_1', 'F_2']",
            "ignore",
            "holds \"F_2\", which does not begin with a slash",
        ),
        (
            "id = 2\nignore = [\"/\\u001b~\"]",
            "ignore",
            "holds \"/\\u{1b}~\", which holds a tilde that is neither ~0 (a tilde) nor ~1 (a slash)",
        ),
        ("id = 2\nignore = ['/itemId']", "ignore", "holds \"/itemId\", which is where the id is"),
        (
            "id = 2\nitem_id = '/meta/id'\nignore = ['/itemId', '/meta']",
            "ignore",
            "holds \"/meta\", which is where the id is",
        ),
        ("id = 2\nitem_id = 'id'\nignore = ['/itemId']", "item_id", "does not begin with a slash"),
        ("id = 2\nsearch = 7", "search", "is a whole number, not a table"),
    ] {
        let error = second(lines);
        assert_eq!(error.key, format!("repository[2].{key}"));
        assert_eq!(error.error, expected);
    }
}

#[test]
fn a_fault_in_paging_hides_none_in_a_repository() {
    let toml = format!("{LEAST}in_flight = 0\n[paging]\npage_size = 0\n");
    assert_eq!(
        keys_of(&errors(&toml, &environment(&[]))),
        ["repository[1].in_flight", "paging.page_size"]
    );
}

#[test]
fn repositories_are_a_list_of_sections() {
    let head = LEAST.split("[[").next().unwrap();
    for tail in ["[repository]\nid = 1", "[x]\n[repository.y]"] {
        let found = errors(&format!("{head}{tail}"), &environment(&[]));
        assert!(keys_of(&found).contains(&"repository"), "{found:#?}");
    }
    assert_eq!(only(&format!("repository = []\n{head}"), &[]).error, "is empty");
    let found = errors(&format!("repository = [1, {{ id = 2 }}, {{}}]\n{head}"), &environment(&[]));
    assert_eq!(keys_of(&found), ["repository[1]", "repository[3].id"]);
}

#[test]
fn unknown_sections_and_keys_are_faults_with_the_nearest_name() {
    for (toml, key, hint) in [
        (with("pageing", "page_size = 1"), "pageing", "did you mean [paging]?"),
        (with("paging", "Page_Size = 1"), "paging.Page_Size", "did you mean page_size?"),
        (with("log", "url = 'x'"), "log.url", "url belongs in [server]"),
        (format!("page_size = 1\n{LEAST}"), "page_size", "page_size belongs in [paging]"),
        (with("log", "'a b' = 1"), "log.\"a b\"", "[log] knows format, level"),
        // The config crate reads a top-level key as a path and would reserve that much memory.
        (
            format!("'x[99999999999999]' = 1\n{LEAST}"),
            "\"x[99999999999999]\"",
            "the sections are [server], [login], [session], [[repository]], [paging], [mirror], \
             [instance], [model], [[feed]], [changes], [deletes], [status], [log]",
        ),
    ] {
        let error = only(&toml, &[]);
        assert_eq!((error.key.as_str(), error.hint.as_str()), (key, hint));
        assert_eq!(error.error, "is not known");
    }
    let error = only(&format!("log = 'info'\n{LEAST}"), &[]);
    assert_eq!(error.error, "is a section, not a value");
}

#[test]
fn a_section_that_is_no_section_is_told_once() {
    let found =
        errors("server = 1\n[login]\nusername = 'u'\n[[repository]]\nid = 1\n", &environment(&[]));
    assert_eq!(keys_of(&found), ["server"]);
}

#[test]
fn unknown_variables_are_faults_with_the_nearest_name() {
    for (name, key, hint) in [
        ("EWMIRROR_SERVER_URL", "server_url", "did you mean EWMIRROR_SERVER__URL?"),
        (
            "EWMIRROR_PAGING__PAGESIZE",
            "paging.pagesize",
            "did you mean EWMIRROR_PAGING__PAGE_SIZE?",
        ),
        (
            "EWMIRROR_X[99999999999999]",
            "x[99999999999999]",
            "a variable is EWMIRROR_, the section, two underscores and the key, such as EWMIRROR_SERVER__URL for server.url",
        ),
        (
            "EWMIRROR_REPOSITORY__ID",
            "repository.id",
            "unset it, and write a [[repository]] in the file",
        ),
        (
            "EWMIRROR_REPOSITORY_0_ID",
            "repository_0_id",
            "unset it, and write a [[repository]] in the file",
        ),
    ] {
        let error = only(LEAST, &[(name, "hunter2")]);
        assert_eq!((error.key.as_str(), error.hint.as_str()), (key, hint));
        assert_eq!(error.source, SettingSource::Variable(name.to_owned()));
        assert_eq!(error.value, None);
    }
}

#[test]
fn a_variable_that_is_not_utf_8_is_a_fault() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let broken = OsString::from_vec(b"https://\xff".to_vec());
    let environment = Environment::from_pairs([
        (OsString::from("EWMIRROR_SERVER__URL"), broken),
        (OsString::from("EWMIRROR_LOGIN__PASSWORD"), OsString::from("pass")),
    ]);
    let without_url = LEAST.replace("url", "# url");
    let found = errors(&without_url, &environment);
    assert_eq!(keys_of(&found), ["server.url"]);
    assert_eq!(found[0].error, "is not UTF-8");
}

#[test]
fn oauth_needs_a_client() {
    let error = only(&with("login", "method = 'oauth'"), &[]);
    assert_eq!((error.key.as_str(), error.error.as_str()), ("login.client_id", "is not set"));
}

#[test]
fn a_syntax_error_is_a_fault_of_the_file() {
    let error = only(&format!("{LEAST}x = = 1\n"), &[]);
    assert_eq!(error.key, "");
    assert!(error.to_string().starts_with("test.toml:7:"), "{error}");
    assert!(error.error.starts_with("is not TOML: "), "{error}");
    let error = only(&format!("{LEAST}[server]\n"), &[]);
    assert!(error.error.contains("duplicate key"), "{error}");
}

#[test]
fn a_file_that_is_no_text_is_a_fault_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ewmirror.toml");
    let expected = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let errors = load(&file, &environment(&[])).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(expected(b"[server]\nurl = '\xff'\n").contains("ewmirror.toml:2:8: is not UTF-8"));
    assert!(expected(&vec![b'#'; (1 << 20) + 1]).contains("is larger than 1048576 bytes"));
    let errors = load(directory.path(), &environment(&[])).unwrap_err();
    assert!(errors.to_string().contains("cannot be read: it is a directory"), "{errors}");
}

#[test]
fn foreign_text_is_escaped_and_cut_in_a_fault() {
    let toml = with("log", &format!("level = \"\\u001b[2J{}\"", "x".repeat(500)));
    let error = only(&toml, &[]);
    let value = error.value.as_deref().unwrap();
    assert!(value.starts_with("\"\\u{1b}[2Jxxx"), "{value}");
    assert!(value.chars().count() < 100, "{value}");
}
