//! Answers that nobody reads: how much of them there may be, and for how long.

use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http::Response;
use prost::Message;
use stillframe::{
    app::Config,
    pb::{self, Role},
};
use tonic::{Code, Status};

use super::raw::{Raw, frame, post};
use crate::support::{Clients, DEADLINE, TestServer, reason, refused, upsert};

const LIST: &str = "/stillframe.v1.DocumentService/ListDocuments";
const MIB: usize = 1 << 20;
/// A page, and how many of them one key may leave unread of sixteen.
const PAGE: usize = MIB;
const PAGES: usize = 8;

/// A server with a collection of one page in each of two workspaces, and a reader's key for each.
struct Given {
    server: TestServer,
    root: Clients,
    secrets: [String; 2],
}

async fn given(configure: impl FnOnce(&mut Config)) -> Given {
    let mut server = TestServer::start_with(|config| {
        config.transport.answer_memory_bytes = 16 * MIB;
        config.transport.answer_patience = DEADLINE;
        configure(config);
    })
    .await;
    server.given_workspace("a").await;
    server.given_workspace("b").await;
    for workspace in ["a", "b"] {
        let collection = server.create_collection(&format!("workspaces/{workspace}"), "c").await.unwrap().name;
        let writes = vec![upsert("1", &format!(r#"{{"text":"{}"}}"#, "x".repeat(PAGE)))];
        let request = pb::WriteDocumentsRequest { collection, writes, ..Default::default() };
        server.documents.write_documents(request).await.unwrap();
    }
    let mut root = server.given_operator().await;
    let secrets =
        [root.given_key("a", &[("a", Role::Reader)]).await, root.given_key("b", &[("b", Role::Reader)]).await];
    Given { server, root, secrets }
}

fn list(workspace: &str) -> pb::ListDocumentsRequest {
    pb::ListDocumentsRequest { collection: format!("workspaces/{workspace}/collections/c"), ..Default::default() }
}

/// A client that lets nothing come on new streams.
async fn shut(server: &TestServer) -> Raw {
    Raw::connect_with(server, |client| {
        client.initial_window_size(0);
    })
    .await
}

async fn ask(client: &mut Raw, secret: &str, request: &impl Message) -> Response<RecvStream> {
    let head = post(LIST).header("authorization", format!("Bearer {secret}")).body(()).unwrap();
    let answer = client.send(head, frame(0, &request.encode_to_vec()));
    client.drive(answer).await.unwrap()
}

/// What comes of an answer, when it may come.
async fn next(client: &mut Raw, answer: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let data = answer.data();
    client.drive(data).await
}

#[apply(on_directory!)]
async fn there_is_room_for_so_many_and_others_have_theirs() {
    let Given { server, root, secrets: [a, b] } = given(|_| {}).await;
    let mut client = shut(&server).await;
    let mut unread = Vec::new();
    let refusal = loop {
        let answer = ask(&mut client, &a, &list("a")).await;
        match Status::from_header_map(answer.headers()) {
            None => unread.push(answer),
            Some(status) => break status,
        }
        assert!(unread.len() <= PAGES, "{} answers are kept that nobody reads", unread.len());
    };
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::ResourceExhausted, "RESOURCE_BUSY"));
    assert_eq!(unread.len(), PAGES);
    let read = server.caller(Some(&b)).documents.list_documents(list("b")).await.unwrap().into_inner();
    assert_eq!(read.documents.len(), 1);
    // Who is gone has left nothing.
    drop((unread, client));
    let mut documents = server.caller(Some(&a)).documents;
    crate::support::eventually("there is room again", async || documents.list_documents(list("a")).await.is_ok()).await;
    drop(root);
    server.stop().await;
}

#[apply(on_directory!)]
async fn one_that_is_not_taken_ends() {
    let Given { server, root, secrets: [a, _] } =
        given(|config| config.transport.answer_patience = Duration::from_millis(100)).await;
    let mut client = shut(&server).await;
    let mut answer = ask(&mut client, &a, &list("a")).await.into_body();
    let error = next(&mut client, &mut answer).await.expect("an end").unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    drop((answer, client, root));
    server.stop().await;
}

#[apply(on_directory!)]
async fn one_ends_with_the_key_that_asked_for_it() {
    let Given { server, mut root, secrets: [a, _] } = given(|_| {}).await;
    let mut client = shut(&server).await;
    let mut answer = ask(&mut client, &a, &list("a")).await.into_body();
    root.revoke_key("a").await.unwrap();
    let error = next(&mut client, &mut answer).await.expect("an end").unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    drop((answer, client));
    server.stop().await;
}

/// What was changed is told, also to who leaves answers lying about: it is refused before.
#[apply(on_directory!)]
async fn a_change_is_refused_before_it_is_made_or_told() {
    let Given { server, mut root, .. } = given(|_| {}).await;
    let writer = root.given_key("writer", &[("a", Role::Writer)]).await;
    let mut client = shut(&server).await;
    let mut unread = Vec::new();
    loop {
        let answer = ask(&mut client, &writer, &list("a")).await;
        if Status::from_header_map(answer.headers()).is_some() {
            break;
        }
        unread.push(answer);
    }
    let mut documents = server.caller(Some(&writer)).documents;
    let writes = |count: usize| pb::WriteDocumentsRequest {
        collection: list("a").collection,
        writes: (0..count).map(|n| upsert(&format!("{n:0500}"), "{}")).collect(),
        ..Default::default()
    };
    // Their results have more bytes than are left.
    refused(documents.write_documents(writes(4_000)).await, Code::ResourceExhausted, "RESOURCE_BUSY");
    let written = documents.write_documents(writes(10)).await.unwrap().into_inner();
    assert!(written.results.iter().all(|result| result.status() == pb::write_result::Status::Added));
    drop((unread, client));
    server.stop().await;
}
