//! What the records of each kind are found by.

use super::{
    ApiKey, Collection, Indexed, RequestId, Restore, Snapshot, Source, Workspace, keys,
    raw::{Raw, read},
    secondary::Entry,
};
use crate::error::Error;

/// Where a record is found, by its key and its bytes.
pub(super) fn entries(key: &[u8], value: &[u8]) -> Result<Vec<Entry>, Error> {
    match keys::kind_of(key) {
        "workspace" => entries_of::<Workspace>(key, value),
        "collection" => entries_of::<Collection>(key, value),
        "snapshot" => entries_of::<Snapshot>(key, value),
        "restore" => entries_of::<Restore>(key, value),
        "source" => entries_of::<Source>(key, value),
        "API key" => entries_of::<ApiKey>(key, value),
        "request id" => entries_of::<RequestId>(key, value),
        _ => Ok(Vec::new()),
    }
}

/// The same of a record that may not be there.
pub(super) fn entries_if(key: &[u8], raw: Option<&Raw>) -> Result<Vec<Entry>, Error> {
    raw.map_or(Ok(Vec::new()), |raw| entries(key, raw.value()))
}

fn entries_of<R: Indexed>(key: &[u8], value: &[u8]) -> Result<Vec<Entry>, Error> {
    Ok(read::<R>(key, value)?.entries().into_vec())
}
