//! A document whose event time changes is in one interval only.

use std::{collections::BTreeMap, time::Duration};

use stillframe::pb::{self, patch_operation::Op, write_result::Status as Became};
use tonic::Code;

use super::{HOUR, Retained, totals, visible};
use crate::{
    documents::{error_of, if_etag, op, patch},
    support::{Doc, delete, eventually, reason, refused, upsert_at},
};

fn increment(id: &str) -> pb::Write {
    patch(id, vec![op(Op::Increment, "/n", "1")])
}

/// What `c` must be, however it is read.
async fn check(given: &mut Retained, docs: &[Doc]) {
    let cutoff = given.cutoff_after(0);
    assert_eq!(given.server.read_all("c").await, visible(docs, cutoff));
    assert_eq!(given.totals().await, totals(docs), "D2");
    for doc in docs {
        assert_eq!(Doc::from(&given.server.read(&doc.id).await.unwrap()), *doc);
    }
}

#[apply(on_each_storage!)]
async fn an_upsert_with_another_time_moves_the_document() {
    let mut given = Retained::start().await;
    let times = [0, 31, 0, 12, 12, 13, -1, 31].map(|hours| given.ago(hours, 0));
    for (n, time) in times.into_iter().enumerate() {
        let doc = Doc::new("a", time, format!(r#"{{"n":{n}}}"#));
        let result = given.server.write_one(doc.write()).await;
        assert_eq!(result.status(), if n == 0 { Became::Added } else { Became::Replaced });
        assert_eq!(given.server.read("a").await.unwrap().etag, result.etag);
        check(&mut given, &[doc]).await;
        let stats = given.server.stats("c").await;
        assert_eq!(stats.offset, i64::try_from(n + 1).unwrap());
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn many_documents_move_at_once_and_back() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    check(&mut given, &docs).await;
    let turned: Vec<Doc> = docs
        .iter()
        .zip(docs.iter().rev())
        .map(|(doc, other)| Doc::new(&doc.id, other.time, format!(r#"{{"id":"{}"}}"#, doc.id)))
        .collect();
    for docs in [turned, docs] {
        let statuses = given.server.statuses(docs.iter().map(Doc::write).collect()).await;
        assert!(statuses.iter().all(|status| *status == Became::Replaced));
        check(&mut given, &docs).await;
        let ids = docs.iter().map(|doc| doc.id.clone()).collect();
        let found = given.server.batch(ids).await;
        assert_eq!(found.documents.iter().map(Doc::from).collect::<Vec<_>>(), docs);
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn writes_of_one_batch_see_each_others_moves() {
    let mut given = Retained::start().await;
    let [new, middle, old] = [0, 10, 31].map(|hours| given.ago(hours, 0));
    let at = |time| upsert_at("a", time, r#"{"n":0}"#);
    let cases = [
        (vec![at(old), at(new), at(middle)], Some((middle, 0))),
        (vec![at(new), at(old), increment("a"), at(new), increment("a")], Some((new, 1))),
        (vec![at(old), delete("a"), increment("a"), delete("a")], None),
        (vec![if_etag("", at(middle)), if_etag("", at(old)), increment("a")], Some((middle, 1))),
        (vec![delete("a"), at(new), at(middle), delete("a"), at(old)], Some((old, 0))),
        (vec![increment("a"), at(new), delete("a"), at(old), increment("a")], Some((old, 1))),
    ];
    let mut exists = false;
    for (writes, expected) in cases {
        let expected = expected.map(|(time, n)| Doc::new("a", time, format!(r#"{{"n":{n}}}"#)));
        let before = given.server.stats("c").await.offset;
        let (statuses, changed) = (statuses_of(&writes, exists), given.server.write("c", writes).await);
        assert_eq!(changed.results.iter().map(pb::WriteResult::status).collect::<Vec<_>>(), statuses);
        let writes = statuses.iter().filter(|status| !matches!(status, Became::Unspecified | Became::NotFound));
        assert_eq!(changed.offset - before, i64::try_from(writes.count()).unwrap());
        exists = expected.is_some();
        check(&mut given, expected.as_slice()).await;
    }
    given.stop().await;
}

/// What must become of writes to one document.
fn statuses_of(writes: &[pb::Write], mut exists: bool) -> Vec<Became> {
    let status = |write: &pb::Write| {
        let before = exists;
        match write.operation.as_ref().unwrap() {
            pb::write::Operation::Upsert(_) if write.if_etag.is_some() && before => Became::Unspecified,
            pb::write::Operation::Upsert(_) => {
                exists = true;
                if before { Became::Replaced } else { Became::Added }
            }
            pb::write::Operation::Patch(_) if before => Became::Patched,
            pb::write::Operation::DeleteId(_) if before => {
                exists = false;
                Became::Deleted
            }
            _ => Became::NotFound,
        }
    };
    writes.iter().map(status).collect()
}

#[apply(on_each_storage!)]
async fn a_patch_keeps_the_time_and_a_delete_finds_the_place() {
    let mut given = Retained::start().await;
    let [new, old] = [0, 30].map(|hours| given.ago(hours, 0));
    let first = given.server.write_one(upsert_at("a", new, r#"{"n":1}"#)).await;
    let moved = given.server.write_one(if_etag(&first.etag, upsert_at("a", old, r#"{"n":1}"#))).await;
    assert!(moved.status() == Became::Replaced && moved.etag != first.etag, "the time is part of the etag");
    let patched = given.server.write_one(if_etag(&moved.etag, increment("a"))).await;
    assert_eq!(patched.status(), Became::Patched);
    check(&mut given, &[Doc::new("a", old, r#"{"n":2}"#)]).await;

    let stale = given.server.write_one(if_etag(&moved.etag, delete("a"))).await;
    assert_eq!(reason(&error_of(&stale)), "ETAG_MISMATCH");
    assert_eq!(given.server.write_one(if_etag(&patched.etag, delete("a"))).await.status(), Became::Deleted);
    check(&mut given, &[]).await;
    refused(given.server.read("a").await, Code::NotFound, "DOCUMENT_NOT_FOUND");
    assert_eq!(given.server.write_one(delete("a")).await.status(), Became::NotFound);
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_document_is_moved_by_a_server_that_has_not_learned_the_ids() {
    let mut given = Retained::start().await;
    let mut docs = given.spread();
    given.write(&docs).await;
    for round in 1..4 {
        given = given.reopen_after(0).await;
        // The first writes come before the background has read any id.
        for doc in docs.iter_mut().step_by(round) {
            doc.time = given.ago(i64::try_from(round).unwrap(), 0);
        }
        let statuses = given.server.statuses(docs.iter().map(Doc::write).collect()).await;
        assert!(statuses.iter().all(|status| *status == Became::Replaced), "{statuses:?}");
        check(&mut given, &docs).await;
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_document_is_found_by_the_ids_that_a_close_has_saved() {
    let mut given = Retained::start_with(|config| config.tuning.idle_close = Duration::from_millis(50)).await;
    let mut docs = given.spread();
    given.write(&docs).await;
    let saved = given.server.files(&given.uid).join("ids.filter");
    for passed in 1..4 {
        eventually("the collection is closed", async || saved.exists()).await;
        for doc in &mut docs {
            doc.time = given.ago(30 - passed * 5, 0) + doc.time % (3 * HOUR);
        }
        let added = Doc::new(format!("new{passed}"), given.ago(passed, 0), "{}");
        let writes = docs.iter().chain([&added]).map(Doc::write).collect();
        let statuses = given.server.statuses(writes).await;
        assert!(statuses[..docs.len()].iter().all(|status| *status == Became::Replaced), "{statuses:?}");
        assert_eq!(statuses[docs.len()], Became::Added);
        docs.push(added);
        check(&mut given, &docs).await;
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn documents_that_meet_in_one_interval_stay_apart() {
    let mut given = Retained::start().await;
    let mut docs: BTreeMap<String, Doc> = given.spread().into_iter().map(|doc| (doc.id.clone(), doc)).collect();
    given.write(&docs.values().cloned().collect::<Vec<_>>()).await;
    let meeting = given.ago(5, 10);
    for doc in docs.values_mut() {
        doc.time = meeting;
    }
    let met: Vec<Doc> = docs.into_values().collect();
    given.write(&met).await;
    check(&mut given, &met).await;
    given.stop().await;
}
