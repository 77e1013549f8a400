//! The text of an object: its bytes, unless a byte order mark at their start says that they are UTF-16. That becomes
//! UTF-8, a piece at a time; what is no UTF-16 becomes bytes that are no UTF-8, so that it costs its record.

use crate::source::{decode::Decoded, error::ReadError};

/// How much of an object is read as UTF-16 at a time.
const PIECE_BYTES: usize = 16 << 10;
/// What a unit that stands for nothing becomes.
const NO_TEXT: u8 = 0xFF;

/// Read as [`Decoded`] is.
#[derive(Debug)]
pub(super) struct Text {
    bytes: Decoded,
    units: Units,
    /// What was made of the bytes, and how much of it was consumed.
    made: Vec<u8>,
    used: usize,
    position: u64,
}

/// What the bytes are.
#[derive(Clone, Copy, Debug)]
enum Units {
    /// Not known yet; the first byte, if it may begin a mark.
    Unknown(Option<u8>),
    Bytes,
    Utf16(Utf16),
}

#[derive(Clone, Copy, Debug)]
struct Utf16 {
    big_endian: bool,
    /// The first byte of a unit.
    half: Option<u8>,
    /// The first unit of a pair.
    high: Option<u16>,
}

impl Text {
    pub(super) fn new(bytes: Decoded) -> Self {
        Self { bytes, units: Units::Unknown(None), made: Vec::new(), used: 0, position: 0 }
    }

    /// The text at hand, or the next one; empty at the end of the object. Cancel safe.
    pub(super) async fn fill(&mut self) -> Result<&[u8], ReadError> {
        while self.used == self.made.len() {
            self.made.clear();
            self.used = 0;
            match &mut self.units {
                Units::Bytes => return self.bytes.fill().await,
                Units::Unknown(first) => {
                    let found = mark(*first, self.bytes.fill().await?);
                    match found {
                        Mark::Open(byte) => {
                            *first = Some(byte);
                            self.bytes.consume(1);
                        }
                        Mark::Utf16 { big_endian, rest } => {
                            self.units = Units::Utf16(Utf16 { big_endian, half: None, high: None });
                            self.bytes.consume(rest);
                        }
                        Mark::Nothing => {
                            // A byte that looked like the beginning of a mark was consumed.
                            self.made.extend(first.take());
                            self.units = Units::Bytes;
                        }
                    }
                }
                Units::Utf16(units) => {
                    let bytes = self.bytes.fill().await?;
                    let bytes = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
                    let length = bytes.len();
                    if length == 0 {
                        units.end(&mut self.made);
                        if self.made.is_empty() {
                            return Ok(&[]);
                        }
                    } else {
                        units.read(bytes, &mut self.made);
                        self.bytes.consume(length);
                    }
                }
            }
        }
        Ok(self.made.get(self.used..).unwrap_or_default())
    }

    /// Takes `count` of the bytes that [`fill`](Self::fill) returned.
    pub(super) fn consume(&mut self, count: usize) {
        self.position += count as u64;
        if self.used < self.made.len() {
            self.used += count;
        } else {
            self.bytes.consume(count);
        }
    }

    /// How many bytes of text were consumed.
    pub(super) fn position(&self) -> u64 {
        self.position
    }
}

enum Mark {
    /// This byte may begin one; the next one tells.
    Open(u8),
    /// There is one, of which so many bytes are at hand.
    Utf16 {
        big_endian: bool,
        rest: usize,
    },
    Nothing,
}

/// What the bytes at hand say, behind a first one that may have been consumed.
fn mark(first: Option<u8>, bytes: &[u8]) -> Mark {
    let (start, rest) = match (first, bytes) {
        (Some(first), [second, ..]) => ([first, *second], 1),
        (None, [first, second, ..]) => ([*first, *second], 2),
        (None, [first @ (0xFE | 0xFF)]) => return Mark::Open(*first),
        _ => return Mark::Nothing,
    };
    match start {
        [0xFE, 0xFF] => Mark::Utf16 { big_endian: true, rest },
        [0xFF, 0xFE] => Mark::Utf16 { big_endian: false, rest },
        _ => Mark::Nothing,
    }
}

impl Utf16 {
    /// Appends what the bytes say, as far as it is known.
    fn read(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        for &byte in bytes {
            let Some(half) = self.half.take() else {
                self.half = Some(byte);
                continue;
            };
            let pair = [half, byte];
            self.unit(if self.big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }, text);
        }
    }

    fn unit(&mut self, unit: u16, text: &mut Vec<u8>) {
        let high = self.high.take();
        if let Some(high) = high
            && let Some(Ok(letter)) = char::decode_utf16([high, unit]).next()
        {
            return push(letter, text);
        }
        text.extend(high.map(|_| NO_TEXT));
        match char::decode_utf16([unit]).next() {
            Some(Ok(letter)) => push(letter, text),
            _ if (0xD800..0xDC00).contains(&unit) => self.high = Some(unit),
            _ => text.push(NO_TEXT),
        }
    }

    /// The object ends in the middle of a letter, perhaps.
    fn end(&mut self, text: &mut Vec<u8>) {
        text.extend(self.high.take().map(|_| NO_TEXT));
        text.extend(self.half.take().map(|_| NO_TEXT));
    }
}

fn push(letter: char, text: &mut Vec<u8>) {
    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}
