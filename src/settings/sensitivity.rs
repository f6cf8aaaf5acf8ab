//! What may be shown of a value: nothing of a secret, not even where it was put by mistake.

use config::ValueKind;
use url::Url;

use super::error::quoted;
use super::masked_url::MaskedUrl;
use super::secret::{MASK, Secret};

/// What an error may repeat of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    /// All of it.
    Plain,
    /// A URL, without user, password and query.
    Url,
    /// A URL whose path may be a secret, too: its scheme, host and port.
    SecretUrl,
    /// An absolute path; what is none may be the secret itself, put in place of its file.
    SecretFile,
    /// Nothing, and no file may hold it.
    Secret,
}

impl Sensitivity {
    /// What an error may repeat of this value.
    pub fn shown(self, kind: &ValueKind) -> Option<String> {
        match (self, kind) {
            (Self::Secret, _) | (_, ValueKind::Nil) => None,
            // Their elements may be anything.
            (_, ValueKind::Array(_) | ValueKind::Table(_)) => Some(type_name(kind).to_owned()),
            (Self::Url, ValueKind::String(text)) => shown_url(text).map(|text| quoted(&text)),
            (Self::SecretFile, ValueKind::String(text)) => {
                text.starts_with('/').then(|| quoted(text))
            }
            (Self::SecretUrl, ValueKind::String(text)) => {
                Url::parse(text).ok().map(|url| quoted(&MaskedUrl::new(url).to_string()))
            }
            // A number or a truth in place of text: it may be a misplaced password.
            (Self::Url | Self::SecretUrl | Self::SecretFile, _) => None,
            (Self::Plain, ValueKind::String(text)) => Some(quoted(text)),
            (Self::Plain, number) => Some(number.to_string()),
        }
    }
}

/// What to call a value of this type in an error.
pub fn type_name(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) => "a whole number",
        ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number beyond 64 bits",
        ValueKind::Float(_) => "a fraction",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    }
}

/// What an error may show of a URL: nothing of user, password, query and fragment, nor of a text
/// that is no URL, such as `host=db password=...`. A password may hold any of the characters that
/// mark where it ends, so the cut is at the last `@`.
fn shown_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') {
        return None;
    }
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{MASK}@"), rest),
        None => (String::new(), rest),
    };
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let cut = if place.len() < rest.len() { format!("?{MASK}") } else { String::new() };
    Some(format!("{scheme}://{user}{place}{cut}"))
}

/// A URL that is right, as the effective configuration shows it: the same but for its passwords,
/// and still a URL that would be taken.
pub fn masked(secret: &Secret) -> String {
    let Ok(mut url) = Url::parse(secret.expose()) else { return MASK.to_owned() };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    // `password` and `sslpassword` are PostgreSQL's.
    let is_secret = |name: &str| name.to_lowercase().contains("pass");
    if url.query_pairs().any(|(name, _)| is_secret(&name)) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let shown = pairs.iter().map(|(name, value)| {
            (name.as_str(), if is_secret(name) { MASK } else { value.as_str() })
        });
        url.query_pairs_mut().clear().extend_pairs(shown);
    }
    if url.password().is_none() && url.query().is_none() {
        // Nothing hidden: as it was written.
        return secret.expose().to_owned();
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_shows_of_a_url_holds_no_secret() {
        let shown = |text| shown_url(text).unwrap_or_default();
        assert_eq!(shown("https://h/a"), "https://h/a");
        assert_eq!(shown("https://u:p@h/a"), "https://***@h/a");
        assert_eq!(shown("https://u:p?a#s@s@h/a?t=secret"), "https://***@h/a?***");
        assert_eq!(shown("u:p@h"), "");
        assert_eq!(shown("host=db password=secret"), "");
        assert_eq!(shown("u:p://x"), "");
    }

    #[test]
    fn a_masked_url_is_still_a_url() {
        let masked = |text| masked(&Secret::new(text));
        assert_eq!(masked("http://proxy:3128"), "http://proxy:3128");
        assert_eq!(masked("socks5h://u:p@proxy:1"), "socks5h://u:***@proxy:1");
        assert_eq!(masked("postgres:///db?host=/run"), "postgres:///db?host=/run");
        let told = masked("postgres://u@h/db?sslmode=require&password=hunter2");
        assert!(told.contains("sslmode=require") && !told.contains("hunter2"), "{told}");
        assert!(Url::parse(&told).is_ok());
    }
}
