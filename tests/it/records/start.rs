//! What a start asks of the storage: each look and each base is read once.

use std::{path::Path, time::Duration};

use stillframe::records::{Change, Policy, Record, Workspace, look};

use super::{
    conformance::{Given, open, workspace},
    given::copy_all,
    index::files,
};
use crate::support::{
    Loopback, eventually,
    s3::{Fault, Harm, Requests, Rule},
};

/// After every few entries.
const OFTEN: Policy = Policy { entries: 8, bytes: 1 << 20 };

/// Counts requests, and leaves them alone.
fn counted(bucket: &Loopback, requests: Requests, below: &str) -> Fault {
    bucket.harm(Rule::new(Harm::Delay(Duration::ZERO)).on(requests).below(below))
}

/// A log with a base, and the index as it was before that.
async fn given_base(dir: &Path, older: &Path) -> (Given, u64) {
    let given = Given::with(dir, OFTEN).await;
    let insert = async |id: &str| given.records.commit(Change::default().insert(&workspace(id, 1))).await.unwrap();
    insert("first").await;
    given.records.save().await.unwrap();
    copy_all(&dir.join("metadata"), older);
    for n in 0..OFTEN.entries {
        insert(&format!("w{n}")).await;
    }
    let log = given.log().await;
    eventually("there is a base", async || log.look().await.unwrap().base().is_some()).await;
    insert("last").await;
    let base = look(log.root()).await.unwrap().base().unwrap();
    (given, base)
}

/// Says of an index that it is at another entry than the log has there.
fn change_hash(index: &Path) {
    let db = sled::Config::new().path(index).open().unwrap();
    let records = db.open_tree("records").unwrap();
    let mut tip = records.get("\0tip").unwrap().unwrap().to_vec();
    // The third field, 32 bytes long.
    let hash = tip.windows(2).position(|tag| tag == [0x1a, 32]).unwrap() + 2;
    tip[hash] ^= 1;
    records.insert("\0tip", tip).unwrap();
    db.flush().unwrap();
}

#[apply(on_s3!)]
async fn a_start_looks_once_and_opens_a_base_once() {
    let (dir, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut given, base) = given_base(dir.path(), older.path()).await;
    let index = dir.path().join("metadata");
    given.records.save().await.unwrap();
    for what in ["whole", "missing", "older", "noise", "of another entry"] {
        let Given { records, config, bucket } = given;
        drop(records);
        // Whoever had it lets go of it a moment later.
        eventually("the index is free", async || sled::Config::new().path(&index).open().is_ok()).await;
        match what {
            "missing" => std::fs::remove_dir_all(&index).unwrap(),
            "older" => {
                std::fs::remove_dir_all(&index).unwrap();
                copy_all(older.path(), &index);
            }
            "noise" => files(&index).iter().for_each(|file| std::fs::write(file, vec![7; 1 << 16]).unwrap()),
            "of another entry" => change_hash(&index),
            _ => {}
        }
        let loopback = bucket.as_ref().unwrap();
        let looks = counted(loopback, Requests::Counted("LIST"), "records/");
        let reads = counted(loopback, Requests::Counted("GET"), &format!("records/{base:020}.base"));
        let records = open(&config).await;
        assert_eq!((looks.harmed(), reads.harmed()), (1, 1), "{what}");
        drop((looks, reads));
        assert_eq!(records.scan(&Workspace::all()).count(), 10, "{what}");
        records.save().await.unwrap();
        given = Given { records, config, bucket };
    }
}
