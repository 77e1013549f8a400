//! Objects of an object store: S3, and for tests whatever else there is.
//!
//! `object_store` has paths where S3 has keys: a key with an empty segment, with `.` or
//! `..` or with a control character is none, and one of them in a page of a list is an
//! error of the list. So S3 is listed here, key by key, and a key that is no path is
//! requested here as well. All else, the reading of long objects above all, is the
//! library's.

mod fault;
mod listing;
mod requests;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt};

pub use self::listing::Entry;
use self::{
    fault::{judged, unreadable},
    listing::Key,
    requests::Requests,
};
use super::{ByteStream, Listed, NOT_UTF8, Objects, Opened, Part, Wanted, escaped};
use crate::{
    documents::{
        Bucket, Environment,
        object_store::{GetOptions, ObjectStore, path::Path},
    },
    error::Error,
};

/// URLs cannot have such a segment: who makes one takes it out, and the one before `..` with it.
const DOTS: &str = "its key has a segment \".\" or \"..\", which no URL can have: rename it";
/// Some servers put another character where XML has no place for one of a key.
const REPEATED: &str = "the store lists several objects by this name, and nobody can ask for this one: rename it";
const ANOTHER: &str = "the store lists it with another version than it has";

/// What a list has so far.
#[derive(Default)]
struct Found {
    objects: Listed,
    /// How often a name has come, if more than once.
    repeated: HashMap<String, usize>,
}

/// A prefix in an object store.
#[derive(Clone, Debug)]
pub struct Prefix {
    store: Arc<dyn ObjectStore>,
    /// Requests for any key. A store that signs in a way of its own (S3 Express) has none.
    requests: Option<Requests>,
    /// As it stands: nothing in it is an escape. Without slashes at its ends.
    prefix: String,
}

impl Prefix {
    /// The objects below a literal prefix of a store that has paths.
    #[cfg(test)]
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self { store, requests: None, prefix: prefix.to_owned() }
    }

    fn key(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    /// Gives each object that is listed to `take`.
    async fn each(&self, below: &str, mut take: impl FnMut(Entry) -> Result<(), Error> + Send) -> Result<(), Error> {
        if let Some(requests) = &self.requests {
            return requests.list(below, take).await;
        }
        let below = Path::parse(below).map_err(|error| Error::unreadable(error.to_string()))?;
        let mut objects = self.store.list(Some(&below));
        while let Some(object) = objects.try_next().await.map_err(unreadable)? {
            take(object.into())?;
        }
        Ok(())
    }

    fn take(&self, wanted: &Wanted, found: &mut Found, entry: &Entry) -> Result<(), Error> {
        let (key, refused) = match &entry.key {
            Key::Text(key) => (Cow::Borrowed(key.as_str()), None),
            Key::Bytes(key) => (Cow::Owned(escaped(key)), Some(NOT_UTF8)),
        };
        let Some(path) = key.strip_prefix(&self.key("")) else { return Ok(()) };
        // A folder, as consoles make one.
        if path.is_empty() || (path.ends_with('/') && entry.size == 0) {
            return Ok(());
        }
        let has_dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
        let refused = refused.or(has_dots.then_some(DOTS)).map(Cow::Borrowed);
        if refused.is_none() && found.objects.get(path).is_some_and(|part| part.refused.is_none()) {
            let times = found.repeated.entry(path.to_owned()).or_insert(1);
            *times += 1;
            return wanted.take_another(&mut found.objects, path, *times, REPEATED, entry.version());
        }
        wanted.take(&mut found.objects, path.to_owned(), refused, || Ok(entry.version()))
    }
}

#[async_trait::async_trait]
impl Objects for Prefix {
    async fn list(&self, wanted: Wanted) -> Result<BTreeMap<String, Part>, Error> {
        let mut found = Found::default();
        self.each(&self.key(wanted.directory()), |entry| self.take(&wanted, &mut found, &entry)).await?;
        Ok(found.objects.into_parts())
    }

    async fn open(&self, path: &str, version: &str) -> Result<Opened<ByteStream>, Error> {
        let key = self.key(path);
        let as_path = Path::parse(&key).ok().filter(|parsed| parsed.as_ref() == key);
        let (entry, bytes) = match as_path {
            Some(location) => match self.store.get_opts(&location, GetOptions::default()).await {
                Ok(object) => {
                    (Entry::from(object.meta.clone()), object.into_stream().map_err(io::Error::other).boxed())
                }
                Err(error) => return judged(path, error),
            },
            None if let Some(requests) = &self.requests => match requests.get(&key).await {
                Ok(object) => object,
                Err(error) => return judged(path, error),
            },
            None => return Ok(Opened::Refused("its key is no path".to_owned())),
        };
        Ok(if entry.is(version) { Opened::Ready(bytes) } else { Opened::Unlike(ANOTHER) })
    }
}

/// The objects of an S3 bucket below a prefix. Endpoint, region and credentials
/// are the operator's, never a request's.
pub fn bucket(name: &str, environment: &Environment, prefix: &str) -> Result<Prefix, Error> {
    let bucket = Bucket { name: name.to_owned(), prefix: String::new(), environment: environment.clone() };
    let (store, requests) = Requests::connect(&bucket)?;
    Ok(Prefix { store, requests, prefix: prefix.trim_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        documents::object_store::{ObjectStoreExt, memory::InMemory},
        source::{
            error::ReadError,
            feed::{Feed, ObjectFeed, Opened, Part, Reader},
        },
    };

    async fn feed(prefix: &str, pattern: Option<&str>, objects: &[(&str, &str)]) -> (InMemoryFeed, Arc<InMemory>) {
        let store = Arc::new(InMemory::new());
        for (path, content) in objects {
            store.put(&Path::parse(path).unwrap(), (*content).to_owned().into()).await.unwrap();
        }
        let pattern = pattern.map(|pattern| Arc::new(pattern.parse().unwrap()));
        let wanted = Wanted { pattern, ..Wanted::default() };
        (ObjectFeed { objects: Prefix::new(Arc::clone(&store) as _, prefix), wanted }, store)
    }

    type InMemoryFeed = ObjectFeed<Prefix>;

    async fn read(mut reader: Box<dyn Reader>) -> Result<Vec<String>, ReadError> {
        let mut records = Vec::new();
        while let Some(record) = reader.next().await? {
            records.push(String::from_utf8(record.content.unwrap().to_vec()).unwrap());
        }
        Ok(records)
    }

    #[tokio::test]
    async fn objects_are_named_relative_to_whole_segments_of_the_prefix() {
        let objects = [("data/a.ndjson", "{}"), ("data/in/b%20.ndjson", "{}"), ("data2/c.ndjson", "{}")];
        let (found, _) = feed("data", None, &objects).await;
        assert_eq!(found.parts().await.unwrap().into_keys().collect::<Vec<_>>(), ["a.ndjson", "in/b%20.ndjson"]);
        let (found, _) = feed("data", Some("in/*.ndjson"), &objects).await;
        assert_eq!(found.parts().await.unwrap().into_keys().collect::<Vec<_>>(), ["in/b%20.ndjson"]);
        let (found, _) = feed("", None, &objects).await;
        assert_eq!(found.parts().await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn an_object_is_read_as_it_was_listed_or_not_at_all() {
        let (feed, store) = feed("data", None, &[("data/a%20b.ndjson", "{\"n\":1}\n{}")]).await;
        let (name, part): (String, Part) = feed.parts().await.unwrap().pop_first().unwrap();
        let Opened::Ready(reader) = feed.open(&name, &part).await.unwrap() else { panic!("it is there") };
        assert_eq!(read(reader).await.unwrap(), ["{\"n\":1}", "{}"]);
        store.put(&Path::parse("data/a%20b.ndjson").unwrap(), "{}".into()).await.unwrap();
        assert!(matches!(feed.open(&name, &part).await, Ok(Opened::Unlike(_))));
        assert_ne!(feed.parts().await.unwrap()[&name].etag, part.etag);
        store.delete(&Path::parse("data/a%20b.ndjson").unwrap()).await.unwrap();
        assert!(matches!(feed.open(&name, &part).await, Ok(Opened::Unlike(_))));
    }
}
