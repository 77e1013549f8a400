//! gRPC's health checks.

use std::collections::BTreeMap;

use stillframe::health::{HealthListRequest, health_client::HealthClient};
use tonic::Code;
use tonic_health::pb::{self, HealthCheckRequest, health_check_response::ServingStatus};

use super::{plain, waits};
use crate::support::{TestServer, refused};

fn asking(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[apply(on_directory!)]
async fn a_service_that_is_unknown_can_be_watched() {
    let server = TestServer::start().await;
    let mut client = pb::health_client::HealthClient::new(server.channel.clone());
    for service in ["nobody", "stillframe.v1.documentservice", "stillframe.v1.DocumentService/", " "] {
        let mut watch = client.watch(asking(service)).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown, "{service}");
        waits(watch.message(), &[&server.channel, &plain(server.address).await]).await;
        let status = refused(client.check(asking(service)).await, Code::NotFound, "NOT_FOUND");
        assert_eq!(status.message(), format!("{service} does not exist"));
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn all_services_are_listed() {
    let server = TestServer::start().await;
    let mut client = HealthClient::new(server.channel.clone());
    let list = client.list(HealthListRequest {}).await.unwrap().into_inner();
    let names = ["Access", "Collection", "Document", "Restore", "Server", "Snapshot", "Source", "Workspace"];
    let names = names.map(|name| format!("stillframe.v1.{name}Service"));
    let serving = |name| (name, ServingStatus::Serving as i32);
    let expected: BTreeMap<_, _> = names.into_iter().chain([String::new()]).map(serving).collect();
    let found: BTreeMap<_, _> = list.statuses.into_iter().map(|(name, response)| (name, response.status)).collect();
    assert_eq!(found, expected);
    server.stop().await;
}

#[apply(on_directory!)]
async fn who_watches_hears_of_the_stop_at_once() {
    let server = TestServer::start().await;
    let mut client = pb::health_client::HealthClient::new(server.channel.clone());
    let mut watches = Vec::new();
    for service in ["", "stillframe.v1.DocumentService", "nobody"] {
        let mut watch = client.watch(asking(service)).await.unwrap().into_inner();
        let first = watch.message().await.unwrap().unwrap().status();
        assert_eq!(first == ServingStatus::ServiceUnknown, service == "nobody");
        watches.push((service, watch));
    }
    server.stop().await;
    for (service, mut watch) in watches {
        if service != "nobody" {
            assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing, "{service}");
        }
        refused(watch.message().await, Code::Unavailable, "SHUTTING_DOWN");
    }
}
