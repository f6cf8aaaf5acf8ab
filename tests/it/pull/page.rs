//! Items on the page at `/`, in a real browser: who has the token finds them, and nothing of it is left behind.

use std::collections::BTreeMap;
use std::fs;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Pulled, TOKEN};
use crate::browser::Browser;
use crate::support::{eventually, is_so, skipped};

#[test]
fn the_page_finds_an_item_its_history_what_is_held_back_and_all_of_them() {
    let pulled = Pulled::start(60, "");
    let Some(mut browser) = Browser::start() else {
        return skipped("items on the page in a browser", "there is no browser");
    };
    let first = pulled.kept.export(1).remove(0);
    let id = serde_json::from_str::<Value>(&first).unwrap()["itemId"].clone();
    browser.open(&format!("http://{}/", pulled.client.0));
    browser.wait_until("document.querySelectorAll('#search option').length === 2");

    // The token is asked for, and a wrong one is not kept.
    browser.write("#search input", &id.to_string());
    browser.click("#search button");
    browser.wait_until("!document.getElementById('token').hidden");
    assert!(browser.text("#found").contains("who has the token"));
    browser.write("#token input", &TOKEN.to_uppercase());
    browser.click("#token button");
    browser.wait_until("document.getElementById('found').innerText.includes('not the token')");
    assert_eq!(browser.value("sessionStorage.length"), 0);
    assert!(!browser.text("body").contains("ART-"));

    // An item by the names of its attributes, each value as it came, whatever is in it.
    browser.write("#token input", TOKEN);
    browser.click("#token button");
    browser.wait_until("document.querySelector('#item td')");
    let item = browser.text("#item");
    assert!(item.contains("Title") && !item.contains("F_1004601"), "{item}");
    let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&first).unwrap();
    let is_number = |it: &&str| it.starts_with(|it: char| it == '-' || it.is_ascii_digit());
    let numbers: Vec<_> = members.values().map(|it| it.get()).filter(is_number).collect();
    assert!(numbers.len() > 5, "{numbers:?}");
    for exact in numbers.into_iter().chain(["ART-"]) {
        assert!(item.contains(&format!("\t{exact}")), "{exact}: {item}");
    }
    assert_eq!(browser.value("document.querySelectorAll('#found details').length"), 1);

    // What becomes of it, attribute by attribute.
    pulled.change(&json!({"repository": 1, "update": [id]}));
    browser.click("#search button");
    browser.wait_until("document.querySelectorAll('#found details').length === 2");
    let update = browser.text("#found details");
    assert!(update.starts_with("updated ") && update.contains("revision"), "{update}");
    assert!(!update.contains("ART-"), "what stays is no part of a change: {update}");

    // All of them, as a file.
    browser.click("#export");
    browser.wait_until("document.getElementById('downloaded')");
    let file = browser.downloads().join("repository-1-81.ndjson");
    let whole = pulled.kept.export(1).join("\n") + "\n";
    eventually(|| {
        let found = fs::read_to_string(&file);
        is_so(found.as_ref().ok() == Some(&whole), || format!("{found:?}"))
    });

    // Over time, from the ledger.
    browser.click("#ledger");
    browser.wait_until("document.querySelectorAll('#found figure').length === 3");
    let changes = browser.text("#chart-changes");
    assert!(changes.starts_with("Changes per minute"), "{changes}");
    let items = browser.text("#chart-items");
    assert!(items.starts_with("Items 60 now"), "{items}");
    // What was found first and what was updated since, whatever minute it was.
    let tallest = "Math.max(...[...document.querySelectorAll('#chart-changes rect')].map((it) => +it.getAttribute('height')))";
    assert_eq!(browser.value(tallest), 100);
    assert_eq!(browser.value("document.querySelectorAll('#chart-items polyline').length"), 1);

    // What is held back; one of them leads to its item.
    pulled.sim.door("edit", &json!({"repository": 1, "clear": 0.75}));
    pulled.daemon.signal("USR1");
    pulled.daemon.wait_for(|it| it.is_of("deletions held", 1));
    browser.click("#held");
    browser.wait_until("document.querySelectorAll('#found details').length === 45");
    assert!(browser.text("#found h3").contains("45 deletions held back in repository 1"));
    browser.click("#found summary a");
    browser.wait_until("document.querySelector('#item td')");

    // An item that there is not; and on a phone nothing is wider than it.
    browser.write("#search input", "nothing");
    browser.click("#search button");
    browser.wait_until("document.getElementById('found').innerText.includes('no such item')");
    browser.write("#search input", &id.to_string());
    browser.click("#search button");
    browser.wait_until("document.querySelector('#item td')");
    let phone = json!({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true});
    browser.call("Emulation.setDeviceMetricsOverride", &phone);
    browser.wait_until("innerWidth === 360");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 360);

    // The token is in this tab and nowhere else.
    let kept = browser.value(
        "[document.cookie, localStorage.length, sessionStorage.length, location.href, \
         document.documentElement.outerHTML].join(' ')",
    );
    assert!(!kept.as_str().unwrap().contains(TOKEN));
    assert_eq!(browser.value("[document.cookie, localStorage.length].join('/')"), "/0");
    assert_eq!(browser.violations(), [""; 0]);
    pulled.daemon.stop();
}
