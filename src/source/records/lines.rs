//! Newline-delimited JSON. A line is a record unless it is blank; `\n` ends it, perhaps after a `\r`; the last one
//! needs no end. Spaces before a record do not count as part of it.

use bytes::Bytes;
use memchr::memchr;

use super::{BadRecord, Broken, MAX_RECORD_BYTES, Piece, Split, Step, is_space, partial::Partial};

#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) partial: Partial,
    /// The line has more than spaces.
    has_content: bool,
    /// Lines that have ended.
    pub(super) count: u64,
}

impl Lines {
    /// A part of a line without the spaces that precede its content.
    fn content<'a>(&mut self, part: &'a [u8]) -> &'a [u8] {
        if self.has_content {
            return part;
        }
        let start = part.iter().position(|byte| !is_space(*byte)).unwrap_or(part.len());
        self.has_content = start < part.len();
        part.get(start..).unwrap_or_default()
    }

    /// A part of a line that goes on.
    pub(super) fn go_on(&mut self, part: &[u8], keep: bool) {
        let part = self.content(part);
        self.partial.push(part, keep);
    }

    /// The last part of a line, and what the line was.
    pub(super) fn finish(&mut self, part: &[u8], keep: bool) -> Option<Piece> {
        let part = self.content(part);
        self.count += 1;
        if !std::mem::take(&mut self.has_content) {
            return None;
        }
        let line = self.partial.finish(part, keep).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let content = match line.filter(|line| line.len() <= MAX_RECORD_BYTES) {
            Some(line) if keep => Ok(Bytes::copy_from_slice(line)),
            Some(_) => Ok(Bytes::new()),
            None => Err(BadRecord::TooLong),
        };
        self.partial.clear();
        Some(Piece { line: Some(self.count), content })
    }
}

impl Split for Lines {
    fn step(&mut self, input: &[u8], keep: bool) -> Result<Step, Broken> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest) else {
                self.go_on(rest, keep);
                return Ok(Step { used: input.len(), piece: None });
            };
            used += end + 1;
            let piece = self.finish(rest.get(..end).unwrap_or_default(), keep);
            if piece.is_some() {
                return Ok(Step { used, piece });
            }
        }
    }

    fn end(&mut self, keep: bool) -> Result<Option<Piece>, Broken> {
        Ok(self.finish(&[], keep))
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.partial.capacity()
    }
}
