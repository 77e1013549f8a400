//! Streams that end before their documents do.

use std::time::Duration;

use stillframe::pb;
use tonic::{Code, Status, Streaming};

use super::{refusal, stream::from};
use crate::support::{DEADLINE, TestServer, collect, has_files};

async fn given_with(patience: Duration) -> (TestServer, Streaming<pb::StreamDocumentsResponse>) {
    let mut server = TestServer::start_with(|config| config.tuning.stream_patience = patience).await;
    server.given_collection("c").await;
    server.given_bulk(320).await;
    let mut stream = server.open_stream(from("")).await.unwrap();
    assert!(stream.message().await.unwrap().unwrap().offset.is_some());
    (server, stream)
}

fn assert_ended(error: &Status, code: Code, reason: &str) {
    assert_eq!(refusal(error), (code, reason.to_owned(), Vec::new()));
}

#[tokio::test]
async fn deleting_the_collection_ends_its_streams() {
    let (mut server, stream) = given_with(DEADLINE).await;
    server.remove_collection("c").await;
    assert_ended(&collect(stream).await.unwrap_err(), Code::Aborted, "COLLECTION_DELETED");
    server.stop().await;
}

#[tokio::test]
async fn stopping_the_server_ends_them() {
    let (server, stream) = given_with(DEADLINE).await;
    let (ended, _) = tokio::join!(collect(stream), server.stop());
    assert_ended(&ended.unwrap_err(), Code::Unavailable, "SHUTTING_DOWN");
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_stream_and_can_resume() {
    let (mut server, mut stream) = given_with(Duration::ZERO).await;
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

#[tokio::test]
async fn a_stream_that_is_dropped_lets_the_collection_go() {
    let (mut server, stream) = given_with(DEADLINE).await;
    drop(stream);
    let uid = server.collection("c").await.unwrap().uid;
    server.remove_collection("c").await;
    let files = server.files(&uid);
    crate::support::eventually("the files of the collection are removed", async || !has_files(&files)).await;
    server.stop().await;
}

#[tokio::test]
async fn too_many_streams_at_once_are_refused() {
    let (mut server, stream) = given_with(DEADLINE).await;
    let mut open = vec![stream];
    let error = loop {
        match server.open_stream(from("")).await {
            Ok(stream) => open.push(stream),
            Err(error) => break error,
        }
        assert!(open.len() <= 256);
    };
    assert_ended(&error, Code::ResourceExhausted, "RESOURCE_BUSY");
    assert!(tonic_types::StatusExt::get_details_retry_info(&error).is_some());
    assert_eq!(open.len(), 256);
    drop(open);
    server.stop().await;
}
