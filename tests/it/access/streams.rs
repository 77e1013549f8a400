//! What is open ends with its key (**A4**).

use std::time::Duration;

use stillframe::pb::{self, Role};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::support::{Clients, DEADLINE, TestServer, collection_name, key_with, reason, span, upsert};

/// A source, whose watch does not end by itself.
async fn given_source(server: &mut TestServer) -> String {
    server.given_collection("books").await;
    let location = format!("file://{}/import", server.dir.path().canonicalize().unwrap().display());
    let request = pb::CreateSourceRequest {
        parent: collection_name("books"),
        source_id: "shelf".to_owned(),
        source: Some(pb::Source { location, scan_interval: Some(span(Duration::from_secs(60))), ..Default::default() }),
        ..Default::default()
    };
    server.sources.create_source(request).await.unwrap().into_inner().name
}

/// An open watch that has sent its first value.
async fn watching(caller: &mut Clients, name: &str) -> Streaming<pb::Source> {
    let request = pb::WatchSourceRequest { name: name.to_owned() };
    let mut values = caller.sources.watch_source(request).await.unwrap().into_inner();
    values.message().await.unwrap().unwrap();
    values
}

/// The error that ends a stream.
async fn end<T>(mut stream: Streaming<T>) -> Status {
    let ended = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ends with an error"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(DEADLINE, ended).await.expect("the stream ends in time")
}

fn is_refused(status: &Status, why: &str) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::Unauthenticated, why), "{status:?}");
}

#[apply(on_directory!)]
async fn a_watch_ends_when_its_key_is_revoked() {
    let mut server = TestServer::start().await;
    let source = given_source(&mut server).await;
    let mut root = server.given_operator().await;
    let secret = root.given_key("a", &[("commons", Role::Reader)]).await;
    let other = root.given_key("b", &[("commons", Role::Reader)]).await;
    let watch = watching(&mut server.caller(Some(&secret)), &source).await;
    let mut stays = watching(&mut server.caller(Some(&other)), &source).await;
    root.revoke_key("a").await.unwrap();
    is_refused(&end(watch).await, "API_KEY_REVOKED");
    // That of another key goes on: it hears of the next change.
    root.sources.suspend_source(pb::SuspendSourceRequest { name: source }).await.unwrap();
    let heard = async { while stays.message().await.unwrap().unwrap().state() != pb::source::State::Suspended {} };
    tokio::time::timeout(DEADLINE, heard).await.expect("the other watch goes on");
    drop(stays);
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_watch_ends_when_the_time_of_its_key_is_over() {
    let mut server = TestServer::start().await;
    let source = given_source(&mut server).await;
    let mut root = server.given_operator().await;
    let ttl = Some(pb::api_key::Expiration::Ttl(span(Duration::from_secs(3600))));
    let key = pb::ApiKey { expiration: ttl, ..key_with(&[("commons", Role::Reader)]) };
    let secret = root.create_key("a", key).await.unwrap().secret;
    let watch = watching(&mut server.caller(Some(&secret)), &source).await;
    server.clock.advance(Duration::from_secs(3600));
    is_refused(&end(watch).await, "API_KEY_EXPIRED");
    server.stop().await;
}

#[apply(on_directory!)]
async fn the_first_key_ends_what_nobody_needed_one_for() {
    let mut server = TestServer::start().await;
    let source = given_source(&mut server).await;
    let watch = watching(&mut server.caller(None), &source).await;
    server.given_operator().await;
    is_refused(&end(watch).await, "API_KEY_MISSING");
    server.stop().await;
}

#[apply(on_directory!)]
async fn an_ingest_ends_behind_what_it_was_acknowledged() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut root = server.given_operator().await;
    let secret = root.given_key("a", &[("commons", Role::Writer)]).await;
    let (send, messages) = mpsc::channel(8);
    let batch = |id: &str| pb::IngestDocumentsRequest {
        collection: collection_name("books"),
        writes: vec![upsert(id, "{}")],
        ..Default::default()
    };
    send.send(batch("before")).await.unwrap();
    let mut writer = server.caller(Some(&secret));
    let answers = writer.documents.ingest_documents(ReceiverStream::new(messages)).await.unwrap();
    let mut answers = answers.into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().offset, 1);
    root.revoke_key("a").await.unwrap();
    is_refused(&end(answers).await, "API_KEY_REVOKED");
    // Too late: the stream is closed, or about to be.
    let _ = send.send(batch("after")).await;
    let get = |id: &str| pb::GetDocumentRequest {
        collection: collection_name("books"),
        id: id.to_owned(),
        ..Default::default()
    };
    root.documents.get_document(get("before")).await.unwrap();
    assert_eq!(root.documents.get_document(get("after")).await.unwrap_err().code(), Code::NotFound);
    server.stop().await;
}
