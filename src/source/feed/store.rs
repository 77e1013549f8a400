//! Objects of an object store: S3, and for tests whatever else there is.

use std::{collections::BTreeMap, io, sync::Arc};

use futures::{StreamExt, TryStreamExt};

use super::{ByteStream, Objects, Part, Version, Wanted};
use crate::{
    documents::object_store::{Error as StoreError, GetOptions, ObjectMeta, ObjectStore, path::Path},
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
                wanted.take(&mut found, path, || Ok(version_of(&object)))?;
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
        let same = version_of(&object.meta) == version;
        Ok(same.then(|| object.into_stream().map_err(io::Error::other).boxed()))
    }
}

fn literal(path: &str) -> Result<Path, Error> {
    Path::parse(path.trim_matches('/')).map_err(|error| Error::SourceUnreadable(error.to_string()))
}

fn version_of(object: &ObjectMeta) -> Version {
    object.e_tag.clone().unwrap_or_else(|| format!("{}-{}", object.last_modified.timestamp_micros(), object.size))
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
/// come from the operator's environment, never from a request.
#[cfg(feature = "s3")]
pub fn bucket(name: &str, prefix: &str) -> Result<Prefix, Error> {
    use crate::documents::object_store::aws::AmazonS3Builder;
    let store = AmazonS3Builder::from_env().with_bucket_name(name).build().map_err(unreadable)?;
    Prefix::new(Arc::new(store), prefix)
}
