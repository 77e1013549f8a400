//! Which places sources may read: the operator's list, held against where a
//! place really is.

use std::path::{Path, PathBuf};

use super::{
    allow::AllowList,
    location::{Location, LocationError, Store},
};
use crate::{
    documents::Environment,
    error::{Contact, Error},
};

/// Where sources read when the operator says nothing, in the data directory.
pub const IMPORT: &str = "import";

/// The places that sources may read.
#[derive(Clone, Debug, Default)]
pub struct Access {
    allowed: Vec<Location>,
    forbidden: Vec<Location>,
    /// That of the data directory. What lies in it goes where the directory goes.
    import: Option<Location>,
    environment: Environment,
    contact: Contact,
}

impl Access {
    /// Allows what lies in one of `allowed` and apart from what belongs to the
    /// service, whose links are resolved ([`place`]).
    #[must_use]
    pub fn new(allowed: Vec<Location>, forbidden: Vec<Location>) -> Self {
        Self { allowed, forbidden, ..Self::default() }
    }

    /// Where the data directory has its own place for sources.
    #[must_use]
    pub fn with_import(self, import: Location) -> Self {
        Self { import: Some(import), ..self }
    }

    /// How buckets are reached.
    #[must_use]
    pub fn with_environment(self, environment: Environment) -> Self {
        Self { environment, ..self }
    }

    /// Whom a caller may ask who needs another place.
    #[must_use]
    pub fn with_contact(self, contact: Contact) -> Self {
        Self { contact, ..self }
    }

    /// How buckets are reached.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What is allowed unless the operator says otherwise.
    pub fn import(data_dir: &Path) -> std::io::Result<Location> {
        let import = data_dir.canonicalize()?.join(IMPORT);
        Location::from_directory(&import).map_err(std::io::Error::other)
    }

    /// How many segments at the beginning of a location are the data directory's own place;
    /// 0: it lies elsewhere. It counts as it is written: whose links lead there moves them
    /// as well.
    #[must_use]
    pub fn import_segments(&self, location: &Location) -> u32 {
        let import = self.import.as_ref().filter(|import| import.contains(location));
        import.map_or(0, |import| u32::try_from(import.segments().len()).unwrap_or_default())
    }

    /// Where a location is now of which so many segments were the data directory's own
    /// place.
    #[must_use]
    pub fn moved(&self, location: Location, import_segments: u32) -> Location {
        match (&self.import, usize::try_from(import_segments)) {
            (Some(import), Ok(first @ 1..)) => import.with_end_of(&location, first),
            _ => location,
        }
    }

    /// Refuses a location that may not be read.
    pub fn check(&self, location: &Location) -> Result<(), Error> {
        match location.store() {
            Store::File => self.resolve(location).map(|_| ()),
            Store::S3 { .. } => self.check_place(location, location, self.allowed.clone()),
        }
    }

    /// Where a `file` location really is, if it is there and may be read.
    pub fn resolve(&self, location: &Location) -> Result<Option<Location>, Error> {
        let Some(resolved) = resolved(location) else {
            // Not there yet: its name decides, until it is.
            return self.check_place(location, location, self.allowed.clone()).map(|()| None);
        };
        // What the operator named may itself lie behind links.
        let entries = self.allowed.iter().filter_map(resolved_entry).collect();
        self.check_place(&resolved, location, entries)?;
        Ok(Some(resolved))
    }

    fn check_place(&self, place: &Location, asked: &Location, allowed: Vec<Location>) -> Result<(), Error> {
        AllowList::new(allowed, self.forbidden.clone()).check(place).map_err(|refusal| {
            let (location, contact) = (asked.to_string(), self.contact.clone());
            Error::SourceLocationNotAllowed { location, why: refusal.to_string(), contact }
        })
    }
}

fn resolved_entry(entry: &Location) -> Option<Location> {
    match entry.store() {
        Store::File => resolved(entry),
        Store::S3 { .. } => None,
    }
}

fn resolved(location: &Location) -> Option<Location> {
    let path = PathBuf::from("/").join(location.path());
    place(&path).ok()
}

/// Where a directory really is.
pub fn place(directory: &Path) -> std::io::Result<Location> {
    let broken = |error: LocationError| std::io::Error::other(error);
    Location::from_directory(&directory.canonicalize()?).map_err(broken)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn at(path: &Path) -> Location {
        Location::from_directory(path).unwrap()
    }

    /// `import` is allowed, `metadata` forbidden, `secret` neither.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().canonicalize().unwrap();
        for name in ["import/in", "metadata", "secret"] {
            std::fs::create_dir_all(data.join(name)).unwrap();
        }
        (dir, data)
    }

    fn access(data: &Path, allowed: &[&str]) -> Access {
        let allowed = allowed.iter().map(|name| at(&data.join(name))).collect();
        Access::new(allowed, vec![place(&data.join("metadata")).unwrap()])
    }

    #[test]
    fn a_link_is_judged_by_where_it_leads() {
        let (_dir, data) = tree();
        symlink(data.join("secret"), data.join("import/out")).unwrap();
        symlink(data.join("import/in"), data.join("way")).unwrap();
        let access = access(&data, &["import"]);
        assert!(access.check(&at(&data.join("import"))).is_ok());
        assert_eq!(access.resolve(&at(&data.join("way"))).unwrap(), Some(at(&data.join("import/in"))));
        assert!(access.check(&at(&data.join("import/out"))).is_err());
        assert!(access.check(&at(&data.join("secret"))).is_err());
        assert!(access.resolve(&at(&data.join("import/later"))).unwrap().is_none(), "not there yet");
        assert!(access.check(&at(&data.join("secret/later"))).is_err());
    }

    #[test]
    fn what_lies_in_the_data_directory_goes_where_that_goes() {
        let place = |text: &str| text.parse::<Location>().unwrap();
        let before = Access::default().with_import(place("file:///srv/data/import"));
        let after = Access::default().with_import(place("file:///import"));
        for (then, now) in [
            ("file:///srv/data/import", "file:///import"),
            ("file:///srv/data/import/in/%25", "file:///import/in/%25"),
            ("file:///srv/data/imported", "file:///srv/data/imported"),
            ("file:///srv/data", "file:///srv/data"),
            ("s3://srv/data/import", "s3://srv/data/import"),
        ] {
            let segments = before.import_segments(&place(then));
            assert_eq!(after.moved(place(then), segments), place(now), "{then}");
            assert_eq!(before.moved(place(then), segments), place(then));
        }
    }

    #[test]
    fn the_list_may_name_a_link_and_never_opens_the_service() {
        let (_dir, data) = tree();
        symlink(data.join("import"), data.join("way")).unwrap();
        symlink(data.join("metadata"), data.join("import/own")).unwrap();
        let access = access(&data, &["way", "import/own", "metadata"]);
        assert!(access.check(&at(&data.join("import/in"))).is_ok());
        assert!(access.check(&at(&data.join("way/in"))).is_ok());
        for own in ["import/own", "metadata", "metadata/later", ""] {
            assert!(access.check(&at(&data.join(own))).is_err(), "{own:?}");
        }
    }
}
