//! What patches may compute. How long that takes is measured by the load tool.

use stillframe::pb::{patch_operation::Op, write_result::Status};
use tonic::Code;

use crate::{
    documents::{error_of, op, op_from, patch},
    support::{TestServer, reason, upsert},
};

const MIB: usize = 1 << 20;

/// A body of many small values, which takes long to read.
fn numbers(bytes: usize) -> String {
    format!("{{\"a\":[0{}]}}", ",0".repeat(bytes / 2 - 5))
}

/// Each reads nothing but one value, of a document that takes tens of milliseconds to read:
/// read for each, they would take this test a day.
#[apply(on_directory!)]
async fn a_document_is_read_once_for_many_patches() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("d", &numbers(2 * MIB))).await;
    let failing = patch("d", vec![op(Op::Test, "/a/7", "1")]);
    let results = server.write("c", vec![failing; 20_000]).await.results;
    assert_eq!(results.len(), 20_000);
    for result in &results {
        assert_eq!(error_of(result).code(), Code::FailedPrecondition);
    }
    server.stop().await;
}

/// Each leaves the document half-way, so that the next one has to read it again.
#[apply(on_directory!)]
async fn beyond_what_a_commit_may_compute_patches_are_busy_and_alone_they_get_on() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("d", &numbers(2 * MIB))).await;
    let spoiling = || patch("d", vec![op_from(Op::Move, "/a", "/b/c")]);
    let sane = || patch("d", vec![op(Op::Replace, "/a/0", "1")]);
    let mut writes: Vec<_> = (0..40).map(|_| spoiling()).collect();
    writes.extend([sane(), upsert("other", "{}")]);
    let results = server.write("c", writes).await.results;
    let reasons: Vec<_> = results[..41].iter().map(|result| reason(&error_of(result))).collect();
    let failed = reasons.iter().take_while(|reason| *reason == "PATCH_FAILED").count();
    assert!(failed > 0, "the first are told what is wrong with them");
    assert!(reasons[failed..].iter().all(|reason| reason == "RESOURCE_BUSY"), "{reasons:?}");
    assert_eq!(error_of(&results[40]).code(), Code::ResourceExhausted);
    assert_eq!(results[41].status(), Status::Added, "what is no patch goes on");
    assert_eq!(server.write_one(sane()).await.status(), Status::Patched);
    server.stop().await;
}

/// What is too much by itself is never told to come again.
#[apply(on_directory!)]
async fn one_patch_may_compute_much_and_no_more() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("d", &numbers(MIB))).await;
    let back_and_forth =
        |count| (0..count).map(|n| [("/a", "/b"), ("/b", "/a")][n % 2]).map(|(from, to)| op_from(Op::Move, from, to));
    let moved = server.write_one(patch("d", back_and_forth(1_000).collect())).await;
    assert_eq!(moved.error, None, "{moved:?}");
    let copies = (0..1_000).map(|n| op_from(Op::Copy, ["/a", "/b"][n % 2], ["/b", "/a"][n % 2]));
    let error = error_of(&server.write_one(patch("d", copies.collect())).await);
    assert_eq!((error.code(), reason(&error).as_str()), (Code::FailedPrecondition, "PATCH_FAILED"));
    assert!(error.message().contains("too much work"), "{error:?}");
    server.stop().await;
}
