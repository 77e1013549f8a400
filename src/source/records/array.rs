//! The elements of a JSON array, as raw bytes.
//!
//! The scanner knows strings, brackets and what may stand between elements; whether an element is JSON is judged by
//! whoever takes it. It does not recurse: the kinds of the open brackets are bits of one number. What would make the
//! end of an element a guess (brackets that do not match, garbage between elements, a missing end) breaks the object.

use memchr::memchr2;

use super::{Broken, Piece, Split, Step, is_space, partial::Partial};

/// How deep an element may be nested, itself included: as deep as a document's body. A bit each.
const MAX_DEPTH: u64 = crate::json::body::MAX_DEPTH as u64;
const _: () = assert!(MAX_DEPTH <= u128::BITS as u64);

#[derive(Debug, Default)]
pub(super) struct Elements {
    place: Place,
    element: Element,
    partial: Partial,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Before,
    /// After the opening bracket: an element or the end.
    First,
    /// After a comma: an element.
    Next,
    /// In an object, an array or a string.
    Inside,
    /// In a number or a word, which ends where something else begins.
    Scalar,
    /// After an element: a comma or the end.
    After,
    End,
}

/// Where in an element the scanner is.
#[derive(Debug, Default)]
pub(super) struct Element {
    depth: u64,
    /// For each open bracket, the innermost lowest: is it `[`? Only of the first [`MAX_DEPTH`].
    brackets: u128,
    is_too_deep: bool,
    in_string: bool,
    after_backslash: bool,
}

impl Elements {
    /// Between elements: what does this byte begin?
    fn between(&mut self, byte: u8) -> Result<(), String> {
        self.place = match (self.place, byte) {
            (Place::Before, b'[') => Place::First,
            (Place::Before, _) => return Err(format!("expected '[' but found {}", shown(byte))),
            (Place::First | Place::After, b']') => Place::End,
            (Place::After, b',') => Place::Next,
            (Place::First | Place::Next, b'{' | b'[' | b'"') => Place::Inside,
            (Place::First | Place::Next, byte) if is_scalar(byte) => Place::Scalar,
            (Place::End, _) => return Err(format!("expected nothing after the array but found {}", shown(byte))),
            (Place::After, _) => return Err(format!("expected ',' or ']' but found {}", shown(byte))),
            _ => return Err(format!("expected a value but found {}", shown(byte))),
        };
        Ok(())
    }

    fn finish(&mut self, part: &[u8], keep: bool) -> Piece {
        let is_too_deep = std::mem::take(&mut self.element).is_too_deep();
        let content = self.partial.element(part, keep, is_too_deep);
        self.place = Place::After;
        Piece { line: None, content }
    }
}

impl Element {
    pub(super) fn is_too_deep(&self) -> bool {
        self.is_too_deep
    }

    /// How many bytes of `part` belong to the element, if it ends there.
    pub(super) fn end(&mut self, part: &[u8]) -> Result<Option<usize>, Broken> {
        let mut at = 0;
        while let Some(rest) = part.get(at..).filter(|rest| !rest.is_empty()) {
            if std::mem::take(&mut self.after_backslash) {
                at += 1;
                continue;
            }
            let found = if self.in_string {
                memchr2(b'"', b'\\', rest)
            } else {
                rest.iter().position(|byte| is_structural(*byte))
            };
            let Some(found) = found else { break };
            at += found;
            match part.get(at) {
                Some(b'\\') => self.after_backslash = true,
                Some(b'"') => self.in_string = !self.in_string,
                Some(b'{') => self.open(false),
                Some(b'[') => self.open(true),
                Some(close) => self.close(*close, at)?,
                None => {}
            }
            at += 1;
            if self.depth == 0 && !self.in_string {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn open(&mut self, is_array: bool) {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.is_too_deep = true;
        } else {
            self.brackets = self.brackets << 1 | u128::from(is_array);
        }
    }

    fn close(&mut self, byte: u8, at: usize) -> Result<(), Broken> {
        if self.depth <= MAX_DEPTH {
            let expected = if self.brackets & 1 == 1 { b']' } else { b'}' };
            if byte != expected {
                return Err(Broken { at, why: format!("expected {} but found {}", shown(expected), shown(byte)) });
            }
            self.brackets >>= 1;
        }
        self.depth -= 1;
        Ok(())
    }
}

impl Split for Elements {
    fn step(&mut self, input: &[u8], keep: bool) -> Result<Step, Broken> {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let end = match self.place {
                Place::Inside => self.element.end(rest).map_err(|broken| Broken { at: at + broken.at, ..broken })?,
                Place::Scalar => rest.iter().position(|byte| !is_scalar(*byte)),
                _ => {
                    let Some(space) = rest.iter().position(|byte| !is_space(*byte)) else {
                        return Ok(Step { used: input.len(), piece: None });
                    };
                    at += space;
                    let byte = rest.get(space).copied().unwrap_or_default();
                    self.between(byte).map_err(|why| Broken { at, why })?;
                    // The first byte of an element is the element's.
                    at += usize::from(!matches!(self.place, Place::Inside | Place::Scalar));
                    continue;
                }
            };
            let Some(end) = end else {
                self.partial.push(rest, keep);
                return Ok(Step { used: input.len(), piece: None });
            };
            let piece = self.finish(rest.get(..end).unwrap_or_default(), keep);
            return Ok(Step { used: at + end, piece: Some(piece) });
        }
    }

    fn end(&mut self, _keep: bool) -> Result<Option<Piece>, Broken> {
        let why = match self.place {
            Place::End => return Ok(None),
            Place::Before => "expected '[' but the object is empty",
            _ => "the object ends before its array does",
        };
        Err(Broken { at: 0, why: why.to_owned() })
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.partial.capacity()
    }
}

/// What numbers, words and mistaken words consist of.
const fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

const fn is_structural(byte: u8) -> bool {
    matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')
}

/// A byte as a message shows it.
pub(super) fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("'{}'", char::from(byte)) } else { format!("byte 0x{byte:02X}") }
}
