//! A call begins with its headers; what it asks for may come much later. By then
//! its caller may have ended (**A4**).

use bytes::Bytes;
use prost::Message;
use stillframe::pb::{self, Role};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, client::Grpc};

use crate::support::{Clients, DEADLINE, Raw, TestServer, collection_name, eventually, reason, upsert};

/// Begins a call, and returns where its message goes and what becomes of it.
#[allow(clippy::disallowed_methods, reason = "joined by the caller")]
fn begin(
    server: &TestServer,
    method: &'static str,
    secret: Option<&str>,
) -> (mpsc::Sender<Bytes>, tokio::task::JoinHandle<Result<(), Status>>) {
    let (send, messages) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(messages));
    if let Some(secret) = secret {
        request.metadata_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    }
    let mut grpc = Grpc::new(server.channel.clone());
    let call = tokio::spawn(async move {
        grpc.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static(method);
        let mut answers = grpc.streaming(request, path, Raw).await?.into_inner();
        while answers.message().await?.is_some() {}
        Ok(())
    });
    (send, call)
}

async fn end(call: tokio::task::JoinHandle<Result<(), Status>>) -> Status {
    tokio::time::timeout(DEADLINE, call).await.expect("the call ends in time").unwrap().unwrap_err()
}

/// Waits until the server has let the bearer of a key in.
async fn let_in(root: &mut Clients, id: &str) {
    eventually("the call has begun", async || root.get_key(id).await.unwrap().last_used_time.is_some()).await;
}

#[apply(on_directory!)]
async fn a_message_that_comes_after_the_end_of_its_key_does_nothing() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut root = server.given_operator().await;
    for (id, method, message) in [
        (
            "a",
            "/stillframe.v1.CollectionService/DeleteCollection",
            pb::DeleteCollectionRequest { name: collection_name("books"), ..Default::default() }.encode_to_vec(),
        ),
        (
            "b",
            "/stillframe.v1.DocumentService/IngestDocuments",
            pb::IngestDocumentsRequest {
                collection: collection_name("books"),
                writes: vec![upsert("late", "{}")],
                ..Default::default()
            }
            .encode_to_vec(),
        ),
    ] {
        let secret = root.given_key(id, &[("commons", Role::Writer)]).await;
        let (send, call) = begin(&server, method, Some(&secret));
        let_in(&mut root, id).await;
        root.revoke_key(id).await.unwrap();
        // The call may have ended already.
        let _ = send.send(message.into()).await;
        drop(send);
        let status = end(call).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "API_KEY_REVOKED"), "{method}");
    }
    let request = pb::GetCollectionRequest { name: collection_name("books") };
    let books = root.collections.get_collection(request).await.unwrap().into_inner();
    assert_eq!(books.stats.unwrap().offset, 0, "nothing was written");
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_call_whose_message_has_not_come_ends_with_its_key() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    for (id, method) in [
        ("a", "/stillframe.v1.CollectionService/DeleteCollection"),
        ("b", "/stillframe.v1.DocumentService/WriteDocuments"),
    ] {
        let secret = root.given_key(id, &[("commons", Role::Writer)]).await;
        let (_send, call) = begin(&server, method, Some(&secret));
        let_in(&mut root, id).await;
        root.revoke_key(id).await.unwrap();
        let status = end(call).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "API_KEY_REVOKED"), "{method}");
    }
    server.stop().await;
}
