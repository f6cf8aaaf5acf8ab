//! The answer to a search, and, from the same bytes, to one item and to what repositories there
//! are. A page is found exactly where an answer has one by our own reading of it.
#![no_main]

use ewmirror::fuzzing::{
    self, FuzzedReply, FuzzedVerdict, ItemId, ItemRequest, JsonPointer, Presence, RepositoryId,
};
use ewmirror_fuzz::json::{self, Is, Json};
use ewmirror_fuzz::parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [manner, pointer, body] = parts(data);
    let (manner, page_size) = match manner {
        [manner, size, ..] => (*manner, u32::from(*size)),
        _ => (0, 100),
    };
    let item_id: JsonPointer = str::from_utf8(pointer)
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or("/itemId".parse().unwrap());
    let came = FuzzedReply {
        status: [200, 200, 200, 201, 401, 404, 500, 302][usize::from(manner & 7)],
        content_type: ["application/json", "", "text/html"][usize::from(manner >> 3 & 3).min(2)],
        foreign_redirect: manner & 0x20 != 0,
        cookies: &[],
        body,
    };
    let read = json::read(body);
    let page = read.as_ref().and_then(|json| page(came, json, page_size, item_id.tokens()));
    match (fuzzing::search(came, page_size, &item_id), page) {
        (FuzzedVerdict::Answer(answer), Some((ids, list, total))) => {
            let read: Vec<&ItemId> = answer.items.iter().map(|item| &item.id).collect();
            assert_eq!(read, ids.iter().collect::<Vec<_>>());
            let bytes: Vec<&[u8]> = answer.items.iter().map(|item| &item.bytes[..]).collect();
            assert_eq!(bytes, list.iter().map(|item| item.raw.as_bytes()).collect::<Vec<_>>());
            assert_eq!(answer.total, total);
        }
        // Our reader is the stricter one: of UTF-8 in what nobody looks at, and of depth; and it
        // knows of no records that cannot be read.
        (FuzzedVerdict::Answer(answer), None) => {
            assert!(read.is_none() || !answer.unreadable.is_empty(), "an answer out of none");
            assert!(answer.unreadable.is_empty() || !answer.items.is_empty(), "nothing readable");
            let rows = answer.items.len() + answer.unreadable.len();
            assert!(rows <= page_size as usize, "more than was asked for");
            assert_eq!(answer.places().filter(Option::is_none).count(), answer.unreadable.len());
        }
        (other, Some(_)) => panic!("a page, but taken for {other:?}"),
        (_, None) => {}
    }

    let asked = ItemRequest { repository: RepositoryId(1), item: ItemId::Integer(7), item_id };
    if let (FuzzedVerdict::Answer(presence), Some(json)) = (fuzzing::item(came, &asked), read) {
        let holds = |json: &Json<'_>| id(json, asked.item_id.tokens()) == Some(ItemId::Integer(7));
        let candidates = [
            Some(&json),
            json.member("data"),
            json.member("item"),
            json.member("itemList"),
            json.member("data").and_then(|data| data.member("item")),
            json.member("data").and_then(|data| data.member("itemList")),
        ];
        let elements = candidates.iter().flatten().filter_map(|it| it.list()).flatten();
        let there = candidates.iter().flatten().copied().chain(elements).any(holds);
        match presence {
            Presence::Present => assert!(there, "there, but nowhere in the answer"),
            Presence::Absent => {
                assert!(!there || matches!(came.status, 404 | 410), "gone, but there")
            }
            Presence::Unknown => {}
        }
    }
    if let FuzzedVerdict::Answer(offer) = fuzzing::repositories(came) {
        assert!(!offer.repositories.is_empty() || offer.skipped == 0);
    }
});

type Page<'j, 'a> = (Vec<ItemId>, &'j [Json<'a>], u64);

/// The page in an answer, if it is one from end to end.
fn page<'j, 'a>(
    came: FuzzedReply<'_>,
    json: &'j Json<'a>,
    page_size: u32,
    item_id: &[String],
) -> Option<Page<'j, 'a>> {
    const MEMBERS: [&str; 9] = [
        "success",
        "status",
        "error",
        "message",
        "error_description",
        "token",
        "access_token",
        "epimresttoken",
        "data",
    ];
    let fine = (200..=299).contains(&came.status) && !came.foreign_redirect && json.is_object();
    let once = MEMBERS.iter().all(|name| json.times(name) <= 1);
    let written = |name| json.member(name).map(|member| member.raw);
    let success = matches!(written("success"), None | Some("true" | "null"));
    let status = match written("status") {
        None | Some("null") => true,
        Some(_) => json.member("status").and_then(whole) == Some(0),
    };
    let token = match json.member("epimresttoken") {
        None => true,
        Some(token) => match token.text() {
            Some(text) => text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';'),
            None => matches!(token.is, Is::Null),
        },
    };
    let data = json.member("data")?;
    let inner = ["searchTotal", "returnTotal"].iter().all(|name| data.times(name) == 1)
        && data.times("itemList") <= 1;
    let count = |name| -> Option<u64> { whole(data.member(name)?)?.try_into().ok() };
    let total = count("searchTotal")?;
    let returned = count("returnTotal")?;
    let list: &[Json<'_>] = match data.member("itemList") {
        Some(list) if !matches!(list.is, Is::Null) => list.list()?,
        _ if total == 0 && returned == 0 => &[],
        _ => return None,
    };
    let counted = returned == list.len() as u64 && returned <= u64::from(page_size);
    let ids: Option<Vec<ItemId>> = list.iter().map(|item| id(item, item_id)).collect();
    (fine && once && success && status && token && inner && counted).then_some((ids?, list, total))
}

/// The id of an item.
fn id(item: &Json<'_>, pointer: &[String]) -> Option<ItemId> {
    let found = item.is_object().then(|| item.walk(pointer))??;
    match &found.is {
        Is::Text(_) => found.text().filter(|it| it.len() <= 1024).map(|it| ItemId::Text(it.into())),
        Is::Number => whole(found).map(ItemId::Integer),
        _ => None,
    }
}

/// A whole number, perhaps in quotes, however it is written.
fn whole(json: &Json<'_>) -> Option<i128> {
    let text = json.text();
    let raw = match &text {
        Some(text) => {
            let read = json::read(text.as_bytes())?;
            if !matches!(read.is, Is::Number) || read.raw != text.as_str() {
                return None;
            }
            text.as_str()
        }
        None if matches!(json.is, Is::Number) => json.raw,
        None => return None,
    };
    let (mantissa, power) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{before}{behind}");
    if digits.bytes().all(|digit| matches!(digit, b'-' | b'0')) {
        return Some(0);
    }
    // By moving the point digit by digit.
    let mut power = power.parse::<i128>().ok()? - i128::try_from(behind.len()).ok()?;
    while power < 0 {
        digits = digits.strip_suffix('0')?.to_owned();
        power += 1;
    }
    let zeros = usize::try_from(power).ok().filter(|zeros| *zeros <= 40)?;
    format!("{digits}{}", "0".repeat(zeros)).parse().ok()
}
