//! Objects of an object store: S3, and for tests whatever else there is.

use std::{collections::BTreeMap, io, sync::Arc};

use futures::{StreamExt, TryStreamExt};

use super::{ByteStream, Objects, Part, Version, Wanted};
use crate::{
    documents::{
        Bucket, Environment, connect,
        object_store::{Error as StoreError, GetOptions, ObjectMeta, ObjectStore, path::Path},
    },
    error::Error,
};

/// A prefix in an object store.
#[derive(Clone, Debug)]
pub struct Prefix {
    store: Arc<dyn ObjectStore>,
    /// As it stands: nothing in it is an escape.
    prefix: Path,
}

impl Prefix {
    /// The objects below a literal prefix.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, Error> {
        Ok(Self { store, prefix: literal(prefix)? })
    }
}

#[async_trait::async_trait]
impl Objects for Prefix {
    async fn list(&self, wanted: Wanted) -> Result<BTreeMap<String, Part>, Error> {
        let below = literal(&format!("{}/{}", self.prefix, wanted.directory()))?;
        let mut objects = self.store.list(Some(&below));
        let mut found = BTreeMap::new();
        while let Some(object) = objects.try_next().await.map_err(unreadable)? {
            let path = object.location.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or_default();
            let path = path.trim_start_matches('/').to_owned();
            if !path.is_empty() {
                wanted.take(&mut found, path, None, || Ok(version_of(&object)))?;
            }
        }
        Ok(found)
    }

    async fn open(&self, path: &str, version: &str) -> Result<Option<ByteStream>, Error> {
        let path = literal(&format!("{}/{path}", self.prefix))?;
        let object = match self.store.get_opts(&path, GetOptions::default()).await {
            Err(StoreError::NotFound { .. }) => return Ok(None),
            object => object.map_err(unreadable)?,
        };
        let same = version_of(&object.meta) == version || time_and_size(&object.meta) == version;
        Ok(same.then(|| object.into_stream().map_err(io::Error::other).boxed()))
    }
}

fn literal(path: &str) -> Result<Path, Error> {
    Path::parse(path.trim_matches('/')).map_err(|error| Error::SourceUnreadable(error.to_string()))
}

fn version_of(object: &ObjectMeta) -> Version {
    object.e_tag.clone().unwrap_or_else(|| time_and_size(object))
}

/// For stores whose lists have no etags. To the second: that is as much as the
/// header of an object says.
fn time_and_size(object: &ObjectMeta) -> Version {
    format!("{}-{}", object.last_modified.timestamp(), object.size)
}

/// The store's own words name hosts and paths: they are for the log.
fn unreadable(error: StoreError) -> Error {
    tracing::debug!(%error, "a source's store failed");
    let why = match error {
        StoreError::NotFound { .. } => "it does not exist",
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => "permission denied",
        _ => "the store does not answer as it should",
    };
    Error::SourceUnreadable(why.to_owned())
}

/// The objects of an S3 bucket below a prefix. Endpoint, region and credentials
/// are the operator's, never a request's.
#[cfg(feature = "s3")]
pub fn bucket(name: &str, environment: &Environment, prefix: &str) -> Result<Prefix, Error> {
    let bucket = Bucket { name: name.to_owned(), prefix: String::new(), environment: environment.clone() };
    Prefix::new(connect(&bucket)?, prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        documents::object_store::{ObjectStoreExt, memory::InMemory},
        source::{
            error::ReadError,
            feed::{Feed, ObjectFeed, Part, Reader},
        },
    };

    async fn feed(prefix: &str, pattern: Option<&str>, objects: &[(&str, &str)]) -> (InMemoryFeed, Arc<InMemory>) {
        let store = Arc::new(InMemory::new());
        for (path, content) in objects {
            store.put(&Path::parse(path).unwrap(), (*content).to_owned().into()).await.unwrap();
        }
        let pattern = pattern.map(|pattern| Arc::new(pattern.parse().unwrap()));
        let wanted = Wanted { pattern, ..Wanted::default() };
        (ObjectFeed { objects: Prefix::new(Arc::clone(&store) as _, prefix).unwrap(), wanted }, store)
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
        let reader = feed.open(&name, &part).await.unwrap().unwrap();
        assert_eq!(read(reader).await.unwrap(), ["{\"n\":1}", "{}"]);
        store.put(&Path::parse("data/a%20b.ndjson").unwrap(), "{}".into()).await.unwrap();
        assert!(feed.open(&name, &part).await.unwrap().is_none());
        assert_ne!(feed.parts().await.unwrap()[&name].etag, part.etag);
        store.delete(&Path::parse("data/a%20b.ndjson").unwrap()).await.unwrap();
        assert!(feed.open(&name, &part).await.unwrap().is_none());
    }
}
