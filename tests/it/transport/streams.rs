//! Streams of one connection.

use tonic::{Streaming, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use super::{plain, waits};
use crate::support::{DEADLINE, TestServer};

async fn watch(channel: Channel) -> Streaming<HealthCheckResponse> {
    let mut client = HealthClient::new(channel);
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().expect("the state at once");
    watch
}

#[apply(on_directory!)]
async fn a_stream_too_many_waits_until_another_ends() {
    let server = TestServer::start_with(|config| config.transport.max_streams = 3).await;
    let mut watches = Vec::new();
    for _ in 0..3 {
        watches.push(watch(server.channel.clone()).await);
    }
    let mut waiting = std::pin::pin!(watch(server.channel.clone()));
    let other = plain(server.address).await;
    waits(waiting.as_mut(), &[&other]).await;
    watches.pop();
    watches.push(tokio::time::timeout(DEADLINE, waiting).await.expect("one has ended"));
    assert_eq!(watches.len(), 3);
    drop(watches);
    server.stop().await;
}
