//! What an item looks like: about two kilobytes of JSON that follow from seed, id and revision.
//!
//! Nothing about an item's body is kept. Each attribute has a pool of values, rendered once at the
//! start; an item is put together from them by copying, which makes some hundred thousand items a
//! second. A revision changes one attribute, the next revision the next one, so that a history
//! attribute by attribute has something to show; the modification stamp and the revision number
//! change along. The same revision has the same bytes, and its members the same order unless another
//! one is asked for.
//!
//! The look of an item is known as far as `"F_1004613": "35"` (seen); all else is made up to be as
//! awkward as a product record can be.

mod fields;
mod phrases;

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use fastrand::Rng;

use super::item::SimulatedItem;
pub(super) use fields::{CatalogField, FIELDS};
use fields::{FIRST_FIELD_ID, Values};

/// How many values are made up for an attribute whose values are generated.
const GENERATED_VALUES: usize = 24;

/// The pools of values, rendered.
#[derive(Debug)]
pub(super) struct Catalog {
    seed: u64,
    /// Per attribute its values, each with its key and a comma before it.
    pools: Vec<Vec<Box<[u8]>>>,
}

impl Catalog {
    /// Makes the pools up from the seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(mix(seed));
        let pools = FIELDS
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let key = field_id(index);
                let mut values = field_values(field, &mut rng);
                values.dedup();
                values
                    .into_iter()
                    .map(|value| format!(",\"{key}\":{value}").into_bytes().into_boxed_slice())
                    .collect()
            })
            .collect();
        Self { seed, pools }
    }

    /// Appends the item's JSON to `out`.
    pub(super) fn render(&self, entry: SimulatedItem, out: &mut Vec<u8>) {
        self.render_members(entry, out, |_| {});
    }

    /// Appends the item's JSON with its members in an order that follows from `order` and the id;
    /// each member has the same bytes as ever.
    pub(super) fn render_in_order(&self, entry: SimulatedItem, order: u64, out: &mut Vec<u8>) {
        let (mut usual, mut starts) = (Vec::with_capacity(4096), Vec::new());
        self.render_members(entry, &mut usual, |start| starts.push(start));
        let ends = starts.iter().skip(1).copied().chain([usual.len() - 1]);
        // Each member stands behind a brace or a comma.
        let members = starts.iter().zip(ends).map(|(start, end)| &usual[start + 1..end]);
        let mut members: Vec<&[u8]> = members.collect();
        Rng::with_seed(mix(order ^ mix(entry.id))).shuffle(&mut members);
        out.push(b'{');
        out.extend_from_slice(&members.join(&b','));
        out.push(b'}');
    }

    /// Appends the item's JSON to `out`, and tells where each member begins: with its brace or
    /// comma.
    fn render_members(
        &self,
        entry: SimulatedItem,
        out: &mut Vec<u8>,
        mut begins: impl FnMut(usize),
    ) {
        let count = self.pools.len() as u64;
        let own = mix(self.seed ^ mix(entry.id));
        let mut chance = own;
        begins(out.len());
        write(out, format_args!("{{\"itemId\":{}", entry.id));
        // The two attributes that are never the same for two items.
        begins(out.len());
        write(out, format_args!(",\"F_{FIRST_FIELD_ID}\":\"ART-{:010}\"", entry.id));
        begins(out.len());
        let (field, size) = (FIRST_FIELD_ID + 1, own % 64);
        write(out, format_args!(",\"F_{field}\":\"Größe {size} · № {}\"", entry.id));
        for (index, pool) in self.pools.iter().enumerate() {
            // Attribute `index` moves on by one with every `count`th revision.
            let place = (own.wrapping_add(index as u64)) % count;
            let step = (u64::from(entry.revision) + place) / count;
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = ((chance >> 33) + step) % pool.len() as u64;
            if let Some(fragment) = usize::try_from(value).ok().and_then(|value| pool.get(value)) {
                begins(out.len());
                out.extend_from_slice(fragment);
            }
        }
        begins(out.len());
        write(out, format_args!(",\"modifiedOn\":\"{}\"", stamp(entry)));
        begins(out.len());
        write(out, format_args!(",\"revision\":{}}}", entry.revision));
    }
}

/// The time of an item's last change, as it says so itself.
fn stamp(entry: SimulatedItem) -> String {
    let stamp = UNIX_EPOCH + Duration::from_millis(entry.changed_ms);
    humantime::format_rfc3339_millis(stamp).to_string()
}

/// The field ids with what people call them, the two that are written per item included.
pub(super) fn attributes() -> impl Iterator<Item = (String, &'static str)> {
    let own = ["Article number", "Title"].into_iter();
    let own = own.zip(FIRST_FIELD_ID..).map(|(label, id)| (format!("F_{id}"), label));
    own.chain(FIELDS.iter().enumerate().map(|(index, field)| (field_id(index), field.label)))
}

/// A well-spread number from any number (the finaliser of `SplitMix64`).
pub(super) fn mix(number: u64) -> u64 {
    let mut spread = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    spread = (spread ^ (spread >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    spread ^ (spread >> 31)
}

fn write(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes any bytes");
}

fn field_id(index: usize) -> String {
    // Two ids come before: those of the attributes written per item. Real field ids have gaps.
    format!("F_{}", FIRST_FIELD_ID + 2 + index as u64 * 3)
}

fn field_values(field: &CatalogField, rng: &mut Rng) -> Vec<String> {
    match field.values {
        Values::Json(values) => {
            let mut values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            rng.shuffle(&mut values);
            values
        }
        Values::Sentences(sentences) => (0..GENERATED_VALUES)
            .map(|_| {
                let first = rng.usize(..sentences.len());
                let second = (first + rng.usize(1..sentences.len().max(2))) % sentences.len();
                serde_json::Value::from(format!("{} {}", sentences[first], sentences[second]))
                    .to_string()
            })
            .collect(),
        Values::Made(make) => (0..GENERATED_VALUES).map(|_| make(rng)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use serde_json::Value;

    use super::*;

    fn item(seed: u64, id: u64, revision: u32) -> Vec<u8> {
        let mut out = Vec::new();
        Catalog::new(seed)
            .render(SimulatedItem { id, revision, change: 7, changed_ms: 7 }, &mut out);
        out
    }

    #[test]
    fn items_are_json_of_about_two_kilobytes_with_forty_attributes() {
        let catalog = Catalog::new(1);
        let mut bytes = 0;
        for id in 0..2000 {
            let mut out = Vec::new();
            catalog.render(SimulatedItem { id, revision: 1, change: 1, changed_ms: 1 }, &mut out);
            bytes += out.len();
            let value: Value = serde_json::from_slice(&out).unwrap();
            let members = value.as_object().unwrap();
            assert_eq!(members.keys().filter(|key| key.starts_with("F_")).count(), 40);
            assert_eq!(members["itemId"], id);
        }
        let mean = bytes / 2000;
        println!("{mean} bytes an item");
        assert!((1_800..=2_400).contains(&mean), "{mean} bytes an item");
    }

    #[test]
    fn field_ids_are_distinct() {
        let ids: BTreeSet<String> = attributes().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), 40);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
        assert_eq!(item(1, 5_000_000, 3), item(1, 5_000_000, 3));
        assert_ne!(item(1, 5_000_000, 3), item(2, 5_000_000, 3));
        assert_ne!(item(1, 5_000_000, 3), item(1, 5_000_001, 3));
    }

    #[test]
    fn another_order_has_the_same_members() {
        let (catalog, mut orders) = (Catalog::new(1), BTreeSet::new());
        let entry = SimulatedItem { id: 77, revision: 3, change: 7, changed_ms: 7 };
        let usual: Value = serde_json::from_slice(&item(1, 77, 3)).unwrap();
        for order in 0..20 {
            let mut out = b"before".to_vec();
            catalog.render_in_order(entry, order, &mut out);
            let item = out.strip_prefix(b"before").unwrap();
            assert_eq!(item.len(), self::item(1, 77, 3).len());
            // Objects are equal whatever the order of their members.
            assert_eq!(serde_json::from_slice::<Value>(item).unwrap(), usual);
            orders.insert(item.to_vec());
        }
        assert_eq!(orders.len(), 20);
    }

    #[test]
    fn a_revision_changes_one_attribute_beside_the_revision_number() {
        for revision in 1..200 {
            let before: Value = serde_json::from_slice(&item(1, 77, revision)).unwrap();
            let after: Value = serde_json::from_slice(&item(1, 77, revision + 1)).unwrap();
            let changed: Vec<&String> = before
                .as_object()
                .unwrap()
                .iter()
                .filter(|(key, value)| after[key.as_str()] != **value)
                .map(|(key, _)| key)
                .collect();
            // A pool may hold the same value in two spellings (0 and -0.0 compare as equal).
            assert!((1..=2).contains(&changed.len()), "revision {revision}: {changed:?}");
            assert!(changed.iter().any(|key| *key == "revision"));
        }
    }

    #[test]
    fn items_show_many_scripts_escapes_and_the_limits_of_numbers() {
        let catalog = Catalog::new(1);
        let mut out = Vec::new();
        for id in 0..500 {
            catalog.render(SimulatedItem { id, revision: 1, change: 1, changed_ms: 1 }, &mut out);
        }
        let text = String::from_utf8(out).unwrap();
        for needle in [
            "ß",
            "λ",
            "Ж",
            "ש",
            "ع",
            "电",
            "ド",
            "🔧",
            "e\u{301}",
            r"\u0000",
            r"\/",
            r"\ud83d",
            r#"\""#,
            "9223372036854775807",
            "-9223372036854775808",
            "9007199254740993",
            "1e308",
            "5e-324",
            ":0.1",
            "-0.0",
            ":null",
            ":true",
            ":false",
            ":[",
            ":{",
        ] {
            assert!(text.contains(needle), "no item shows {needle}");
        }
    }

    #[test]
    #[ignore = "a measurement: run it with --release --nocapture"]
    fn measure_rendering() {
        let catalog = Catalog::new(1);
        let mut out = Vec::with_capacity(4096);
        let start = Instant::now();
        for id in 0..200_000 {
            out.clear();
            catalog.render(SimulatedItem { id, revision: 1, change: 1, changed_ms: 1 }, &mut out);
        }
        println!("{:.0} items a second", 200_000.0 / start.elapsed().as_secs_f64());
    }
}
