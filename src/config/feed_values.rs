//! What the keys of a feed can be.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::{Component, Path, PathBuf};

use config::ValueKind;
use ipnet::IpNet;
use toml::Value;
use url::Url;

use super::address::is_loopback;
use crate::domain::{FeedName, Op, RepositoryId, Sequence};
use crate::settings::codec::{Codec, Input, Parsed, invalid};
use crate::settings::error::quoted;
use crate::settings::masked_url::MaskedUrl;
use crate::settings::sensitivity::{Sensitivity, type_name};

/// The longest name of a feed, in characters: it stands in metrics, logs and credentials.
const LONGEST_NAME: usize = 63;

/// The most changes of a batch: memory is bounded by one.
const LARGEST_BATCH: u64 = 10_000;

/// What a feed delivers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedType {
    /// A file of lines.
    File,
    /// Topics of Kafka.
    Kafka,
    /// A URL that batches are sent to, signed.
    Webhook,
}

/// Where a feed begins that has delivered nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStart {
    /// With an `r` for each item that there is then, and the changes after that.
    Start,
    /// With the changes that come from then on.
    Now,
    /// With the changes after this one.
    After(Sequence),
}

/// The name of a feed.
pub(super) const FEED_NAME: Codec<FeedName> = Codec::text(|input| {
    const HINT: &str = "write small letters, digits, hyphens and underscores, a letter or digit first, such as \"shop\"";
    let name = input.text("\"shop\"")?;
    let is_fit = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if name.len() > LONGEST_NAME {
        return invalid(format!("is longer than {LONGEST_NAME} characters"), HINT);
    }
    if !name.bytes().all(is_fit) || name.starts_with(['-', '_']) {
        return invalid("is no name of a feed", HINT);
    }
    Ok(FeedName::of(name))
});

/// What a feed delivers to.
pub(super) const FEED_TYPE: Codec<FeedType> = Codec::new(
    |input| match input.text("\"file\"")? {
        "file" => Ok(FeedType::File),
        "webhook" => Ok(FeedType::Webhook),
        "kafka" if cfg!(feature = "kafka") => Ok(FeedType::Kafka),
        other @ "kafka" => invalid(
            format!("is {}, which this build of ewmirror cannot deliver to", quoted(other)),
            "install the package ewmirror-kafka in place of ewmirror, or take the feed out",
        ),
        _ => invalid("is no type of a feed", "write \"file\", \"kafka\" or \"webhook\""),
    },
    |feed_type| match feed_type {
        FeedType::File => "file".into(),
        FeedType::Kafka => "kafka".into(),
        FeedType::Webhook => "webhook".into(),
    },
);

/// Where a webhook is sent: over TLS, unless it stays on this machine.
pub(super) const FEED_URL: Codec<MaskedUrl> = Codec::new(
    |input| {
        const HINT: &str = "write a URL such as \"https://shop.example.com/hooks/products\"";
        let text = input.text("\"https://shop.example.com/hooks/products\"")?;
        let Ok(url) = Url::parse(text) else { return invalid("is not a URL", HINT) };
        let url = MaskedUrl::new(url);
        match url.expose().scheme() {
            _ if url.expose().host().is_none() => invalid("names no host", HINT),
            _ if url.expose().fragment().is_some() => invalid("holds a fragment", HINT),
            "https" => Ok(url),
            "http" if is_loopback(url.expose()) => Ok(url),
            "http" => invalid("is http, and leads to another machine", "write https"),
            _ => invalid("is neither http nor https", HINT),
        }
    },
    |url| url.to_string().into(),
)
.with(Sensitivity::SecretUrl);

/// Networks that a webhook may be sent into.
pub(super) const FEED_NETWORKS: Codec<Vec<IpNet>> = Codec::new(
    |input| {
        const HINT: &str = "write a list of networks, such as [\"10.1.0.0/16\"]";
        elements(input, HINT, |kind| match kind {
            ValueKind::String(text) => {
                let one = || text.parse::<IpAddr>().map(IpNet::from);
                text.parse().or_else(|_| one()).or_else(|_| invalid("holds no network", HINT))
            }
            other => invalid(format!("holds {}", type_name(other)), HINT),
        })
    },
    |networks| networks.iter().map(ToString::to_string).collect::<Vec<_>>().into(),
);

/// Where a feed begins.
pub(super) const FEED_START: Codec<FeedStart> = Codec::new(
    |input| {
        const HINT: &str = "write \"start\", \"now\", or a sequence, such as 460, unquoted";
        match input.kind {
            ValueKind::String(text) if text == "start" => Ok(FeedStart::Start),
            ValueKind::String(text) if text == "now" => Ok(FeedStart::Now),
            ValueKind::I64(number) => u64::try_from(*number)
                .map(|number| FeedStart::After(Sequence(number)))
                .or_else(|_| invalid("is too small", HINT)),
            ValueKind::String(_) => invalid("is no place to begin at", HINT),
            _ => input.is_not("a place to begin at", HINT),
        }
    },
    |start| match start {
        FeedStart::Start => "start".into(),
        FeedStart::Now => "now".into(),
        FeedStart::After(Sequence(number)) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
    },
);

/// The repositories of a feed.
pub(super) const FEED_REPOSITORIES: Codec<BTreeSet<RepositoryId>> = Codec::new(
    |input| {
        const HINT: &str = "write a list of repositories by their numbers, such as [10149]";
        let found = elements(input, HINT, |kind| match kind {
            ValueKind::I64(number) if *number > 0 => Ok(RepositoryId(number.unsigned_abs())),
            ValueKind::I64(_) => invalid("holds what is no number of a repository", HINT),
            other => invalid(format!("holds {}", type_name(other)), HINT),
        })?;
        Ok(found.into_iter().collect())
    },
    |repositories| {
        let number = |id: &RepositoryId| Value::from(i64::try_from(id.0).unwrap_or(i64::MAX));
        Value::Array(repositories.iter().map(number).collect())
    },
);

/// The operations of a feed.
pub(super) const FEED_OPERATIONS: Codec<Vec<Op>> = Codec::new(
    |input| {
        const HINT: &str =
            "write a list of \"r\" (read), \"c\" (create), \"u\" (update), \"d\" (delete)";
        elements(input, HINT, |kind| match kind {
            ValueKind::String(text) => {
                Op::of_letter(text).map_or_else(|| invalid("holds what is no operation", HINT), Ok)
            }
            other => invalid(format!("holds {}", type_name(other)), HINT),
        })
    },
    |operations| operations.iter().map(|op| op.letter()).collect::<Vec<_>>().into(),
);

/// The attributes of a feed.
pub(super) const FEED_ATTRIBUTES: Codec<Vec<String>> = Codec::plain(|input| {
    const HINT: &str = "write a list of names or field ids, such as [\"Price\", \"F_100123\"]";
    elements(input, HINT, |kind| match kind {
        ValueKind::String(text) if !text.is_empty() => Ok(text.clone()),
        ValueKind::String(_) => invalid("holds an empty text", HINT),
        other => invalid(format!("holds {}", type_name(other)), HINT),
    })
});

/// How many changes are delivered at once.
pub(super) const FEED_BATCH: Codec<NonZeroU32> = Codec::plain(|input| {
    let hint = format!("write a whole number from 1 to {LARGEST_BATCH}, unquoted");
    let ValueKind::I64(number) = input.kind else { return input.is_not("a whole number", hint) };
    match u32::try_from(*number).ok().and_then(NonZeroU32::new) {
        Some(number) if u64::from(number.get()) <= LARGEST_BATCH => Ok(number),
        Some(_) => invalid("is too large", hint),
        None => invalid("is no such number", hint),
    }
});

/// The file of a feed.
pub(super) const FEED_FILE: Codec<PathBuf> = Codec::plain(|input| {
    const HINT: &str =
        "write the whole path of a file, such as \"/var/lib/ewmirror/products.ndjson\"";
    let path = PathBuf::from(input.text("\"/var/lib/ewmirror/products.ndjson\"")?);
    if !path.is_absolute() {
        return invalid("is no whole path", HINT);
    }
    if path.components().any(|it| it == Component::ParentDir) || !names_file(&path) {
        return invalid("names no file", HINT);
    }
    Ok(path)
});

fn names_file(path: &Path) -> bool {
    let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    !is_folder && path.file_name().is_some_and(|name| name.to_str().is_some())
}

/// The elements of a list, of which there is at least one.
fn elements<T>(
    input: Input<'_>,
    hint: &str,
    parse: impl Fn(&ValueKind) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    let ValueKind::Array(list) = input.kind else { return input.is_not("a list", hint) };
    if list.is_empty() {
        return invalid("is empty", format!("{hint}, or take the key out"));
    }
    list.iter().map(|value| parse(&value.kind)).collect()
}
