//! Looks at the headers of zstd frames before the decoder does.
//!
//! Why not leave it to the decoder: its own limit on the window does not hold for the formats before zstd 0.8, which
//! the linked library reads as well (another dependency turns them on) and which may take 128 MiB; nor does its error
//! say how much a frame asked for.

use super::ReadError;
use crate::source::format::Compression;
use crate::source::format::MAX_ZSTD_WINDOW;

const MAGIC: u32 = 0xFD2F_B528;
/// Frames for others to read; sixteen numbers.
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;
/// zstd 0.2 to 0.7; 0.1 wrote its number the other way round.
const OLD: std::ops::RangeInclusive<u32> = 0xFD2F_B522..=0xFD2F_B527;
const OLDEST: u32 = 0x1EB5_2FFD;

/// Magic number, descriptor, window, dictionary, content size.
const LONGEST_HEADER: usize = 4 + 1 + 1 + 4 + 8;

/// What begins where nothing is left to pass over.
#[derive(Clone, Copy, Debug, Default)]
enum Next {
    #[default]
    Frame,
    Block {
        /// A checksum follows the last block.
        checksum: bool,
    },
}

/// Follows a stream of frames from header to header.
#[derive(Debug, Default)]
pub(super) struct FrameGuard {
    next: Next,
    /// The header being read.
    head: [u8; LONGEST_HEADER],
    have: usize,
    /// Content before the next header.
    rest: u64,
}

impl FrameGuard {
    /// Looks at the next bytes of the stream. An error comes with how many of them precede the header it is about, or
    /// at least the byte that made it one.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<(), (usize, ReadError)> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.rest > 0 {
                let left = bytes.len() - at;
                let passed = usize::try_from(self.rest).map_or(left, |rest| rest.min(left));
                self.rest -= passed as u64;
                at += passed;
                continue;
            }
            if let Some(slot) = self.head.get_mut(self.have) {
                *slot = byte;
                self.have += 1;
            }
            self.look().map_err(|error| (at, error))?;
            at += 1;
        }
        Ok(())
    }

    /// Called after each byte of a header: is it complete, and what follows?
    fn look(&mut self) -> Result<(), ReadError> {
        match self.next {
            Next::Frame => self.frame(),
            Next::Block { checksum } => {
                if self.have == 3 {
                    self.block(checksum)?;
                }
                Ok(())
            }
        }
    }

    fn frame(&mut self) -> Result<(), ReadError> {
        let [m0, m1, m2, m3, descriptor, ..] = self.head;
        if self.have < 4 {
            return Ok(());
        }
        match u32::from_le_bytes([m0, m1, m2, m3]) {
            MAGIC if self.have < 5 => Ok(()),
            MAGIC => self.described(descriptor),
            magic if SKIPPABLE.contains(&magic) => {
                if self.have == 8 {
                    self.rest = self.number(4, 4);
                    self.have = 0;
                }
                Ok(())
            }
            magic if OLD.contains(&magic) || magic == OLDEST => Err(ReadError::OldZstd),
            _ => Err(corrupt("no frame begins where one should")),
        }
    }

    /// The descriptor tells how long the header is.
    fn described(&mut self, descriptor: u8) -> Result<(), ReadError> {
        let single_segment = descriptor & 0x20 != 0;
        let window = usize::from(!single_segment);
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content = match descriptor >> 6 {
            0 => usize::from(single_segment),
            power => 1 << power,
        };
        if self.have < 5 + window + dictionary + content {
            return Ok(());
        }
        if self.number(5 + window, dictionary) != 0 {
            return Err(ReadError::DictionaryNeeded);
        }
        let window = if single_segment {
            // All of the content. (256 less than it, if it is told in two bytes: far below the limit.)
            self.number(self.have - content, content)
        } else {
            window_size(self.number(5, 1))
        };
        if window > MAX_ZSTD_WINDOW {
            return Err(ReadError::WindowTooLarge { window });
        }
        self.have = 0;
        self.next = Next::Block { checksum: descriptor & 4 != 0 };
        Ok(())
    }

    fn block(&mut self, checksum: bool) -> Result<(), ReadError> {
        const REPEATED: u64 = 1;
        const RESERVED: u64 = 3;
        let header = self.number(0, 3);
        let is_last = header & 1 != 0;
        self.rest = match header >> 1 & 3 {
            REPEATED => 1,
            RESERVED => return Err(corrupt("a block has no known type")),
            _ => header >> 3,
        };
        self.have = 0;
        if is_last {
            self.rest += if checksum { 4 } else { 0 };
            self.next = Next::Frame;
        }
        Ok(())
    }

    /// `length` bytes of the header as a number, the lowest first.
    fn number(&self, from: usize, length: usize) -> u64 {
        let bytes = self.head.get(from..from + length).unwrap_or_default();
        bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The descriptor of a window: five bits of exponent, three of mantissa.
fn window_size(descriptor: u64) -> u64 {
    let base = 1 << (10 + (descriptor >> 3));
    base + base / 8 * (descriptor & 7)
}

fn corrupt(why: &str) -> ReadError {
    ReadError::Corrupt { compression: Compression::Zstd, why: why.to_owned() }
}
