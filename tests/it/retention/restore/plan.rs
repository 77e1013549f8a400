//! What `validate_only` foretells of a restore with a retention.

use stillframe::pb;

use super::super::{HOUR, Retained, totals, visible};
use crate::support::{Doc, TestServer, Totals, micros, restore_request};

pub async fn foretold(server: &mut TestServer, snapshot: &str, to: &str) -> pb::restore::Plan {
    let request = pb::CreateRestoreRequest { validate_only: true, ..restore_request(snapshot, to) };
    server.create_restore(request).await.unwrap().plan.unwrap()
}

#[apply(on_each_storage!)]
async fn a_plan_foretells_what_the_receipt_will_say() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    given.server.given_snapshot("c", "monday").await;
    for passed in [0, 1, 12, 31, 33] {
        given.pass(passed);
        let id = format!("r{passed}");
        let before = given.server.clock.now();
        let plan = foretold(&mut given.server, "monday", &id).await;
        let cutoff = micros(plan.cutoff_time.as_ref());
        assert!((before..=given.server.clock.now()).contains(&(cutoff + 32 * HOUR)), "{cutoff}");
        assert_eq!(plan.documents_undecided, 0);
        let receipt = given.server.given_restore("monday", &id).await.receipt.unwrap();
        assert_eq!((plan.bytes, plan.files), (receipt.bytes, receipt.files));
        assert_eq!((plan.documents, plan.documents_dropped), (receipt.documents_restored, receipt.documents_dropped));
        assert_eq!(plan.bytes_dropped, receipt.bytes_dropped);
        assert_eq!(plan.documents_dropped, i64::try_from(docs.len() - visible(&docs, cutoff).len()).unwrap());
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_plan_reads_what_is_in_the_source_and_changes_nothing() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    let snapshot = given.server.given_snapshot("c", "monday").await;
    // Since then the source holds other documents of the same interval.
    let old: Vec<Doc> = (0..50).map(|n| Doc::new(format!("x{n}"), given.ago(30, 20), "{}")).collect();
    given.write(&old).await;
    given.pass(2);
    let expected = visible(&docs, given.cutoff_after(2));
    for _ in 0..3 {
        let plan = foretold(&mut given.server, "monday", "again").await;
        assert_eq!(plan.documents, i64::try_from(expected.len()).unwrap());
    }
    assert_eq!(Totals::frozen(&given.server.get_snapshot("monday").await.unwrap()), Totals::frozen(&snapshot));
    given.server.delete_snapshot("monday").await.unwrap();
    assert_eq!(given.server.read_all("c").await, expected);
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_plan_without_a_retention_has_no_cutoff() {
    let mut server = TestServer::with_collection().await;
    server.given_documents("c", 10, 1).await;
    server.given_snapshot("c", "monday").await;
    let plan = foretold(&mut server, "monday", "again").await;
    assert_eq!((plan.cutoff_time, plan.documents_undecided, plan.documents_dropped), (None, 0, 0));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_plan_of_everything_expired_copies_no_document() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    given.server.given_snapshot("c", "monday").await;
    given.pass(40);
    let plan = foretold(&mut given.server, "monday", "again").await;
    let all = totals(&docs);
    assert_eq!((plan.documents, plan.documents_dropped, plan.bytes_dropped), (0, all.documents, all.bytes));
    given.stop().await;
}
