//! Reads stored fields whose form every writer keeps to. Another form is damage, which is
//! told and never taken for something else.

use uuid::Uuid;

use crate::{digest::Digest, error::Error};

/// A field of a stored message that no version has written like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {0} is damaged")]
pub struct Damage(pub &'static str);

impl Damage {
    /// The error of what the message is, such as `the record s/a/b`.
    #[must_use]
    pub fn of(self, what: &str) -> Error {
        Error::DataLoss(format!("{what} cannot be read: {self}"))
    }
}

/// A uid: 16 bytes.
pub fn uid(field: &'static str, bytes: &[u8]) -> Result<Uuid, Damage> {
    Uuid::from_slice(bytes).map_err(|_| Damage(field))
}

/// A uid that may be absent.
pub fn uid_if_any(field: &'static str, bytes: &[u8]) -> Result<Option<Uuid>, Damage> {
    if bytes.is_empty() { Ok(None) } else { uid(field, bytes).map(Some) }
}

/// So many bytes.
pub fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], Damage> {
    bytes.try_into().map_err(|_| Damage(field))
}

/// So many bytes, or none.
pub fn array_if_any<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<Option<[u8; N]>, Damage> {
    if bytes.is_empty() { Ok(None) } else { array(field, bytes).map(Some) }
}

/// A digest: 16 bytes, or none, which is the digest of nothing.
pub fn digest(field: &'static str, bytes: &[u8]) -> Result<Digest, Damage> {
    Ok(array_if_any(field, bytes)?.map(|bytes| Digest(u128::from_le_bytes(bytes))).unwrap_or_default())
}

/// A text with a form of its own, such as a name.
pub fn parsed<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, Damage> {
    text.parse().map_err(|_| Damage(field))
}

/// What must be there.
pub fn present<T>(field: &'static str, value: Option<T>) -> Result<T, Damage> {
    value.ok_or(Damage(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Id;

    #[test]
    fn other_lengths_are_damage() {
        assert_eq!(uid("uid", &[7; 16]), Ok(Uuid::from_bytes([7; 16])));
        for bytes in [&[][..], &[7; 15], &[7; 17]] {
            assert_eq!(uid("uid", bytes), Err(Damage("uid")));
            assert_eq!(uid_if_any("uid", bytes), if bytes.is_empty() { Ok(None) } else { Err(Damage("uid")) });
            let digest = digest("digest", bytes);
            assert_eq!(digest, if bytes.is_empty() { Ok(Digest::default()) } else { Err(Damage("digest")) });
        }
        assert_eq!(digest("digest", &7_u128.to_le_bytes()), Ok(Digest(7)));
        assert_eq!(array::<2>("hash", &[1, 2]), Ok([1, 2]));
        assert_eq!(array::<2>("hash", &[1]), Err(Damage("hash")));
    }

    #[test]
    fn it_says_what_is_damaged() {
        assert_eq!(parsed::<Id>("id", "commons"), Ok(Id::commons()));
        let damage = parsed::<Id>("id", "a/b").unwrap_err();
        assert_eq!(
            damage.of("the record w/a").to_string(),
            "stored data is damaged: the record w/a cannot be read: its id is damaged"
        );
    }
}
