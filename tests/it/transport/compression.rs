//! Clients have one compression for all the services of a channel, so that each takes
//! and gives it; and what cannot be unpacked is told as gRPC wants it.

use async_compression::tokio::{
    bufread::{GzipDecoder, ZstdDecoder},
    write::{GzipEncoder, ZstdEncoder},
};
use http::Request;
use prost::Message;
use stillframe::pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Status};
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request::MessageRequest};

use super::raw::{Raw, frame, methods, post};
use crate::support::{COMMONS, TestServer, collection_name, reason, refused};

const ENCODINGS: [&str; 2] = ["gzip", "zstd"];
const CHECK: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

async fn packed(encoding: &str, message: &[u8]) -> Vec<u8> {
    if encoding == "gzip" {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(message).await.unwrap();
        encoder.shutdown().await.unwrap();
        return encoder.into_inner();
    }
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(message).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

async fn unpacked(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    if encoding == "gzip" {
        GzipDecoder::new(bytes).read_to_end(&mut message).await.unwrap();
    } else {
        ZstdDecoder::new(bytes).read_to_end(&mut message).await.unwrap();
    }
    message
}

fn compressed(path: &str, encoding: &str) -> Request<()> {
    post(path).header("grpc-encoding", encoding).body(()).unwrap()
}

async fn refusal(raw: &mut Raw, request: Request<()>, bytes: Vec<u8>) -> Status {
    let path = request.uri().path().to_owned();
    raw.outcome(request, bytes).await.1.unwrap_or_else(|| panic!("{path} answers"))
}

#[apply(on_directory!)]
async fn every_method_takes_gzip_and_zstd() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    for encoding in ENCODINGS {
        let nothing = packed(encoding, b"").await;
        for path in methods() {
            let (_, status) = raw.outcome(compressed(&path, encoding), frame(1, &nothing)).await;
            // It is read, whatever is thought of it.
            let Some(status) = status else { continue };
            assert!(matches!(status.code(), Code::InvalidArgument | Code::NotFound), "{path} {encoding}: {status:?}");
            assert_ne!(reason(&status), "MALFORMED_REQUEST", "{path} {encoding}");
        }
    }
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
async fn every_service_answers_in_gzip_and_zstd_who_asks() {
    let server = TestServer::with_collection().await;
    let mut raw = Raw::connect(&server).await;
    let parent = || COMMONS.to_owned();
    let asked = MessageRequest::ListServices(String::new());
    let asked = ServerReflectionRequest { message_request: Some(asked), ..Default::default() };
    let calls = [
        ("AccessService/ListApiKeys", Vec::new()),
        ("ServerService/GetServerInfo", Vec::new()),
        ("WorkspaceService/ListWorkspaces", Vec::new()),
        (
            "CollectionService/ListCollections",
            pb::ListCollectionsRequest { parent: parent(), ..Default::default() }.encode_to_vec(),
        ),
        (
            "SnapshotService/ListSnapshots",
            pb::ListSnapshotsRequest { parent: parent(), ..Default::default() }.encode_to_vec(),
        ),
        (
            "RestoreService/ListRestores",
            pb::ListRestoresRequest { parent: parent(), ..Default::default() }.encode_to_vec(),
        ),
        (
            "SourceService/ListSources",
            pb::ListSourcesRequest { parent: collection_name("c"), ..Default::default() }.encode_to_vec(),
        ),
        (
            "DocumentService/ListDocuments",
            pb::ListDocumentsRequest { collection: collection_name("c"), ..Default::default() }.encode_to_vec(),
        ),
    ];
    let calls = calls.into_iter().map(|(name, message)| (format!("/stillframe.v1.{name}"), message));
    let others =
        [(CHECK, Vec::new()), ("/grpc.health.v1.Health/List", Vec::new()), (REFLECTION, asked.encode_to_vec())];
    for (path, message) in calls.chain(others.map(|(path, message)| (path.to_owned(), message))) {
        let (answer, _) = raw.outcome(post(&path).body(()).unwrap(), frame(0, &message)).await;
        assert!(answer.headers().get("grpc-encoding").is_none() && answer.body()[0] == 0, "{path}");
        let plain = answer.into_body().slice(5..);
        for encoding in ENCODINGS {
            let request = post(&path).header("grpc-encoding", encoding).header("grpc-accept-encoding", encoding);
            let (answer, _) = raw.outcome(request.body(()).unwrap(), frame(1, &packed(encoding, &message).await)).await;
            assert_eq!(answer.headers()["grpc-encoding"], encoding, "{path}");
            assert_eq!(answer.body()[0], 1, "{path}");
            let unpacked = unpacked(encoding, &answer.body()[5..]).await;
            // A server is a little older each time.
            assert!(unpacked == plain || path.ends_with("/GetServerInfo"), "{path} {encoding}");
        }
    }
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
async fn who_compresses_otherwise_is_told_what_can_be_used() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    let paths = methods().into_iter().map(|path| (path, "br"));
    let others = ["deflate", "snappy", "GZIP", "gzip,zstd", "", &"x".repeat(4000)];
    for (path, encoding) in paths.chain(others.into_iter().map(|other| (CHECK.to_owned(), other))) {
        for flag in [0, 1] {
            let (answer, status) = raw.outcome(compressed(&path, encoding), frame(flag, b"")).await;
            let status = refused::<()>(Err(status.expect(&path)), Code::Unimplemented, "METHOD_UNKNOWN");
            assert_eq!(answer.status(), 200);
            let accepted = answer.headers()["grpc-accept-encoding"].to_str().unwrap().to_owned();
            for known in ["identity", "gzip", "zstd"] {
                assert!(accepted.split(',').any(|name| name == known), "{path}: {accepted}");
                assert!(status.message().contains(known), "{status:?}");
            }
            assert!(status.message().len() <= 512, "{status:?}");
            assert!(encoding.len() > 100 || status.message().contains(&format!("`{encoding}`")), "{status:?}");
        }
    }
    drop(raw);
    server.stop().await;
}

/// gRPC, doc/compression.md: "MUST fail with INTERNAL status".
#[apply(on_directory!)]
async fn a_flag_that_fits_no_encoding_is_internal() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    for path in methods() {
        let cases = [(None, 1), (Some("identity"), 1), (None, 2), (Some("gzip"), 2), (Some("zstd"), 255)];
        for (encoding, flag) in cases {
            let request = match encoding {
                Some(encoding) => compressed(&path, encoding),
                None => post(&path).body(()).unwrap(),
            };
            let status = refusal(&mut raw, request, frame(flag, b"")).await;
            let status = refused::<()>(Err(status), Code::Internal, "PROTOCOL_ERROR");
            assert!(status.message().contains("compress"), "{status:?}");
        }
    }
    drop(raw);
    server.stop().await;
}

/// Within a stream, too, behind the answers to what came before.
#[apply(on_directory!)]
async fn what_cannot_be_unpacked_is_internal() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    for encoding in ENCODINGS {
        let mut cut = packed(encoding, &[7; 1000]).await;
        cut.truncate(cut.len() / 2);
        for bytes in [&b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"[..], &cut] {
            for path in methods() {
                let status = refusal(&mut raw, compressed(&path, encoding), frame(1, bytes)).await;
                refused::<()>(Err(status), Code::Internal, "PROTOCOL_ERROR");
            }
        }
    }
    let answer = raw.send(post(REFLECTION).body(()).unwrap(), [frame(0, b""), frame(1, b"")].concat());
    let (bytes, status) = raw.whole(answer).await;
    assert!(bytes > 0);
    refused::<()>(Err(status), Code::Internal, "PROTOCOL_ERROR");
    drop(raw);
    server.stop().await;
}

/// Of a few kilobytes, it would be more than any message may be.
#[apply(on_directory!)]
async fn no_method_unpacks_more_than_a_message_may_have() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    for encoding in ENCODINGS {
        let bomb = packed(encoding, &vec![0; 13 << 20]).await;
        assert!(bomb.len() < 16 << 10, "{} bytes", bomb.len());
        for path in methods() {
            let status = refusal(&mut raw, compressed(&path, encoding), frame(1, &bomb)).await;
            refused::<()>(Err(status), Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
        }
    }
    drop(raw);
    server.stop().await;
}
