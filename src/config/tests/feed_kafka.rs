//! A feed to Kafka: what is taken, what is refused, and that no secret is shown.

use super::*;

const BROKERS: &str = "'bootstrap.servers' = 'kafka:9092'";

fn kafka(properties: &str, more: &str) -> String {
    let feed = "[[feed]]\nname = 'shop'\ntype = 'kafka'";
    format!("{LEAST}{feed}\nproperties = {{ {properties} }}\n{more}")
}

fn faults_of(toml: &str) -> String {
    load_text(toml, "test.toml", &environment(&[])).unwrap_err().to_string()
}

fn warnings_of(toml: &str) -> String {
    format!("{:?}", loaded(toml, &environment(&[])).warnings)
}

#[test]
fn a_feed_to_kafka_needs_its_brokers_and_is_what_its_keys_say() {
    let feed = config(&kafka(BROKERS, ""), &[]).feeds.remove(0);
    assert_eq!((feed.topic.as_str(), feed.tombstones), ("ewmirror.{repository}", false));
    assert_eq!(feed.topic.of(10149), "ewmirror.10149");
    let properties = format!("{BROKERS}, 'linger.ms' = 20, 'socket.keepalive.enable' = true");
    let text = kafka(&properties, "topic = 'pim'\ntombstones = true\ncreate_topics = true");
    let all = config(&text, &[]);
    let feed = &all.feeds[0];
    assert_eq!(
        (feed.topic.of(7).as_str(), feed.tombstones, feed.create_topics),
        ("pim", true, true)
    );
    let found = feed.properties.as_ref().unwrap();
    assert_eq!(found.get("linger.ms"), Some("20"));
    assert_eq!(found.get("socket.keepalive.enable"), Some("true"));
    assert_eq!(found.iter().count(), 3);
    let missing = format!("{LEAST}[[feed]]\nname = 'shop'\ntype = 'kafka'");
    assert_eq!(keys_of(&errors(&missing, &environment(&[]))), ["feed[1].properties"]);
    let warned = warnings_of(&kafka(BROKERS, "url = 'https://a.example/x'"));
    assert!(warned.contains("is ignored, because the feed is a feed to Kafka"), "{warned}");
}

#[test]
fn what_is_shown_of_it_is_taken_again() {
    let text = kafka(&format!("{BROKERS}, 'linger.ms' = 20"), "");
    let shown = config(&text, &[]).effective();
    assert_eq!(config(&shown, &[]).feeds, config(&text, &[]).feeds, "{shown}");
}

#[test]
fn properties_that_load_code_or_hold_a_secret_are_refused_without_showing_it() {
    for (property, word) in [
        ("'plugin.library.paths' = '/x/T0PSECRET.so'", "no property that is passed through"),
        ("'ssl.engine.location' = '/x/T0PSECRET.so'", "no property that is passed through"),
        ("'ssl.providers' = 'T0PSECRET'", "no property that is passed through"),
        ("'sasl.kerberos.kinit.cmd' = 'T0PSECRET'", "no property that is passed through"),
        ("'sasl.oauthbearer.method' = 'T0PSECRET'", "no property that is passed through"),
        ("'debug' = 'T0PSECRET'", "no property that is passed through"),
        ("'enable.ssl.certificate.verification' = false", "no property that is passed through"),
        ("'enable.idempotence' = false", "no property that is passed through"),
        ("'transactional.id' = 'T0PSECRET'", "no property that is passed through"),
        ("'sasl.password' = 'T0PSECRET'", "is a secret, which no configuration holds"),
        ("'ssl.key.password' = 'T0PSECRET'", "is a secret, which no configuration holds"),
        ("'ssl.key.pem' = 'T0PSECRET'", "is a secret, which no configuration holds"),
        ("'ssl.keystore.password' = 'T0PSECRET'", "is a secret, which no configuration holds"),
        ("'sasl.username' = 'T0PSECRET'", "and nobody logs in"),
        ("'security.protocol' = 'T0PSECRET'", "is none of \"plaintext\""),
        ("'ssl.ca.location' = 'T0PSECRET'", "no whole path"),
        ("'linger.ms' = 'T0PSECRET'", "not a whole number"),
        ("'linger.ms' = 1001", "not between 0 and 1000"),
        ("'socket.timeout.ms' = 120000", "larger than \"transaction.timeout.ms\""),
        ("'socket.timeout.ms' = 30000, 'transaction.timeout.ms' = 20000", "larger than"),
        ("'reconnect.backoff.ms' = 15000", "larger than \"reconnect.backoff.max.ms\""),
        ("'client.id' = ''", "is empty"),
        ("'client.id' = \"a\\nb\"", "more than a line"),
        ("'linger.msec' = 5", "did you mean \"linger.ms\"?"),
        ("'ssl.key.location' = '/x'", "a key without its certificate"),
        (
            "'security.protocol' = 'sasl_ssl', 'sasl.mechanism' = 'PLAIN'",
            "has no \"sasl.username\"",
        ),
    ] {
        let faults = faults_of(&kafka(&format!("{BROKERS}, {property}"), ""));
        assert!(faults.contains(word), "{property}: {faults}");
        assert!(!faults.contains("T0PSECRET"), "{property}: {faults}");
    }
    assert!(faults_of(&kafka("'linger.ms' = 5", "")).contains("has no \"bootstrap.servers\""));
    for topic in ["", "a b", "a/{repository}", "..", "{number}", &"a".repeat(250)] {
        let faults = faults_of(&kafka(BROKERS, &format!("topic = '{topic}'")));
        assert!(faults.contains("feed[1].topic"), "{topic}: {faults}");
    }
}

#[test]
fn a_login_needs_a_password_that_stands_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "T0PSECRET\n").unwrap();
    let login = |protocol: &str| {
        let more = "'sasl.mechanism' = 'PLAIN', 'sasl.username' = 'u'";
        format!("{BROKERS}, 'security.protocol' = '{protocol}', {more}")
    };
    let file = format!("secret_file = '{}'", secret.display());
    let right = config(&kafka(&login("sasl_ssl"), &file), &[]);
    assert!(right.feeds[0].secret.is_some());
    let shown = format!("{}{right:?}", right.effective());
    assert!(!shown.contains("T0PSECRET"), "{shown}");
    let faults = errors(&kafka(&login("sasl_ssl"), ""), &environment(&[]));
    assert_eq!(keys_of(&faults), ["feed[1].secret"]);
    let warned = warnings_of(&kafka(&login("sasl_plaintext"), &file));
    assert!(warned.contains("the network can read it"), "{warned}");
    let warned = warnings_of(&kafka(BROKERS, &file));
    assert!(warned.contains("without a login"), "{warned}");
    let warned = warnings_of(&kafka(&format!("{BROKERS}, 'ssl.ca.location' = '/x'"), ""));
    assert!(warned.contains("security.protocol is neither"), "{warned}");
}
