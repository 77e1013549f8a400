//! Requests that are not gRPC: HTTP says so, for who does not look further.

use http::{Method, Request, Response};
use tonic::{Code, Status};

use super::raw::{Raw, frame};
use crate::support::{TestServer, refused};

const CHECK: &str = "/grpc.health.v1.Health/Check";

async fn ask(raw: &mut Raw, method: Method, path: &str, content_type: Option<&str>) -> (Response<()>, Option<Status>) {
    let mut request = Request::builder().method(method).uri(format!("http://localhost{path}"));
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let (answer, status) = raw.outcome(request.body(()).unwrap(), frame(0, b"")).await;
    (answer.map(drop), status)
}

#[apply(on_directory!)]
async fn another_content_type_is_unsupported() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    let others = [
        "",
        "text/html",
        "application/json",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpcs",
    ];
    let others = others.into_iter().chain(["application/connect+proto", "application/protobuf"]).map(Some);
    for content_type in others.chain([None]) {
        for path in [CHECK, "/stillframe.v1.DocumentService/IngestDocuments", "/nope", "/"] {
            for method in [Method::POST, Method::GET, Method::HEAD, Method::OPTIONS] {
                let (answer, status) = ask(&mut raw, method.clone(), path, content_type).await;
                assert_eq!(answer.status(), 415, "{content_type:?} {method} {path}");
                refused::<()>(Err(status.expect("a status, too")), Code::Internal, "PROTOCOL_ERROR");
            }
        }
    }
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        let (answer, status) = ask(&mut raw, Method::POST, CHECK, Some(content_type)).await;
        assert!(answer.status() == 200 && status.is_none(), "{content_type}");
    }
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
async fn another_method_than_post_is_not_allowed() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let (answer, status) = ask(&mut raw, method.clone(), CHECK, Some("application/grpc")).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"POST".parse().unwrap()), "{method}");
        refused::<()>(Err(status.expect("a status, too")), Code::Internal, "PROTOCOL_ERROR");
    }
    drop(raw);
    server.stop().await;
}
