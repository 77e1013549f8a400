//! A feed whose parts are objects, wherever they are.

use std::{borrow::Cow, collections::BTreeMap, io, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::Stream;

use super::{Feed, Listed, MAX_NAME_BYTES, Opened, Part, Reader};
use crate::{
    error::Error,
    source::{
        decode::decode,
        error::ReadError,
        format::{Compression, Dialect, Encoding, Format},
        pattern::Pattern,
        records::{Record, Records},
    },
};

/// The content of an object, in chunks of a bounded size.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What tells the content of an object apart from another one.
pub type Version = String;

/// Where objects are.
#[async_trait::async_trait]
pub trait Objects: Send + Sync {
    /// Gives the objects below the location to `wanted`, each by its path
    /// relative to it, and returns those that it took.
    async fn list(&self, wanted: Wanted) -> Result<BTreeMap<String, Part>, Error>;

    /// The content of an object, if it has this version.
    async fn open(&self, path: &str, version: &str) -> Result<Opened<ByteStream>, Error>;
}

/// Which objects a source takes.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those that match; absent: all.
    pub pattern: Option<Arc<Pattern>>,
    /// How they are divided; absent: as their names say.
    pub format: Option<Format>,
    /// How they are packed; absent: as their names say.
    pub compression: Option<Compression>,
    /// What stands between the fields of CSV; absent: as their names say.
    pub csv_delimiter: Option<u8>,
    /// Whether a CSV header must name every column once.
    pub csv_strict_header: bool,
}

impl Wanted {
    /// The directories that all of them share. Empty, or ends with `/`.
    #[must_use]
    pub fn directory(&self) -> &str {
        self.pattern.as_ref().map_or("", |pattern| pattern.directory())
    }

    /// How an object is read, if it is wanted.
    fn encoding(&self, path: &str) -> Option<Encoding> {
        if path.len() > MAX_NAME_BYTES || self.pattern.as_ref().is_some_and(|pattern| !pattern.matches(path)) {
            return None;
        }
        let encoding = Encoding::of(path, self.format, self.compression)?;
        let delimiter = self.csv_delimiter.unwrap_or(encoding.dialect.delimiter);
        Some(Encoding { dialect: Dialect { delimiter, strict_header: self.csv_strict_header }, ..encoding })
    }

    /// Takes an object if it is wanted. One that cannot be read is taken as well, and `refused` says why: it gives way to
    /// another one whose path is the same.
    pub fn take(
        &self,
        found: &mut Listed,
        path: String,
        refused: Option<Cow<'static, str>>,
        version: impl FnOnce() -> Result<Version, Error>,
    ) -> Result<(), Error> {
        let Some(encoding) = self.encoding(&path) else { return Ok(()) };
        if refused.is_some() && found.get(&path).is_some() {
            return Ok(());
        }
        found.insert(path, Part { etag: version()?, encoding, refused })
    }

    /// Takes one more object of a path that is taken, under another name, if it is wanted: nobody can tell which is which.
    pub fn take_another(
        &self,
        found: &mut Listed,
        path: &str,
        number: usize,
        why: &'static str,
        version: Version,
    ) -> Result<(), Error> {
        if self.encoding(path).is_none() {
            return Ok(());
        }
        self.refuse(found, format!("{path} ({number})"), why.into(), version)
    }

    /// Takes what may hold wanted objects and cannot be looked into, whatever its name.
    pub fn refuse(
        &self,
        found: &mut Listed,
        path: String,
        why: Cow<'static, str>,
        version: Version,
    ) -> Result<(), Error> {
        let (format, compression) = (Format::NdJson, Compression::None);
        let encoding = Encoding { format, compression, dialect: Dialect::default() };
        found.insert(path, Part { etag: version, encoding, refused: Some(why) })
    }
}

/// Objects as parts.
pub struct ObjectFeed<O> {
    /// Where they are.
    pub objects: O,
    /// Which of them.
    pub wanted: Wanted,
}

#[async_trait::async_trait]
impl<O: Objects> Feed for ObjectFeed<O> {
    async fn parts(&self) -> Result<BTreeMap<String, Part>, Error> {
        self.objects.list(self.wanted.clone()).await
    }

    async fn open(&self, name: &str, part: &Part) -> Result<Opened<Box<dyn Reader>>, Error> {
        if let Some(why) = &part.refused {
            return Ok(Opened::Ready(Box::new(Refused(why.clone()))));
        }
        let Encoding { format, compression, dialect } = part.encoding;
        let opened = self.objects.open(name, &part.etag).await?;
        Ok(opened.map(|bytes| Box::new(Records::in_dialect(decode(bytes, compression), format, dialect)) as _))
    }
}

/// The records of an object that is not read: none, and why.
struct Refused(Cow<'static, str>);

#[async_trait::async_trait]
impl Reader for Refused {
    fn skip_to(&mut self, _number: u64) {}

    async fn next(&mut self) -> Result<Option<Record>, ReadError> {
        Err(ReadError::Refused(self.0.clone()))
    }

    fn position(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::feed::MAX_PARTS;

    #[test]
    fn only_so_many_objects_are_taken_and_others_do_not_count() {
        let wanted = Wanted { pattern: Some(Arc::new("in/*".parse().unwrap())), ..Wanted::default() };
        let mut found = Listed::default();
        for n in 0..MAX_PARTS {
            wanted.take(&mut found, format!("in/{n}.csv"), None, || Ok(String::new())).unwrap();
        }
        let long = format!("in/{}.csv", "x".repeat(MAX_NAME_BYTES - 6));
        for passed_over in ["in/x.txt", "out/x.csv", &long] {
            wanted.take(&mut found, passed_over.to_owned(), None, || Ok(String::new())).unwrap();
        }
        let more = wanted.take(&mut found, "in/x.csv".to_owned(), None, || Ok(String::new()));
        assert!(matches!(more, Err(Error::TooManyObjects { limit: MAX_PARTS, .. })));
        assert_eq!((found.into_parts().len(), wanted.directory()), (MAX_PARTS, "in/"));
    }
    #[test]
    fn what_cannot_be_read_gives_way_to_what_has_its_path() {
        let wanted = Wanted::default();
        for order in [[None, Some("why")], [Some("why"), None]] {
            let mut found = Listed::default();
            for refused in order {
                wanted
                    .take(&mut found, r"\xE9.csv".to_owned(), refused.map(Cow::Borrowed), || Ok(String::new()))
                    .unwrap();
            }
            assert_eq!(found.into_parts().into_values().map(|part| part.refused).collect::<Vec<_>>(), [None]);
        }
    }
}
