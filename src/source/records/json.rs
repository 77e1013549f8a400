//! What JSON files hold: an array, one object over any number of lines, or objects one after the other. The first byte
//! tells an array. Else the first line tells: if its object ends on it, every line is a record, as in NDJSON; if the
//! object goes on, an object is a record wherever its lines end.
//!
//! What a line of NDJSON has beside its object is that record's fault. Where lines are no records, garbage between
//! objects and brackets that do not match break the file, as they break an array.

use bytes::Bytes;
use memchr::{memchr, memchr_iter};

use super::{
    BadRecord, Broken, Piece, Split, Step,
    array::{Element, Elements, shown},
    is_space,
    lines::Lines,
};

#[derive(Debug, Default)]
pub(super) struct Json {
    place: Place,
    array: Elements,
    /// Counts lines and keeps the parts of what goes on, for objects as well.
    lines: Lines,
    object: Element,
    /// Where the object begins.
    line: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Before,
    Array,
    /// On the first line of an object.
    First {
        /// Its end has not come yet.
        is_open: bool,
    },
    /// Among records that are lines.
    Lines,
    /// In an object that does not end on the line that it begins on, or behind one.
    Inside,
    After,
}

impl Json {
    /// Between records: what does this byte begin?
    fn begin(&mut self, byte: u8) -> Result<(), String> {
        self.line = self.lines.count + 1;
        self.place = match (self.place, byte) {
            (Place::Before, b'[') => Place::Array,
            (Place::Before, b'{') => Place::First { is_open: true },
            (Place::Before, _) => return Err(format!("expected '[' or '{{' but found {}", shown(byte))),
            (_, b'{') => Place::Inside,
            _ => return Err(format!("expected another object or the end but found {}", shown(byte))),
        };
        Ok(())
    }

    /// The last part of an object.
    fn finish(&mut self, part: &[u8], keep: bool) -> Piece {
        let is_too_deep = std::mem::take(&mut self.object).is_too_deep();
        let content: Result<Bytes, BadRecord> = self.lines.partial.element(part, keep, is_too_deep);
        self.place = Place::After;
        Piece { line: Some(self.line), content }
    }

    fn count_lines(&mut self, part: &[u8]) {
        self.lines.count += memchr_iter(b'\n', part).count() as u64;
    }
}

impl Split for Json {
    fn step(&mut self, input: &[u8], keep: bool) -> Result<Step, Broken> {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            match self.place {
                Place::Array => return behind(at, self.array.step(rest, keep)),
                Place::Lines => return behind(at, self.lines.step(rest, keep)),
                Place::Before | Place::After => {
                    let space = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
                    self.count_lines(rest.get(..space).unwrap_or_default());
                    at += space;
                    let Some(byte) = input.get(at).copied() else {
                        return Ok(Step { used: input.len(), piece: None });
                    };
                    self.begin(byte).map_err(|why| Broken { at, why })?;
                }
                Place::First { is_open } => {
                    let end = memchr(b'\n', rest);
                    let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                    // Where brackets do not match, the line is a bad record.
                    let is_open = is_open && matches!(self.object.end(part), Ok(None));
                    match end {
                        Some(end) if !is_open => {
                            self.place = Place::Lines;
                            let piece = self.lines.finish(part, keep);
                            return Ok(Step { used: at + end + 1, piece });
                        }
                        Some(end) => {
                            self.place = Place::Inside;
                            self.lines.go_on(part, keep);
                            at += end;
                        }
                        None => {
                            self.place = Place::First { is_open };
                            self.lines.go_on(part, keep);
                            return Ok(Step { used: input.len(), piece: None });
                        }
                    }
                }
                Place::Inside => {
                    let end = self.object.end(rest).map_err(|broken| Broken { at: at + broken.at, ..broken })?;
                    let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                    self.count_lines(part);
                    let Some(end) = end else {
                        self.lines.go_on(part, keep);
                        return Ok(Step { used: input.len(), piece: None });
                    };
                    let piece = self.finish(part, keep);
                    return Ok(Step { used: at + end, piece: Some(piece) });
                }
            }
        }
    }

    fn end(&mut self, keep: bool) -> Result<Option<Piece>, Broken> {
        let why = match self.place {
            Place::Array => return self.array.end(keep),
            // The last line needs no end; one that was cut off is a bad record.
            Place::Lines | Place::First { .. } => return self.lines.end(keep),
            Place::After => return Ok(None),
            Place::Before => "expected '[' or '{' but the object is empty",
            Place::Inside => "the object ends before its JSON object does",
        };
        Err(Broken { at: 0, why: why.to_owned() })
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.array.capacity() + self.lines.capacity()
    }
}

/// A step of an input that begins there.
fn behind(at: usize, step: Result<Step, Broken>) -> Result<Step, Broken> {
    match step {
        Ok(Step { used, piece }) => Ok(Step { used: at + used, piece }),
        Err(broken) => Err(Broken { at: at + broken.at, ..broken }),
    }
}
