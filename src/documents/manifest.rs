//! The bytes of a manifest, as far as we must know them.
//!
//! A manifest of SlateDB is two bytes of version and a FlatBuffer. One field of its table
//! is the offset of the vector of checkpoints, and a vector begins with the number of its
//! elements. Set to 0, it says that there are none: nothing moves, and what the vector
//! named is not reached any more. SlateDB itself would have them deleted one by one, each
//! by a new manifest. It drops what is not reached when it writes the manifest again.

use std::sync::Arc;

use bytes::Bytes;
use slatedb::{
    VersionedManifest,
    admin::Admin,
    config::CheckpointOptions,
    object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path},
};

use crate::error::Error;

/// The version that SlateDB 0.18 writes.
const VERSION: [u8; 2] = [0, 2];
/// Where the table of fields says how far behind the table the vector of checkpoints is.
const CHECKPOINTS: usize = 28;

/// Where a manifest of a database is.
pub(super) fn path(database: &Path, id: u64) -> Path {
    database.clone().join("manifest").join(format!("{id:020}.manifest"))
}

/// What a manifest says.
pub(super) async fn decode(id: u64, bytes: Bytes) -> Result<VersionedManifest, Error> {
    // Only a database decodes one.
    let (memory, database) = (Arc::new(InMemory::new()), Path::from("frozen"));
    memory.put(&path(&database, id), bytes.into()).await?;
    let found = Admin::builder(database, memory).build().read_manifest(Some(id)).await?;
    found.ok_or_else(|| Error::internal("a manifest in memory vanished"))
}

/// The same manifest as SlateDB writes it: without what is not reached.
pub(super) async fn written_again(id: u64, bytes: Bytes) -> Result<Bytes, Error> {
    let (memory, database) = (Arc::new(InMemory::new()), Path::from("frozen"));
    memory.put(&path(&database, id), bytes.into()).await?;
    let store: Arc<dyn ObjectStore> = Arc::clone(&memory) as _;
    let admin = Admin::builder(database.clone(), store).build();
    // Each of the two writes it, and together they change nothing.
    let made = admin.create_detached_checkpoint(&CheckpointOptions::default()).await?;
    admin.delete_checkpoint(made.id).await?;
    Ok(memory.get(&path(&database, id + 2)).await?.bytes().await?)
}

/// The same manifest, but that it knows no checkpoints, and how many it had.
pub(super) fn without_checkpoints(manifest: &[u8]) -> Result<(Bytes, u32), Error> {
    let damaged = || Error::DataLoss("a manifest has no list of checkpoints where one is expected".to_owned());
    let (version, table) = manifest.split_at_checked(VERSION.len()).ok_or_else(damaged)?;
    if version != VERSION {
        return Err(Error::DataLoss(format!("a manifest is of the unknown version {version:02x?}")));
    }
    let at = VERSION.len() + checkpoints(table).ok_or_else(damaged)?;
    let mut emptied = manifest.to_vec();
    let count = number(&emptied, at).ok_or_else(damaged)?;
    emptied.get_mut(at..at + 4).ok_or_else(damaged)?.fill(0);
    Ok((emptied.into(), count))
}

/// Where the vector of checkpoints begins.
fn checkpoints(buffer: &[u8]) -> Option<usize> {
    let table = usize::try_from(number(buffer, 0)?).ok()?;
    // The table says how far before it, or behind, its fields are listed.
    let back = i32::from_le_bytes(four(buffer, table)?);
    let fields = usize::try_from(i64::try_from(table).ok()? - i64::from(back)).ok()?;
    let size = usize::from(half(buffer, fields)?);
    if size < CHECKPOINTS + 2 {
        return None;
    }
    // 0 would be a field that is not there.
    let field = Some(half(buffer, fields + CHECKPOINTS)?).filter(|offset| *offset > 0)?;
    let field = table + usize::from(field);
    field.checked_add(usize::try_from(number(buffer, field)?).ok()?)
}

fn half(buffer: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(buffer.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn four(buffer: &[u8], at: usize) -> Option<[u8; 4]> {
    buffer.get(at..at.checked_add(4)?)?.try_into().ok()
}

fn number(buffer: &[u8], at: usize) -> Option<u32> {
    four(buffer, at).map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use slatedb::{
        Db,
        config::{FlushOptions, FlushType},
    };

    use super::*;
    use crate::documents::keys::Segments;

    /// The bytes of the newest manifest of a database with so many checkpoints.
    async fn given(checkpoints: usize) -> (u64, Bytes) {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let database = Path::from("books");
        let builder = Db::builder(database.clone(), Arc::clone(&store)).with_segment_extractor(Arc::new(Segments));
        let db = builder.build().await.unwrap();
        for bucket in 0..3 {
            db.put(crate::documents::keys::document(bucket, "a"), b"{}").await.unwrap();
            db.flush_with_options(FlushOptions { flush_type: FlushType::MemTable }).await.unwrap();
        }
        db.close().await.unwrap();
        let admin = Admin::builder(database.clone(), Arc::clone(&store)).build();
        for n in 0..checkpoints {
            let options = CheckpointOptions { name: Some(format!("c{n}")), ..CheckpointOptions::default() };
            admin.create_detached_checkpoint(&options).await.unwrap();
        }
        let id = admin.read_manifest(None).await.unwrap().unwrap().id();
        let bytes = store.get(&path(&database, id)).await.unwrap().bytes().await.unwrap();
        (id, bytes)
    }

    /// All that a manifest says, and its checkpoints apart.
    async fn said(id: u64, bytes: Bytes) -> (serde_json::Value, usize) {
        let mut said = serde_json::to_value(decode(id, bytes).await.unwrap()).unwrap();
        let checkpoints = said.as_object_mut().unwrap().remove("checkpoints").unwrap();
        (said, checkpoints.as_array().unwrap().len())
    }

    #[tokio::test]
    async fn nothing_but_the_checkpoints_goes() {
        for count in [0, 1, 2, 100] {
            let (id, bytes) = given(count).await;
            let before = said(id, bytes.clone()).await;
            assert_eq!(before.1, count);
            assert!(before.0["segments"].as_array().is_some_and(|segments| segments.len() == 3), "{}", before.0);
            let (emptied, had) = without_checkpoints(&bytes).unwrap();
            assert_eq!(usize::try_from(had).unwrap(), count);
            assert_eq!(said(id, emptied.clone()).await, (before.0.clone(), 0), "{count}");
            let again = written_again(id, emptied.clone()).await.unwrap();
            assert_eq!(said(id, again.clone()).await, (before.0, 0), "{count}");
            assert!(again.len() + 60 * count <= bytes.len(), "{} of {} bytes, {count}", again.len(), bytes.len());
            let changed: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != emptied[*at]).collect();
            assert!(emptied.len() == bytes.len() && changed.len() <= 1, "the number of them: {changed:?}");
            // Whatever comes behind it, such as a seal, is none of its business.
            let sealed = [&emptied[..], &[7; 96]].concat();
            assert_eq!(said(id, sealed.into()).await.1, 0);
        }
    }

    #[tokio::test]
    async fn what_is_no_manifest_is_damage() {
        let (_, bytes) = given(2).await;
        for length in 0..bytes.len() {
            // It is either noticed, or all that leads to the number is there.
            let _ = without_checkpoints(&bytes[..length]);
        }
        for damaged in [&[][..], &[0], &[0, 1, 4, 0, 0, 0], &[0, 2], &[0, 2, 255, 255, 255, 255], &bytes[..16]] {
            assert!(matches!(without_checkpoints(damaged), Err(Error::DataLoss(_))), "{damaged:?}");
        }
    }
}
