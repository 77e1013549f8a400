//! Records of an older version that were larger than records are now: what there were
//! many of gets records of its own.

use std::path::Path;

use prost::Message;
use stillframe::{
    documents::MAX_POSITIONS,
    records::{AccessPolicy, ApiKey, AsStored, Collection, Record, Restore, SourcePosition},
};
use tonic::Code;

use super::{MINUTE, WRITTEN, copy, directory};
use crate::{
    records::given::large_labels,
    support::{TestServer, collection_name, records_of, refused},
};

/// More than a record holds.
const SECRETS: usize = 2_500;

type Stored<R> = <R as Record>::Message;
type StoredPosition = Stored<SourcePosition>;

fn position(n: usize) -> StoredPosition {
    StoredPosition {
        source_uid: (n as u128 + 1).to_be_bytes().to_vec(),
        location: format!("file:///{n:0>4087}"),
        pattern: "p".repeat(512),
        objects: i64::try_from(n).unwrap(),
        last_object: "o".repeat(1_024),
        ..StoredPosition::default()
    }
}

/// Changes a record as 0.1.0 had it, beside that.
fn change<M: Message + Default>(db: &sled::Db, key: &str, with: impl FnOnce(&mut M)) {
    let mut record = db.get(key).unwrap().map_or_else(M::default, |bytes| M::decode(bytes.as_ref()).unwrap());
    with(&mut record);
    db.insert(key, record.encode_to_vec()).unwrap();
}

/// The directory of 0.1.0, whose restored collection knows of sixteen sources with the
/// longest places and names.
fn given_large(dir: &Path) {
    copy(&directory("0.1.0"), dir);
    let db = sled::Config::new().path(dir.join("metadata")).open().unwrap();
    let positions: Vec<_> = (0..MAX_POSITIONS).map(position).collect();
    let known = positions.clone();
    change(&db, "c/commons/books-again", |books: &mut Stored<Collection>| {
        let info = books.restore_info.as_mut().expect("it was restored");
        assert!(info.source_positions.is_empty());
        info.source_positions = known;
        assert!(books.encoded_len() > 64 << 10);
    });
    change(&db, "r/commons/books-again", |restore: &mut Stored<Restore>| {
        assert!(!restore.uid.is_empty());
        restore.source_positions = positions;
    });
    let hash = |n: usize| [&n.to_le_bytes()[..], &[7; 24]].concat();
    change(&db, "access/", |policy: &mut Stored<AccessPolicy>| {
        policy.bootstrap_sha256 = (0..SECRETS).map(hash).collect();
    });
    db.flush().unwrap();
}

#[apply(on_directory!)]
async fn what_a_record_held_many_of_has_records_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    given_large(dir.path());
    let clock = stillframe::clock::Clock::starting_at(WRITTEN + 10 * MINUTE);
    let records = records_of(&dir).await;
    let found = records.scan(&AsStored::<Collection>::all()).map(|found| found.unwrap().record.message);
    let restored = found.into_iter().find(|found| found.id == "books-again").unwrap();
    assert!(restored.restore_info.unwrap().source_positions.is_empty());
    let uid = uuid::Uuid::from_slice(&restored.uid).unwrap();
    let known: Vec<_> = records.scan(&SourcePosition::within(uid)).map(|found| found.unwrap().message()).collect();
    let of = |n| StoredPosition { collection_uid: restored.uid.clone(), ..position(n) };
    assert_eq!(known, (0..MAX_POSITIONS).map(of).collect::<Vec<_>>());
    let restores = records.scan(&AsStored::<Restore>::all()).map(|found| found.unwrap().record.message);
    assert!(restores.into_iter().all(|restore| restore.source_positions.is_empty()));
    let policy = records.get(&AsStored::<AccessPolicy>::all()).unwrap().unwrap();
    assert!(policy.message.bootstrap_sha256.is_empty());
    let kinds = records.count_kinds().unwrap();
    assert_eq!((kinds["source position"], kinds["bootstrap secret"]), (MAX_POSITIONS, SECRETS));
    let revision = records.revision();
    // Without the policy nobody needs a key.
    let open = stillframe::records::Change::default().forget(AccessPolicy::all());
    records.commit(open).await.unwrap();
    drop(records);
    assert_eq!(records_of(&dir).await.revision(), revision + 1, "it is done once");

    let mut server = TestServer::reopen_at(dir, clock, |_| {}).await.unwrap();
    let shown = server.collection("books-again").await.unwrap();
    let objects: Vec<_> = shown.restore_info.unwrap().source_positions.iter().map(|known| known.objects).collect();
    assert_eq!(objects, (0..16).collect::<Vec<_>>());
    let large = stillframe::pb::Collection {
        name: collection_name("books-again"),
        description: "d".repeat(4_096),
        labels: large_labels(),
        ..Default::default()
    };
    server.update_collection(large, Some(&["description", "labels"])).await.unwrap();
    server.delete_collection("books-again").await.unwrap();
    refused(server.collection("books-again").await, Code::NotFound, "NOT_FOUND");
    let dir = server.stop().await;
    let records = records_of(&dir).await;
    assert_eq!(records.scan(&SourcePosition::all()).count(), 0);
    assert_eq!(records.scan(&ApiKey::all()).count(), 0);
}
