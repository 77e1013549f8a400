//! What the records of each kind are found by.

use std::collections::BTreeSet;

use prost::Message;
use uuid::Uuid;

use super::{
    ApiKey, Collection, CollectionState, Entries, Indexed, RequestId, Restore, RestoreState, Snapshot, SnapshotState,
    Source, SourceState, Term, Workspace, keys,
    raw::Raw,
    secondary::{Entry, unreadable},
    uid,
};
use crate::{clock::Micros, error::Error};

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

fn entries_of<R: Indexed + Message + Default>(key: &[u8], value: &[u8]) -> Result<Vec<Entry>, Error> {
    let record = R::decode(value).map_err(|error| unreadable(key, &error))?;
    Ok(record.entries().into_vec())
}

impl Workspace {
    /// All workspaces.
    #[must_use]
    pub fn every() -> Term<Self> {
        Term::all("workspaces")
    }
}

impl Indexed for Workspace {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        entries.add(Self::every(), self.id.as_str());
        entries
    }
}

impl Collection {
    /// All collections by their names.
    #[must_use]
    pub fn by_name() -> Term<Self> {
        Term::all("collections by name")
    }

    /// The collections of a workspace.
    #[must_use]
    pub fn in_workspace(workspace: &str) -> Term<Self> {
        Term::text("collections of a workspace", workspace)
    }

    /// The collection of a uid, unless it has been deleted.
    #[must_use]
    pub fn of_uid(uid: Uuid) -> Term<Self> {
        Term::uid("collections by uid", uid)
    }

    /// READY ones whose documents expire.
    #[must_use]
    pub fn with_retention() -> Term<Self> {
        Term::all("collections with a retention")
    }
}

impl Indexed for Collection {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        entries.add(Self::by_name(), self.name().to_string().as_str());
        entries.add(Self::in_workspace(&self.workspace), self.create_time);
        entries.add(Self::of_uid(self.uid()), self.create_time);
        let expires = self.retention != 0 && self.state() == CollectionState::Ready;
        entries.add_if(expires, Self::with_retention, self.create_time);
        entries
    }
}

impl Snapshot {
    /// All snapshots by their names, ended ones too.
    #[must_use]
    pub fn by_name() -> Term<Self> {
        Term::all("snapshots by name")
    }

    /// Those that have been neither deleted nor ended by time, by their names.
    #[must_use]
    pub fn shown_by_name() -> Term<Self> {
        Term::all("snapshots shown by name")
    }

    /// Those of a collection, by their times; ended ones too.
    #[must_use]
    pub fn of_collection(collection: Uuid) -> Term<Self> {
        Term::uid("snapshots of a collection", collection)
    }

    /// CREATED ones of a collection, in the order of the manifests that they stand on,
    /// which no clock changes.
    #[must_use]
    pub fn created_of(collection: Uuid) -> Term<Self> {
        Term::uid("created snapshots of a collection", collection)
    }

    /// Those that are still to be taken, or have ended and still to give their files back:
    /// what there is to do.
    #[must_use]
    pub fn pending() -> Term<Self> {
        Term::all("pending snapshots")
    }

    /// The same, of a collection.
    #[must_use]
    pub fn pending_of(collection: Uuid) -> Term<Self> {
        Term::uid("pending snapshots of a collection", collection)
    }

    /// CREATED ones by the times at which they expire.
    #[must_use]
    pub fn expiring() -> Term<Self> {
        Term::all("expiring snapshots")
    }

    /// Those that have given everything back, by the times at which they ended.
    #[must_use]
    pub fn released() -> Term<Self> {
        Term::all("released snapshots")
    }

    /// The same of a workspace.
    #[must_use]
    pub fn released_in(workspace: &str) -> Term<Self> {
        Term::text("released snapshots of a workspace", workspace)
    }

    /// REQUESTED and CREATED ones of a workspace, by the times at which they expire.
    #[must_use]
    pub fn live_in(workspace: &str) -> Term<Self> {
        Term::text("live snapshots of a workspace", workspace)
    }

    /// The same, of a name.
    #[must_use]
    pub fn live_named(name: &crate::names::SnapshotName) -> Term<Self> {
        Term::text("live snapshots of a name", name.to_string())
    }

    /// Those of a workspace by the times at which they were requested.
    #[must_use]
    pub fn requested_in(workspace: &str) -> Term<Self> {
        Term::text("snapshots of a workspace by request", workspace)
    }

    /// Where it stands among those of its collection.
    #[must_use]
    pub fn manifest_order(&self) -> i64 {
        i64::try_from(self.manifest_id).unwrap_or(i64::MAX)
    }

    /// When it ends by itself: one that is still to be taken does not.
    fn ends(&self) -> Micros {
        if self.state() == SnapshotState::Created { self.expire_time } else { Micros::MAX }
    }
}

impl Indexed for Snapshot {
    fn entries(&self) -> Entries {
        use SnapshotState::{Created, Deleted, Expired, Requested};
        let (name, state, collection) = (self.name(), self.state(), self.collection_uid());
        let is_live = matches!(state, Requested | Created);
        let mut entries = Entries::default();
        entries.add(Self::by_name(), name.to_string().as_str());
        entries.add_if(!matches!(state, Deleted | Expired), Self::shown_by_name, name.to_string().as_str());
        entries.add(Self::of_collection(collection), self.snapshot_time);
        entries.add_if(state == Created, || Self::created_of(collection), self.manifest_order());
        entries.add_if(self.is_pending(), Self::pending, self.create_time);
        entries.add_if(self.is_pending(), || Self::pending_of(collection), self.create_time);
        entries.add_if(state == Created, Self::expiring, self.expire_time);
        entries.add_if(self.released, Self::released, self.end_time);
        entries.add_if(self.released, || Self::released_in(&self.workspace), self.end_time);
        entries.add_if(is_live, || Self::live_in(&self.workspace), self.ends());
        entries.add_if(is_live, || Self::live_named(&name), self.ends());
        entries.add(Self::requested_in(&self.workspace), self.create_time);
        entries
    }
}

impl Restore {
    /// All restores by their names.
    #[must_use]
    pub fn by_name() -> Term<Self> {
        Term::all("restores by name")
    }

    /// Those under way, and those that have ended and still to let go: what there is to
    /// do.
    #[must_use]
    pub fn pending() -> Term<Self> {
        Term::all("pending restores")
    }

    /// The same, of one source collection.
    #[must_use]
    pub fn pending_of(source: Uuid) -> Term<Self> {
        Term::uid("pending restores of a collection", source)
    }

    /// Those that still count on a snapshot.
    #[must_use]
    pub fn awaiting(snapshot: Uuid) -> Term<Self> {
        Term::uid("restores that await a snapshot", snapshot)
    }

    /// Those under way in a workspace.
    #[must_use]
    pub fn live_in(workspace: &str) -> Term<Self> {
        Term::text("live restores of a workspace", workspace)
    }

    /// Those that have let go of everything, by the times at which they ended.
    #[must_use]
    pub fn released() -> Term<Self> {
        Term::all("released restores")
    }

    /// The same of a workspace.
    #[must_use]
    pub fn released_in(workspace: &str) -> Term<Self> {
        Term::text("released restores of a workspace", workspace)
    }
}

impl Indexed for Restore {
    fn entries(&self) -> Entries {
        let ended = matches!(self.state(), RestoreState::Succeeded | RestoreState::Failed | RestoreState::Cancelled);
        let is_pending = !ended || !self.released;
        let source = self.source_collection_uid();
        let mut entries = Entries::default();
        entries.add(Self::by_name(), self.name().to_string().as_str());
        entries.add_if(is_pending, Self::pending, self.create_time);
        entries.add_if(is_pending, || Self::pending_of(source), self.create_time);
        entries.add_if(!ended && !self.pinned, || Self::awaiting(uid(&self.snapshot_uid)), self.create_time);
        entries.add_if(!ended, || Self::live_in(&self.workspace), self.create_time);
        entries.add_if(!is_pending, Self::released, self.end_time);
        entries.add_if(!is_pending, || Self::released_in(&self.workspace), self.end_time);
        entries
    }
}

impl Source {
    /// All sources by their names.
    #[must_use]
    pub fn by_name() -> Term<Self> {
        Term::all("sources by name")
    }

    /// Those that are to run.
    #[must_use]
    pub fn running() -> Term<Self> {
        Term::all("running sources")
    }

    /// Those of a collection.
    #[must_use]
    pub fn of_collection(collection: Uuid) -> Term<Self> {
        Term::uid("sources of a collection", collection)
    }

    /// The source of a uid.
    #[must_use]
    pub fn of_uid(uid: Uuid) -> Term<Self> {
        Term::uid("sources by uid", uid)
    }
}

impl Indexed for Source {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        let runs = matches!(self.state(), SourceState::Initializing | SourceState::Active);
        entries.add(Self::by_name(), self.name().to_string().as_str());
        entries.add_if(runs, Self::running, self.create_time);
        entries.add(Self::of_collection(self.collection_uid()), self.id.as_str());
        entries.add(Self::of_uid(self.uid()), self.create_time);
        entries
    }
}

impl ApiKey {
    /// All keys.
    #[must_use]
    pub fn every() -> Term<Self> {
        Term::all("API keys")
    }

    /// Those with a role in a workspace.
    #[must_use]
    pub fn in_workspace(workspace: &str) -> Term<Self> {
        Term::text("API keys of a workspace", workspace)
    }
}

impl Indexed for ApiKey {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        entries.add(Self::every(), self.id.as_str());
        let workspaces: BTreeSet<&str> = self.bindings.iter().map(|binding| binding.workspace.as_str()).collect();
        for workspace in workspaces {
            entries.add(Self::in_workspace(workspace), self.id.as_str());
        }
        entries
    }
}

impl RequestId {
    /// All of them, by the times at which they were answered.
    #[must_use]
    pub fn by_time() -> Term<Self> {
        Term::all("request ids by time")
    }
}

impl Indexed for RequestId {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        entries.add(Self::by_time(), self.create_time);
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a record is found under a term.
    fn is_under<R: Indexed>(record: &R, term: &Term<R>) -> bool {
        record.entries().into_vec().iter().any(|entry| entry.term == *term.raw())
    }

    /// What a deleted collection waits for, and what stands on its files; the ended ones, of
    /// which there may be thousands, are neither.
    #[test]
    fn a_snapshot_that_has_let_go_is_nothing_of_its_collection() {
        use SnapshotState::{Created, Deleted, Expired, Failed, Requested};
        let collection = Uuid::from_u128(7);
        for (state, released, is_pending, is_created) in [
            (Requested, false, true, false),
            (Created, false, false, true),
            (Deleted, false, true, false),
            (Failed, true, false, false),
            (Expired, true, false, false),
            (Deleted, true, false, false),
        ] {
            let collection_uid = collection.as_bytes().to_vec();
            let snapshot = Snapshot { collection_uid, state: state.into(), released, ..Snapshot::default() };
            assert_eq!(is_under(&snapshot, &Snapshot::pending_of(collection)), is_pending, "{state:?}");
            assert_eq!(is_under(&snapshot, &Snapshot::created_of(collection)), is_created, "{state:?}");
            assert!(!is_under(&snapshot, &Snapshot::pending_of(Uuid::from_u128(8))));
        }
    }

    #[test]
    fn a_source_is_found_by_its_name() {
        let (workspace, collection, id) = ("w".to_owned(), "c".to_owned(), "s".to_owned());
        let source = Source { workspace, collection, id, ..Source::default() };
        let by_name = source.entries().into_vec().into_iter().find(|entry| entry.term == *Source::by_name().raw());
        assert_eq!(by_name.unwrap().order, "workspaces/w/collections/c/sources/s".into());
    }
}
