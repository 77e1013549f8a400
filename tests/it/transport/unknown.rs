//! Methods that the server does not have.

use tonic::Code;

use super::raw::{Raw, frame, post};
use crate::support::{TestServer, refused};

#[apply(on_directory!)]
async fn an_unknown_method_is_named() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    for path in [
        "/stillframe.v1.DocumentService/Nope",
        "/stillframe.v1.WorkspaceService/Nope",
        "/stillframe.v1.Nope/GetWorkspace",
        "/grpc.health.v1.Health/Nope",
        "/grpc.reflection.v1.ServerReflection/Nope",
        "/grpc.reflection.v1alpha.ServerReflection/Nope",
        "/nope",
        "/",
    ] {
        let (answer, status) = raw.outcome(post(path).body(()).unwrap(), frame(0, b"")).await;
        assert_eq!(answer.status(), 200);
        let status = refused::<()>(Err(status.expect(path)), Code::Unimplemented, "METHOD_UNKNOWN");
        assert!(status.message().ends_with(path), "{path}: {status:?}");
    }
    let long = format!("/{}", "x".repeat(4000));
    let (_, status) = raw.outcome(post(&long).body(()).unwrap(), frame(0, b"")).await;
    assert!(status.expect("it is refused").message().len() <= 512);
    drop(raw);
    server.stop().await;
}
