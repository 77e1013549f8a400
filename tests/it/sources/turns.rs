//! Sources take turns, by workspace.

use std::fs::File;

use stillframe::pb::{self, source::State};

use super::{documents, ndjson, quick};
use crate::support::{TestServer, eventually};

/// No line ends in it, and no test is so patient.
const ENDLESS_BYTES: u64 = 1 << 40;
/// More than may have something open at once in a workspace.
const ENDLESS: usize = 10;

impl TestServer {
    /// A source of a collection in another workspace.
    async fn given_foreign_source(&mut self, workspace: &str, path: &str) -> String {
        let parent = format!("workspaces/{workspace}");
        let collection = self.create_collection(&parent, "c").await.unwrap().name;
        let request = pb::CreateSourceRequest {
            parent: collection,
            source_id: "in".to_owned(),
            source: Some(quick(pb::Source { location: self.location(path), ..Default::default() })),
            ..Default::default()
        };
        self.sources.create_source(request).await.unwrap().into_inner().name
    }

    async fn foreign_source(&mut self, name: &str) -> pb::Source {
        self.sources.get_source(pb::GetSourceRequest { name: name.to_owned() }).await.unwrap().into_inner()
    }
}

/// Of its own workspace an endless object holds up others by turns only, and those of another
/// one not at all.
#[apply(on_directory!)]
async fn endless_objects_hold_up_no_other_source() {
    let mut server = TestServer::start().await;
    for place in ["endless", "own", "foreign"] {
        std::fs::create_dir_all(server.dir.path().join("import").join(place)).unwrap();
    }
    let endless = File::create(server.dir.path().join("import/endless/x.ndjson")).unwrap();
    endless.set_len(ENDLESS_BYTES).unwrap();
    server.import("own/x.ndjson", ndjson(0, 3, 1));
    server.import("foreign/x.ndjson", ndjson(0, 3, 2));
    for n in 0..4 {
        let collection = format!("e{n}");
        server.given_collection(&collection).await;
        let source = quick(pb::Source { location: server.location("endless"), ..Default::default() });
        server.create_source(&collection, "in", source).await.unwrap();
    }
    server.becomes("e0", State::Processing).await;

    server.given_collection("own").await;
    let source = quick(pb::Source { location: server.location("own"), ..Default::default() });
    server.create_source("own", "in", source).await.unwrap();
    server.ingested("own", 1).await;
    assert_eq!(server.scan("own").await, documents(0, 3, 1));

    for n in 4..ENDLESS {
        let collection = format!("e{n}");
        server.given_collection(&collection).await;
        let source = quick(pb::Source { location: server.location("endless"), ..Default::default() });
        server.create_source(&collection, "in", source).await.unwrap();
    }
    server.given_workspace("other").await;
    let name = server.given_foreign_source("other", "foreign").await;
    eventually("the source of another workspace is read", async || {
        let source = server.foreign_source(&name).await;
        (source.documents_ingested, source.objects_done) == (3, 1)
    })
    .await;
    for n in 0..ENDLESS {
        assert_eq!(server.source(&format!("e{n}")).await.objects_done, 0);
    }
    server.stop().await;
}
