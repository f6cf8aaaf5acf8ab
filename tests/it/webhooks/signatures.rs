//! How deliveries are signed: by each secret that there is, with no moment between two in which nobody could
//! verify them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::json;

use super::site::Site;
use crate::mirror::edit;
use crate::support::shop::{Delivery, SECRET, sequences};
use crate::support::{Daemon, write_secret};

/// The next secret.
const NEXT: &str = "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ==";

/// Has something delivered from now on; all that is.
fn deliveries(site: &Site, daemon: &Daemon) -> Vec<Delivery> {
    let before = site.shop.heard().len();
    let mark = daemon.mark();
    edit(&site.sim, json!({"insert": 1}));
    daemon.wait_from(mark, |it| it.is("pass complete") && it.number("created") == 1);
    let last = site.log().len() as u64;
    let heard = site.shop.wait_for(daemon, |heard| sequences(heard).last() == Some(&last));
    heard[before..].to_vec()
}

#[test]
fn a_new_secret_signs_beside_the_old_one_and_then_alone() {
    let site = Site::new(5);
    let setup = site.setup("from = 0");
    let daemon = Daemon::run(&setup);
    site.shop.wait_for(&daemon, |heard| sequences(heard).last() == Some(&5));
    for (secrets, is_of_old, is_of_next) in [
        (SECRET.to_owned(), true, false),
        (format!("{NEXT} {SECRET}"), true, true),
        (NEXT.to_owned(), false, true),
    ] {
        write_secret(&site.secret(), &secrets);
        daemon.reload(&setup);
        for delivery in deliveries(&site, &daemon) {
            let by = [SECRET, NEXT].map(|secret| delivery.is_signed_by(secret));
            assert_eq!(by, [is_of_old, is_of_next], "{delivery:?}");
            let count = usize::from(is_of_old) + usize::from(is_of_next);
            assert_eq!(delivery.signatures("v1,").len(), count, "{delivery:?}");
        }
    }
    daemon.stop();
}

#[test]
fn the_public_half_of_a_key_verifies_what_its_secret_half_has_signed() {
    let seed = [9; 32];
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key");
    let site = Site::new(5);
    let key = format!("whsk_{}", STANDARD.encode(seed));
    write_secret(&site.secret(), &format!("{key} {SECRET}\n"));
    let daemon = Daemon::run(&site.setup("from = 0\nbatch = 2"));
    let heard = site.shop.wait_for(&daemon, |heard| sequences(heard).last() == Some(&5));
    let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
    for delivery in &heard {
        let signatures = delivery.signatures("v1a,");
        assert_eq!(signatures.len(), 1, "{delivery:?}");
        assert!(
            public.verify(delivery.signed().as_bytes(), &signatures[0]).is_ok(),
            "{delivery:?}"
        );
        assert!(
            public.verify(format!("{} ", delivery.signed()).as_bytes(), &signatures[0]).is_err()
        );
        // Who knows the symmetric one alone can verify it as well.
        assert!(delivery.is_signed(), "{delivery:?}");
    }
    daemon.stop();
}
