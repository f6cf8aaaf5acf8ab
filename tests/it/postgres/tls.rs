//! How the connection to a database is secured, by each `sslmode`, and who is let in.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::cluster;
use crate::support::cluster::Cluster;
use crate::support::daemon::output;
use crate::support::ewmirror;

const PASSWORD: &str = "only-the-database-knows";

/// An authority that issues certificates.
type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("params of an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// Has the server show a certificate for `localhost` and ask `shop` for a password.
fn secure(cluster: &mut Cluster, authority: &Authority, valid_until: i32) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(valid_until, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let hba = "hostssl all shop 127.0.0.1/32 scram-sha-256\n\
               hostnossl all plain 127.0.0.1/32 trust\n\
               hostssl all plain 127.0.0.1/32 reject\n\
               host all postgres 127.0.0.1/32 trust\n";
    let file =
        |key: &str, name, content: &str| format!("{key}={}", cluster.put(name, content).display());
    let settings = [
        "ssl=on".to_owned(),
        file("ssl_cert_file", "server.pem", &certificate.pem()),
        file("ssl_key_file", "server.key", &key.serialize_pem()),
        file("hba_file", "hba.conf", hba),
    ];
    cluster.restart_with(&settings);
}

/// What a command says that looks for a mirror in the database `postgres`.
struct Asked {
    folder: TempDir,
    port: u16,
}

impl Asked {
    fn with(&self, user: &str, host: &str, parameters: &str, ca: Option<&Authority>) -> String {
        self.as_who_knows(PASSWORD, user, host, parameters, ca)
    }

    fn as_who_knows(
        &self,
        password: &str,
        user: &str,
        host: &str,
        parameters: &str,
        ca: Option<&Authority>,
    ) -> String {
        let ca_file = ca.map_or(String::new(), |ca| {
            let path = self.folder.path().join("ca.pem");
            fs::write(&path, ca.pem()).expect("the authority is written");
            format!("ca_file = '{}'", path.display())
        });
        let config = self.folder.path().join("ewmirror.toml");
        let url = format!("postgresql://{user}@{host}:{}/postgres?{parameters}", self.port);
        let toml = format!(
            "[server]\nurl = 'http://127.0.0.1:1'\n[login]\nusername = 'system'\n\
             [[repository]]\nid = 1\n[mirror]\nurl = '{url}'\n{ca_file}\n"
        );
        fs::write(&config, toml).expect("the configuration is written");
        let mut command = ewmirror(["--config"]);
        command.arg(&config).args(["digest", "--repository", "1"]);
        command.env("EWMIRROR_MIRROR__PASSWORD", password);
        let said = output(&mut command);
        assert_eq!(said.status.code(), Some(1));
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.contains(password), "{said}");
        said
    }
}

/// It was let in, and looked for a mirror.
fn is_in(said: &str) -> bool {
    said.contains("there is no mirror in the schema")
}

#[test]
fn each_mode_takes_the_servers_that_it_should_and_says_why_not() {
    let Some(mut cluster) = cluster("TLS to a database", &[]) else { return };
    cluster
        .sql(&format!("SET password_encryption = 'scram-sha-256'; CREATE ROLE shop LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE plain LOGIN"))
        .unwrap();
    let (ours, theirs) = (authority(), authority());
    let asked = Asked { folder: TempDir::new().unwrap(), port: cluster.port() };

    let said = asked.with("shop", "localhost", "", Some(&ours));
    assert!(said.contains("the server has no TLS") && said.contains("turn ssl on"), "{said}");

    secure(&mut cluster, &ours, 2999);
    let said = asked.with("shop", "localhost", "", Some(&ours));
    assert!(is_in(&said), "{said}");
    let said = asked.with("shop", "127.0.0.1", "", Some(&ours));
    assert!(!is_in(&said) && said.contains("use a host name in mirror.url"), "{said}");
    let said = asked.with("shop", "127.0.0.1", "sslmode=verify-ca", Some(&ours));
    assert!(is_in(&said), "{said}");
    for ca in [None, Some(&theirs)] {
        for mode in ["", "sslmode=verify-ca"] {
            let said = asked.with("shop", "localhost", mode, ca);
            assert!(!is_in(&said) && said.contains("mirror.ca_file"), "{mode}: {said}");
        }
    }
    let said = asked.with("shop", "127.0.0.1", "sslmode=require", None);
    assert!(is_in(&said), "{said}");
    // Who names an authority wants it to count.
    let said = asked.with("shop", "127.0.0.1", "sslmode=require", Some(&theirs));
    assert!(!is_in(&said) && said.contains("mirror.ca_file"), "{said}");
    let said = asked.with("shop", "127.0.0.1", "sslmode=prefer", None);
    assert!(is_in(&said), "{said}");
    let said = asked.with("plain", "127.0.0.1", "sslmode=disable", None);
    assert!(is_in(&said), "{said}");
    let said = asked.with("shop", "127.0.0.1", "sslmode=disable", None);
    assert!(!is_in(&said) && said.contains("pg_hba.conf"), "{said}");

    for binding in ["require", "prefer", "disable"] {
        let binding = format!("channel_binding={binding}");
        let said = asked.with("shop", "localhost", &binding, Some(&ours));
        assert!(is_in(&said), "{binding}: {said}");
    }
    // Who is let in without a password has nothing that could be bound, and a server that asks for it in another
    // way than by SCRAM could be anybody.
    let said = asked.with("postgres", "localhost", "channel_binding=require", Some(&ours));
    assert!(!is_in(&said) && said.contains("did without channel binding"), "{said}");
    assert!(said.contains("scram-sha-256") && !said.contains("error performing"), "{said}");

    let said = asked.as_who_knows("wrong-words", "shop", "localhost", "", Some(&ours));
    assert!(!is_in(&said) && said.contains("give the right password"), "{said}");

    secure(&mut cluster, &ours, 2001);
    for mode in ["", "sslmode=verify-ca"] {
        let said = asked.with("shop", "localhost", mode, Some(&ours));
        assert!(!is_in(&said) && said.contains("certificate renewed"), "{mode}: {said}");
    }
}

#[test]
fn of_several_hosts_the_one_is_taken_that_will_do() {
    let Some(primary) = cluster("several hosts", &[]) else { return };
    let standby = primary.standby(&std::env::temp_dir(), &["fsync=off"]);
    let asked = |ports: [u16; 2], parameters: &str| {
        let hosts = format!("127.0.0.1:{},127.0.0.1", ports[0]);
        let asked = Asked { folder: TempDir::new().unwrap(), port: ports[1] };
        asked.with("postgres", &hosts, &format!("sslmode=disable&{parameters}"), None)
    };
    // No server listens at the first of them.
    let said = asked([1, primary.port()], "");
    assert!(is_in(&said), "{said}");
    // A standby is passed over for one that can be written, which is the default with several.
    let said = asked([standby.port(), primary.port()], "");
    assert!(is_in(&said), "{said}");
    let said = asked([standby.port(), 1], "");
    assert!(!is_in(&said) && said.contains("read only"), "{said}");
    let said = asked([primary.port(), standby.port()], "target_session_attrs=read-only");
    assert!(is_in(&said), "{said}");
}
