//! An etag that is not current changes nothing.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, collection_name, refused, upsert};

#[apply(on_each_storage!)]
async fn only_the_current_etag_updates_or_deletes_a_collection() {
    let mut server = TestServer::start().await;
    let first = server.given_collection("books").await;
    let change = pb::Collection { description: "changed".to_owned(), ..first.clone() };
    let second = server.update_collection(change.clone(), None).await.unwrap();
    assert_ne!(second.etag, first.etag);

    refused(server.update_collection(change, None).await, Code::Aborted, "ETAG_MISMATCH");
    let delete = |etag: &str| pb::DeleteCollectionRequest { name: collection_name("books"), etag: etag.to_owned() };
    let stale = server.collections.delete_collection(delete(&first.etag)).await;
    refused(stale, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(server.collection("books").await.unwrap(), second);
    server.collections.delete_collection(delete(&second.etag)).await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn documents_do_not_move_the_etag() {
    let mut server = TestServer::start().await;
    let created = server.given_collection("books").await;
    server.write("books", vec![upsert("1", "{}")]).await;
    assert_eq!(server.collection("books").await.unwrap().etag, created.etag);
    server.stop().await;
}
