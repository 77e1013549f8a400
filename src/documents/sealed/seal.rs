//! The seal behind the contents of an object: whose they are, which, how many, and
//! their hash.
//!
//! ```text
//! "stillframe-seal1" 16 | uid 16 | kind 1, zeros 7 | id 8 | zeros 8 | length 8
//! | XXH3-128 of the contents 16 | XXH3-128 of all 80 bytes before 16
//! ```
//!
//! Numbers are little endian. What reads manifests goes by offsets from their front,
//! so bytes behind them do no harm to it.

use slatedb::object_store::PutPayload;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::{damage::Fault, place::Place};

/// The bytes of a seal.
pub const LEN: usize = 96;
const MAGIC: &[u8; 16] = b"stillframe-seal1";
/// What the last hash is over.
const HASHED: usize = LEN - 16;

/// The same contents with a seal behind them.
pub fn put_behind(place: Place, contents: &PutPayload) -> PutPayload {
    let mut hash = Xxh3::new();
    contents.iter().for_each(|part| hash.update(part));
    let seal = make(place, contents.content_length() as u64, hash.digest128());
    contents.iter().cloned().chain([seal.to_vec().into()]).collect()
}

fn make(place: Place, length: u64, hash: u128) -> [u8; LEN] {
    let mut seal = [0; LEN];
    seal[..16].copy_from_slice(MAGIC);
    seal[16..32].copy_from_slice(place.uid.as_bytes());
    seal[32] = place.kind as u8;
    seal[40..48].copy_from_slice(&place.id.to_le_bytes());
    seal[56..64].copy_from_slice(&length.to_le_bytes());
    seal[64..80].copy_from_slice(&hash.to_le_bytes());
    let all = xxh3_128(&seal[..HASHED]);
    seal[HASHED..].copy_from_slice(&all.to_le_bytes());
    seal
}

/// Whether there may be a seal at the end of an object.
pub fn is_there(object: &[u8]) -> bool {
    object.len() >= LEN && object[object.len() - LEN..].starts_with(MAGIC)
}

/// Checks a whole object, and says where its contents end.
pub fn check(place: Place, object: &[u8]) -> Result<usize, Fault> {
    let length = check_end(place, object.len() as u64, object)?;
    let contents = usize::try_from(length).map_err(|_| Fault::Changed)?;
    let seal = &object[contents..];
    if seal[64..80] == xxh3_128(&object[..contents]).to_le_bytes() { Ok(contents) } else { Err(Fault::Changed) }
}

/// Checks the end of an object of this size, and says where its contents end.
pub fn check_end(place: Place, size: u64, end: &[u8]) -> Result<u64, Fault> {
    let Some(seal) = end.len().checked_sub(LEN).map(|at| &end[at..]) else {
        return Err(if size == 0 { Fault::Empty } else { Fault::Cut });
    };
    if !seal.starts_with(MAGIC) || seal[HASHED..] != xxh3_128(&seal[..HASHED]).to_le_bytes() {
        return Err(Fault::Changed);
    }
    let mut number = [0; 8];
    number.copy_from_slice(&seal[56..64]);
    let length = u64::from_le_bytes(number);
    if seal[..56] != make(place, length, 0)[..56] {
        return Err(Fault::Foreign);
    }
    match length.checked_add(LEN as u64) {
        Some(whole) if whole == size => Ok(length),
        _ => Err(Fault::Changed),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::{super::place::Kind, *};

    fn place(uid: u128, kind: Kind, id: u64) -> Place {
        Place { uid: Uuid::from_u128(uid), kind, id }
    }

    fn sealed(place: Place, parts: &[&'static [u8]]) -> Vec<u8> {
        let contents: PutPayload = parts.iter().map(|part| Bytes::from_static(part)).collect();
        Bytes::from(put_behind(place, &contents)).to_vec()
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let here = place(1, Kind::Log, 3);
        for parts in [&[b"some".as_slice(), b" rows"][..], &[][..]] {
            let whole = sealed(here, parts);
            assert_eq!(check(here, &whole), Ok(whole.len() - LEN));
            for bit in 0..whole.len() * 8 {
                let mut changed = whole.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(check(here, &changed).is_err(), "bit {bit}");
            }
            for length in 0..whole.len() {
                assert!(check(here, &whole[..length]).is_err(), "cut to {length}");
            }
            let mut longer = whole.clone();
            longer.push(0);
            assert!(check(here, &longer).is_err());
            assert_eq!(check(here, &vec![0; whole.len()]), Err(Fault::Changed));
        }
        assert_eq!(check(here, b""), Err(Fault::Empty));
    }

    #[test]
    fn what_is_anothers_is_told_from_what_is_changed() {
        let here = place(1, Kind::Log, 3);
        for other in [place(2, Kind::Log, 3), place(1, Kind::Manifest, 3), place(1, Kind::Log, 4)] {
            assert_eq!(check(here, &sealed(other, &[b"rows"])), Err(Fault::Foreign), "{other:?}");
        }
    }

    /// It is in databases for ever.
    #[test]
    fn a_seal_has_these_bytes() {
        let seal = sealed(place(0x0102, Kind::Manifest, 5), &[b"abc"])[3..].to_vec();
        assert_eq!(seal.len(), LEN);
        assert_eq!((&seal[..16], &seal[30..33], seal[40], seal[56]), (MAGIC.as_slice(), &[1, 2, 1][..], 5, 3));
        assert_eq!(seal[64..80], xxh3_128(b"abc").to_le_bytes());
    }
}
