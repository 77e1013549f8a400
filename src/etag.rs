//! Etags of resources. Those of documents are their digests (`digest::Etag`).

use std::{fmt, str::FromStr};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::Error;

const DIGITS: usize = 16;

/// The etag of a record: of its uid, so that a namesake has another, and its revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Etag(u64);

impl Etag {
    /// That of a record.
    #[must_use]
    pub fn of(uid: Uuid, revision: u64) -> Self {
        Self(xxh3_64_with_seed(uid.as_bytes(), revision))
    }

    /// Refuses unless the caller's etag, if there is one, is current.
    pub fn check(given: Option<Self>, name: &str, uid: Uuid, revision: u64) -> Result<(), Error> {
        let current = Self::of(uid, revision);
        match given {
            Some(given) if given != current => {
                Err(Error::EtagMismatch { name: name.to_owned(), current: current.to_string() })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl FromStr for Etag {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = hexadecimal(text, DIGITS).ok_or(())?;
        u64::try_from(number).map(Self).map_err(|_| ())
    }
}

/// The number of a text of so many hexadecimal digits, in the one form that answers have.
#[must_use]
pub fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    // from_str_radix alone would take a sign, capitals and short forms.
    let is_plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_plain.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(7);

    #[test]
    fn etags_round_trip_in_one_form_only() {
        for etag in [Etag(0xabc), Etag(u64::MAX), Etag::of(Uuid::from_u128(7), 1)] {
            assert_eq!(etag.to_string().parse(), Ok(etag));
        }
        for bad in ["", "abc", "+000000000000abc", "0000000000000ABC", "\"0000000000000abc\"", "00000000000000abc"] {
            assert_eq!(bad.parse::<Etag>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn a_record_has_another_with_each_revision_and_each_uid() {
        let all = [Etag::of(A, 1), Etag::of(A, 2), Etag::of(Uuid::from_u128(8), 1)];
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
        let check = |given| Etag::check(given, "x", A, 1);
        assert!(check(None).is_ok() && check(Some(all[0])).is_ok());
        assert!(
            matches!(check(Some(all[1])), Err(Error::EtagMismatch { current, .. }) if current == all[0].to_string())
        );
    }
}
