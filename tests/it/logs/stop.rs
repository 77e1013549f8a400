//! A stop is told, and is no error.

use stillframe::pb;

use super::{log_of, start, text};
use crate::support::collection_name;

#[apply(on_directory!)]
async fn a_stop_with_open_streams_logs_no_error() {
    let mut child = start(&[]).await;
    let client = &mut child.client;
    client.given_collection("c").await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(client.channel.clone());
    let mut health = health.watch(tonic_health::pb::HealthCheckRequest::default()).await.unwrap().into_inner();
    health.message().await.unwrap().unwrap();
    let source = pb::Source { location: client.location(""), ..Default::default() };
    client.create_source("c", "in", source).await.unwrap();
    let watch = pb::WatchSourceRequest { name: format!("{}/sources/in", collection_name("c")) };
    let mut watch = client.sources.watch_source(watch).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    let log = log_of(child).await;
    let (levels, messages): (Vec<_>, Vec<_>) =
        log.iter().map(|line| (line["level"].as_str().unwrap(), text(line, "message"))).unzip();
    assert!(!levels.contains(&"ERROR"), "{log:?}");
    let of_stop: Vec<_> = ["stopping", "drained: no call and no worker is left", "stopped"]
        .into_iter()
        .map(|said| {
            messages.iter().position(|message| *message == said).unwrap_or_else(|| panic!("{said}: {messages:?}"))
        })
        .collect();
    assert!(of_stop.is_sorted(), "{messages:?}");
}
