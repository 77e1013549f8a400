//! Sources in buckets.

use slatedb::object_store::{ObjectStore, ObjectStoreExt, path::Path};
use stillframe::{
    documents::{Bucket, connect},
    pb,
};
use tonic::Code;

use crate::support::{Loopback, TestServer, eventually, refused, span};

/// A server that may read the bucket `imports`, and a client of that bucket.
async fn given_bucket(loopback: &Loopback, home: &std::path::Path) -> (TestServer, std::sync::Arc<dyn ObjectStore>) {
    std::fs::create_dir_all(home.join("imports")).unwrap();
    let environment = loopback.environment("secret");
    let bucket = Bucket { name: "imports".to_owned(), prefix: String::new(), environment: environment.clone() };
    let server = TestServer::start_with(|config| {
        config.source_allow = Some(vec!["s3://imports/in".parse().unwrap(), "s3://storage".parse().unwrap()]);
        config.source_environment = environment;
        config.shortest_scan_interval = std::time::Duration::from_millis(50);
    });
    (server.await, connect(&bucket).unwrap())
}

fn source(location: &str) -> pb::Source {
    let scan_interval = Some(span(std::time::Duration::from_millis(50)));
    pb::Source { location: location.to_owned(), id_field: "n".to_owned(), scan_interval, ..Default::default() }
}

fn lines(numbers: std::ops::Range<u32>, text: &str) -> String {
    numbers.map(|n| format!("{{\"n\":{n},\"text\":\"{text}\"}}\n")).collect()
}

#[apply(on_s3!)]
async fn every_object_is_ingested_and_a_changed_one_again() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let (mut server, bucket) = given_bucket(&loopback, home.path()).await;
    server.given_collection("c").await;
    bucket.put(&Path::from("in/a.ndjson"), lines(0..100, "a").into()).await.unwrap();
    bucket.put(&Path::from("in/deep/b.ndjson"), lines(100..150, "b").into()).await.unwrap();
    bucket.put(&Path::from("other/c.ndjson"), lines(900..950, "c").into()).await.unwrap();
    server.create_source("c", "in", source("s3://imports/in")).await.unwrap();
    eventually("both are ingested", async || server.stats("c").await.document_count == 150).await;

    bucket.put(&Path::from("in/d.ndjson"), lines(150..160, "d").into()).await.unwrap();
    eventually("a new object is found", async || server.stats("c").await.document_count == 160).await;
    bucket.put(&Path::from("in/a.ndjson"), lines(0..120, "changed").into()).await.unwrap();
    eventually("a changed one is read again", async || {
        server.scan("c").await.iter().filter(|(_, json)| json.contains("changed")).count() == 120
    })
    .await;
    assert_eq!(server.stats("c").await.document_count, 160);
    server.stop().await;
}

#[apply(on_s3!)]
async fn what_is_not_listed_or_the_service_s_own_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let (mut server, _) = given_bucket(&loopback, home.path()).await;
    server.given_collection("c").await;
    for location in ["s3://imports", "s3://imports/inner", "s3://elsewhere/in", "s3://storage", "s3://storage/records"]
    {
        let answer = server.create_source("c", "in", source(location)).await;
        refused(answer, Code::PermissionDenied, "SOURCE_LOCATION_NOT_ALLOWED");
    }
    server.stop().await;
}
