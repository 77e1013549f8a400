//! What the records of each kind are found by.

use super::{
    AccessPolicy, ApiKey, BootstrapSecret, Collection, Expected, Indexed, Intent, RequestId, Restore, Retired,
    RetiredSource, Snapshot, Source, SourcePosition, Workspace, keys,
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

/// Refuses a record that cannot be read, whatever its kind: a start would refuse it, or whoever
/// needs it first.
pub(super) fn check_readable(key: &[u8], value: &[u8]) -> Result<(), Error> {
    match keys::kind_of(key) {
        "access policy" => read::<AccessPolicy>(key, value).map(drop),
        "bootstrap secret" => read::<BootstrapSecret>(key, value).map(drop),
        "expected state" => read::<Expected>(key, value).map(drop),
        "retired collection" => read::<Retired>(key, value).map(drop),
        "intent" => read::<Intent>(key, value).map(drop),
        "source position" => read::<SourcePosition>(key, value).map(drop),
        "retired source" => read::<RetiredSource>(key, value).map(drop),
        _ => entries(key, value).map(drop),
    }
}

/// Where a record is found that may not be there.
pub(super) fn entries_if(key: &[u8], raw: Option<&Raw>) -> Result<Vec<Entry>, Error> {
    raw.map_or(Ok(Vec::new()), |raw| entries(key, raw.value()))
}

fn entries_of<R: Indexed>(key: &[u8], value: &[u8]) -> Result<Vec<Entry>, Error> {
    Ok(read::<R>(key, value)?.entries().into_vec())
}
