//! Crashes of a server at the points of a source (**O5**).

use stillframe::{crash::Point, pb};

use super::{
    super::{
        sources::{documents, ndjson},
        support::{TestServer, span},
    },
    crash_points::crash,
};

/// More than are under way at once.
const COUNT: usize = 20_000;

pub async fn visit(point: Point) {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, COUNT, 1));
    let mut server = crash(point, server.stop().await, async |client| {
        let source = pb::Source {
            location: client.location(""),
            scan_interval: Some(span(std::time::Duration::from_secs(1))),
            ..Default::default()
        };
        // The crash may come before the answer.
        let _ = client.create_source("books", "in", source).await;
        if point == Point::SourceRetired {
            client.ingested("books", 1).await;
            let _ = client.delete_source("books").await;
        }
    })
    .await;
    let mut offset = i64::try_from(COUNT).unwrap();
    if point == Point::SourceRetired {
        // Its successor knows nothing of what it did.
        server.given_source("books", pb::Source::default()).await;
        offset *= 2;
    }
    let ended = server.ingested("books", 1).await;
    assert_eq!(ended.documents_ingested, i64::try_from(COUNT).unwrap(), "{point:?}");
    assert_eq!(server.stats("books").await.offset, offset, "{point:?}: each was written once");
    assert_eq!(server.scan("books").await, documents(0, COUNT, 1), "{point:?}");
    server.stop().await;
}
