//! The largest record of each kind, with every field at its limit: none is larger than a
//! record may be, and each is written as it was read. A field that is new does not compile here
//! until somebody says how large it can be.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU8, Ordering},
};

use prost::Message;

use super::{MAX_RECORD_BYTES, Record};
use crate::{
    documents::{self, Retention},
    error::{Error, MAX_FAILURE_BYTES},
    names::MAX_ID_LEN,
    rpc::limits::{
        MAX_BINDINGS, MAX_DESCRIPTION_BYTES, MAX_LABEL_KEY_BYTES, MAX_LABEL_VALUE_BYTES, MAX_LABELS,
        MAX_REQUEST_ID_BYTES,
    },
    source::{feed::MAX_NAME_BYTES, fields::MAX_FIELD_NAME_BYTES, location::MAX_LOCATION_BYTES, pattern},
    stored::{
        Acceptance, AccessPolicy, ApiKey, BootstrapSecret, Collection, Expected, Failure, Intent, RequestId, Restore,
        RestoreInfo, Retired, RetiredSource, RoleBinding, SealedFrom, Snapshot, Source, SourcePosition, Totals,
        Workspace,
    },
};

/// Another one each time, so that no field is taken for another.
fn next() -> u8 {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    // Never 0, which is the digest, the hash and the uid of nothing.
    NEXT.fetch_add(1, Ordering::Relaxed) | 0x80
}

/// A negative one takes the most bytes.
fn number() -> i64 {
    i64::from(next()) - 1000
}

fn text(bytes: usize) -> String {
    char::from(b'a' + next() % 26).to_string().repeat(bytes)
}

fn id() -> String {
    text(MAX_ID_LEN)
}

/// The name of a child of a workspace.
fn child(children: &str) -> String {
    format!("workspaces/{}/{children}/{}", id(), id())
}

/// Of anything: no pattern of a name has more than three ids.
fn name() -> String {
    format!("{}/sources/{}", child("collections"), id())
}

fn uid() -> Vec<u8> {
    vec![next(); 16]
}

fn labels() -> BTreeMap<String, String> {
    let label = |n| (format!("{n:0>MAX_LABEL_KEY_BYTES$}"), text(MAX_LABEL_VALUE_BYTES));
    (0..MAX_LABELS).map(label).collect()
}

fn failure() -> Failure {
    let failure = Failure::from(&Error::DataLoss("é".repeat(MAX_FAILURE_BYTES)));
    assert!(failure.message.len() > MAX_FAILURE_BYTES - 2);
    Failure { code: -1, reason: text(64), ..failure }
}

/// Of a collection that has been written to for long, and whose expired intervals nobody
/// has dropped.
fn totals() -> Totals {
    const MICROS: i64 = 1_000_000;
    let mut totals = documents::Totals::empty(Some(Retention::new(32 * MICROS - 1)));
    for half in 0..10_000 {
        let now = half * MICROS / 2;
        totals.move_cutoff(now);
        totals.put(None, 1, 1, now + MICROS - 1);
    }
    let totals = Totals::from(totals);
    assert!((34..=36).contains(&totals.intervals.len()), "{}", totals.intervals.len());
    let mut intervals = totals.intervals;
    for interval in &mut intervals {
        interval.digest = uid();
        interval.slices.fill(number());
        (interval.document_count, interval.size_bytes) = (number(), number());
        (interval.changed_bytes, interval.snapshot_offset) = (number(), number());
    }
    Totals {
        document_count: number(),
        size_bytes: number(),
        digest: uid(),
        offset: number(),
        changed_bytes: number(),
        snapshot_offset: number(),
        oldest_event_time: Some(number()),
        newest_event_time: Some(number()),
        // Never in a record.
        pending_cuts: Vec::new(),
        retention: i64::MAX - 1,
        interval: i64::MAX - 2,
        floor: u64::MAX,
        cutoff: number(),
        intervals,
        restore_uid: uid(),
        marks: number(),
    }
}

#[track_caller]
fn fits<R: Record<Message: Clone + PartialEq + std::fmt::Debug>>(message: &R::Message) {
    let bytes = message.encoded_len();
    assert!(bytes > 0 && bytes <= MAX_RECORD_BYTES, "{bytes} bytes");
    let record = R::read(message.clone()).unwrap();
    assert_eq!(record.message(), *message);
}

#[test]
fn what_workspaces_and_keys_can_hold_fits() {
    fits::<super::Workspace>(&Workspace {
        id: id(),
        uid: uid(),
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        create_time: number(),
        update_time: number(),
        revision: number().cast_unsigned(),
        snapshot_preview: true,
        max_restore_bytes: number(),
        snapshot_creates_per_minute: -1,
        max_stored_bytes: number(),
    });
    let binding = RoleBinding { workspace: id(), workspace_uid: uid(), role: 4 };
    fits::<super::ApiKey>(&ApiKey {
        id: id(),
        uid: uid(),
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        bindings: vec![binding; MAX_BINDINGS],
        created_by: name(),
        create_time: number(),
        expire_time: number(),
        revoke_time: number(),
        revision: number().cast_unsigned(),
        secret_sha256: vec![next(); 32],
    });
    // The secrets have records of their own.
    fits::<super::AccessPolicy>(&AccessPolicy { create_time: number(), bootstrap_sha256: Vec::new() });
    fits::<super::BootstrapSecret>(&BootstrapSecret { secret_sha256: vec![next(); 32], take_time: number() });
    fits::<super::RequestId>(&RequestId {
        method: text(64),
        caller: name(),
        request_id: text(MAX_REQUEST_ID_BYTES),
        name: name(),
        uid: uid(),
        arguments: uid(),
        create_time: number(),
    });
}

#[test]
fn what_collections_can_hold_fits() {
    fits::<super::Collection>(&Collection {
        workspace: id(),
        id: id(),
        uid: uid(),
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        create_time: number(),
        update_time: number(),
        revision: number().cast_unsigned(),
        state: 2,
        restore_info: Some(RestoreInfo {
            snapshot: child("snapshots"),
            snapshot_uid: uid(),
            restore: child("restores"),
            source_collection: child("collections"),
            source_collection_uid: uid(),
            snapshot_time: number(),
            // They have records of their own.
            source_positions: Vec::new(),
        }),
        retention: i64::MAX - 1,
        interval: i64::MAX - 2,
    });
    let sealed = SealedFrom { manifest: u64::MAX, compactions: u64::MAX, log: u64::MAX };
    fits::<super::Expected>(&Expected {
        uid: uid(),
        totals: Some(totals()),
        manifest_id: u64::MAX,
        manifest_hash: uid(),
        log_id: u64::MAX,
        stored_bytes: number(),
        sealed_from: Some(sealed),
        acceptance: Some(Acceptance { begin_time: number(), offset: number() }),
    });
    fits::<super::Retired>(&Retired { uid: uid(), name: child("collections"), delete_time: number() });
    fits::<super::Intent>(&Intent { uid: uid(), create_time: number() });
}

#[test]
fn what_snapshots_can_hold_fits() {
    fits::<super::Snapshot>(&Snapshot {
        workspace: id(),
        id: id(),
        uid: uid(),
        collection: id(),
        collection_uid: uid(),
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        created_by: name(),
        create_time: number(),
        update_time: number(),
        revision: number().cast_unsigned(),
        state: 2,
        error: Some(failure()),
        expire_time: number(),
        snapshot_time: number(),
        totals: Some(totals()),
        incremental_bytes: number(),
        referenced_bytes: number(),
        new_file_bytes: number(),
        file_count: number(),
        // It has a copy of its manifest.
        checkpoint_id: Vec::new(),
        manifest_id: u64::MAX,
        end_time: number(),
        released: true,
        file_list_hash: uid(),
        manifest_hash: uid(),
        own_bytes: number(),
    });
}

#[test]
fn what_restores_can_hold_fits() {
    fits::<super::Restore>(&Restore {
        workspace: id(),
        id: id(),
        uid: uid(),
        snapshot: child("snapshots"),
        snapshot_uid: uid(),
        collection: id(),
        collection_uid: uid(),
        verification: 2,
        created_by: name(),
        create_time: number(),
        start_time: number(),
        end_time: number(),
        revision: number().cast_unsigned(),
        state: 9,
        error: Some(failure()),
        source_collection_uid: uid(),
        // Its snapshot has a copy of its manifest.
        checkpoint_id: Vec::new(),
        totals: Some(totals()),
        bytes: number(),
        files: number(),
        pinned: true,
        copy_micros: number(),
        verify_micros: number(),
        released: true,
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        manifest_id: u64::MAX,
        documents_dropped: number(),
        bytes_dropped: number(),
        // They have records of their own.
        source_positions: Vec::new(),
        file_list_hash: uid(),
        manifest_hash: uid(),
    });
}

#[test]
fn what_sources_can_hold_fits() {
    fits::<super::Source>(&Source {
        workspace: id(),
        collection: id(),
        collection_uid: uid(),
        id: id(),
        uid: uid(),
        location: text(MAX_LOCATION_BYTES),
        pattern: text(pattern::MAX_PATTERN_BYTES),
        format: 3,
        compression: 3,
        id_field: text(MAX_FIELD_NAME_BYTES),
        event_time_field: text(MAX_FIELD_NAME_BYTES),
        scan_interval: number(),
        max_bad_records: number(),
        start_from_restore: true,
        create_time: number(),
        update_time: number(),
        revision: number().cast_unsigned(),
        state: 4,
        error: Some(failure()),
        csv_delimiter: text(4),
        csv_strict_header: true,
        import_segments: u32::MAX,
    });
    fits::<super::SourcePosition>(&SourcePosition {
        source_uid: uid(),
        location: text(MAX_LOCATION_BYTES),
        pattern: text(pattern::MAX_PATTERN_BYTES),
        objects: number(),
        documents: number(),
        last_object: text(MAX_NAME_BYTES),
        update_time: number(),
        collection_uid: uid(),
        import_segments: u32::MAX,
    });
    fits::<super::RetiredSource>(&RetiredSource {
        uid: uid(),
        workspace: id(),
        collection: id(),
        collection_uid: uid(),
    });
}
