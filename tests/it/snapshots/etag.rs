//! An etag that is not current changes nothing.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, refused, snapshot_name};

#[apply(on_each_storage!)]
async fn only_the_current_etag_updates_or_deletes_a_snapshot() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let first = server.given_snapshot("books", "s").await;
    let change = pb::Snapshot { description: "changed".to_owned(), ..first.clone() };
    let second = server.update_snapshot(change.clone(), Some(&["description"])).await.unwrap();
    assert_ne!(second.etag, first.etag);

    let stale = server.update_snapshot(change, Some(&["description"])).await;
    refused(stale, Code::Aborted, "ETAG_MISMATCH");
    let delete = |etag: &str| pb::DeleteSnapshotRequest { name: snapshot_name("s"), etag: etag.to_owned() };
    let stale = server.snapshots.delete_snapshot(delete(&first.etag)).await;
    refused(stale, Code::Aborted, "ETAG_MISMATCH");
    server.snapshots.delete_snapshot(delete(&second.etag)).await.unwrap();
    server.stop().await;
}
