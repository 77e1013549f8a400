//! What of a place is wanted, as it is found.

use std::collections::BTreeMap;

use super::{MAX_LISTED_BYTES, MAX_PARTS, Part};
use crate::error::Error;

/// The wanted parts, as many as may be.
#[derive(Debug, Default)]
pub struct Listed {
    parts: BTreeMap<String, Part>,
    bytes: usize,
}

impl Listed {
    /// The part of a name, if it is among them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Part> {
        self.parts.get(name)
    }

    /// Adds one, in the place of another one of its name.
    pub fn insert(&mut self, name: String, part: Part) -> Result<(), Error> {
        let bytes =
            |name: &str, part: &Part| name.len() + part.etag.len() + part.refused.as_ref().map_or(0, |why| why.len());
        let before = self.get(&name).map(|before| bytes(&name, before));
        if before.is_none() && self.parts.len() >= MAX_PARTS {
            return Err(Error::TooManyObjects { what: "objects that match", limit: MAX_PARTS });
        }
        let now = self.bytes - before.unwrap_or_default() + bytes(&name, &part);
        if now > MAX_LISTED_BYTES {
            let what = "bytes of paths and versions of objects that match";
            return Err(Error::TooManyObjects { what, limit: MAX_LISTED_BYTES });
        }
        self.bytes = now;
        self.parts.insert(name, part);
        Ok(())
    }

    /// All of them.
    #[must_use]
    pub fn into_parts(self) -> BTreeMap<String, Part> {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{feed::MAX_NAME_BYTES, format::Encoding};

    fn part(etag: String) -> Part {
        Part { etag, encoding: Encoding::of("x.csv", None, None).unwrap(), refused: None }
    }

    #[test]
    fn long_names_and_versions_are_fewer() {
        let long = |number: usize| format!("{number:0MAX_NAME_BYTES$}");
        let mut listed = Listed::default();
        let count = MAX_LISTED_BYTES / MAX_NAME_BYTES;
        for number in 1..count {
            listed.insert(long(number), part(String::new())).unwrap();
        }
        // Another version of one counts once.
        for _ in 0..3 {
            listed.insert(long(1), part("1".repeat(MAX_NAME_BYTES))).unwrap();
        }
        let beyond = listed.insert("a".to_owned(), part(String::new()));
        assert!(matches!(beyond, Err(Error::TooManyObjects { limit: MAX_LISTED_BYTES, .. })));
        assert!(listed.insert(long(1), part("1".repeat(MAX_NAME_BYTES + 1))).is_err());
        listed.insert(long(1), part(String::new())).unwrap();
        listed.insert("a".to_owned(), part("1".repeat(MAX_NAME_BYTES - 1))).unwrap();
        assert_eq!(listed.into_parts().len(), count);
    }
}
