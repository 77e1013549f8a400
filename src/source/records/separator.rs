//! The line by which spreadsheets say what stands between the fields, the first of the object: `sep=;`.

use crate::source::format::is_delimiter;

/// Bytes of the line up to and with the delimiter.
const NAMED: usize = 5;

/// Looks for the line, a byte at a time.
#[derive(Debug, Default)]
pub(super) struct Separator {
    /// The beginning of such a line, never the end of one.
    seen: Vec<u8>,
}

/// What a byte tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It belongs to what may become the line.
    Open,
    /// The line ends; the byte may be the first one behind it.
    Line { delimiter: u8, has_byte: bool },
    /// There is no such line. The byte was not taken.
    Nothing,
}

impl Separator {
    pub(super) fn look(&mut self, byte: u8) -> Found {
        let delimiter = self.seen.get(NAMED - 1).copied().unwrap_or_default();
        let goes_on = match self.seen.len() {
            at @ 0..4 => b"sep=".get(at).is_some_and(|letter| letter.eq_ignore_ascii_case(&byte)),
            4 => is_delimiter(byte),
            5 if byte == b'\n' => return Found::Line { delimiter, has_byte: true },
            5 => byte == b'\r',
            _ => return Found::Line { delimiter, has_byte: byte == b'\n' },
        };
        if !goes_on {
            return Found::Nothing;
        }
        self.seen.push(byte);
        Found::Open
    }

    /// What was taken and is no such line: it has no end of a line.
    pub(super) fn into_seen(self) -> Vec<u8> {
        self.seen
    }

    /// Whether it is the line, if the object ends here.
    pub(super) fn is_whole(&self) -> bool {
        self.seen.len() >= NAMED
    }
}
