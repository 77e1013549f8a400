//! Streams that end before their documents do.

use std::time::Duration;

use stillframe::{
    app::Config,
    pb::{self, document_service_client::DocumentServiceClient},
};
use tonic::{Code, Status, Streaming, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{refusal, stream::from};
use crate::{
    support::{DEADLINE, TestServer, collect, eventually, has_files},
    transport::plain,
};

/// Longer than any test waits.
const PATIENT: Duration = Duration::from_hours(1);

async fn given_with(patience: Duration) -> (TestServer, Streaming<pb::StreamDocumentsResponse>) {
    given(|config| config.tuning.stream_patience = patience).await
}

/// A server with a stream that has begun, of more than fits into the transport's
/// buffers.
async fn given(change: impl FnOnce(&mut Config)) -> (TestServer, Streaming<pb::StreamDocumentsResponse>) {
    let mut server = TestServer::start_with(change).await;
    server.given_collection("c").await;
    server.given_collection("nothing").await;
    server.given_bulk(320).await;
    let mut stream = server.open_stream(from("")).await.unwrap();
    assert!(stream.message().await.unwrap().unwrap().offset.is_some());
    (server, stream)
}

fn assert_ended(error: &Status, code: Code, reason: &str) {
    assert_eq!(refusal(error), (code, reason.to_owned(), Vec::new()));
}

#[apply(on_each_storage!)]
async fn deleting_the_collection_ends_its_streams() {
    let (mut server, stream) = given_with(PATIENT).await;
    server.remove_collection("c").await;
    assert_ended(&collect(stream).await.unwrap_err(), Code::Aborted, "COLLECTION_DELETED");
    server.stop().await;
}

/// The state of a server, on a connection of its own.
async fn watch_health(server: &TestServer) -> Streaming<HealthCheckResponse> {
    let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(health.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    health
}

/// Waits until a server has begun to stop.
async fn until_it_stops(mut health: Streaming<HealthCheckResponse>) {
    let told = async { while health.message().await.unwrap().unwrap().status() == ServingStatus::Serving {} };
    tokio::time::timeout(DEADLINE, told).await.expect("it begins to stop");
}

#[apply(on_each_storage!)]
async fn stopping_the_server_ends_them() {
    let (server, stream) = given(|config| {
        config.tuning.stream_patience = PATIENT;
        // A quarter of it is for clients that still read.
        config.grace = 4 * DEADLINE;
    })
    .await;
    let health = watch_health(&server).await;
    // Nothing is read before: all of it could come meanwhile.
    let reading = async {
        until_it_stops(health).await;
        collect(stream).await
    };
    let (ended, _) = tokio::join!(reading, server.stop());
    assert_ended(&ended.unwrap_err(), Code::Unavailable, "SHUTTING_DOWN");
}

#[apply(on_each_storage!)]
async fn a_client_that_does_not_read_loses_its_stream_and_can_resume() {
    let (mut server, mut stream) = given(|config| {
        config.tuning.stream_patience = Duration::ZERO;
        config.tuning.scans_at_once = 1;
    })
    .await;
    // Who reads may be faster than the server, which then waits for nobody.
    eventually("the server has given it up", async || !server.is_scanning("nothing").await).await;
    let (mut token, mut read) = (String::new(), 0);
    let error = loop {
        match stream.message().await {
            Ok(Some(message)) => (token, read) = (message.resume_token, read + message.documents.len()),
            Ok(None) => panic!("all of it fits into the transport's buffers"),
            Err(error) => break error,
        }
    };
    assert_ended(&error, Code::Aborted, "STREAM_TOO_SLOW");
    let dir = server.stop().await;
    server = TestServer::reopen(dir).await;
    let (_, rest) = server.stream(from(&token)).await.unwrap();
    assert_eq!(read + rest.iter().map(|message| message.documents.len()).sum::<usize>(), 320);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_stream_that_is_dropped_lets_the_collection_go() {
    let (mut server, stream) = given_with(PATIENT).await;
    drop(stream);
    let uid = server.collection("c").await.unwrap().uid;
    server.remove_collection("c").await;
    let files = server.files(&uid);
    eventually("the files of the collection are removed", async || !has_files(&files)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn too_many_streams_at_once_are_refused() {
    let (mut server, stream) = given_with(PATIENT).await;
    server.given_workspace("others").await;
    let other = server.create_collection("workspaces/others", "c").await.unwrap().name;
    let mut open = vec![stream];
    let error = loop {
        match server.open_stream(from("")).await {
            Ok(stream) => open.push(stream),
            Err(error) => break error,
        }
        assert!(open.len() <= 192);
    };
    assert_ended(&error, Code::ResourceExhausted, "RESOURCE_BUSY");
    assert!(tonic_types::StatusExt::get_details_retry_info(&error).is_some());
    // Three quarters of all: somebody else may still come.
    assert_eq!(open.len(), 192);
    assert_eq!(tonic_types::StatusExt::get_details_error_info(&error).unwrap().metadata["scope"], "workspace");
    // Nothing more comes through a connection with so much that nobody reads.
    let mut others = DocumentServiceClient::new(plain(server.address).await);
    others.stream_documents(pb::StreamDocumentsRequest { collection: other, ..Default::default() }).await.unwrap();
    drop(open);
    server.stop().await;
}
