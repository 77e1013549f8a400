//! Etags as clients send them back: as they have got them, or in quotes, in which HTTP and
//! the texts of errors put them. Weak ones (`W/"..."`) are none of ours.

use std::{fmt::Display, str::FromStr};

use crate::{
    digest,
    error::{Error, Violations},
    etag::Etag,
};

/// The etag of a resource; empty is none.
pub fn of_resource(bad: &mut Violations, field: &str, text: &str) -> Option<Etag> {
    let why = "must be as an answer has it: 16 hexadecimal digits, with quotes or without";
    if text.is_empty() { None } else { bad.check(field, unquoted(text).parse().map_err(|()| why)) }
}

/// The name of a resource and the etag that it must have.
pub fn named<N: FromStr<Err: Display>>(name: &str, etag: &str) -> Result<(N, Option<Etag>), Error> {
    let mut bad = Violations::default();
    let name = bad.check("name", name.parse());
    let etag = of_resource(&mut bad, "etag", etag);
    let Some(name) = name else { return Err(bad.into()) };
    bad.finish()?;
    Ok((name, etag))
}

/// The etag that a document must have; empty: it must not exist.
pub fn of_document(text: &str) -> Result<Option<digest::Etag>, Error> {
    let why = "must be as an answer has it: 32 hexadecimal digits, with quotes or without; or empty";
    match unquoted(text) {
        "" => Ok(None),
        etag => etag.parse().map(Some).map_err(|()| Error::invalid("if_etag", why)),
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_of_quotes_is_taken_off() {
        for (text, etag) in [("a", "a"), ("\"a\"", "a"), ("\"\"", ""), ("\"\"a\"\"", "\"a\"")] {
            assert_eq!(unquoted(text), etag);
        }
        for other in ["\"a", "a\"", "'a'", "W/\"a\"", "\""] {
            assert_eq!(unquoted(other), other);
        }
    }

    #[test]
    fn only_what_is_empty_is_none() {
        let mut bad = Violations::default();
        assert_eq!(of_resource(&mut bad, "etag", ""), None);
        assert!(bad.listed.is_empty());
        assert_eq!(of_resource(&mut bad, "etag", "\"\""), None);
        assert_eq!(bad.listed.len(), 1, "no resource has an empty one");
    }
}
