//! Reads a snapshot in place: a store that shows its manifest over the files of its
//! collection. The collection's own manifests, logs and boundaries are not seen, and
//! nothing that is written through it comes to anybody else's notice.

use std::{fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use slatedb::object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use uuid::Uuid;

use super::{checkpoints::frozen::Frozen, manifest, paths};
use crate::error::Error;

/// Such a store.
#[derive(Debug)]
pub(super) struct Overlay {
    /// What is not of the collection.
    memory: InMemory,
    /// Where the files of the collection are.
    files: Path,
    below: Arc<dyn ObjectStore>,
}

impl Overlay {
    /// Shows a manifest over the files of a collection.
    pub async fn new(below: Arc<dyn ObjectStore>, collection: Uuid, frozen: &Frozen) -> Result<Self, Error> {
        let (memory, database) = (InMemory::new(), paths::collection(collection));
        memory.put(&manifest::path(&database, frozen.manifest.id()), frozen.bytes.clone().into()).await?;
        Ok(Self { memory, files: database.join("compacted"), below })
    }

    fn of(&self, path: &Path) -> &dyn ObjectStore {
        if path.prefix_matches(&self.files) { &*self.below } else { &self.memory }
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frozen manifest over {}", self.below)
    }
}

#[async_trait]
impl ObjectStore for Overlay {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.memory.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.memory.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.of(location).get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.of(location).get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.memory.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        prefix.map_or(&self.memory as &dyn ObjectStore, |prefix| self.of(prefix)).list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        prefix.map_or(&self.memory as &dyn ObjectStore, |prefix| self.of(prefix)).list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.memory.copy_opts(from, to, options).await
    }
}
