//! The storage root as it would be after a repair: read like this, what is left can be
//! counted before anything is changed.

use std::{collections::HashSet, fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use slatedb::object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

/// A store without some objects, and with some others. Nothing can be written.
#[derive(Debug)]
pub struct View {
    inner: Arc<dyn ObjectStore>,
    without: HashSet<Path>,
    with: InMemory,
}

impl View {
    /// Of a store.
    pub async fn new(inner: Arc<dyn ObjectStore>, without: HashSet<Path>, with: Vec<(Path, Bytes)>) -> Result<Self> {
        let view = Self { inner, without, with: InMemory::new() };
        for (path, bytes) in with {
            view.with.put(&path, bytes.into()).await?;
        }
        Ok(view)
    }
}

fn refused() -> StoreError {
    StoreError::NotSupported { source: "this is only looked at".into() }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for View {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(refused())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(refused())
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.with.get_opts(path, options.clone()).await {
            Err(StoreError::NotFound { .. }) if !self.without.contains(path) => {
                self.inner.get_opts(path, options).await
            }
            read => read,
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        paths.map(|_| Err(refused())).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let without = self.without.clone();
        let left = self.inner.list(prefix).try_filter(move |found| {
            let is_there = !without.contains(&found.location);
            async move { is_there }
        });
        left.chain(self.with.list(prefix)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.inner.list_with_delimiter(prefix).await?;
        listed.objects.retain(|found| !self.without.contains(&found.location));
        listed.objects.extend(self.with.list_with_delimiter(prefix).await?.objects);
        Ok(listed)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(refused())
    }
}
