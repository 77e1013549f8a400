//! Each answer bears the id of its call: in a header, and in the details of an error.

use http::HeaderMap;
use stillframe::pb;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::raw::{Raw, frame, methods, post};
use crate::support::{COMMONS, TestServer, collection_name};

const HEADER: &str = "x-request-id";

fn id(headers: &HeaderMap) -> String {
    headers[HEADER].to_str().unwrap().to_owned()
}

#[apply(on_directory!)]
async fn every_method_answers_with_the_id_that_it_was_sent() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    for (n, path) in methods().into_iter().chain(["/nope".to_owned()]).enumerate() {
        let sent = format!("call-{n}");
        let request = post(&path).header(HEADER, &sent).body(()).unwrap();
        // No message is one of `grpc.timeout`: most are refused, each in its own way.
        let (answer, status) = raw.outcome(request, frame(0, b"\xff")).await;
        assert_eq!(id(answer.headers()), sent, "{path}");
        let status: Status = status.unwrap_or_else(|| panic!("{path} takes what is no message"));
        assert_eq!(status.get_details_request_info().unwrap().request_id, sent, "{path}: {status:?}");
        assert!(!status.get_details_error_info().unwrap().reason.is_empty(), "{path}");
    }
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
async fn what_is_no_grpc_has_an_id_too() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    let request = http::Request::post("http://localhost/").header(HEADER, "mine").body(()).unwrap();
    let (answer, status) = raw.outcome(request, Vec::new()).await;
    assert_eq!((answer.status().as_u16(), id(answer.headers()).as_str()), (415, "mine"));
    assert_eq!(status.unwrap().get_details_request_info().unwrap().request_id, "mine");
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
async fn an_id_that_is_none_is_replaced_by_one() {
    let mut server = TestServer::start().await;
    let mut ids = std::collections::BTreeSet::new();
    for sent in [None, Some(""), Some("a b"), Some(&*"x".repeat(65)), Some("\"quoted\"")] {
        let mut request = Request::new(pb::ListWorkspacesRequest::default());
        if let Some(sent) = sent {
            request.metadata_mut().insert(HEADER, sent.parse().unwrap());
        }
        let answer = server.workspaces.list_workspaces(request).await.unwrap();
        let id = answer.metadata().get(HEADER).unwrap().to_str().unwrap().to_owned();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sent:?}: {id}");
        assert!(ids.insert(id), "{sent:?}");
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn an_error_behind_messages_has_it_too() {
    let mut server = TestServer::start().await;
    server.given_collection("c").await;
    let mut request =
        Request::new(pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() });
    request.metadata_mut().insert(HEADER, "good".parse().unwrap());
    let mut stream = server.documents.stream_documents(request).await.unwrap();
    assert_eq!(stream.metadata().get(HEADER).unwrap(), "good");
    while stream.get_mut().message().await.unwrap().is_some() {}

    let first = pb::IngestDocumentsRequest { collection: collection_name("c"), ..Default::default() };
    let second = pb::IngestDocumentsRequest { collection: collection_name("other"), ..Default::default() };
    let mut request = Request::new(tokio_stream::iter([first, second]));
    request.metadata_mut().insert(HEADER, "bad".parse().unwrap());
    let mut answers = server.documents.ingest_documents(request).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.get_details_request_info().unwrap().request_id, "bad");
    server.stop().await;
}

#[apply(on_directory!)]
async fn the_largest_error_fits_its_headers_with_it() {
    let mut server = TestServer::start().await;
    let labels = (0..1000).map(|n| (format!("{n:0>200}"), "v".repeat(300))).collect();
    let collection = pb::Collection { labels, description: "d".repeat(5000), ..Default::default() };
    let request = pb::CreateCollectionRequest {
        parent: COMMONS.to_owned(),
        collection_id: "é".repeat(2000),
        collection: Some(collection),
        ..Default::default()
    };
    let mut request = Request::new(request);
    request.metadata_mut().insert(HEADER, "i".repeat(64).parse().unwrap());
    let status = server.collections.create_collection(request).await.unwrap_err();
    let bytes: usize =
        status.metadata().clone().into_headers().iter().map(|(k, v)| k.as_str().len() + v.len() + 32).sum();
    let details = status.details().len().div_ceil(3) * 4 + "grpc-status-details-bin".len() + 32;
    let message = status.message().len() * 3 + "grpc-message".len() + 32;
    assert!(bytes + details + message < 8 << 10, "{bytes} + {details} + {message}");
    assert_eq!(status.get_details_request_info().unwrap().request_id.len(), 64);
    server.stop().await;
}
