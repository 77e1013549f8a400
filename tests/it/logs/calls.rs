//! A line for each call that has ended.

use stillframe::pb;
use tonic::{Code, Request};

use super::{ended_calls, log_of, start, text};
use crate::{
    recovery::child::Child,
    support::{COMMONS, collection_name, eventually, upsert},
};

#[apply(on_directory!)]
async fn each_call_has_one_line_with_what_became_of_it() {
    let mut child = start(&[]).await;
    let client = &mut child.client;
    client.given_collection("c").await;
    client.write("c", vec![upsert("a", &format!(r#"{{"t":"{}"}}"#, "x".repeat(1000)))]).await;
    client.collection("nobody").await.unwrap_err();
    assert_eq!(client.scan("c").await.len(), 1);
    let mut request = Request::new(pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() });
    request.metadata_mut().insert("x-request-id", "my-own".parse().unwrap());
    client.collections.list_collections(request).await.unwrap();

    let log = log_of(child).await;
    let found: Vec<_> = ended_calls(&log)
        .into_iter()
        .map(|line| (text(line, "method").rsplit('/').next().unwrap(), text(line, "code"), text(line, "reason")))
        .collect();
    let expected = [
        ("CreateCollection", "OK", ""),
        ("WriteDocuments", "OK", ""),
        ("GetCollection", "NOT_FOUND", "NOT_FOUND"),
        ("StreamDocuments", "OK", ""),
        ("ListCollections", "OK", ""),
    ];
    assert_eq!(found, expected);
    for line in ended_calls(&log) {
        assert_eq!(line["level"], "INFO", "{line}");
        assert!(line["fields"]["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
        assert!(text(line, "peer").starts_with("127.0.0.1:") && !text(line, "id").is_empty(), "{line}");
        assert_eq!(text(line, "caller"), "anonymous", "{line}");
    }
    let bytes = |n: usize, field: &str| ended_calls(&log)[n]["fields"][field].as_u64().unwrap();
    assert!((1000..1200).contains(&bytes(1, "received_bytes")) && bytes(1, "sent_bytes") < 200);
    assert!((1000..1200).contains(&bytes(3, "sent_bytes")) && bytes(3, "received_bytes") < 100);
    assert_eq!(text(ended_calls(&log)[4], "id"), "my-own");
}

#[apply(on_directory!)]
async fn a_call_that_its_client_gives_up_has_one_too() {
    let mut child = start(&[]).await;
    child.client.given_collection("c").await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(child.client.channel.clone());
    let mut watch = health.watch(tonic_health::pb::HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    drop(watch);
    let source = pb::Source { location: child.client.location(""), ..Default::default() };
    child.client.create_source("c", "in", source).await.unwrap();
    let watch = pb::WatchSourceRequest { name: format!("{}/sources/in", collection_name("c")) };
    let mut watch = child.client.sources.watch_source(watch).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    drop(watch);
    let log = child.client.dir.path().join("server.log");
    eventually("the call is over", async || std::fs::read_to_string(&log).unwrap().contains("CANCELLED")).await;
    let log = log_of(child).await;
    let cancelled: Vec<_> = ended_calls(&log).into_iter().filter(|line| text(line, "code") == "CANCELLED").collect();
    assert_eq!(cancelled.len(), 1, "{cancelled:?}");
    assert!(text(cancelled[0], "method").ends_with("/WatchSource") && cancelled[0]["level"] == "INFO");
}

#[apply(on_directory!)]
async fn who_needs_no_key_does_not_fill_the_usual_log() {
    let child = start(&[]).await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(child.client.channel.clone());
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    let unknown = tonic_health::pb::HealthCheckRequest { service: "nobody".to_owned() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);
    assert!(ended_calls(&log_of(child).await).is_empty());
}

/// What a handler logs from within a stream has the call beside it.
#[apply(on_directory!)]
async fn the_lines_of_a_stream_are_those_of_its_call() {
    let mut child = start(&[]).await;
    child.client.given_collection("c").await;
    let uid = child.client.collection("c").await.unwrap().uid;
    child.client.write("c", vec![upsert("a", "{}")]).await;
    child.client.given_snapshot("c", "s").await;
    let files = child.client.files(&uid);
    let mut request =
        Request::new(pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() });
    request.metadata_mut().insert("x-request-id", "streaming".parse().unwrap());
    // Without its files it fails wherever it is.
    let dir = child.kill().await;
    for data in ["compacted", "wal", "manifest"] {
        let _ = std::fs::remove_dir_all(files.join(data));
    }
    let mut child = Child::start_with(dir, "", &["--log-format", "json"]).await;
    let failed = match child.client.documents.stream_documents(request).await {
        Ok(mut stream) => stream.get_mut().message().await.unwrap_err(),
        Err(status) => status,
    };
    assert_eq!(failed.code(), Code::DataLoss, "{failed:?}");
    assert!(child.terminated().await.success());
    let dir = child.kill().await;
    let log = std::fs::read_to_string(dir.path().join("server.log")).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_call: Vec<_> = lines.iter().filter(|line| text(line, "id") == "streaming").collect();
    assert!(
        of_call.iter().any(|line| text(line, "message") == "request failed" && line["level"] == "ERROR"),
        "{of_call:?}"
    );
    let last = of_call.last().unwrap();
    assert_eq!((text(last, "code"), last["level"].as_str()), ("DATA_LOSS", Some("ERROR")));
}
