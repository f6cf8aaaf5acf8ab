//! The page for people at `/`: one file with its style and script in it.
//!
//! It asks for nothing but the document, and by the pull API for items, from the same place, and runs no script
//! but its own: the policy names both parts by their hash. Whatever comes from elsewhere is set as text. The token
//! of the pull API is kept for the tab alone.
//!
//! | file | does |
//! | --- | --- |
//! | `page.js` | how the daemon is |
//! | `items.js` | items, their history, held deletions, the download |
//! | `many.js` | many repositories: their sum, those that differ, a list to find one in |
//! | `charts.js` | changes, items and the duration of passes over time |

/// The page.
pub(super) const PAGE: &[u8] = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
     <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
     <title>ewmirror</title>\n<style>",
    include_str!("page.css"),
    "</style>\n</head>\n",
    include_str!("body.html"),
    "<script>",
    include_str!("page.js"),
    include_str!("many.js"),
    include_str!("charts.js"),
    include_str!("items.js"),
    "</script>\n</html>\n"
)
.as_bytes();

/// `Content-Security-Policy` of the page. A test tells the hashes after a change of the files.
pub(super) const POLICY: &str = "default-src 'none'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; \
     style-src 'sha256-Afwc14xMN2S9UBIxtZOsNQiVFmOumOf4NP8xWDGCimw='; \
     script-src 'sha256-BQU4PJwzBVDXiDbpjaqq3Rudr5wM2IrfP3OrzsuM6CI='";

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::digest::{SHA256, digest};

    use super::*;

    #[test]
    fn the_policy_names_the_style_and_the_script_of_the_page() {
        let of =
            |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
        let style = format!("style-src {};", of(include_str!("page.css")));
        let script = of(concat!(
            include_str!("page.js"),
            include_str!("many.js"),
            include_str!("charts.js"),
            include_str!("items.js")
        ));
        let script = format!("script-src {script}");
        assert!(POLICY.contains(&style), "{style}");
        assert!(POLICY.ends_with(&script), "{script}");
    }

    #[test]
    fn the_page_asks_nobody_else_and_parses_no_text_as_markup() {
        let page = std::str::from_utf8(PAGE).unwrap();
        for word in ["http:", "https:", "src=", "@import", "url(", "innerHTML", "insertAdjacent"] {
            assert!(!page.contains(word), "{word}");
        }
        let script = concat!(
            include_str!("page.js"),
            include_str!("many.js"),
            include_str!("charts.js"),
            include_str!("items.js")
        );
        assert!(!script.contains("</script") && !script.contains("<!--"));
    }
}
