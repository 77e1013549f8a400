//! What a source reads from, behind one face.
//!
//! A feed has *parts*, each with a name and a version, and a part has records
//! with numbers. An object is a part, its etag the version; a partition of a
//! message broker can be one as well, its offsets the numbers. What is read of a
//! part is remembered by its name, version and record number alone, so the rest
//! of a source does not care what it reads.

mod directory;
mod listed;
mod names;
mod objects;
#[cfg(feature = "s3")]
mod store;

use std::{borrow::Cow, collections::BTreeMap};

use self::names::{NOT_UTF8, escaped};
pub use self::{
    directory::Directory,
    listed::Listed,
    objects::{ByteStream, ObjectFeed, Objects, Version, Wanted},
};
#[cfg(feature = "s3")]
pub use store::bucket;

use super::{
    error::ReadError,
    format::Encoding,
    records::{Record, Records},
};
use crate::error::Error;

/// The most parts that a feed may have: they are compared in memory.
pub const MAX_PARTS: usize = 100_000;
/// And what their names and versions may take together: eight listings are made at once.
pub const MAX_LISTED_BYTES: usize = 32 << 20;
/// The longest name, in bytes; as long as a key of S3 may be.
pub const MAX_NAME_BYTES: usize = 1_024;

/// One part, as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Another one means another content.
    pub etag: String,
    /// How its content is read.
    pub encoding: Encoding,
    /// Why it is not read at all, if the listing says so. It counts as one bad record.
    pub refused: Option<Cow<'static, str>>,
}

/// What becomes of opening a part. A fault is an error: of the part if it
/// [names it](Error::SourceUnreadable), and otherwise of all of them.
pub enum Opened<T> {
    /// It is read.
    Ready(T),
    /// It is not what was listed, or not there, and why that is said. The next listing knows
    /// better; one that does not is as good as a refusal.
    Unlike(&'static str),
    /// It is there, and not given to us: why. That may change without the part changing.
    Refused(String),
}

impl<T> Opened<T> {
    /// The same of something else.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Opened<U> {
        match self {
            Self::Ready(it) => Opened::Ready(change(it)),
            Self::Unlike(why) => Opened::Unlike(why),
            Self::Refused(why) => Opened::Refused(why),
        }
    }
}

/// What a source reads from.
#[async_trait::async_trait]
pub trait Feed: Send + Sync {
    /// The parts, by their names; [`Error::TooManyObjects`] beyond
    /// [`MAX_PARTS`] and [`MAX_LISTED_BYTES`].
    async fn parts(&self) -> Result<BTreeMap<String, Part>, Error>;

    /// Reads a part from its start.
    async fn open(&self, name: &str, part: &Part) -> Result<Opened<Box<dyn Reader>>, Error>;
}

/// The records of one part.
#[async_trait::async_trait]
pub trait Reader: Send {
    /// Passes over the records before this number.
    fn skip_to(&mut self, number: u64);

    /// The next record, `None` at the end. Cancel safe.
    async fn next(&mut self) -> Result<Option<Record>, ReadError>;

    /// Bytes of the records so far, the same for the same record each time.
    fn position(&self) -> u64;
}

#[async_trait::async_trait]
impl Reader for Records {
    fn skip_to(&mut self, number: u64) {
        self.skip_to(number);
    }

    async fn next(&mut self) -> Result<Option<Record>, ReadError> {
        self.next().await
    }

    fn position(&self) -> u64 {
        self.position()
    }
}
