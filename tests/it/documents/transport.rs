//! What gRPC itself refuses has our details too.

use http::{Request, uri::PathAndQuery};
use stillframe::pb;
use tonic::{Code, Response, Status, client::Grpc};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::refusal;
use crate::support::{DEADLINE, TestServer, collection_name, upsert};

const WRITE: &str = "/stillframe.v1.DocumentService/WriteDocuments";

/// A call as no generated client would make it.
async fn call<M: prost::Message + Default + 'static>(
    server: &TestServer,
    path: &'static str,
    message: M,
) -> Result<Response<pb::WriteDocumentsResponse>, Status> {
    let mut grpc = Grpc::new(server.channel.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<M, pb::WriteDocumentsResponse>::default();
    grpc.unary(tonic::Request::new(message), PathAndQuery::from_static(path), codec).await
}

#[apply(on_each_storage!)]
async fn an_unknown_method_or_service_is_unimplemented() {
    let server = TestServer::start().await;
    for path in ["/stillframe.v1.DocumentService/Nope", "/stillframe.v1.NoService/Get", "/nonsense"] {
        let error = call(&server, path, ()).await.unwrap_err();
        assert_eq!(refusal(&error), (Code::Unimplemented, "METHOD_UNKNOWN".to_owned(), Vec::new()), "{path}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn bytes_that_are_not_the_message_are_malformed() {
    let server = TestServer::start().await;
    // Field 2 of the request is a message; here it is a text that is none.
    let wrong = pb::GetDocumentRequest { collection: collection_name("c"), id: "\u{7f}".into(), ..Default::default() };
    let error = call(&server, WRITE, wrong).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned(), Vec::new()));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_text_that_is_not_utf_8_is_malformed() {
    let server = TestServer::start().await;
    // As bytes, field 1 may hold what a text may not.
    let error = call(&server, WRITE, vec![0xff_u8, 0xfe]).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned(), Vec::new()));
    server.stop().await;
}

/// Sends the head of a request and never its message. A client of its own,
/// because tonic's keeps the deadline itself.
async fn wait_for_deadline(server: &TestServer, timeout: &str) -> Status {
    let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
    let request = Request::post(format!("http://{}{WRITE}", server.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout);
    let (answer, _body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let answer = tokio::select! {
        answer = tokio::time::timeout(DEADLINE, answer) => answer.expect("an answer in time").unwrap(),
        ended = connection => panic!("the connection ended: {ended:?}"),
    };
    Status::from_header_map(answer.headers()).expect("the answer is a status")
}

#[apply(on_each_storage!)]
async fn a_deadline_that_passes_is_told_by_the_server() {
    let server = TestServer::with_collection().await;
    for timeout in ["100m", "1m", "1n"] {
        let error = wait_for_deadline(&server, timeout).await;
        assert_eq!(refusal(&error), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned(), Vec::new()));
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deadline_that_is_long_enough_changes_nothing() {
    let mut server = TestServer::with_collection().await;
    let writes = vec![upsert("a", "{}")];
    let request = pb::WriteDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() };
    let mut request = tonic::Request::new(request);
    request.set_timeout(DEADLINE);
    server.documents.write_documents(request).await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn reflection_lists_the_services() {
    let server = TestServer::start().await;
    let list = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = ServerReflectionClient::new(server.channel.clone());
    let mut answers = client.server_reflection_info(futures::stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for service in ["Workspace", "Collection", "Document", "Snapshot", "Restore"] {
        assert!(names.contains(&format!("stillframe.v1.{service}Service")), "{names:?}");
    }
    assert!(names.iter().any(|name| name == "grpc.health.v1.Health"), "{names:?}");
    drop(answers);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_whole_and_each_service_are_serving() {
    let server = TestServer::start().await;
    let mut client = HealthClient::new(server.channel.clone());
    for service in ["", "stillframe.v1.DocumentService", "stillframe.v1.RestoreService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = client.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest { service: "nobody".to_owned() };
    assert_eq!(client.check(request).await.unwrap_err().code(), Code::NotFound);
    server.stop().await;
}
