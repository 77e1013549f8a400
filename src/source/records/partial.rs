//! A record that goes on in the next chunk.

use bytes::Bytes;

use super::{BadRecord, MAX_RECORD_BYTES};

/// Its bytes so far, as long as there are not too many of them.
#[derive(Debug, Default)]
pub(super) struct Partial {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Partial {
    /// One more than a record may have, because only the end of a line tells whether its last byte is a carriage
    /// return.
    const LIMIT: usize = MAX_RECORD_BYTES + 1;

    /// Appends a part of the record. Without `keep` the bytes are forgotten.
    pub(super) fn push(&mut self, part: &[u8], keep: bool) {
        let length = self.bytes.len() + part.len();
        if !keep {
            self.bytes.clear();
        } else if self.is_too_long || length > Self::LIMIT {
            self.is_too_long = true;
            self.bytes.clear();
        } else {
            if length > self.bytes.capacity() {
                // As a vector grows, but never beyond the limit.
                let target = length.max(self.bytes.capacity() * 2).min(Self::LIMIT);
                self.bytes.reserve_exact(target - self.bytes.len());
            }
            self.bytes.extend_from_slice(part);
        }
    }

    /// The whole record, whose last part this is; `None` if it is too long. A record in one part is not copied.
    pub(super) fn finish<'a>(&'a mut self, part: &'a [u8], keep: bool) -> Option<&'a [u8]> {
        if self.bytes.is_empty() && !self.is_too_long {
            return (part.len() <= Self::LIMIT).then_some(part);
        }
        self.push(part, keep);
        (!self.is_too_long).then_some(&self.bytes)
    }

    /// The content of a record in brackets, whose last part this is. Makes room for the next record.
    pub(super) fn element(&mut self, part: &[u8], keep: bool, is_too_deep: bool) -> Result<Bytes, BadRecord> {
        let content = match self.finish(part, keep).filter(|element| element.len() <= MAX_RECORD_BYTES) {
            _ if !keep => Ok(Bytes::new()),
            None => Err(BadRecord::TooLong),
            Some(_) if is_too_deep => Err(BadRecord::TooDeep),
            Some(element) => Ok(Bytes::copy_from_slice(element)),
        };
        self.clear();
        content
    }

    /// Makes room for the next record.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.is_too_long = false;
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
