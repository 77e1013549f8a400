//! The largest record of each kind, with every field at its limit: none is larger than a
//! record may be. A field that is new does not compile here until somebody says how large
//! it can be.

use std::collections::BTreeMap;

use prost::Message;

use super::MAX_RECORD_BYTES;
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

/// A negative one takes the most bytes.
const NUMBER: i64 = -1;

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn id() -> String {
    text(MAX_ID_LEN)
}

/// Of anything: no pattern of a name has more than three ids.
fn name() -> String {
    text(3 * MAX_ID_LEN + "workspaces//collections//snapshots/".len())
}

fn uid() -> Vec<u8> {
    vec![0xff; 16]
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
        interval.slices.fill(NUMBER);
        (interval.document_count, interval.size_bytes) = (NUMBER, NUMBER);
        (interval.changed_bytes, interval.snapshot_offset) = (NUMBER, NUMBER);
    }
    Totals {
        document_count: NUMBER,
        size_bytes: NUMBER,
        digest: uid(),
        offset: NUMBER,
        changed_bytes: NUMBER,
        snapshot_offset: NUMBER,
        oldest_event_time: Some(NUMBER),
        newest_event_time: Some(NUMBER),
        // Never in a record.
        pending_cuts: Vec::new(),
        retention: NUMBER,
        interval: NUMBER,
        floor: u64::MAX,
        cutoff: NUMBER,
        intervals,
        restore_uid: uid(),
        marks: NUMBER,
    }
}

#[track_caller]
fn fits(record: &impl Message) {
    let bytes = record.encoded_len();
    assert!(bytes > 0 && bytes <= MAX_RECORD_BYTES, "{bytes} bytes");
}

#[test]
fn what_workspaces_and_keys_can_hold_fits() {
    fits(&Workspace {
        id: id(),
        uid: uid(),
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        create_time: NUMBER,
        update_time: NUMBER,
        revision: u64::MAX,
        snapshot_preview: true,
        max_restore_bytes: NUMBER,
        snapshot_creates_per_minute: -1,
        max_stored_bytes: NUMBER,
    });
    let binding = RoleBinding { workspace: id(), workspace_uid: uid(), role: -1 };
    fits(&ApiKey {
        id: id(),
        uid: uid(),
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        bindings: vec![binding; MAX_BINDINGS],
        created_by: name(),
        create_time: NUMBER,
        expire_time: NUMBER,
        revoke_time: NUMBER,
        revision: u64::MAX,
        secret_sha256: vec![0xff; 32],
    });
    // The secrets have records of their own.
    fits(&AccessPolicy { create_time: NUMBER, bootstrap_sha256: Vec::new() });
    fits(&BootstrapSecret { secret_sha256: vec![0xff; 32], take_time: NUMBER });
    fits(&RequestId {
        method: text(64),
        caller: name(),
        request_id: text(MAX_REQUEST_ID_BYTES),
        name: name(),
        uid: uid(),
        arguments: uid(),
        create_time: NUMBER,
    });
}

#[test]
fn what_collections_can_hold_fits() {
    fits(&Collection {
        workspace: id(),
        id: id(),
        uid: uid(),
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        create_time: NUMBER,
        update_time: NUMBER,
        revision: u64::MAX,
        state: -1,
        restore_info: Some(RestoreInfo {
            snapshot: name(),
            snapshot_uid: uid(),
            restore: name(),
            source_collection: name(),
            source_collection_uid: uid(),
            snapshot_time: NUMBER,
            // They have records of their own.
            source_positions: Vec::new(),
        }),
        retention: NUMBER,
        interval: NUMBER,
    });
    let sealed = SealedFrom { manifest: u64::MAX, compactions: u64::MAX, log: u64::MAX };
    fits(&Expected {
        uid: uid(),
        totals: Some(totals()),
        manifest_id: u64::MAX,
        manifest_hash: uid(),
        log_id: u64::MAX,
        stored_bytes: NUMBER,
        sealed_from: Some(sealed),
        acceptance: Some(Acceptance { begin_time: NUMBER, offset: NUMBER }),
    });
    fits(&Retired { uid: uid(), name: name(), delete_time: NUMBER });
    fits(&Intent { uid: uid(), create_time: NUMBER });
}

#[test]
fn what_snapshots_can_hold_fits() {
    fits(&Snapshot {
        workspace: id(),
        id: id(),
        uid: uid(),
        collection: id(),
        collection_uid: uid(),
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        created_by: name(),
        create_time: NUMBER,
        update_time: NUMBER,
        revision: u64::MAX,
        state: -1,
        error: Some(failure()),
        expire_time: NUMBER,
        snapshot_time: NUMBER,
        totals: Some(totals()),
        incremental_bytes: NUMBER,
        referenced_bytes: NUMBER,
        new_file_bytes: NUMBER,
        file_count: NUMBER,
        checkpoint_id: uid(),
        manifest_id: u64::MAX,
        end_time: NUMBER,
        released: true,
        file_list_hash: uid(),
        manifest_hash: uid(),
        own_bytes: NUMBER,
    });
}

#[test]
fn what_restores_can_hold_fits() {
    fits(&Restore {
        workspace: id(),
        id: id(),
        uid: uid(),
        snapshot: name(),
        snapshot_uid: uid(),
        collection: id(),
        collection_uid: uid(),
        verification: -1,
        created_by: name(),
        create_time: NUMBER,
        start_time: NUMBER,
        end_time: NUMBER,
        revision: u64::MAX,
        state: -1,
        error: Some(failure()),
        source_collection_uid: uid(),
        checkpoint_id: uid(),
        totals: Some(totals()),
        bytes: NUMBER,
        files: NUMBER,
        pinned: true,
        copy_micros: NUMBER,
        verify_micros: NUMBER,
        released: true,
        description: text(MAX_DESCRIPTION_BYTES),
        labels: labels(),
        manifest_id: u64::MAX,
        documents_dropped: NUMBER,
        bytes_dropped: NUMBER,
        // They have records of their own.
        source_positions: Vec::new(),
        file_list_hash: uid(),
        manifest_hash: uid(),
    });
}

#[test]
fn what_sources_can_hold_fits() {
    fits(&Source {
        workspace: id(),
        collection: id(),
        collection_uid: uid(),
        id: id(),
        uid: uid(),
        location: text(MAX_LOCATION_BYTES),
        pattern: text(pattern::MAX_PATTERN_BYTES),
        format: -1,
        compression: -1,
        id_field: text(MAX_FIELD_NAME_BYTES),
        event_time_field: text(MAX_FIELD_NAME_BYTES),
        scan_interval: NUMBER,
        max_bad_records: NUMBER,
        start_from_restore: true,
        create_time: NUMBER,
        update_time: NUMBER,
        revision: u64::MAX,
        state: -1,
        error: Some(failure()),
        csv_delimiter: text(4),
        csv_strict_header: true,
        import_segments: u32::MAX,
    });
    fits(&SourcePosition {
        source_uid: uid(),
        location: text(MAX_LOCATION_BYTES),
        pattern: text(pattern::MAX_PATTERN_BYTES),
        objects: NUMBER,
        documents: NUMBER,
        last_object: text(MAX_NAME_BYTES),
        update_time: NUMBER,
        collection_uid: uid(),
        import_segments: u32::MAX,
    });
    fits(&RetiredSource { uid: uid(), workspace: id(), collection: id(), collection_uid: uid() });
}
