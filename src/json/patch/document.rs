//! A document that is patched: parsed once for all patches that follow each other.

use bytes::Bytes;
use serde_json::Value;

use super::{
    Outcome, PatchReason,
    measure::{Measure, measure},
    work::{self, Work},
};
use crate::json::{body::BodyError, value};

/// A document as a value, which takes up to a hundred times its bytes.
#[derive(Debug)]
pub struct Document {
    pub(super) value: Value,
    /// Exactly: what each operation adds and takes away. The depth is that of the beginning.
    pub(super) size: Measure,
    pub(super) is_whole: bool,
    /// Its compact text, unless it has changed since.
    text: Option<Bytes>,
}

impl Document {
    /// Reads a body, whose numbers keep their text.
    pub fn parse(body: &Bytes) -> Result<Self, BodyError> {
        let mut document = Self::of(value::parse(body)?).map_err(|_| BodyError::TooDeep)?;
        // No text of the same values is shorter, and only escapes by number come in two of a length.
        let is_compact = body.len() == document.size.bytes && memchr::memmem::find(body, br"\u").is_none();
        document.text = is_compact.then(|| body.clone());
        Ok(document)
    }

    /// A value from [`super::super::value::parse`].
    pub(super) fn of(value: Value) -> Outcome<Self> {
        let size = measure(&value)?;
        Ok(Self { value, size, is_whole: true, text: None })
    }

    /// What it costs to read, in units of [`Work`].
    #[must_use]
    pub fn work(&self) -> usize {
        work::making(&self.size) + work::looking(&self.size)
    }

    /// The bytes of its compact text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.size.bytes
    }

    /// Whether it is what it is said to be. One that a patch has left half-way is not, and must be dropped: to undo
    /// that would cost a copy of each.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Its compact text, made once.
    pub(super) fn text(&mut self, work: &mut Work) -> Outcome<Bytes> {
        if let Some(text) = &self.text {
            return Ok(text.clone());
        }
        work.spend(work::looking(&self.size))?;
        let mut text = Vec::with_capacity(self.size.bytes);
        // A Vec takes everything, and a value is written as it is.
        serde_json::to_writer(&mut text, &self.value).map_err(|error| PatchReason::BadValue(error.to_string()))?;
        let text = Bytes::from(text);
        self.text = Some(text.clone());
        Ok(text)
    }

    /// Something in it has become another, with so many bytes more and less.
    pub(super) fn change(&mut self, added: usize, removed: usize) {
        self.is_whole = false;
        self.text = None;
        self.size.bytes = self.size.bytes.saturating_add(added).saturating_sub(removed);
    }
}
