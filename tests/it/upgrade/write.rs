//! Writes the directory of this version, for those that come.

use std::time::Duration;

use stillframe::{clock::Clock, pb};

use super::{PLACE, WRITTEN, allow_place, books, copy, directory, events};
use crate::support::{COMMONS, Doc, TestServer, collection_name, delete, labels, span, upsert};

/// `books` and `gone` begin with the same documents.
async fn given_books(server: &mut TestServer, id: &str) {
    server.given_collection(id).await;
    server.write(id, books(0).iter().map(|(id, json)| upsert(id, json)).collect()).await;
}

async fn given_team(server: &mut TestServer) {
    let team = pb::Workspace {
        description: "a team".to_owned(),
        snapshot_creates_per_minute: Some(7),
        snapshot_preview: pb::workspace::SnapshotPreview::Enabled.into(),
        ..Default::default()
    };
    server.create_workspace("team", team).await.unwrap();
    server.create_collection("workspaces/team", "plans").await.unwrap();
}

async fn given_events(server: &mut TestServer) {
    server.given_retained("events", Duration::from_hours(1)).await;
    server.write("events", events().iter().map(Doc::write).collect()).await;
    server.given_snapshot("events", "of-events").await;
}

async fn given_source(server: &mut TestServer) {
    let source = pb::Source {
        location: PLACE.to_owned(),
        id_field: "n".to_owned(),
        scan_interval: Some(span(Duration::from_mins(1))),
        ..Default::default()
    };
    server.create_source("books", "shelf", source).await.unwrap();
}

#[apply(on_directory!)]
#[ignore = "writes tests/data; run it when a version is released"]
async fn the_directory_of_this_version_is_written() {
    let target = directory(env!("CARGO_PKG_VERSION"));
    assert!(!target.exists(), "{} is there already", target.display());
    let dir = tempfile::tempdir().unwrap();
    let mut server = TestServer::reopen_at(dir, Clock::starting_at(WRITTEN), allow_place).await.unwrap();
    given_team(&mut server).await;
    given_books(&mut server, "books").await;
    server.given_snapshot("books", "monday").await;
    given_books(&mut server, "gone").await;
    server.given_snapshot("gone", "of-gone").await;
    server.delete_collection("gone").await.unwrap();
    for (version, snapshot) in [(1, Some("tuesday")), (2, None)] {
        let writes = books(version).iter().map(|(id, json)| upsert(id, json)).collect();
        server.write("books", writes).await;
        if let Some(snapshot) = snapshot {
            server.given_snapshot("books", snapshot).await;
        }
    }
    server.write("books", [19, 39, 59].map(|n| delete(&format!("{n:03}"))).into()).await;
    server.given_restore("monday", "books-again").await;
    server.given_snapshot("books", "deleted").await;
    server.delete_snapshot("deleted").await.unwrap();
    given_events(&mut server).await;
    given_source(&mut server).await;
    let collection = pb::Collection {
        name: collection_name("books"),
        description: "all of them".to_owned(),
        labels: labels([("env", "prod")]),
        ..Default::default()
    };
    server.update_collection(collection, Some(&["description", "labels"])).await.unwrap();
    assert_eq!(server.scan("books").await, books(2));
    assert!(server.get_workspace("commons").await.unwrap().name == COMMONS);
    copy(server.stop().await.path(), &target);
}
