//! Conditional writes.

use stillframe::pb::{self, patch_operation::Op, write_result::Status};
use tonic::Code;

use super::{error_of, if_etag, op, patch, refusal};
use crate::support::{TestServer, delete, json, upsert};

const OTHER: &str = "00000000000000000000000000000000";

fn increment(id: &str) -> pb::Write {
    patch(id, vec![op(Op::Increment, "/n", "1")])
}

fn assert_mismatch(result: &pb::WriteResult, current: &str) {
    let error = error_of(result);
    assert_eq!(refusal(&error), (Code::Aborted, "ETAG_MISMATCH".to_owned(), Vec::new()));
    assert_eq!(result.etag, current, "the etag that would have matched");
}

#[apply(on_each_storage!)]
async fn empty_means_that_the_document_must_not_exist() {
    let mut server = TestServer::with_collection().await;
    let first = server.write_one(if_etag("", upsert("a", r#"{"n":1}"#))).await;
    assert_eq!(first.status(), Status::Added);
    assert_mismatch(&server.write_one(if_etag("", upsert("a", r#"{"n":2}"#))).await, &first.etag);
    assert_mismatch(&server.write_one(if_etag("", increment("a"))).await, &first.etag);
    assert_mismatch(&server.write_one(if_etag("", delete("a"))).await, &first.etag);
    assert_eq!(json(&server.read("a").await.unwrap()), r#"{"n":1}"#);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_matching_etag_lets_the_write_through() {
    let mut server = TestServer::with_collection().await;
    let added = server.write_one(upsert("a", r#"{"n":1}"#)).await;
    let replaced = server.write_one(if_etag(&added.etag, upsert("a", r#"{"n":5}"#))).await;
    assert_eq!(replaced.status(), Status::Replaced);
    let patched = server.write_one(if_etag(&replaced.etag, increment("a"))).await;
    assert_eq!(patched.status(), Status::Patched);
    assert_eq!(json(&server.read("a").await.unwrap()), r#"{"n":6}"#);
    assert_eq!(server.write_one(if_etag(&patched.etag, delete("a"))).await.status(), Status::Deleted);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn another_etag_fails_and_says_the_current_one() {
    let mut server = TestServer::with_collection().await;
    let current = server.write_one(upsert("a", r#"{"n":1}"#)).await.etag;
    for write in [upsert("a", "{}"), increment("a"), delete("a")] {
        assert_mismatch(&server.write_one(if_etag(OTHER, write)).await, &current);
    }
    for write in [upsert("b", "{}"), increment("b"), delete("b")] {
        assert_mismatch(&server.write_one(if_etag(OTHER, write)).await, "");
    }
    assert_eq!(server.stats("c").await.offset, 1, "nothing changed");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn of_two_writers_with_one_etag_one_wins() {
    let mut server = TestServer::with_collection().await;
    let etag = server.write_one(upsert("a", r#"{"n":0}"#)).await.etag;
    let write = |n: i32| if_etag(&etag, upsert("a", &format!(r#"{{"n":{n}}}"#)));
    let results = server.write("c", vec![write(1), write(2)]).await.results;
    assert_eq!(results[0].status(), Status::Replaced);
    assert_mismatch(&results[1], &results[0].etag);
    assert_eq!(json(&server.read("a").await.unwrap()), r#"{"n":1}"#);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_missing_document_without_etag_is_not_found() {
    let mut server = TestServer::with_collection().await;
    let results = server.statuses(vec![if_etag("", increment("a")), if_etag("", delete("a"))]).await;
    assert_eq!(results, [Status::NotFound, Status::NotFound]);
    server.stop().await;
}
