//! Lines of the log without characters that are obeyed or not seen.
//!
//! Fields hold words of servers and of the system. What the formatting escapes depends on the format
//! and on how a field was recorded, so each finished line goes through the one filter here. The
//! colours of a terminal and the end of the line stay: the formatting escapes both in values.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::text::visible_but;

/// What is ours in a line.
const OURS: [char; 2] = ['\u{1b}', '\n'];

/// Makes writers of visible lines.
#[derive(Debug)]
pub(super) struct Visible<M>(pub(super) M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Visible<M> {
    type Writer = Lines<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Lines(self.0.make_writer_for(meta))
    }
}

/// Writes what it gets, whole lines at a time, as far as it can be seen.
#[derive(Debug)]
pub(super) struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(visible_but(&text, &OURS).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_colours_and_its_end_and_nothing_else_that_is_hidden() {
        let mut written = Vec::new();
        let line = "\u{1b}[2mWARN\u{1b}[0m error=a\u{9b}b\u{202e}c\u{e0041}\n";
        Lines(&mut written).write_all(line.as_bytes()).unwrap();
        let expected = "\u{1b}[2mWARN\u{1b}[0m error=a\\u009bb\\u202ec\\udb40\\udc41\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
