//! As many snapshots and collections as a workspace may have.

use std::{collections::BTreeSet, time::Duration};

use futures::StreamExt;
use stillframe::pb::{self, snapshot::State};
use tonic::Code;

use crate::support::{COMMONS, TestServer, collection_name, eventually, id_of, refused, rounds, upsert};

/// Requests of one client under way.
const AT_ONCE: usize = 32;
/// Longer than any snapshot lives.
const LONG: Duration = Duration::from_hours(8 * 24);

/// Ids of all snapshots of a state, page by page.
async fn snapshots(server: &mut TestServer, filter: &str) -> Vec<String> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSnapshotsRequest {
            parent: COMMONS.to_owned(),
            page_size: 1000,
            page_token,
            filter: filter.to_owned(),
            ..Default::default()
        };
        let page = server.snapshots.list_snapshots(request).await.unwrap().into_inner();
        all.extend(page.snapshots.iter().map(|snapshot| id_of(&snapshot.name)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

async fn create(server: &TestServer, collection: String, id: String) -> Result<(), tonic::Status> {
    let snapshot = pb::Snapshot { collection: collection_name(&collection), ..Default::default() };
    let request = pb::CreateSnapshotRequest {
        parent: COMMONS.to_owned(),
        snapshot_id: id,
        snapshot: Some(snapshot),
        ..Default::default()
    };
    server.snapshots.clone().create_snapshot(request).await.map(drop)
}

/// Snapshots of each collection, of which every tenth has something new.
async fn given_snapshots(server: &mut TestServer, collections: u32, each: u32) -> BTreeSet<String> {
    for turn in 0..each {
        if turn % 10 == 0 {
            for n in 0..collections {
                server.write(&format!("c{n:03}"), vec![upsert("turn", &format!(r#"{{"turn":{turn}}}"#))]).await;
            }
        }
        let requests = (0..collections).map(|n| create(server, format!("c{n:03}"), format!("c{n:03}-{turn:03}")));
        let requests: Vec<_> = requests.collect();
        futures::stream::iter(requests).buffer_unordered(AT_ONCE).for_each(async |answer| answer.unwrap()).await;
    }
    (0..collections).flat_map(|n| (0..each).map(move |turn| format!("c{n:03}-{turn:03}"))).collect()
}

#[apply(on_directory!)]
async fn ten_thousand_snapshots_live_beside_each_other_and_go_together() {
    let (collections, each) = (rounds(20, 100), rounds(20, 100));
    let limit = usize::try_from(collections * each).unwrap();
    let mut server = TestServer::start_with(|config| {
        config.limits.snapshots = limit;
        // Each look is at all of them.
        config.sweep_every = Duration::from_secs(1);
    })
    .await;
    for n in 0..collections {
        server.given_collection(&format!("c{n:03}")).await;
    }
    let expected = given_snapshots(&mut server, collections, each).await;
    eventually("all are CREATED", async || snapshots(&mut server, "state = CREATED").await.len() == limit).await;
    let listed = snapshots(&mut server, "").await;
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(listed.len(), expected.len(), "none is listed twice");
    refused(
        create(&server, "c000".to_owned(), "one-more".to_owned()).await,
        Code::ResourceExhausted,
        "TOO_MANY_SNAPSHOTS",
    );

    let clock = server.clock.clone();
    let mut server = TestServer::reopen_at(server.stop().await, clock, |_| {}).await.unwrap();
    assert_eq!(snapshots(&mut server, "state = CREATED").await.len(), limit);
    for (snapshot, turn) in [("c000-000", 0), ("c007-013", 10), ("c019-009", 0)] {
        let copy = format!("of-{snapshot}");
        server.given_restore(snapshot, &copy).await;
        assert_eq!(server.scan(&copy).await, [("turn".to_owned(), format!(r#"{{"turn":{turn}}}"#))]);
    }

    server.clock.advance(LONG);
    eventually("all have ended", async || snapshots(&mut server, "state = CREATED").await.is_empty()).await;
    assert_eq!(server.get_snapshot("c000-000").await.unwrap().state(), State::Expired);
    eventually("their file lists are gone", async || file_lists(&server).is_empty()).await;
    server.stop().await;
}

fn file_lists(server: &TestServer) -> Vec<std::ffi::OsString> {
    let lists = std::fs::read_dir(server.dir.path().join("storage/files")).unwrap();
    lists.map(|entry| entry.unwrap().file_name()).collect()
}

#[apply(on_directory!)]
async fn a_thousand_collections_live_beside_each_other() {
    let count = rounds(100, 1000);
    let mut server = TestServer::start_with(|config| {
        config.tuning.idle_close = Duration::from_millis(500);
        config.sweep_every = Duration::from_secs(1);
    })
    .await;
    let id = |n: u32| format!("c{n:04}");
    for n in 0..count {
        server.given_collection(&id(n)).await;
        server.write(&id(n), vec![upsert("n", &format!(r#"{{"n":{n}}}"#))]).await;
    }
    let mut server = TestServer::reopen(server.stop().await).await;
    for n in (0..count).rev() {
        assert_eq!(server.scan(&id(n)).await, [("n".to_owned(), format!(r#"{{"n":{n}}}"#))]);
    }
    server.given_snapshot(&id(0), "first").await;
    for n in 0..count {
        server.delete_collection(&id(n)).await.unwrap();
    }
    let collections = server.dir.path().join("storage/collections");
    eventually("only what a snapshot keeps is left", async || std::fs::read_dir(&collections).unwrap().count() == 1)
        .await;
    server.given_restore("first", "again").await;
    assert_eq!(server.scan("again").await, [("n".to_owned(), r#"{"n":0}"#.to_owned())]);
    server.stop().await;
}
