//! Which locations a source may read. What the operator did not list is refused; the service's own storage is
//! refused whatever the list says, or a source could ingest every collection of everyone.

use super::location::Location;

/// Why a location may not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No entry of the list contains it.
    #[error("is not among the locations that the operator allows")]
    NotListed,
    /// It overlaps with what belongs to the service. The message does not say where that is.
    #[error("overlaps with the service's own storage")]
    Forbidden,
}

/// The locations that sources may read; the default allows none.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    allowed: Vec<Location>,
    forbidden: Vec<Location>,
}

impl AllowList {
    /// Each of `allowed` allows itself and what lies in it. `forbidden` are the roots of the service itself, with
    /// their links resolved.
    #[must_use]
    pub fn new(allowed: Vec<Location>, forbidden: Vec<Location>) -> Self {
        Self { allowed, forbidden }
    }

    /// Whether a source may read there, or why not.
    pub fn check(&self, location: &Location) -> Result<(), Refusal> {
        // A location around a forbidden root would list what lies in it.
        if self.forbidden.iter().any(|root| root.contains(location) || location.contains(root)) {
            return Err(Refusal::Forbidden);
        }
        if self.allowed.iter().any(|entry| entry.contains(location)) { Ok(()) } else { Err(Refusal::NotListed) }
    }

    #[cfg(test)]
    fn allows(&self, location: &Location) -> bool {
        self.check(location).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Location {
        text.parse().unwrap()
    }

    fn list(allowed: &[&str], forbidden: &[&str]) -> AllowList {
        AllowList::new(allowed.iter().map(|text| at(text)).collect(), forbidden.iter().map(|text| at(text)).collect())
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert_eq!(AllowList::default().check(&at("file:///a")), Err(Refusal::NotListed));
    }

    #[test]
    fn entries_allow_by_whole_segments() {
        let list = list(&["s3://bucket/data/", "file:///a", "s3://open"], &[]);
        for good in
            ["s3://bucket/data", "s3://bucket/data/x/y", "file:///a/", "file:///a/b", "s3://open", "s3://open/x"]
        {
            assert!(list.allows(&at(good)), "{good}");
        }
        for bad in [
            "s3://bucket/data2",
            "s3://bucket",
            "s3://bucket/dat",
            "s3://other/data",
            "s3://bucket/Data",
            "file:///ab",
            "file:///",
            "file:///data",
            "s3://open2",
            "file:///b/a",
        ] {
            assert_eq!(list.check(&at(bad)), Err(Refusal::NotListed), "{bad}");
        }
    }

    #[test]
    fn forbidden_roots_win_in_both_directions() {
        let list = list(&["file:///", "s3://bucket"], &["file:///srv/stillframe", "s3://bucket/root"]);
        for bad in [
            "file:///",
            "file:///srv",
            "file:///srv/stillframe",
            "file:///srv/stillframe/x",
            "s3://bucket",
            "s3://bucket/root/y",
        ] {
            assert_eq!(list.check(&at(bad)), Err(Refusal::Forbidden), "{bad}");
        }
        for good in
            ["file:///srv/stillframe2", "file:///srv/still", "file:///data", "s3://bucket/in", "s3://bucket/root2"]
        {
            assert!(list.allows(&at(good)), "{good}");
        }
    }

    fn place() -> impl Strategy<Value = Location> {
        "(s3://bucket|file://)(/[ab]{1,2}){1,4}".prop_map(|text| at(&text))
    }

    proptest! {
        #[test]
        fn what_is_allowed_lies_below_an_entry_and_apart_from_the_forbidden(
            allowed in proptest::collection::vec(place(), 0..3), root in place(), location in place(),
        ) {
            // Held against text: a slash at the end of both makes whole segments.
            let inside = |inner: &Location, outer: &Location| format!("{inner}/").starts_with(&format!("{outer}/"));
            let expected = allowed.iter().any(|entry| inside(&location, entry)) && !inside(&location, &root) && !inside(&root, &location);
            prop_assert_eq!(AllowList::new(allowed, vec![root]).allows(&location), expected);
        }
    }
}
