//! Many documents by id.

use prost::Message;
use stillframe::pb::{self, Encoding, document::Body};
use tonic::Status;
use tonic_types::StatusExt;

use super::{MIB, body_of, invalid, refusal};
use crate::support::{TestServer, collection_name, upsert};

async fn batch_get(
    server: &mut TestServer,
    ids: Vec<String>,
    encoding: i32,
) -> Result<pb::BatchGetDocumentsResponse, Status> {
    let request = pb::BatchGetDocumentsRequest { collection: collection_name("c"), ids, encoding };
    Ok(server.documents.batch_get_documents(request).await?.into_inner())
}

fn ids(documents: &[pb::Document]) -> Vec<&str> {
    documents.iter().map(|document| document.id.as_str()).collect()
}

#[apply(on_each_storage!)]
async fn found_and_missing_ones_are_told_apart_in_the_order_asked() {
    let mut server = TestServer::with_collection().await;
    server.write("c", ["a", "b", "c"].map(|id| upsert(id, "{}")).into()).await;
    let asked = ["c", "x", "a", "y", "a"].map(str::to_owned).into();
    let response = batch_get(&mut server, asked, 0).await.unwrap();
    assert_eq!(ids(&response.documents), ["c", "a", "a"]);
    assert_eq!(response.missing_ids, ["x", "y"]);
    assert!(response.unread_ids.is_empty());
    assert!(matches!(response.documents[0].body, Some(Body::Json(_))));
    let response = batch_get(&mut server, vec!["a".into()], Encoding::Fields.into()).await.unwrap();
    assert!(matches!(response.documents[0].body, Some(Body::Fields(_))));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_does_not_fit_is_left_unread_until_it_is_asked_for_again() {
    let mut server = TestServer::with_collection().await;
    for n in 0..5 {
        server.write_one(upsert(&n.to_string(), &body_of(2 * MIB - 3 * n))).await;
    }
    let mut wanted: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    let mut found = Vec::new();
    while !wanted.is_empty() {
        let response = batch_get(&mut server, wanted, 0).await.unwrap();
        assert!(response.encoded_len() <= 3 * MIB, "{}", response.encoded_len());
        found.extend(response.documents.iter().map(|document| document.id.clone()));
        wanted = response.unread_ids;
    }
    assert_eq!(found, ["0", "1", "2", "3", "4"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn long_ids_count_too() {
    let mut server = TestServer::with_collection().await;
    server.write("c", vec![upsert("0", &body_of(2 * MIB)), upsert("1", &body_of(MIB - 4096))]).await;
    server.write_one(upsert("2", &body_of(MIB))).await;
    let long = |n: usize| format!("{n:01024}");
    let asked = ["0", "1", "2"].map(str::to_owned).into_iter().chain((0..997).map(long)).collect();
    let response = batch_get(&mut server, asked, 0).await.unwrap();
    assert_eq!(response.documents.len() + response.missing_ids.len() + response.unread_ids.len(), 1000);
    assert!(response.encoded_len() < 3 * MIB + (64 << 10), "{}", response.encoded_len());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn between_1_and_1000_good_ids_may_be_asked_for() {
    let mut server = TestServer::with_collection().await;
    let many = |count: usize| (0..count).map(|n| n.to_string()).collect();
    assert_eq!(batch_get(&mut server, many(1000), 0).await.unwrap().missing_ids.len(), 1000);
    for count in [0, 1001] {
        assert_eq!(refusal(&batch_get(&mut server, many(count), 0).await.unwrap_err()), invalid(&["ids"]));
    }
    let bad = ["a", "", "b", "x\u{7f}"].map(str::to_owned);
    let error = batch_get(&mut server, bad.into(), -1).await.unwrap_err();
    assert_eq!(refusal(&error), invalid(&["encoding", "ids[1]", "ids[3]"]));
    server.stop().await;
}

/// An error travels in headers, and a client refuses headers that are too large.
#[apply(on_each_storage!)]
async fn a_thousand_bad_ids_make_an_answer_that_a_client_can_read() {
    let mut server = TestServer::with_collection().await;
    let error = batch_get(&mut server, vec!["\n".repeat(1024); 1000], 0).await.unwrap_err();
    let (code, reason, fields) = refusal(&error);
    assert_eq!((code, reason.as_str()), (tonic::Code::InvalidArgument, "INVALID_FIELD"), "{error:?}");
    assert_eq!((fields[0].as_str(), fields.last().map(String::as_str)), ("ids[0]", Some("")));
    assert!(error.details().len() < 4096, "{}", error.details().len());
    let details = error.get_error_details();
    let last = details.bad_request().unwrap().field_violations.last().unwrap();
    assert_eq!(last.description, format!("{} more are not listed", 1000 - (fields.len() - 1)));
    server.stop().await;
}
