//! `[paging]`, `[deletes]` and each `[[repository]]`, whose own keys are laid over them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::quoted;
use super::reader::{Read, Reader, Reported};
use super::units::{self, Parsed, Raw, Rejection};
use super::{Chosen, DeletesConfig, MOST_IN_FLIGHT, PagingConfig, Rate, RepositoryConfig, search};
use crate::domain::RepositoryId;
use crate::json::{JsonPointer, PointerError};

/// At 2 KB an item, the usual size, the largest page is an answer of 200 MB; what is larger is a
/// slip.
const LARGEST_PAGE: u32 = 100_000;

/// Ids are integers in TOML, which has 63 bits for them; the vendor's are positive.
const REPOSITORY_IDS: RangeInclusive<u64> = 1..=i64::MAX.unsigned_abs();

/// From this page size on, the first position at which no window overlaps the one before lies
/// beyond 12 million items; below it, within reach of a real repository.
const CERTIFIABLE_PAGE: u32 = 17;

/// More items than any repository has: a larger `min_count` is a slip.
const MOST_DELETES: u64 = 1_000_000_000;

/// Where an item carries its id, unless a repository says otherwise.
const ITEM_ID: &str = "/itemId";

/// What holds for all repositories together, and each of them.
type AllAndEach = (Option<Rate>, Vec<RepositoryConfig>);

/// Reads `[paging]`, `[deletes]` and all repositories: at least one, each id once.
pub(super) fn read(reader: &mut Reader) -> Read<AllAndEach> {
    let mut base = Paging::laid_over(reader, "paging", &Paging::NOTHING);
    // A bound on what the server gets is shared by all, and not another one for each.
    let together = std::mem::replace(&mut base.max_requests_per_second, Ok(None));
    let base =
        Base { paging: base, deletes: Deletes::laid_over(reader, "deletes", &Deletes::NOTHING) };
    let paths = reader.repositories();
    if paths.is_empty() {
        let remedy = "write [[repository]] on a line, and id = and its number below";
        return Err(reader.missing("repository", remedy.to_owned()));
    }
    let mut known = BTreeMap::new();
    let mut dead_ends = DeadEnds::default();
    let read: Vec<_> = paths
        .iter()
        .map(|path| repository(reader, path, &base, &mut known, &mut dead_ends))
        .collect();
    let repositories = read.into_iter().collect::<Read<_>>();
    Ok((together?, repositories?))
}

fn repository(
    reader: &mut Reader,
    path: &str,
    base: &Base,
    known: &mut BTreeMap<u64, String>,
    dead_ends: &mut DeadEnds,
) -> Read<RepositoryConfig> {
    let id_path = format!("{path}.id");
    let mut id = reader
        .required(&id_path, "the repository's number", |raw| units::whole(raw, REPOSITORY_IDS));
    if let Ok(number) = id {
        if let Some(first) = known.get(&number) {
            let problem = format!("is also the id of {first}");
            let remedy = "keep one of the two: a repository is paged once";
            let rejection = Rejection::new(problem, remedy);
            id = Err(reader.fault(&id_path, Some(number.to_string()), rejection));
        } else {
            known.insert(number, path.to_owned());
        }
    }
    let name = reader.optional(&format!("{path}.name"), units::text);
    let item_id = reader.optional(&format!("{path}.item_id"), pointer);
    let search = search::read(reader, &format!("{path}.search"));
    let where_ids_are = match &item_id {
        Ok(own) => Some(own.clone().unwrap_or_else(default_item_id)),
        Err(Reported) => None,
    };
    let ignore =
        reader.optional(&format!("{path}.ignore"), |raw| ignored(raw, where_ids_are.as_ref()));
    let paging = Paging::laid_over(reader, path, &base.paging);
    let deletes = Deletes::laid_over(reader, path, &base.deletes);
    dead_ends.warn(reader, path, &paging);
    Ok(RepositoryConfig {
        id: RepositoryId(id?),
        name: name?,
        item_id: item_id?.unwrap_or_else(default_item_id),
        search: search?,
        ignore: ignore?.unwrap_or_default().into(),
        paging: paging.whole()?,
        deletes: deletes.whole()?,
    })
}

fn pointer(raw: Raw<'_>) -> Parsed<JsonPointer> {
    raw.text("\"/itemId\"")?.parse().map_err(|error: PointerError| {
        Rejection::new(error.to_string(), "write a JSON pointer, such as \"/itemId\" or \"/a/b\"")
    })
}

fn default_item_id() -> JsonPointer {
    ITEM_ID.parse().expect("the default is a pointer")
}

/// Members left out of a comparison, none of which may hold the id.
fn ignored(raw: Raw<'_>, item_id: Option<&JsonPointer>) -> Parsed<Vec<JsonPointer>> {
    const REMEDY: &str = "write JSON pointers to other members, such as [\"/F_100999\"]";
    let pointer = |word: &String| {
        let holds = |why: &dyn Display| format!("holds {}, which {why}", quoted(word));
        let pointer: JsonPointer =
            word.parse().map_err(|error: PointerError| Rejection::new(holds(&error), REMEDY))?;
        if item_id.is_some_and(|item_id| item_id.tokens().starts_with(pointer.tokens())) {
            return Err(Rejection::new(holds(&"is where the id is"), REMEDY));
        }
        Ok(pointer)
    };
    units::words(raw)?.iter().map(pointer).collect()
}

/// What is laid under the keys of each repository.
struct Base {
    paging: Paging,
    deletes: Deletes,
}

/// The keys of `[deletes]`, each read or told about.
struct Deletes {
    max_fraction: Read<f64>,
    min_count: Read<u64>,
}

impl Deletes {
    /// What lies below `[deletes]`, which has a default for each key.
    const NOTHING: Self = Self { max_fraction: Err(Reported), min_count: Err(Reported) };

    /// The keys set in this section, and those of `base` for the others.
    fn laid_over(reader: &mut Reader, section: &str, base: &Self) -> Self {
        let path = |name: &str| format!("{section}.{name}");
        let min_count = |raw: Raw<'_>| units::whole(raw, 0..=MOST_DELETES);
        Self {
            max_fraction: or_base(
                reader.optional(&path("max_fraction"), units::part),
                base.max_fraction,
            ),
            min_count: or_base(reader.optional(&path("min_count"), min_count), base.min_count),
        }
    }

    fn whole(self) -> Read<DeletesConfig> {
        Ok(DeletesConfig { max_fraction: self.max_fraction?, min_count: self.min_count? })
    }
}

/// The keys of `[paging]`, each read or told about.
struct Paging {
    page_size: Read<NonZeroU32>,
    page_interval: Read<Chosen<Duration>>,
    pass_interval: Read<Duration>,
    overlap: Read<bool>,
    in_flight: Read<Chosen<NonZeroU32>>,
    max_requests_per_second: Read<Option<Rate>>,
    resume_within: Read<Duration>,
}

impl Paging {
    /// What lies below `[paging]`, which has a default for each key.
    const NOTHING: Self = Self {
        page_size: Err(Reported),
        page_interval: Err(Reported),
        pass_interval: Err(Reported),
        overlap: Err(Reported),
        in_flight: Err(Reported),
        max_requests_per_second: Ok(None),
        resume_within: Err(Reported),
    };

    /// The keys set in this section, and those of `base` for the others.
    fn laid_over(reader: &mut Reader, section: &str, base: &Self) -> Self {
        let page_size = |raw: Raw<'_>| units::count(raw, LARGEST_PAGE);
        let interval = |raw: Raw<'_>| units::or_auto(raw, units::rest);
        let in_flight = |raw: Raw<'_>| units::or_auto(raw, |raw| units::count(raw, MOST_IN_FLIGHT));
        let path = |name: &str| format!("{section}.{name}");
        Self {
            page_size: or_base(reader.optional(&path("page_size"), page_size), base.page_size),
            page_interval: or_base(
                reader.optional(&path("page_interval"), interval),
                base.page_interval,
            ),
            pass_interval: or_base(
                reader.optional(&path("pass_interval"), units::rest),
                base.pass_interval,
            ),
            overlap: or_base(reader.optional(&path("overlap"), units::truth), base.overlap),
            in_flight: or_base(reader.optional(&path("in_flight"), in_flight), base.in_flight),
            max_requests_per_second: reader
                .optional(&path("max_requests_per_second"), units::rate)
                .and_then(|own| own.map_or(base.max_requests_per_second, |own| Ok(Some(own)))),
            resume_within: or_base(
                reader.optional(&path("resume_within"), units::duration),
                base.resume_within,
            ),
        }
    }

    fn whole(self) -> Read<PagingConfig> {
        Ok(PagingConfig {
            page_size: self.page_size?,
            page_interval: self.page_interval?,
            pass_interval: self.pass_interval?,
            overlap: self.overlap?,
            in_flight: self.in_flight?,
            max_requests_per_second: self.max_requests_per_second?,
            resume_within: self.resume_within?,
        })
    }
}

fn or_base<T: Copy>(own: Read<Option<T>>, base: Read<T>) -> Read<T> {
    own.and_then(|own| own.map_or(base, Ok))
}

/// Warns of page sizes with which overlapping windows come to a dead end; of `[paging]` only once,
/// however many repositories take it from there.
#[derive(Default)]
struct DeadEnds {
    warned_of_paging: bool,
}

impl DeadEnds {
    fn warn(&mut self, reader: &mut Reader, path: &str, paging: &Paging) {
        let (Ok(page_size), Ok(true)) = (paging.page_size, paging.overlap) else { return };
        if page_size.get() >= CERTIFIABLE_PAGE {
            return;
        }
        let own = format!("{path}.page_size");
        let key = if reader.is_set(&own) {
            own.as_str()
        } else if self.warned_of_paging {
            return;
        } else {
            self.warned_of_paging = true;
            "paging.page_size"
        };
        let dead_end = dead_end(page_size.get());
        reader.warn(
            key,
            format!(
                "no window of {page_size} items or fewer reaches across position {dead_end}, so \
                 a pass over more items than that cannot be certified: take {CERTIFIABLE_PAGE} or \
                 more, or overlap = false for plain pages"
            ),
        );
    }
}

/// The first position at which every window of at most `page_size` items ends: the least common
/// multiple of all sizes (2520 at 10).
fn dead_end(page_size: u32) -> u64 {
    (1..=u64::from(page_size)).fold(1, |multiple, size| multiple / divisor(multiple, size) * size)
}

/// The greatest common divisor.
fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_end_of_a_page_size_is_where_all_windows_end() {
        assert_eq!(dead_end(1), 1);
        assert_eq!(dead_end(10), 2520);
        assert_eq!(dead_end(CERTIFIABLE_PAGE - 1), 720_720);
        assert_eq!(dead_end(CERTIFIABLE_PAGE), 12_252_240);
    }
}
