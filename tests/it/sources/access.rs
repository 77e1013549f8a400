//! **O6**: a source reads only what the operator allows, whatever links say.

use std::os::unix::fs::symlink;

use stillframe::pb::{self, source::State};
use tonic::Code;

use super::{documents, ndjson, quick};
use crate::support::{Root, TestServer, refused};

#[apply(on_each_storage!)]
async fn only_what_is_allowed_can_be_connected() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    std::fs::create_dir_all(server.dir.path().join("import")).unwrap();
    std::fs::create_dir_all(server.dir.path().join("import2")).unwrap();
    symlink(server.dir.path().join("storage"), server.dir.path().join("import/link")).unwrap();
    let data = server.location("").strip_suffix("/import").unwrap().to_owned();
    let places = ["/import2", "/import%32", "/metadata", "/storage", "", "/import/link", "/import/link/records"];
    let mut refusals: Vec<String> = places.iter().map(|place| format!("{data}{place}")).collect();
    refusals.extend(["file:///".to_owned(), "file:///etc".to_owned()]);
    for location in refusals {
        let source = pb::Source { location: location.clone(), ..Default::default() };
        let refusal = server.create_source("books", "in", source).await;
        let status = refused(refusal, Code::PermissionDenied, "SOURCE_LOCATION_NOT_ALLOWED");
        assert!(status.message().contains("(--source-allow)"), "{location}: {status:?}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_operator_allows_other_places_but_never_the_service() {
    let elsewhere = tempfile::tempdir().unwrap();
    let place = elsewhere.path().canonicalize().unwrap();
    let location = format!("file://{}", place.display());
    let mut server = TestServer::start_with(|config| {
        let data = config.data_dir.canonicalize().unwrap();
        let data = format!("file://{}", data.display());
        config.source_allow = Some(vec![location.parse().unwrap(), data.parse().unwrap()]);
    })
    .await;
    server.given_collection("books").await;
    std::fs::write(place.join("a.ndjson"), ndjson(0, 3, 1)).unwrap();
    let source = quick(pb::Source { location, ..Default::default() });
    server.create_source("books", "in", source).await.unwrap();
    server.ingested("books", 1).await;
    let data = server.location("").strip_suffix("/import").unwrap().to_owned();
    // A root on S3 is none of this directory's.
    let own = if Root::current() == Root::S3 {
        &["", "/metadata"][..]
    } else {
        &["", "/storage", "/storage/collections", "/metadata"]
    };
    for own in own {
        let source = pb::Source { location: format!("{data}{own}"), ..Default::default() };
        let refusal = server.create_source("books", "own", source).await;
        refused(refusal, Code::PermissionDenied, "SOURCE_LOCATION_NOT_ALLOWED");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn links_and_what_is_no_file_are_not_read() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let inside = server.import("a.ndjson", ndjson(0, 3, 1));
    let outside = server.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("b.ndjson"), ndjson(3, 6, 1)).unwrap();
    let import = server.dir.path().join("import");
    symlink(outside.join("b.ndjson"), import.join("b.ndjson")).unwrap();
    symlink(&outside, import.join("c")).unwrap();
    symlink(&inside, import.join("d.ndjson")).unwrap();
    std::fs::create_dir(import.join("e.ndjson")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, import.join("f.ndjson"), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    server.given_source("books", pb::Source::default()).await;
    assert_eq!(server.ingested("books", 1).await.documents_ingested, 3);
    server.scanned_again("books").await;
    assert_eq!(server.scan("books").await, documents(0, 3, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_place_that_turns_into_a_link_or_is_no_longer_allowed_stops_the_source() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("in/a.ndjson", ndjson(0, 3, 1));
    let source = quick(pb::Source { location: server.location("in"), ..Default::default() });
    server.create_source("books", "in", source).await.unwrap();
    server.ingested("books", 1).await;
    let outside = server.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("b.ndjson"), ndjson(3, 6, 1)).unwrap();
    let place = server.dir.path().join("import/in");
    std::fs::rename(&place, server.dir.path().join("import/aside")).unwrap();
    symlink(&outside, &place).unwrap();
    let stopped = server.becomes("books", State::Error).await;
    assert!(stopped.error.unwrap().message.contains("not among the locations"));
    assert_eq!(server.scan("books").await, documents(0, 3, 1));

    std::fs::remove_file(&place).unwrap();
    std::fs::rename(server.dir.path().join("import/aside"), &place).unwrap();
    server.resume("books").await;
    server.ingested("books", 1).await;
    let dir = server.stop().await;
    let mut server = TestServer::reopen_with(dir, |config| config.source_allow = Some(Vec::new())).await.unwrap();
    server.becomes("books", State::Error).await;
    server.stop().await;
}
