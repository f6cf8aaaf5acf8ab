//! The container and the example for Kubernetes, read as text and by the daemon itself. That the container runs is
//! shown by `tests/container/run`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::TempDir;

use crate::support::daemon::{config_file, output};
use crate::support::{ewmirror, python};

const EXAMPLE: &str = "systemd/container/kubernetes.yaml";

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The configuration in the `ConfigMap`: a block of text, indented by four.
fn configuration(example: &str) -> String {
    let (_, block) =
        example.split_once("\n  ewmirror.toml: |\n").expect("there is a configuration");
    let block = block.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let lines: Vec<_> = block.map(|line| line.get(4..).unwrap_or_default()).collect();
    lines.join("\n")
}

/// What stands behind this word, in each line that has it.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.split_once(word)).map(|(_, rest)| rest).collect()
}

/// A secret as Kubernetes mounts it: each file a link into a folder that is a link to the current one.
fn mount_secrets(folder: &Path, names: &BTreeSet<&str>, mode: u32) {
    let current = "..2026_11_29_23_59_59.1";
    fs::create_dir_all(folder.join(current)).expect("a folder for the secrets");
    symlink(current, folder.join("..data")).expect("a link to the folder");
    for name in names {
        let file = folder.join(current).join(name);
        fs::write(&file, "0123456789abcdef0123456789abcdef").expect("a secret");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode can be set");
        symlink(Path::new("..data").join(name), folder.join(name)).expect("a link to the secret");
    }
}

#[test]
fn the_example_for_kubernetes_is_of_the_shape_that_kubernetes_takes() {
    let program = "
import sys
try:
    import kubernetes_validate, yaml
except ImportError:
    sys.exit(77)
for one in yaml.safe_load_all(open(sys.argv[1])):
    kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    print(one['kind'])
";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE);
    let check = "the example for Kubernetes, by its schemas";
    let arguments = ["-c", program, path.to_str().unwrap()];
    if let Some(told) = python::run("kubernetes-validate", check, arguments) {
        let kinds: Vec<_> = told.lines().collect();
        assert_eq!(kinds, ["ConfigMap", "Secret", "Deployment", "Service"]);
    }
}

#[test]
fn the_configuration_of_the_example_holds_with_secrets_as_kubernetes_mounts_them() {
    let example = read(EXAMPLE);
    let toml = configuration(&example);
    let folder = "/etc/ewmirror/secrets/";
    let names: BTreeSet<&str> =
        after(&toml, folder).into_iter().map(|rest| rest.trim_end_matches('"')).collect();
    assert_eq!(names, BTreeSet::from(["mirror-password", "password", "status-token"]));
    // The Secret has each of them.
    for name in &names {
        assert!(example.contains(&format!("\n  {name}: ")), "{name}");
    }
    let variables: Vec<_> = after(&example, "- name: EWMIRROR_");
    assert_eq!(variables, ["INSTANCE__NAME"]);

    let place = TempDir::new().unwrap();
    let mounted = place.path().join("secrets");
    let toml = toml.replace(folder, &format!("{}/", mounted.display()));
    fs::write(config_file(place.path()), toml).unwrap();
    let checked = |mode: u32| {
        if mounted.exists() {
            fs::remove_dir_all(&mounted).unwrap();
        }
        mount_secrets(&mounted, &names, mode);
        let mut command = ewmirror(["check"]);
        command.arg("--config").arg(config_file(place.path()));
        output(command.env("EWMIRROR_INSTANCE__NAME", "ewmirror-6d5f8c7b9-x2k4q"))
    };
    let good = checked(0o440);
    let told = String::from_utf8_lossy(&good.stdout).into_owned();
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(told.contains("ewmirror-6d5f8c7b9-x2k4q"), "{told}");
    // A link hides nobody who can write what it leads to.
    let refused = checked(0o462);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    for key in ["login.password_file", "mirror.password_file", "status.token_file"] {
        assert!(told.contains(key), "{key}: {told}");
    }
}

#[test]
fn the_container_is_made_of_what_the_scripts_make() {
    let (containerfile, made) =
        (read("systemd/container/Containerfile"), read("systemd/static.sh"));
    let mut sources = BTreeSet::new();
    for line in containerfile.lines().filter(|line| line.starts_with(['C', 'A'])) {
        let mut words: Vec<_> = line.split(' ').collect();
        if matches!(words.remove(0), "COPY" | "ADD") {
            words.pop();
            sources.extend(words);
        }
    }
    assert!(sources.len() > 4, "{sources:?}");
    for source in sources {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(source).exists();
        let is_made = source
            .strip_prefix("target/static/")
            .is_some_and(|name| made.contains(&format!("$made/{name}\"")));
        assert!(here || is_made, "{source}");
    }
    // The account is the one of the example, and no image's root.
    let account = containerfile.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    let (user, group) = account.split_once(':').unwrap();
    let example = read(EXAMPLE);
    for (key, id) in [("runAsUser", user), ("runAsGroup", group), ("fsGroup", group)] {
        assert!(example.contains(&format!("\n        {key}: {id}\n")), "{key}: {id}");
    }
    let version = env!("CARGO_PKG_VERSION");
    assert!(example.contains(&format!("/ewmirror:{version}\n")), "not of version {version}");
}
