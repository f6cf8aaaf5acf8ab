//! Where secrets come from, and that nothing ever shows one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// Stands in every secret place; must be seen nowhere.
const MARKER: &str = "hunter2";

/// A directory with a credential and a password file, and what leads to them.
struct Places {
    directory: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
        let directory = self.path("");
        let credentials = [("CREDENTIALS_DIRECTORY", directory.as_str())];
        let variables = credentials.iter().chain(variables).copied();
        load_text(LEAST, "test.toml", &Environment::from_pairs(variables))
    }

    fn password(&self, variables: &[(&str, &str)]) -> String {
        self.load(variables).unwrap().config.login.password.expose().to_owned()
    }
}

#[test]
fn the_credential_comes_before_the_file_and_the_file_before_the_variable() {
    let places = Places::new();
    let file = places.put("file", "from the file\n", 0o600);
    let both = [
        ("EWMIRROR_LOGIN__PASSWORD_FILE", file.as_str()),
        ("EWMIRROR_LOGIN__PASSWORD", "from the variable"),
    ];
    assert_eq!(places.password(&both[1..]), "from the variable");
    assert_eq!(places.password(&both), "from the file");
    places.put("password", "from the credential\n", 0o444);
    assert_eq!(places.password(&both), "from the credential");
    let warnings = places.load(&both).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "login.password: login.password_file is ignored, because the systemd credential \
         \"password\" comes first",
            "login.password: EWMIRROR_LOGIN__PASSWORD is ignored, because the systemd credential \
         \"password\" comes first",
        ]
    );
}

#[test]
fn one_newline_at_the_end_of_a_secret_is_no_part_of_it() {
    let places = Places::new();
    for (content, password) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a b\n", "a b")] {
        places.put("password", content, 0o400);
        assert_eq!(places.password(&[]), password, "{content:?}");
    }
}

#[test]
fn a_password_file_that_others_can_read_is_warned_about() {
    let places = Places::new();
    for mode in [0o640, 0o604, 0o644] {
        let file = places.put("file", "a", mode);
        let warnings = places.load(&[("EWMIRROR_LOGIN__PASSWORD_FILE", &file)]).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(warnings[0].key, "login.password_file");
        assert!(warnings[0].message.contains(&format!("mode {mode:04o}")), "{warnings:?}");
    }
    let file = places.put("file", "a", 0o600);
    assert_eq!(places.load(&[("EWMIRROR_LOGIN__PASSWORD_FILE", &file)]).unwrap().warnings, []);
}

#[test]
fn an_unusable_secret_is_a_fault_and_no_other_is_taken_for_it() {
    let places = Places::new();
    let variable = ("EWMIRROR_LOGIN__PASSWORD", "from the variable");
    let told = |variables: &[(&str, &str)]| {
        let errors: Vec<_> = places.load(variables).unwrap_err().into_iter().collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string()
    };
    let missing = places.path("missing");
    let told_missing = told(&[("EWMIRROR_LOGIN__PASSWORD_FILE", &missing), variable]);
    assert!(told_missing.starts_with("EWMIRROR_LOGIN__PASSWORD_FILE: login.password_file = "));
    assert!(told_missing.contains("cannot be read: No such file"), "{told_missing}");
    assert!(told(&[("EWMIRROR_LOGIN__PASSWORD", "")]).contains("an empty secret"));
    for (content, expected) in [
        (&b"\n"[..], "holds an empty secret"),
        (b"\xff", "is not UTF-8"),
        (b"\xff\xfep\0\n\0", "is UTF-16, not UTF-8"),
        (b"\xef\xbb\xbf\n", "holds an empty secret"),
        (b"\n\n", "holds empty lines and no secret"),
        (b"hunter2\nhunter3\n", "holds 2 lines"),
        (b"hunter2\n\n", "ends in an empty line"),
        (b"hunter2 \n", "ends in a blank"),
        (b"hunter2\t", "holds a character that nobody types (U+0009)"),
        (b" hunter2", "begins with a blank"),
        (b"hunter2\0", "holds a character that nobody types (U+0000)"),
        (&vec![b'a'; (64 << 10) + 1], "is larger than 65536 bytes"),
    ] {
        places.put("password", content, 0o400);
        let told = told(&[variable]);
        assert!(told.starts_with("credential /"), "{told}");
        assert!(told.contains(&format!("login.password: {expected}")), "{told}");
        assert!(!told.contains("hunter"), "{told}");
    }
}

#[test]
fn a_secret_in_the_file_is_a_fault_that_says_where_to_put_it() {
    let toml = LEAST.replace("[login]", "[login]\npassword = 'hunter2'\nclient_secret = 7734");
    let found = errors(&toml, &Environment::empty());
    assert_eq!(keys_of(&found), ["login.password", "login.client_secret"]);
    let told = format!("{} {} {found:?}", found[0], found[1]);
    assert!(!told.contains(MARKER) && !told.contains("7734"), "{told}");
    assert!(found[0].hint.contains("EWMIRROR_LOGIN__PASSWORD"), "{told}");
    assert!(found[1].hint.contains("EWMIRROR_LOGIN__CLIENT_SECRET"), "{told}");
}

#[test]
fn what_an_editor_leaves_around_a_password_is_no_part_of_it() {
    let places = Places::new();
    for content in ["\u{feff}hunter2", "\u{feff}hunter2\r\n", "hunter2\n", "hunter2"] {
        places.put("password", content, 0o400);
        assert_eq!(places.password(&[]), "hunter2", "{content:?}");
    }
    let told = Places::new().load(&[("EWMIRROR_LOGIN__PASSWORD", "hunter2\n")]).unwrap_err();
    assert!(told.to_string().contains("ends in an empty line"), "{told}");
    // In a variable a blank is meant: the operator who sets one quotes it.
    assert_eq!(Places::new().password(&[("EWMIRROR_LOGIN__PASSWORD", "hunter2 ")]), "hunter2 ");
}

#[test]
fn a_password_file_that_others_can_write_is_refused() {
    let places = Places::new();
    for (mode, who) in [(0o602, "everybody (mode 0602)"), (0o666, "everybody (mode 0666)")] {
        let file = places.put("file", "hunter2", mode);
        let told = places.load(&[("EWMIRROR_LOGIN__PASSWORD_FILE", &file)]).unwrap_err();
        assert!(told.to_string().contains(&format!("can be written by {who}")), "{told}");
    }
}

#[test]
fn the_password_of_a_proxy_is_found_like_the_others_and_put_into_its_url() {
    let places = Places::new();
    places.put("password", "p", 0o400);
    let proxy = ("EWMIRROR_SERVER__PROXY", "http://user@proxy.example:3128");
    let of = |variables: &[(&str, &str)]| {
        places.load(variables).map(|it| it.config.server.proxy.unwrap().expose().to_owned())
    };
    assert_eq!(of(&[proxy]).unwrap(), "http://user@proxy.example:3128");
    places.put("proxy-password", "a/b@c\n", 0o400);
    assert_eq!(of(&[proxy]).unwrap(), "http://user:a%2Fb%40c@proxy.example:3128/");
    let two = ("EWMIRROR_SERVER__PROXY", "http://user:hunter2@proxy.example:3128");
    let told = of(&[two]).unwrap_err().to_string();
    assert!(told.contains("there is another one") && !told.contains("hunter"), "{told}");
    let nobody = ("EWMIRROR_SERVER__PROXY", "http://proxy.example:3128");
    assert!(of(&[nobody]).unwrap_err().to_string().contains("names no user"));
    let unused = places.load(&[]).unwrap().warnings;
    assert!(unused.iter().any(|it| it.message.contains("server.proxy is not set")), "{unused:?}");
}

#[test]
fn a_configuration_that_others_can_write_or_that_is_no_file_is_refused_at_once() {
    let places = Places::new();
    let variables = [("EWMIRROR_LOGIN__PASSWORD", "p")];
    let told = |path: &str| {
        let loaded = load(Path::new(path), &Environment::from_pairs(variables));
        loaded.map(|_| ()).map_err(|errors| errors.to_string())
    };
    assert_eq!(told(&places.put("sound.toml", format!("\u{feff}{LEAST}"), 0o644)), Ok(()));
    let open = told(&places.put("open.toml", LEAST, 0o646)).unwrap_err();
    assert!(open.contains("can be written by everybody (mode 0646)"), "{open}");
    let folder = told(&places.path("")).unwrap_err();
    assert!(folder.contains("it is a directory"), "{folder}");
    let proxy = LEAST.replace("[login]", "proxy = 'http://u:hunter2@proxy.example:3128'\n[login]");
    for (mode, warned) in [(0o600, false), (0o644, true)] {
        let path = places.put("proxy.toml", &proxy, mode);
        let loaded = load(Path::new(&path), &Environment::from_pairs(variables)).unwrap();
        let warnings = format!("{:?}", loaded.warnings);
        assert_eq!(warnings.contains("server.proxy_password_file"), warned, "{warnings}");
        assert!(!warnings.contains("hunter2"), "{warnings}");
    }
}

#[test]
fn a_client_secret_is_found_like_a_password() {
    let places = Places::new();
    let oauth = [
        ("EWMIRROR_LOGIN__PASSWORD", "p"),
        ("EWMIRROR_LOGIN__METHOD", "oauth"),
        ("EWMIRROR_LOGIN__CLIENT_ID", "me"),
    ];
    let secret = |places: &Places| places.load(&oauth).unwrap().config.login.client_secret;
    assert_eq!(secret(&places), Secret::new(""));
    places.put("client_secret", "hush\n", 0o400);
    assert_eq!(secret(&places), Secret::new("hush"));
}

#[test]
fn no_secret_is_shown_of_a_configuration_that_holds() {
    let places = Places::new();
    let environment = Environment::from_pairs([
        ("EWMIRROR_LOGIN__PASSWORD", MARKER.to_owned()),
        ("EWMIRROR_LOGIN__METHOD", "oauth".to_owned()),
        ("EWMIRROR_LOGIN__CLIENT_ID", "me".to_owned()),
        ("EWMIRROR_LOGIN__CLIENT_SECRET", MARKER.to_owned()),
        ("EWMIRROR_LOGIN__CLIENT_SECRET_FILE", places.put("file", MARKER, 0o644)),
        ("EWMIRROR_SERVER__PROXY", format!("http://u:{MARKER}@proxy:1")),
    ]);
    let loaded = loaded(LEAST, &environment);
    assert_eq!(loaded.config.login.client_secret.expose(), MARKER);
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let told = format!("{loaded:?} {} {warnings:?} {environment:?}", loaded.config.effective());
    assert!(!told.contains(MARKER), "{told}");
    assert!(told.contains("proxy = \"http://u:***@proxy:1"), "{told}");
    // What is masked still loads.
    super::loaded(&loaded.config.effective(), &super::environment(&[]));
}

#[test]
fn no_secret_is_shown_in_a_fault() {
    let m = MARKER;
    let toml = format!(
        "\
{m} = '{m}'
[server]
url = 'https://u:{m}@pim/?{m}#{m}'
proxy = 'socks4://u:{m}@proxy?{m}'
pasword = '{m}'
[login]
username = ''
password = '{m}'
client_secret = ['{m}']
pasword = {{ x = '{m}' }}
[mirror]
url = 'host=db password={m}'
[status]
listen = ['{m}']
[[repository]]
id = 1
pass = '{m}'
"
    );
    let environment = Environment::from_pairs([
        ("EWMIRROR_LOGIN__PASWORD", m),
        ("EWMIRROR_LOGIN_PASSWORD", m),
        ("EWMIRROR_REPOSITORY__PASSWORD", m),
    ]);
    let found = errors(&toml, &environment);
    assert_eq!(found.len(), 14, "{:?}", keys_of(&found));
    // The top-level key itself is told: it is a name, and names are not secret.
    for error in found.iter().filter(|error| error.key != m) {
        let told = format!("{error} {error:?}");
        assert!(!told.contains(m), "{told}");
    }
    let misplaced = [
        "url = 'https://u:hunter2 @pim'",
        "url = 'u:hunter2@pim'",
        "url = ['hunter2']",
        "url = { hunter2 = 'hunter2' }",
        "proxy = 'u:hunter2@proxy:1'",
        "proxy = 'hunter2'",
        "proxy = 'http://u:hunter2@:1'",
        "proxy = 'http://u:a/hunter2?b#c@p:x'",
    ];
    let misplaced = misplaced.map(|line| format!("[server]\n{line}\n"));
    let instead_of_a_file = [
        "[login]\npassword_file = 'hunter2'\n".to_owned(),
        "[login]\nmethod = 'oauth'\nclient_secret_file = 'hunter2'\n".to_owned(),
    ];
    for toml in misplaced.into_iter().chain(instead_of_a_file) {
        let found = errors(&toml, &Environment::empty());
        assert!(!format!("{found:?}").contains(m), "{toml}: {found:?}");
    }
}

#[test]
fn a_query_of_the_mirror_needs_no_secret_and_none_of_the_daemons_files() {
    let places = Places::new();
    let text = "\
[server]
url = 'https://pim.example.com'
ca_file = '/nonexistent'
[login]
password_file = '/nonexistent'
[[repository]]
id = 10149
";
    let file = places.put("ewmirror.toml", text, 0o600);
    let config = load_for_queries(Path::new(&file), &Environment::empty()).unwrap();
    assert_eq!(config.server.as_str(), "https://pim.example.com/");
    assert_eq!(config.repositories[0].id, RepositoryId(10_149));
    let file = places.put("ewmirror.toml", "[server]\nurl = 'ftp://h'\nport = 7\n", 0o600);
    let errors: Vec<_> = load_for_queries(Path::new(&file), &Environment::empty())
        .unwrap_err()
        .into_iter()
        .collect();
    assert_eq!(keys_of(&errors), ["server.url", "server.port", "repository"]);
}
