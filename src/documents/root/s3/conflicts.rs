//! Conditional puts that a bucket could not decide.
//!
//! A put that must find nothing there is answered 412 if there is something. 409 is another
//! answer: something else went on below that key at the same time, and S3 wants the put sent
//! again. The client takes both for the same, and whoever writes would believe to be fenced off.

use std::{error::Error as _, fmt, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use slatedb::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, path::Path,
};

/// How long after each conflict a put is sent again; behind the last it has failed.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];

/// A bucket whose conflicts are resolved.
#[derive(Debug)]
pub struct Conflicts<S>(pub S);

impl<S: fmt::Display> fmt::Display for Conflicts<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Whether a put found nobody's object, but a conflict. What stands behind 412 is another
/// error of the store.
fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { source, .. }
        if !matches!(source.downcast_ref(), Some(Error::Precondition { .. } | Error::NotModified { .. })))
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Conflicts<S> {
    async fn put_opts(&self, path: &Path, contents: PutPayload, options: PutOptions) -> Result<PutResult> {
        for pause in PAUSES {
            match self.0.put_opts(path, contents.clone(), options.clone()).await {
                Err(error) if is_conflict(&error) => {
                    tracing::debug!(%path, cause = error.source(), "a put met a conflict; it is sent again");
                    tokio::time::sleep(pause).await;
                }
                put => return put,
            }
        }
        match self.0.put_opts(path, contents, options).await {
            // Nobody knows whether there is something; whoever writes may try again.
            Err(error) if is_conflict(&error) => Err(Error::Generic { store: "S3", source: Box::new(error) }),
            put => put,
        }
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.0.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}
