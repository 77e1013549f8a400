//! A stop is bounded, whatever clients have open (**W2**).

use std::path::{Path, PathBuf};

use stillframe::{app::Config, pb};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{
    super::support::{
        DEADLINE, TestServer, collect, collection_name, eventually, reason, restore_name, snapshot_name, upsert,
    },
    child::Child,
    invariants::{check, contents},
};

/// A grace of which even the quarter that connections are given is longer than
/// [`TestServer::stop`] waits: a stop that is in time has ended everything by itself
/// and cut off nothing, however fast or slow the machine is.
fn never_cutting_off(config: &mut Config) {
    config.grace = 8 * DEADLINE;
}

#[apply(on_directory!)]
async fn open_streams_watches_and_ingests_end_and_the_work_goes_on_later() {
    let mut server = TestServer::start_with(never_cutting_off).await;
    server.given_collection("books").await;
    let long = "x".repeat(2000);
    let writes = (0..4000).map(|n| upsert(&format!("{n:06}"), &format!(r#"{{"long":"{long}"}}"#)));
    server.write("books", writes.collect()).await;
    let snapshot = server.given_snapshot("books", "first").await;
    let before = contents(&mut server, "books").await;
    // While the list of its files cannot be read, nothing can end.
    let hidden = Hidden::new(&server.dir.path().join(format!("storage/files/{}", snapshot.uid)));
    server.request_restore("first", "again").await.unwrap();
    server.request_snapshot("books", "second").await.unwrap();

    let unread = open_stream(&mut server).await;
    let request = pb::WatchRestoreRequest { name: restore_name("again") };
    let restore = server.restores.watch_restore(request).await.unwrap().into_inner();
    let request = pb::WatchSnapshotRequest { name: snapshot_name("second") };
    let second = server.snapshots.watch_snapshot(request).await.unwrap().into_inner();
    let (ingest, answers) = open_ingest(&mut server).await;

    let stop = tokio::spawn(server.stop());
    assert_shut_down("WatchRestore", restore).await;
    // Read only now, so that most of it was still to be sent.
    assert_shut_down("StreamDocuments", unread).await;
    assert_shut_down("WatchSnapshot", second).await;
    assert_shut_down("IngestDocuments", answers).await;
    let dir = stop.await.unwrap();
    drop(ingest);

    hidden.show();
    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    assert_eq!(server.get_restore("again").await.unwrap().state(), pb::restore::State::Succeeded, "R5");
    assert_eq!(server.get_snapshot("second").await.unwrap().state(), pb::snapshot::State::Created);
    assert_eq!(contents(&mut server, "again").await, before);
    assert_eq!(contents(&mut server, "books").await.len(), before.len() + 1, "D1: what was ingested");
    server.stop().await;
}

async fn open_stream(server: &mut TestServer) -> Streaming<pb::StreamDocumentsResponse> {
    let request = pb::StreamDocumentsRequest { collection: collection_name("books"), ..Default::default() };
    let mut stream = server.documents.stream_documents(request).await.unwrap().into_inner();
    stream.message().await.unwrap();
    stream
}

type Ingest = mpsc::Sender<pb::IngestDocumentsRequest>;

async fn open_ingest(server: &mut TestServer) -> (Ingest, Streaming<pb::IngestDocumentsResponse>) {
    let (requests, sent) = mpsc::channel(1);
    let request = pb::IngestDocumentsRequest {
        collection: collection_name("books"),
        writes: vec![upsert("ingested", "{}")],
        ..Default::default()
    };
    requests.send(request).await.unwrap();
    let mut answers = server.documents.ingest_documents(ReceiverStream::new(sent)).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().offset, 4001);
    (requests, answers)
}

async fn assert_shut_down<T>(what: &str, stream: Streaming<T>) {
    let ended: Status = collect(stream).await.err().unwrap_or_else(|| panic!("{what} ended well"));
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unavailable, "SHUTTING_DOWN"), "{what}: {ended:?}");
}

/// A file that cannot be read for a while, though it is there.
struct Hidden {
    path: PathBuf,
    aside: PathBuf,
}

impl Hidden {
    fn new(path: &Path) -> Self {
        let aside = path.with_extension("aside");
        std::fs::rename(path, &aside).unwrap();
        // A link to itself: neither absent nor readable.
        std::os::unix::fs::symlink(path, path).unwrap();
        Self { path: path.to_owned(), aside }
    }

    fn show(self) {
        std::fs::rename(self.aside, self.path).unwrap();
    }
}

#[apply(on_directory!)]
async fn a_stop_in_the_middle_of_work_loses_none_of_it() {
    let mut server = TestServer::start_with(never_cutting_off).await;
    server.given_collection("books").await;
    server.given_documents("books", 500, 1).await;
    server.given_snapshot("books", "first").await;
    for n in 0..4 {
        server.given_documents("books", 100, 2 + n).await;
        server.request_snapshot("books", &format!("s{n}")).await.unwrap();
        server.request_restore("first", &format!("r{n}")).await.unwrap();
    }
    let dir = server.stop().await;

    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    for n in 0..4 {
        eventually("the restore has succeeded", async || {
            server.get_restore(&format!("r{n}")).await.unwrap().state() == pb::restore::State::Succeeded
        })
        .await;
        let snapshot = server.get_snapshot(&format!("s{n}")).await.unwrap();
        assert_eq!(snapshot.state(), pb::snapshot::State::Created);
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn clients_that_never_read_do_not_hold_up_a_stop() {
    let mut child = Child::start_with(tempfile::tempdir().unwrap(), "", &["--grace", "20s"]).await;
    let server = &mut child.client;
    server.given_collection("books").await;
    let long = "x".repeat(1_000_000);
    // More than the connection's buffers hold.
    for n in 0..32 {
        server.write("books", vec![upsert(&format!("{n:06}"), &format!(r#"{{"long":"{long}"}}"#))]).await;
    }
    let unread = open_stream(server).await;
    // After a quarter of the grace they are cut off. Had they been waited for to its
    // end, the stop would not be a clean one.
    let status = child.terminated().await;
    assert!(status.success(), "{status}");
    drop(unread);
    let mut server = TestServer::reopen(child.kill().await).await;
    check(&mut server).await;
    server.stop().await;
}
