//! The password where the package's units have it: for every command, for the configuration that it
//! belongs to, and for no other. And which configuration a command reads.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{Setup, Sim, machine, repositories, skipped};

/// A folder that stands for `/etc` in the eyes of the commands.
struct Etc {
    folder: TempDir,
}

impl Etc {
    fn new(check: &str) -> Option<Self> {
        if !machine::is_root(check) {
            return None;
        }
        if let Err(why) = machine::system(&["unshare", "--mount", "true"]) {
            skipped(check, &why);
            return None;
        }
        let folder = TempDir::new().expect("a folder can be made");
        fs::create_dir_all(folder.path().join("etc/ewmirror")).expect("the folder can be written");
        fs::create_dir(folder.path().join("home")).expect("the folder can be written");
        Some(Self { folder })
    }

    /// A file below the folder, which is `/etc` and more.
    fn put(&self, name: &str, content: &str, mode: u32) {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("the folder can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .expect("the folder can be written");
    }

    /// Runs a command that sees it in place of the machine's, with these variables alone.
    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let folder = self.folder.path().display();
        let mount = format!("mount --bind {folder}/etc /etc && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &mount, "sh", env!("CARGO_BIN_EXE_ewmirror")]);
        let path = "/usr/sbin:/usr/bin:/sbin:/bin";
        command.args(arguments).env_clear().env("PATH", path).envs(variables.iter().copied());
        command.output().expect("it can be started")
    }

    fn home(&self, name: &str) -> String {
        self.folder.path().join("home").join(name).to_str().expect("its name is text").to_owned()
    }
}

fn told(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    texts.concat()
}

#[test]
fn every_command_that_signs_in_finds_the_password_where_the_unit_has_it() {
    let Some(etc) = Etc::new("the password where the unit has it") else { return };
    let sim = Sim::start(repositories(&[(1, 10)]));
    etc.put("etc/ewmirror/ewmirror.toml", &Setup::new(sim.url()).toml(), 0o644);
    etc.put("etc/ewmirror/password", "system\n", 0o600);
    etc.put("etc/ewmirror/eu.toml", &Setup::new(sim.url()).toml(), 0o644);
    etc.put("etc/ewmirror/eu.password", "system\n", 0o600);
    let eu = ["--config", "/etc/ewmirror/eu.toml"];
    let commands: [&[&str]; 4] = [&["check"], &["check", "--online"], &["repositories"], &["once"]];
    for command in commands {
        for configuration in [&[][..], &eu] {
            let ended = etc.run(&[], &[configuration, command].concat());
            let told = told(&ended);
            assert!(ended.status.success(), "{configuration:?} {command:?}: {told}");
            assert!(!told.contains("is ignored"), "{told}");
        }
    }
    let doctor = told(&etc.run(&[], &["doctor"]));
    assert!(doctor.contains("/etc/ewmirror/password (mode 0600"), "{doctor}");
    // What comes first in the design comes first.
    let wrong = etc.run(&[("EWMIRROR_LOGIN__PASSWORD", "another")], &["check", "--online"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", told(&wrong));
    assert_eq!(sim.counts().failed_logins, 1);
}

#[test]
fn the_password_goes_with_no_other_configuration() {
    let Some(etc) = Etc::new("the password and other configurations") else { return };
    let sim = Sim::start(repositories(&[(1, 10)]));
    let toml = Setup::new(sim.url()).toml();
    etc.put("etc/ewmirror/password", "system\n", 0o600);
    etc.put("home/ewmirror.toml", &toml, 0o644);
    etc.put("home/password", "system\n", 0o600);
    etc.put("etc/ewmirror/eu.toml", &toml, 0o644);
    // In the folder by name alone.
    symlink(etc.home("ewmirror.toml"), etc.folder.path().join("etc/ewmirror/ewmirror.toml"))
        .unwrap();
    let home = etc.home("ewmirror.toml");
    let ways = ["/etc/ewmirror/ewmirror.toml", "/etc/ewmirror/eu.toml", home.as_str()];
    for configuration in ways {
        let ended = etc.run(&[], &["--config", configuration, "check", "--online"]);
        assert_eq!(ended.status.code(), Some(2), "{configuration}: {}", told(&ended));
        assert!(told(&ended).contains("login.password: is not set"), "{}", told(&ended));
    }
    let counts = sim.counts();
    assert_eq!((counts.logins, counts.failed_logins), (0, 0));
}

#[test]
fn a_variable_names_the_configuration_where_no_flag_does() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, port: u16| {
        let path = folder.path().join(name);
        fs::write(&path, Setup::new(format!("http://127.0.0.1:{port}")).toml()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, two) = (put("one.toml", 1), put("two.toml", 2));
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ewmirror"));
        command.env_clear().env("EWMIRROR_CONFIG", &one).env("EWMIRROR_LOGIN__PASSWORD", "p");
        command.args(arguments).output().unwrap()
    };
    let checked = told(&run(&["check"]));
    assert!(
        checked.contains("http://127.0.0.1:1") && !checked.contains("is not known"),
        "{checked}"
    );
    assert!(told(&run(&["--config", &two, "check"])).contains("http://127.0.0.1:2"));
    // Where none is read, none can be named; a variable is not meant for one command alone.
    for command in [&["man"][..], &["completions", "bash"]] {
        assert!(run(command).status.success(), "{command:?}");
        let refused = run(&[&["--config", two.as_str()], command].concat());
        assert_eq!(refused.status.code(), Some(2), "{command:?}");
        assert!(told(&refused).contains("reads no configuration"), "{}", told(&refused));
    }
}

#[test]
fn a_configuration_that_is_no_file_or_that_others_can_write_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let open = folder.path().join("open.toml");
    fs::write(&open, Setup::new("http://127.0.0.1:1").toml()).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o666)).unwrap();
    let run = |path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ewmirror"));
        command.env_clear().env("EWMIRROR_LOGIN__PASSWORD", "p").arg("--config").arg(path);
        command.arg("check").output().unwrap()
    };
    for (path, words) in [(&fifo, "no regular file"), (&open, "can be written by everybody")] {
        let ended = run(path);
        assert_eq!(ended.status.code(), Some(2));
        assert!(told(&ended).contains(words), "{}", told(&ended));
    }
}
