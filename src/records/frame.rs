//! The bytes of an object of the log: a magic, then frames, each with its kind,
//! its length and a checksum over all of it. Whatever was cut, emptied, flipped or
//! put in another's place is noticed before any of it is believed.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// What every object begins with; the last byte is the version of the format.
const MAGIC: &[u8; 8] = b"SFRECOR\x01";
/// Kind, length and checksum.
const HEAD: usize = 1 + 4 + 4;
/// No frame is longer: a length beyond it is damage, not a reason to wait.
pub const MAX_FRAME_BYTES: usize = 8 << 20;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A `LogEntry`, alone in its object.
    Entry = 1,
    /// A `BaseHeader`, first in its object.
    Header = 2,
    /// A `BaseBlock`.
    Block = 3,
    /// Nothing: the object is whole.
    End = 4,
}

impl Kind {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Entry),
            2 => Some(Self::Header),
            3 => Some(Self::Block),
            4 => Some(Self::End),
            _ => None,
        }
    }
}

/// What is wrong with the bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends too early, or goes on behind its end.
    #[error("it is not whole")]
    Cut,
    /// It is no object of the log.
    #[error("it does not begin as an object of the record log does")]
    Foreign,
    /// It was written by a later version.
    #[error("it has format version {0}, which this server does not know")]
    Newer(u8),
    /// A frame differs from what was written.
    #[error("its checksum does not match")]
    Checksum,
    /// The frames are whole, and not what belongs there.
    #[error("it holds something else than it should")]
    Content,
}

/// Begins an object.
pub fn begin(out: &mut BytesMut) {
    out.put_slice(MAGIC);
}

/// Adds a frame to an object.
pub fn put(out: &mut BytesMut, kind: Kind, payload: &[u8]) {
    debug_assert!(payload.len() <= MAX_FRAME_BYTES, "readers refuse it");
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.put_u8(kind as u8);
    out.put_u32_le(length);
    out.put_u32_le(checksum(kind as u8, length, payload));
    out.put_slice(payload);
}

fn checksum(kind: u8, length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Takes an object apart, as its bytes come.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: BytesMut,
    begun: bool,
}

impl Frames {
    /// Takes in more of the object.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, if all of it has come.
    pub fn next(&mut self) -> Result<Option<(Kind, Bytes)>, Damage> {
        if !self.begun {
            if self.bytes.len() < MAGIC.len() {
                return Ok(None);
            }
            check_magic(&self.bytes.split_to(MAGIC.len()))?;
            self.begun = true;
        }
        let Some(mut head) = self.bytes.get(..HEAD) else { return Ok(None) };
        let (kind, length, expected) = (head.get_u8(), head.get_u32_le(), head.get_u32_le());
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size > MAX_FRAME_BYTES {
            return Err(Damage::Checksum);
        }
        if self.bytes.len() < HEAD + size {
            return Ok(None);
        }
        self.bytes.advance(HEAD);
        let payload = self.bytes.split_to(size).freeze();
        if checksum(kind, length, &payload) != expected {
            return Err(Damage::Checksum);
        }
        Ok(Some((Kind::of(kind).ok_or(Damage::Content)?, payload)))
    }

    /// Nothing must be left behind the last frame.
    pub fn finish(&self) -> Result<(), Damage> {
        if self.begun && self.bytes.is_empty() { Ok(()) } else { Err(Damage::Cut) }
    }
}

fn check_magic(found: &[u8]) -> Result<(), Damage> {
    let (name, version) = MAGIC.split_at(MAGIC.len() - 1);
    match found.strip_prefix(name) {
        Some(found) if found == version => Ok(()),
        Some([newer]) => Err(Damage::Newer(*newer)),
        _ => Err(Damage::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> BytesMut {
        let mut out = BytesMut::new();
        begin(&mut out);
        put(&mut out, Kind::Header, b"head");
        put(&mut out, Kind::Block, b"");
        put(&mut out, Kind::End, b"");
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Kind, Bytes)>, Damage> {
        let mut frames = Frames::default();
        let mut all = Vec::new();
        for byte in bytes.chunks(1) {
            frames.push(byte);
            while let Some(frame) = frames.next()? {
                all.push(frame);
            }
        }
        frames.finish()?;
        Ok(all)
    }

    #[test]
    fn frames_come_back_whatever_the_chunks() {
        let all = read(&object()).unwrap();
        assert_eq!(all[0], (Kind::Header, Bytes::from_static(b"head")));
        assert_eq!(all.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Header, Kind::Block, Kind::End]);
    }

    #[test]
    fn each_flipped_bit_is_noticed() {
        let good = object();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn each_cut_within_a_frame_is_noticed() {
        let good = object();
        let ends = [8, 8 + HEAD + 4, 8 + 2 * HEAD + 4];
        for length in (0..good.len()).filter(|length| !ends.contains(length)) {
            assert_eq!(read(&good[..length]), Err(Damage::Cut), "{length}");
        }
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        assert_eq!(read(b"SFRECOR\x02"), Err(Damage::Newer(2)));
        assert_eq!(read(b"something else"), Err(Damage::Foreign));
        let mut long = object();
        long.put_u8(0);
        assert_eq!(read(&long), Err(Damage::Cut));
    }
}
