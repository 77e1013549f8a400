//! A data directory that an older version has written opens, and holds what was
//! written: `tests/data/VERSION` has one of each.
//!
//! The time of its writer goes on in the test, or its snapshots would have expired.

mod divide;
mod write;

use std::path::{Path, PathBuf};

use stillframe::{
    app::Config,
    clock::Clock,
    pb::{restore, snapshot},
};
use tonic::Code;

use crate::{
    recovery::invariants::contents,
    support::{Doc, TestServer, eventually, size_of},
};

/// When the directories were written: 2026-11-28, 12:00 UTC.
const WRITTEN: i64 = 1_795_867_200_000_000;
const MINUTE: i64 = 60_000_000;

/// Those that are kept.
const VERSIONS: &[&str] = &["0.1.0"];

fn directory(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(version)
}

/// A writable copy of it. git keeps no empty directories, and needs none.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// What the place of the source is called; nothing is there.
const PLACE: &str = "file:///srv/stillframe-import";

fn allow_place(config: &mut Config) {
    config.source_allow = Some(vec![PLACE.parse().unwrap()]);
}

/// Opens it ten minutes after it was written.
async fn open(version: &str) -> TestServer {
    let dir = tempfile::tempdir().unwrap();
    copy(&directory(version), dir.path());
    TestServer::reopen_at(dir, Clock::starting_at(WRITTEN + 10 * MINUTE), allow_place).await.unwrap()
}

/// The documents of `books` when a snapshot was taken: `monday`, `tuesday`, now.
fn books(version: u32) -> Vec<(String, String)> {
    let changed = |n: u32| if n < 10 * version { version } else { 0 };
    let all = (0..60_u32).filter(|n| version < 2 || n % 20 != 19);
    all.map(|n| (format!("{n:03}"), format!(r#"{{"n":{n},"version":{}}}"#, changed(n)))).collect()
}

/// Those of `events`: one every three minutes, the newest when they were written.
fn events() -> Vec<Doc> {
    (0..20).map(|n| Doc::new(format!("e{n:02}"), WRITTEN - 3 * n * MINUTE, format!(r#"{{"n":{n}}}"#))).collect()
}

/// Those that live: an hour is kept, and ten minutes have passed.
fn live_events() -> Vec<Doc> {
    events().into_iter().filter(|doc| doc.time > WRITTEN - 50 * MINUTE).collect()
}

/// Those that a collection has, newest first.
async fn events_of(server: &mut TestServer, collection: &str) -> Vec<Doc> {
    let mut found = server.read_all(collection).await;
    found.sort_by_key(|doc| doc.id.clone());
    found
}

#[apply(on_directory!)]
async fn collections_hold_what_was_written() {
    for version in VERSIONS {
        let mut server = open(version).await;
        assert_eq!(server.scan("books").await, books(2));
        assert_eq!(server.scan("books-again").await, books(0));
        let bytes: i64 = books(2).iter().map(|(id, json)| size_of(id, json)).sum();
        let record = server.collection("books").await.unwrap();
        assert_eq!((record.description.as_str(), record.labels["env"].as_str()), ("all of them", "prod"));
        assert_eq!(record.stats.unwrap().size_bytes, bytes);
        assert_eq!(events_of(&mut server, "events").await, live_events());
        assert_eq!(server.collection("gone").await.unwrap_err().code(), Code::NotFound);
        server.stop().await;
    }
}

#[apply(on_directory!)]
async fn snapshots_are_restored() {
    for version in VERSIONS {
        let mut server = open(version).await;
        for (id, expected) in [("monday", books(0)), ("tuesday", books(1)), ("of-gone", books(0))] {
            let frozen = server.get_snapshot(id).await.unwrap();
            assert_eq!(frozen.state(), snapshot::State::Created, "{id}");
            let copy = format!("from-{id}");
            let receipt = server.given_restore(id, &copy).await.receipt.unwrap();
            assert_eq!(receipt.digest, frozen.digest);
            assert_eq!(server.scan(&copy).await, expected, "{id}");
        }
        server.given_restore("of-events", "from-events").await;
        assert_eq!(events_of(&mut server, "from-events").await, live_events());
        server.stop().await;
    }
}

/// Those of before stand on checkpoints, those of now do not.
#[apply(on_directory!)]
async fn snapshots_of_both_kinds_are_beside_each_other() {
    for version in VERSIONS {
        let mut server = open(version).await;
        // Nothing has been written since the one of before.
        server.given_snapshot("events", "of-events-now").await;
        server.delete_snapshot("of-events").await.unwrap();
        server.given_snapshot("books", "wednesday").await;
        let mut uids = Vec::new();
        for id in ["books", "events"] {
            uids.push(server.collection(id).await.unwrap().uid);
            server.delete_collection(id).await.unwrap();
        }
        for (id, expected) in [("monday", books(0)), ("tuesday", books(1)), ("wednesday", books(2))] {
            let copy = format!("from-{id}");
            server.given_restore(id, &copy).await;
            assert_eq!(server.scan(&copy).await, expected, "{id}");
            server.delete_snapshot(id).await.unwrap();
        }
        server.given_restore("of-events-now", "from-events").await;
        assert_eq!(events_of(&mut server, "from-events").await, live_events());
        server.delete_snapshot("of-events-now").await.unwrap();
        for uid in &uids {
            eventually("nothing of it is left", async || !server.has_files(uid)).await;
        }
        server.stop().await;
    }
}

#[apply(on_directory!)]
async fn everything_else_is_there_and_goes_on() {
    for version in VERSIONS {
        let mut server = open(version).await;
        let restored = server.get_restore("books-again").await.unwrap();
        assert_eq!(restored.state(), restore::State::Succeeded);
        assert_eq!(server.get_snapshot("deleted").await.unwrap().state(), snapshot::State::Deleted);
        let source = server.get_source("books", "shelf").await.unwrap();
        assert_eq!((source.location.as_str(), source.id_field.as_str()), (PLACE, "n"));
        let team = server.get_workspace("team").await.unwrap();
        assert_eq!((team.description.as_str(), team.snapshot_creates_per_minute), ("a team", Some(7)));

        server.given_documents("books", 5, 9).await;
        let found = contents(&mut server, "books").await;
        assert_eq!(found["000000"], r#"{"n":0,"version":9}"#);
        assert_eq!(found.len(), books(2).len() + 5);
        let next = server.given_snapshot("books", "wednesday").await;
        let bytes = |n: i64, version: u32| size_of(&format!("{n:06}"), &format!(r#"{{"n":{n},"version":{version}}}"#));
        assert_eq!(next.incremental_bytes, (0..5).map(|n| bytes(n, 9)).sum::<i64>());
        server.stop().await;
    }
}
