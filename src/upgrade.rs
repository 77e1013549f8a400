//! Takes over roots of older versions. Databases of before format 3 have manifests and
//! logs without seals: the records say up to which number, before anything gets a seal.
//! Records of before format 4 may hold the positions of sixteen sources, or the hashes of
//! many secrets: each gets a record of its own (`upgrade/divide.rs`).
//!
//! Version 0.1.0 had its records in the data directory alone, and copies of some of them
//! under `catalog/`.
//! The marker goes first, so that the old version refuses the root; then the file
//! lists, then the records as the first base of the log. A crash anywhere lets the
//! next start begin again, up to the base, which is the end: what is left of
//! `catalog/` goes with any later start.

mod divide;

use futures::{StreamExt, TryStreamExt};
use uuid::Uuid;

pub use self::divide::divide;
use crate::{
    clock::Clock,
    documents::{ObjectPath, Root, Since, file_list},
    error::Error,
    records::{
        self, ApiKeyUse, Change, Collection, CollectionState, Expected, IndexState, Log, Record, Records, Retired,
        SealedFrom,
    },
};

/// Where version 0.1.0 had its copies.
const CATALOG: &str = "catalog";
/// Databases that are looked at at once.
const LOOKS_AT_ONCE: usize = 16;
/// Records in one change.
const RECORDS_AT_ONCE: usize = 1_000;

/// Says of every database which of its objects have no seals. Nothing has one yet.
pub async fn expect_all(root: &Root, records: &Records) -> Result<(), Error> {
    let mut databases = Vec::new();
    for found in records.scan(&Collection::all()) {
        let found = found?;
        databases.push((found.uid, found.state == CollectionState::Restoring));
    }
    for found in records.scan(&Retired::all()) {
        databases.push((found?.uid, false));
    }
    let looked = futures::stream::iter(databases)
        .map(|(uid, is_restoring)| async move {
            if records.get(&Expected::at(uid))?.is_some() {
                return Ok(None);
            }
            let since = root.seals_from_now(uid).await?;
            if since.is_none() && is_restoring {
                // The copy begins anew: all of it gets seals.
                root.remove_database(uid).await?;
            }
            Ok::<_, Error>(since.map(|since| expected(uid, since)))
        })
        .buffered(LOOKS_AT_ONCE);
    let expected: Vec<Expected> = looked.try_filter_map(|expected| async move { Ok(expected) }).try_collect().await?;
    for some in expected.chunks(RECORDS_AT_ONCE) {
        records.change(|| Ok((some.iter().fold(Change::default(), Change::put), ()))).await?;
    }
    tracing::info!(databases = expected.len(), "manifests and logs get seals from now on");
    Ok(())
}

/// What is known of a database that nobody has closed since: that its newest objects stay.
fn expected(uid: Uuid, since: Since) -> Expected {
    let Since { manifest, compactions, log } = since;
    Expected {
        manifest_id: manifest - 1,
        log_id: log - 1,
        sealed_from: Some(SealedFrom { manifest, compactions, log }),
        ..Expected::nothing_of(uid)
    }
}

/// Tells the root which objects have no seals.
pub fn note_older(root: &Root, records: &Records) -> Result<(), Error> {
    for found in records.scan(&Expected::all()) {
        let found = found?;
        if let Some(SealedFrom { manifest, compactions, log }) = found.sealed_from {
            root.older().note(found.uid, Since { manifest, compactions, log });
        }
    }
    Ok(())
}

/// Makes the records in an old index the log's. Returns what belongs in the cache.
pub async fn take_over(root: &Root, index: &IndexState, log: &Log, clock: &Clock) -> Result<Vec<ApiKeyUse>, Error> {
    let IndexState::Legacy(index, _) = index else { return Ok(Vec::new()) };
    let mut lists = 0;
    for (path, _) in root.list(&ObjectPath::from(CATALOG)).await? {
        if let Some((uid, "files")) = cataloged(&path)
            && let Some(list) = root.get(&path).await?
        {
            root.put(&file_list(uid), list).await?;
            lists += 1;
        }
    }
    let uses = records::take_over(index, log, clock.now()).await?;
    tracing::info!(lists, "the records of version 0.1.0 are in the record log now");
    Ok(uses)
}

/// Removes the copies, and nothing else that may be there.
pub async fn remove_catalog(root: &Root) -> Result<(), Error> {
    let found = root.list(&ObjectPath::from(CATALOG)).await?;
    let copies: Vec<_> = found.into_iter().map(|(path, _)| path).filter(|path| cataloged(path).is_some()).collect();
    if copies.is_empty() {
        return Ok(());
    }
    root.delete_all(copies.into_iter()).await?;
    if let Some(directory) = root.file(&ObjectPath::from(CATALOG)) {
        for kind in ["workspace", "collection", "snapshot", ""] {
            // What is not empty is not ours alone.
            let _ = std::fs::remove_dir(directory.join(kind));
        }
    }
    Ok(())
}

/// The uid and the extension of `catalog/<kind>/<uid>.<extension>`.
fn cataloged(path: &ObjectPath) -> Option<(Uuid, &str)> {
    let (kind, name) = path.as_ref().strip_prefix("catalog/")?.split_once('/')?;
    let (uid, extension) = name.split_once('.')?;
    let is_ours = matches!((kind, extension), ("workspace" | "collection" | "snapshot", "pb") | ("snapshot", "files"));
    is_ours.then_some(())?;
    Some((Uuid::parse_str(uid).ok()?, extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_old_version_wrote_is_known() {
        let uid = Uuid::from_u128(7);
        let found = |text: &str| cataloged(&ObjectPath::from(text)).map(|(uid, extension)| (uid, extension.to_owned()));
        assert_eq!(found(&format!("catalog/snapshot/{uid}.files")), Some((uid, "files".to_owned())));
        assert_eq!(found(&format!("catalog/collection/{uid}.pb")), Some((uid, "pb".to_owned())));
        for other in
            [format!("catalog/{uid}.pb"), format!("catalog/notes/{uid}.pb"), "catalog/snapshot/x.pb".to_owned()]
        {
            assert_eq!(found(&other), None, "{other}");
        }
    }
}
