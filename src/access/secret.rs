//! Secrets of keys: `sf_{id}_` and 64 hexadecimal digits, 256 random bits. With so
//! many a plain hash is enough: there is nothing to guess, so nothing to slow down.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::entropy::made_up;
use crate::{error::Error, names::Id};

const PREFIX: &str = "sf_";
const RANDOM_DIGITS: usize = 64;

/// What a client sends. It does not print itself.
#[derive(Clone)]
// Compared in tests alone: it takes a time that depends on what is equal.
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Secret(String);

impl Secret {
    /// A new one for a key.
    pub(super) fn generate(id: &Id) -> Result<Self, Error> {
        let (high, low) = (random()?, random()?);
        Ok(Self(format!("{PREFIX}{id}_{high:032x}{low:032x}")))
    }

    /// Reads one, and the id of its key.
    pub(super) fn parse(text: &str) -> Option<(Self, Id)> {
        let (id, random) = text.strip_prefix(PREFIX)?.rsplit_once('_')?;
        let is_random = random.len() == RANDOM_DIGITS && random.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = id.parse().ok().filter(|_| is_random)?;
        Some((Self(text.to_owned()), id))
    }

    /// What speaks against its being random.
    pub(super) fn made_up(&self) -> Option<&'static str> {
        self.0.rsplit_once('_').and_then(|(_, random)| made_up(random))
    }

    /// What the client has to keep.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it (**A1**).
    pub(super) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Whether it is the one that was stored, in constant time.
    pub(super) fn is(&self, sha256: &[u8; 32]) -> bool {
        self.sha256().as_slice().ct_eq(sha256).into()
    }
}

fn random() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("no random bytes: {error}")))?;
    Ok(u128::from_be_bytes(bytes))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_names_its_key_and_nothing_else_is_one() {
        let id: Id = "ci_nightly-2".parse().unwrap();
        let secret = Secret::generate(&id).unwrap();
        let text = secret.reveal();
        assert_eq!(text.len(), "sf_ci_nightly-2_".len() + 64);
        assert_eq!(Secret::parse(text), Some((secret.clone(), id.clone())));
        assert_ne!(Secret::generate(&id).unwrap(), secret);
        let upper = text.replace(|c: char| c.is_ascii_hexdigit() && c.is_ascii_lowercase(), "F");
        for bad in ["", "sf_", "sf__", &text[1..], &text[..text.len() - 1], &format!("{text}0"), &upper, "sf_-a_00"] {
            assert_eq!(Secret::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_told_by_its_hash_and_does_not_print_itself() {
        let id: Id = "a".parse().unwrap();
        let (secret, other) = (Secret::generate(&id).unwrap(), Secret::generate(&id).unwrap());
        assert!(secret.is(&secret.sha256()));
        assert!(!secret.is(&other.sha256()) && !secret.is(&[0; 32]));
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
