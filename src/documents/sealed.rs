//! The storage root as databases see it: with a *seal* behind every manifest, list of
//! compactions and log, which SlateDB writes without a checksum or an owner.
//!
//! A seal says whose an object is, which, and what its contents are, so one that was
//! changed, cut, emptied, or put in another's place is never taken for data, and an
//! empty log never for a fence: it is [`Damage`] at once. Nobody above sees seals, in
//! contents or in sizes. Contents of a log are not hashed again when they are read piece
//! by piece: whoever does that has read it whole before.
//!
//! What older versions wrote has no seals; the records say which objects those are
//! ([`Older`]).

mod damage;
mod older;
mod place;
mod seal;

use std::{fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use slatedb::object_store::{
    Attributes, CopyMode, CopyOptions, Error as StoreError, Extensions, GetOptions, GetRange, GetResult,
    GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, RenameTargetMode, Result, path::Path,
};

pub(super) use self::place::{Kind, Place};
pub use self::{
    damage::{Damage, Fault},
    older::{Older, Since},
};

const SEAL: u64 = seal::LEN as u64;
/// Damage is said when it was seen so often: one read may go wrong by itself.
const LOOKS: usize = 2;

/// A root with seals.
#[derive(Debug)]
pub struct Sealed {
    inner: Arc<dyn ObjectStore>,
    older: Arc<Older>,
}

impl Sealed {
    /// Over a root.
    pub fn new(inner: Arc<dyn ObjectStore>, older: Arc<Older>) -> Self {
        Self { inner, older }
    }

    /// Reads an object whole, whatever part of it is wanted.
    async fn get_whole(&self, path: &Path, place: Place, options: GetOptions) -> Result<GetResult> {
        let mut looks = 0;
        loop {
            looks += 1;
            let read = self.inner.get_opts(path, GetOptions { head: false, range: None, ..options.clone() }).await?;
            let (mut meta, attributes, extensions) = parts_of(&read);
            let object = read.bytes().await?;
            let end = match seal::check(place, &object) {
                Err(_) if self.older.may_be(place) && !seal::is_there(&object) => object.len(),
                Ok(end) => end,
                Err(_) if looks < LOOKS => continue,
                Err(fault) => return Err(damaged(path, fault)),
            };
            meta.size = end as u64;
            let range = match &options.range {
                _ if options.head => 0..0,
                Some(range) => range
                    .as_range(meta.size)
                    .map_err(|error| StoreError::Generic { store: "stillframe", source: error.into() })?,
                None => 0..meta.size,
            };
            let payload = payload(slice(&object, &range));
            return Ok(GetResult { payload, meta, range, attributes, extensions });
        }
    }

    /// Looks at a log: at its end, where the seal is.
    async fn look_at_log(&self, path: &Path, place: Place, options: GetOptions) -> Result<GetResult> {
        let mut looks = 0;
        loop {
            looks += 1;
            let end = GetOptions { head: false, range: Some(GetRange::Suffix(SEAL)), ..options.clone() };
            let read = match self.inner.get_opts(path, end).await {
                Ok(read) => read,
                // A bucket cannot read the end of what is empty.
                Err(error) => return Err(self.unless_cut(path, 0, error).await),
            };
            let (mut meta, attributes, extensions) = parts_of(&read);
            match seal::check_end(place, meta.size, &read.bytes().await?) {
                Ok(length) => {
                    meta.size = length;
                    return Ok(GetResult { payload: payload(Bytes::new()), meta, range: 0..0, attributes, extensions });
                }
                Err(_) if looks < LOOKS => {}
                Err(fault) => return Err(damaged(path, fault)),
            }
        }
    }

    /// Reads a part of a log, which somebody has looked at.
    async fn get_part(&self, path: &Path, wanted: GetRange, options: GetOptions) -> Result<GetResult> {
        let start = start_of(&wanted);
        let wanted = match wanted {
            // The seal is behind the contents.
            GetRange::Suffix(count) => GetRange::Suffix(count.saturating_add(SEAL)),
            other => other,
        };
        let read = match self.inner.get_opts(path, GetOptions { range: Some(wanted), ..options }).await {
            Ok(read) => read,
            Err(error) => return Err(self.unless_cut(path, start, error).await),
        };
        let (mut meta, attributes, extensions) = parts_of(&read);
        let Some(length) = meta.size.checked_sub(SEAL) else {
            return Err(damaged(path, Fault::Cut));
        };
        let whole = read.range.clone();
        let bytes = read.bytes().await?;
        meta.size = length;
        let range = whole.start..whole.end.min(length).max(whole.start);
        let payload = payload(slice(&bytes, &(0..range.end - range.start)));
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    /// Why a part of an object could not be read: if the object ends before that part
    /// begins, nobody need try again.
    async fn unless_cut(&self, path: &Path, start: u64, error: StoreError) -> StoreError {
        if matches!(error, StoreError::NotFound { .. }) {
            return error;
        }
        match self.inner.head(path).await {
            Ok(meta) if meta.size == 0 => damaged(path, Fault::Empty),
            Ok(meta) if meta.size <= start => damaged(path, Fault::Cut),
            _ => error,
        }
    }

    /// What is listed, as it looks without seals.
    fn without_seals(&self) -> impl Fn(ObjectMeta) -> ObjectMeta + Send + Sync + use<> {
        let older = Arc::clone(&self.older);
        move |mut meta| {
            if Place::of(&meta.location).is_some_and(|place| !older.may_be(place)) {
                meta.size = meta.size.saturating_sub(SEAL);
            }
            meta
        }
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Sealed {
    async fn put_opts(&self, path: &Path, contents: PutPayload, options: PutOptions) -> Result<PutResult> {
        let object = match Place::of(path) {
            Some(place) => seal::put_behind(place, &contents),
            None => contents,
        };
        self.inner.put_opts(path, object, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        if Place::of(path).is_some() {
            return Err(StoreError::NotSupported { source: format!("{path} is written in one piece").into() });
        }
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let place = Place::of(path);
        match (place, options.range.clone()) {
            (Some(place), _) if place.kind != Kind::Log => self.get_whole(path, place, options).await,
            (Some(place), range) if !self.older.may_be(place) => match range {
                _ if options.head => self.look_at_log(path, place, options).await,
                Some(range) => self.get_part(path, range, options).await,
                None => self.get_whole(path, place, options).await,
            },
            (_, Some(range)) if place.is_some() || place::is_data_file(path) => {
                match self.inner.get_opts(path, options).await {
                    Err(error) => Err(self.unless_cut(path, start_of(&range), error).await),
                    read => read,
                }
            }
            _ => self.inner.get_opts(path, options).await,
        }
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if Place::of(path).is_none() && !place::is_data_file(path) {
            return self.inner.get_ranges(path, ranges).await;
        }
        let mut read = Vec::with_capacity(ranges.len());
        for range in ranges {
            read.push(self.get_range(path, range.clone()).await?);
        }
        Ok(read)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix).map_ok(self.without_seals()).boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset).map_ok(self.without_seals()).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.inner.list_with_delimiter(prefix).await?;
        listed.objects = listed.objects.into_iter().map(self.without_seals()).collect();
        Ok(listed)
    }

    /// What has a seal is read and written: a copy elsewhere needs another one, and a hard
    /// link would have that of its source.
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let places = (Place::of(from), Place::of(to));
        if places.0 == places.1 {
            return self.inner.copy_opts(from, to, options).await;
        }
        let contents = self.get(from).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Overwrite => PutMode::Overwrite,
            CopyMode::Create => PutMode::Create,
        };
        self.put_opts(to, contents.into(), mode.into()).await?;
        Ok(())
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        if Place::of(from) == Place::of(to) {
            return self.inner.rename_opts(from, to, options).await;
        }
        let mode = match options.target_mode {
            RenameTargetMode::Overwrite => CopyMode::Overwrite,
            RenameTargetMode::Create => CopyMode::Create,
        };
        self.copy_opts(from, to, CopyOptions::new().with_mode(mode)).await?;
        self.inner.delete(from).await
    }
}

fn damaged(path: &Path, fault: Fault) -> StoreError {
    Damage { path: path.clone(), fault }.into()
}

fn parts_of(read: &GetResult) -> (ObjectMeta, Attributes, Extensions) {
    (read.meta.clone(), read.attributes.clone(), read.extensions.clone())
}

fn payload(bytes: Bytes) -> GetResultPayload {
    GetResultPayload::Stream(futures::stream::iter([Ok(bytes)]).boxed())
}

/// A range that is known to be inside.
fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(range.start)..at(range.end))
}

fn start_of(range: &GetRange) -> u64 {
    match range {
        GetRange::Bounded(range) => range.start,
        GetRange::Offset(start) => *start,
        GetRange::Suffix(_) => 0,
    }
}

#[cfg(test)]
mod tests;
