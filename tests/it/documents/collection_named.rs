//! Which collection a request is about.

use stillframe::pb;
use tonic::{Code, Status};

use super::{invalid, refusal};
use crate::support::{TestServer, collect, collection_name, upsert};

/// The errors of every RPC for a collection of this name.
async fn ask_all(server: &mut TestServer, name: &str) -> Vec<Status> {
    let collection = || name.to_owned();
    let documents = &mut server.documents;
    let write =
        pb::WriteDocumentsRequest { collection: collection(), writes: vec![upsert("a", "{}")], ..Default::default() };
    let get = pb::GetDocumentRequest { collection: collection(), id: "a".into(), ..Default::default() };
    let get_all =
        pb::BatchGetDocumentsRequest { collection: collection(), ids: vec!["a".into()], ..Default::default() };
    let list = pb::ListDocumentsRequest { collection: collection(), ..Default::default() };
    let stream = pb::StreamDocumentsRequest { collection: collection(), ..Default::default() };
    let ingest = pb::IngestDocumentsRequest { collection: collection(), ..Default::default() };
    let ingest = documents.ingest_documents(futures::stream::iter([ingest])).await.unwrap().into_inner();
    vec![
        documents.write_documents(write).await.unwrap_err(),
        documents.get_document(get).await.unwrap_err(),
        documents.batch_get_documents(get_all).await.unwrap_err(),
        documents.list_documents(list).await.unwrap_err(),
        documents.stream_documents(stream).await.unwrap_err(),
        collect(ingest).await.unwrap_err(),
    ]
}

#[apply(on_each_storage!)]
async fn a_collection_that_does_not_exist_is_not_found() {
    let mut server = TestServer::with_collection().await;
    for name in [collection_name("nobody"), "workspaces/nobody/collections/c".to_owned()] {
        for error in ask_all(&mut server, &name).await {
            assert_eq!(refusal(&error), (Code::NotFound, "NOT_FOUND".to_owned(), Vec::new()), "{name}");
            assert!(error.message().contains(&name), "{error:?}");
        }
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn names_of_every_wrong_shape_are_refused() {
    let mut server = TestServer::with_collection().await;
    let long = collection_name(&"x".repeat(129));
    for name in [
        "",
        "c",
        "collections/c",
        "workspaces/commons",
        "workspaces/commons/collections/",
        "workspaces/commons/collections/c/",
        "/workspaces/commons/collections/c",
        "workspaces//collections/c",
        "workspaces/commons/snapshots/c",
        "workspaces/commons/collections/-",
        "workspaces/commons/collections/_c",
        "workspaces/commons/collections/a b",
        "workspaces/commons/collections/é",
        "workspaces/commons/collections/..",
        "workspaces/-/collections/c",
        &long,
    ] {
        for error in ask_all(&mut server, name).await {
            assert_eq!(refusal(&error), invalid(&["collection"]), "{name}");
        }
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_collection_uid_guards_against_one_recreated_under_the_name() {
    let mut server = TestServer::start().await;
    let uid = server.given_collection("c").await.uid;
    let request = |uid: &str| pb::WriteDocumentsRequest {
        collection: collection_name("c"),
        writes: vec![upsert("a", "{}")],
        collection_uid: uid.to_owned(),
    };
    server.documents.write_documents(request(&uid)).await.unwrap();
    server.remove_collection("c").await;
    server.given_collection("c").await;
    let error = server.documents.write_documents(request(&uid)).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "COLLECTION_CHANGED".to_owned(), Vec::new()));
    let error = server.documents.write_documents(request("not a uid")).await.unwrap_err();
    assert_eq!(refusal(&error), invalid(&["collection_uid"]));
    assert_eq!(server.stats("c").await.document_count, 0);
    server.stop().await;
}
