//! A URL whose path, query and user may be a secret. Pure.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::Url;

use super::secret::MASK;

/// A URL that shows its scheme, host and port, and no more.
#[derive(Clone, PartialEq, Eq)]
pub struct MaskedUrl(Url);

impl MaskedUrl {
    /// Takes a URL in.
    pub fn new(url: Url) -> Self {
        Self(url)
    }

    /// The whole of it, for the request that needs it and for nothing else.
    pub fn expose(&self) -> &Url {
        &self.0
    }

    /// A text from outside without what this URL hides.
    pub fn redact(&self, text: &str) -> String {
        let url = &self.0;
        let mut hidden = vec![url.path(), url.path().trim_matches('/'), url.username()];
        hidden.extend(url.query());
        hidden.extend(url.password());
        hidden.extend(url.path_segments().into_iter().flatten());
        let values = url.query().into_iter().flat_map(|query| query.split('&'));
        hidden.extend(values.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value)));
        // A server tells them as it has understood them.
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let plain = |part: &str| decoded(&part.replace('+', " "));
        let mut hidden: Vec<String> = hidden
            .into_iter()
            .flat_map(|part| [part.to_owned(), decoded(part), plain(part)])
            .collect();
        // In a request the user and the password are one word, which a server may throw back.
        let user = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or("")));
        hidden.extend((user.len() > 1).then(|| STANDARD.encode(user)));
        // What is shorter is no secret, and stands everywhere.
        hidden.retain(|part| part.len() >= 6);
        hidden.sort_by_key(|part| std::cmp::Reverse(part.len()));
        hidden.iter().fold(text.to_owned(), |text, part| text.replace(part.as_str(), MASK))
    }
}

impl fmt::Display for MaskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.0.scheme())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        if self.0.path() == "/" && self.0.query().is_none() { Ok(()) } else { write!(f, "/{MASK}") }
    }
}

impl fmt::Debug for MaskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskedUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_is_shown() {
        for (url, shown) in [
            ("https://shop.example.com", "https://shop.example.com"),
            (
                "https://u:hunter22@shop.example.com:8443/hooks/T0PSECRET?key=hunter23",
                "https://shop.example.com:8443/***",
            ),
        ] {
            let url = MaskedUrl::new(Url::parse(url).unwrap());
            assert_eq!(
                (url.to_string(), format!("{url:?}")),
                (shown.to_owned(), format!("MaskedUrl({shown})"))
            );
        }
        let url = MaskedUrl::new(
            Url::parse("https://u:hunter22@shop.example.com/hooks/T0PSECRET?key=hunter23").unwrap(),
        );
        let answer = "POST /hooks/T0PSECRET?key=hunter23 by hunter22: no T0PSECRET here";
        assert_eq!(url.redact(answer), "POST ***?*** by ***: no *** here");
        assert_eq!(url.redact("authorization: Basic dTpodW50ZXIyMg=="), "authorization: Basic ***");
        assert_eq!(url.redact("the key hunter23 is not known"), "the key *** is not known");
        let url = "https://T0KENUSER@shop.example.com/a%20secret%2Fplace?key=t0p+s%C3%A9cret&b=1";
        let url = MaskedUrl::new(Url::parse(url).unwrap());
        let answer = "T0KENUSER: no `a secret/place`, no `t0p sécret`, nor a%20secret%2Fplace";
        assert_eq!(url.redact(answer), "***: no `***`, no `***`, nor ***");
    }
}
