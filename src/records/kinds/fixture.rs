//! Records for tests.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::must_use_candidate, reason = "for tests alone")]

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    ApiKey, Collection, CollectionState, Contents, Holder, Manifest, Restore, RestoreState, Snapshot, SnapshotState,
    Source, SourceState, Verification, Workspace,
};
use crate::{
    documents::{ObjectHash, Totals},
    records::{Indexed, Term},
    stored::{SourceCompression, SourceFormat},
};

/// Whether a record is found under a term.
pub fn is_under<R: Indexed>(record: &R, term: &Term<R>) -> bool {
    record.entries().into_vec().iter().any(|entry| entry.term == *term.raw())
}

/// `workspaces/w`.
pub fn workspace() -> Workspace {
    Workspace {
        name: "workspaces/w".parse().unwrap(),
        uid: Uuid::from_u128(0xa),
        description: String::new(),
        labels: BTreeMap::new(),
        create_time: 1,
        update_time: 1,
        revision: 1,
        snapshot_preview: true,
        max_restore_bytes: 1,
        snapshot_creates_per_minute: 1,
        max_stored_bytes: None,
    }
}

/// `workspaces/w/collections/c`, READY.
pub fn collection() -> Collection {
    Collection {
        name: "workspaces/w/collections/c".parse().unwrap(),
        uid: Uuid::from_u128(0xb),
        description: String::new(),
        labels: BTreeMap::new(),
        create_time: 1,
        update_time: 1,
        revision: 1,
        state: CollectionState::Ready,
        restore_info: None,
        retention: None,
    }
}

/// `workspaces/w/snapshots/s` of [`collection`], CREATED.
pub fn snapshot() -> Snapshot {
    Snapshot {
        name: "workspaces/w/snapshots/s".parse().unwrap(),
        uid: Uuid::from_u128(0xc),
        collection: collection().name.id,
        collection_uid: collection().uid,
        description: String::new(),
        labels: BTreeMap::new(),
        created_by: String::new(),
        create_time: 1,
        update_time: 1,
        revision: 1,
        state: SnapshotState::Created,
        error: None,
        expire_time: 2,
        contents: Some(Contents {
            snapshot_time: 1,
            totals: Totals::default(),
            incremental_bytes: 0,
            referenced_bytes: 0,
            new_file_bytes: 0,
            file_count: 0,
            manifest: Manifest {
                id: 5,
                holder: Holder::Copy(ObjectHash([8; 16])),
                file_list_hash: Some(ObjectHash([7; 16])),
            },
            own_bytes: 0,
        }),
        end_time: None,
        released: false,
    }
}

/// `workspaces/w/restores/r` of [`snapshot`], PENDING.
pub fn restore() -> Restore {
    let snapshot = snapshot();
    Restore {
        name: "workspaces/w/restores/r".parse().unwrap(),
        uid: Uuid::from_u128(0xd),
        snapshot: snapshot.name,
        snapshot_uid: snapshot.uid,
        collection: "again".parse().unwrap(),
        collection_uid: Uuid::from_u128(0xe),
        verification: Verification::Full,
        created_by: String::new(),
        create_time: 1,
        start_time: None,
        end_time: None,
        revision: 1,
        state: RestoreState::Pending,
        error: None,
        source_collection_uid: snapshot.collection_uid,
        manifest: snapshot.contents.unwrap().manifest,
        totals: Totals::default(),
        bytes: 0,
        files: 0,
        pinned: false,
        copy_micros: 0,
        verify_micros: 0,
        released: false,
        description: String::new(),
        labels: BTreeMap::new(),
        documents_dropped: 0,
        bytes_dropped: 0,
    }
}

/// `workspaces/w/collections/c/sources/s` of [`collection`], ACTIVE.
pub fn source() -> Source {
    Source {
        name: "workspaces/w/collections/c/sources/s".parse().unwrap(),
        uid: Uuid::from_u128(0xf),
        collection_uid: collection().uid,
        location: "s3://bucket/".to_owned(),
        import_segments: 0,
        pattern: None,
        format: SourceFormat::Unspecified,
        compression: SourceCompression::Unspecified,
        csv_delimiter: None,
        csv_strict_header: false,
        id_field: None,
        event_time_field: None,
        scan_interval: 1,
        max_bad_records: 0,
        start_from_restore: false,
        create_time: 1,
        update_time: 1,
        revision: 1,
        state: SourceState::Active,
        error: None,
    }
}

/// `apiKeys/k`, without a role.
pub fn api_key() -> ApiKey {
    ApiKey {
        name: "apiKeys/k".parse().unwrap(),
        uid: Uuid::from_u128(0x10),
        description: String::new(),
        labels: BTreeMap::new(),
        bindings: Vec::new(),
        created_by: String::new(),
        create_time: 1,
        expire_time: None,
        revoke_time: None,
        revision: 1,
        secret_sha256: [1; 32],
    }
}
