//! Each request is billed, so they are counted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::support::{TestServer, eventually, upsert};

fn total(requests: &BTreeMap<String, u64>, starting: &str) -> u64 {
    requests.iter().filter(|(kind, _)| kind.starts_with(starting)).map(|(_, count)| count).sum()
}

#[apply(on_s3!)]
async fn a_commit_is_one_put_and_many_writers_share_it() {
    const GAP: Duration = Duration::from_millis(500);
    let mut server = TestServer::start_with(|config| {
        config.tuning.commit_gap = GAP;
        // Another open would write a log as well.
        config.tuning.idle_close = Duration::from_hours(1);
    })
    .await;
    server.given_collection("books").await;
    server.write("books", vec![upsert("first", "{}")]).await;
    server.loopback.as_ref().unwrap().take_requests();
    server.write("books", vec![upsert("lone", "{}")]).await;
    let lone = server.loopback.as_ref().unwrap().take_requests();
    assert_eq!(total(&lone, "PUT wal"), 1, "{lone:?}");

    let writes = (0..50).map(|n| {
        let mut documents = server.documents.clone();
        let request = stillframe::pb::WriteDocumentsRequest {
            collection: crate::support::collection_name("books"),
            writes: vec![upsert(&n.to_string(), "{}")],
            ..Default::default()
        };
        async move { documents.write_documents(request).await.unwrap() }
    });
    let began = Instant::now();
    futures::future::join_all(writes).await;
    // However slowly they come: there is a gap from one commit to the next.
    let most = 2 + began.elapsed().as_millis() / GAP.as_millis();
    let shared = server.loopback.as_ref().unwrap().take_requests();
    assert!(u128::from(total(&shared, "PUT wal")) <= most, "{shared:?}, at most {most}");
    server.stop().await;
}

#[apply(on_s3!)]
async fn an_idle_collection_costs_nothing() {
    let mut server = TestServer::start_with(|config| config.tuning.idle_close = Duration::from_millis(100)).await;
    for n in 0..3 {
        let id = format!("c{n}");
        server.given_collection(&id).await;
        server.given_documents(&id, 10, 1).await;
    }
    let loopback = server.loopback.as_ref().unwrap();
    // A database that is open polls all the time.
    let mut quiet = 0;
    eventually("they are closed", async || {
        quiet = if loopback.take_requests().is_empty() { quiet + 1 } else { 0 };
        // A hundred times in a row, about ten milliseconds apart.
        quiet > 100
    })
    .await;
    server.stop().await;
}

#[apply(on_s3!)]
async fn a_restore_copies_each_file_once_and_reads_none() {
    let mut server = TestServer::start().await;
    let source = server.given_collection("books").await;
    for version in 0..3 {
        server.given_documents("books", 100, version).await;
        server.given_snapshot("books", &format!("s{version}")).await;
    }
    server.loopback.as_ref().unwrap().take_requests();
    let request = {
        let mut request = crate::support::restore_request("s2", "again");
        let restore = request.restore.as_mut().unwrap();
        restore.verification = stillframe::pb::restore::Verification::Structure.into();
        request
    };
    server.create_restore(request).await.unwrap();
    server.ended_restore("again").await;
    let requests = server.loopback.as_ref().unwrap().take_requests();
    let files = server.get_restore("again").await.unwrap().receipt.unwrap().files;
    assert_eq!(total(&requests, "COPY compacted"), u64::try_from(files).unwrap(), "{requests:?}");
    assert!(files > 1 && !source.uid.is_empty());
    server.stop().await;
}
