//! A restored collection is a collection like any other.

use stillframe::pb::{self, patch_operation::Op, restore::Verification, write_result::Status as Became};

use super::{
    super::{Retained, counted, sweep::dropped, totals, visible},
    check, restored,
};
use crate::{
    documents::{op, patch},
    support::{Doc, Totals, delete, upsert_at},
};

#[apply(on_each_storage!)]
async fn a_restored_collection_is_written_to_swept_and_frozen_again() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    given.server.given_snapshot("c", "s0").await;
    let (mut live, mut at) = (docs, 0);
    for (round, kind) in [Verification::Full, Verification::Structure, Verification::Full].into_iter().enumerate() {
        at += 5;
        given.pass(at);
        let id = format!("r{round}");
        let snapshot = given.server.get_snapshot(&format!("s{round}")).await.unwrap();
        let restore = restored(&mut given.server, &format!("s{round}"), &id, kind).await;
        check(&mut given, &snapshot, &live, &restore, at).await;
        live = visible(&live, given.cutoff_after(at));
        if round == 1 {
            given = given.reopen_after(at).await;
        }

        // One of the dropped comes back as new; others move, change and go.
        let (moved, gone) = (live[0].id.clone(), live[1].id.clone());
        let back = Doc::new(format!("back{round}"), given.ago(-at, 0), "{}");
        let writes = vec![
            back.write(),
            upsert_at(&moved, given.ago(-at, 20), r#"{"n":0}"#),
            patch(&moved, vec![op(Op::Increment, "/n", "1")]),
            delete(&gone),
        ];
        let results = given.server.write(&id, writes).await;
        let statuses: Vec<_> = results.results.iter().map(pb::WriteResult::status).collect();
        assert_eq!(statuses, [Became::Added, Became::Replaced, Became::Patched, Became::Deleted]);
        assert_eq!(results.offset, snapshot.offset + 4, "it goes on from the snapshot's");
        live.retain(|doc| doc.id != moved && doc.id != gone);
        live.extend([back, Doc::new(moved, given.ago(-at, 20), r#"{"n":1}"#)]);
        assert_eq!(given.server.read_all(&id).await, visible(&live, 0));

        at += 3;
        given.pass(at);
        let cutoff = given.cutoff_after(at);
        dropped(&mut given.server, &id, &live, cutoff).await;
        live = counted(&live, cutoff);
        assert_eq!(given.server.read_all(&id).await, visible(&live, cutoff));
        let next = given.server.given_snapshot(&id, &format!("s{}", round + 1)).await;
        assert_eq!(Totals::frozen(&next), totals(&live));
        assert_eq!(next.incremental_bytes, next.size_bytes, "the first of its collection");
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_collection_restored_without_documents_can_be_filled() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    let snapshot = given.server.given_snapshot("c", "s").await;
    given.pass(50);
    let restore = restored(&mut given.server, "s", "empty", Verification::Full).await;
    check(&mut given, &snapshot, &docs, &restore, 50).await;
    let again: Vec<Doc> = docs.into_iter().map(|doc| Doc { time: given.ago(-45, 0), ..doc }).collect();
    let results = given.server.write("empty", again.iter().map(Doc::write).collect()).await.results;
    assert!(results.iter().all(|result| result.status() == Became::Added));
    assert_eq!(given.server.read_all("empty").await, visible(&again, 0));
    assert_eq!(Totals::kept(&given.server.stats("empty").await), totals(&again));
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn source_and_copy_lose_nothing_to_each_other() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    given.server.given_snapshot("c", "s").await;
    given.pass(3);
    restored(&mut given.server, "s", "again", Verification::Full).await;
    let restored_docs = visible(&docs, given.cutoff_after(3));
    given.write(&[Doc::new("only-here", given.ago(0, 0), "{}")]).await;
    given.pass(20);
    let cutoff = given.cutoff_after(20);
    dropped(&mut given.server, "again", &restored_docs, cutoff).await;
    given.server.delete_collection("c").await.unwrap();
    given.server.delete_snapshot("s").await.unwrap();
    crate::support::eventually("the source is gone", async || !given.server.has_files(&given.uid)).await;
    let given_back = given.reopen_after(20).await;
    given = given_back;
    assert_eq!(given.server.read_all("again").await, visible(&docs, cutoff), "R2");
    given.stop().await;
}
