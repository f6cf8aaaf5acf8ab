//! The text of an answer as UTF-8, whatever it came in. Pure.
//!
//! JSON is UTF-8 (RFC 8259), and a `charset` beside it means nothing; but some servers write another
//! one and say so. Guarantees: nothing is guessed. UTF-16 shows by its byte order mark or by where
//! its zeros are; another charset is believed where it is declared and the bytes are no UTF-8; bytes
//! that are text in both are an error, since each reading could be the wrong one. Text is converted
//! once, and what is "as received" from there on is the text.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// An answer's body as UTF-8, without a byte order mark. The error says what was odd.
pub(crate) fn utf8(body: Bytes, declared: Option<&str>) -> Result<Bytes, String> {
    match body.get(..2) {
        _ if body.starts_with(b"\xef\xbb\xbf") => return Ok(body.slice(3..)),
        Some([0xff, 0xfe]) => return converted(&body.slice(2..), UTF_16LE),
        Some([0xfe, 0xff]) => return converted(&body.slice(2..), UTF_16BE),
        // JSON begins with a character of ASCII.
        Some([first, 0]) if *first != 0 && declares_utf16(declared) => {
            return converted(&body, UTF_16LE);
        }
        Some([0, second]) if *second != 0 && declares_utf16(declared) => {
            return converted(&body, UTF_16BE);
        }
        _ => {}
    }
    let Some(label) = declared.and_then(label).filter(|label| !is_unicode_or_ascii(label)) else {
        return Ok(body);
    };
    if body.is_ascii() {
        return Ok(body);
    }
    let Some(encoding) = Encoding::for_label(label.as_bytes()) else {
        return Err("it declares a charset that nobody knows".to_owned());
    };
    if str::from_utf8(&body).is_ok() {
        let name = encoding.name();
        return Err(format!(
            "it declares the charset {name} and is text in UTF-8 as well, so nobody can tell which \
             it is: have the server declare what it writes"
        ));
    }
    converted(&body, encoding)
}

fn converted(body: &Bytes, encoding: &'static Encoding) -> Result<Bytes, String> {
    match encoding.decode_without_bom_handling_and_without_replacement(body) {
        Some(text) => Ok(text.into_owned().into()),
        None => Err(format!("it is not text in the charset {}, as it says", encoding.name())),
    }
}

/// The `charset` of a `Content-Type`, as it is written but for case and quotes.
fn label(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        name.trim().eq_ignore_ascii_case("charset").then(|| value.to_ascii_lowercase())
    })
}

fn declares_utf16(content_type: Option<&str>) -> bool {
    content_type.and_then(label).is_some_and(|label| label.starts_with("utf-16"))
}

/// Whether a charset is no other reading of bytes that are UTF-8: ASCII has none beyond it, and what
/// is UTF-16 or UTF-32 has been recognised before or is not what it says.
fn is_unicode_or_ascii(label: &str) -> bool {
    ["utf", "unicode", "us-ascii", "ascii"].iter().any(|known| label.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"F":"Größe €"}"#;

    fn read(body: &[u8], content_type: &str) -> Result<String, String> {
        let body = utf8(Bytes::copy_from_slice(body), Some(content_type))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn a_byte_order_mark_says_what_the_text_is_in() {
        let json = "application/json";
        let marked = format!("\u{feff}{TEXT}");
        assert_eq!(read(marked.as_bytes(), json).unwrap(), TEXT);
        assert_eq!(read(&utf16(&marked, u16::to_le_bytes), json).unwrap(), TEXT);
        assert_eq!(read(&utf16(&marked, u16::to_be_bytes), json).unwrap(), TEXT);
    }

    #[test]
    fn a_charset_that_is_true_is_believed() {
        let latin = b"{\"F\":\"Gr\xf6\xdfe\"}";
        for charset in ["ISO-8859-1", "\"iso-8859-1\"", "windows-1252", "latin1"] {
            let content_type = format!("application/json; CharSet={charset}");
            assert_eq!(read(latin, &content_type).unwrap(), r#"{"F":"Größe"}"#);
        }
        assert_eq!(read(b"\"\x80\"", "x; charset=windows-1252").unwrap(), "\"€\"");
        for (charset, unit) in [
            ("utf-16le", u16::to_le_bytes as fn(u16) -> [u8; 2]),
            ("UTF-16", u16::to_le_bytes),
            ("UTF-16", u16::to_be_bytes),
        ] {
            let content_type = format!("application/json;charset={charset}");
            assert_eq!(read(&utf16(TEXT, unit), &content_type).unwrap(), TEXT);
        }
    }

    #[test]
    fn what_is_utf8_stays_as_it_is_and_what_is_text_in_two_charsets_is_an_error() {
        for charset in ["", "; charset=utf-8", "; charset=us-ascii", "; charset=utf-16"] {
            let content_type = format!("application/json{charset}");
            assert_eq!(read(TEXT.as_bytes(), &content_type).unwrap(), TEXT, "{charset}");
        }
        for charset in ["iso-8859-1", "windows-1252", "iso-8859-15"] {
            let content_type = format!("application/json; charset={charset}");
            assert_eq!(read(b"{}", &content_type).unwrap(), "{}");
            let odd = read(TEXT.as_bytes(), &content_type).unwrap_err();
            assert!(odd.contains("UTF-8 as well"), "{odd}");
        }
        let unknown = read(TEXT.as_bytes(), "application/json; charset=klingon").unwrap_err();
        assert!(unknown.contains("nobody knows"), "{unknown}");
        let broken = read(b"\"\xff\"", "application/json; charset=shift_jis").unwrap_err();
        assert!(broken.contains("Shift_JIS"), "{broken}");
    }
}
