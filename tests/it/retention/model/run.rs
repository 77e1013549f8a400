//! Takes the steps.

use stillframe::pb::{self, restore::Verification};

use super::{super::totals, Model, Step, given::Given};
use crate::support::{Totals, restore_request};

/// Snapshots live for seven days, longer than any document.
const LIFE: i64 = 6 * 24 * 6;

/// A snapshot: what it holds, and the slot it was taken in.
struct Frozen {
    id: String,
    model: Model,
    slot: i64,
}

pub async fn run(steps: &[Step]) {
    let mut given = Given::start().await;
    let mut taken: Vec<Frozen> = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        given.keep_up();
        match step {
            Step::Write(changes) => given.write(changes).await,
            Step::Pass(slots) => {
                given.now.slot += slots;
                given.set_clock();
            }
            Step::Snapshot => taken.push(snapshot(&mut given, n).await),
            Step::Restore(which, full) => {
                let slot = given.now.slot;
                taken.retain(|frozen| frozen.slot + LIFE > slot);
                if !taken.is_empty() {
                    let frozen = &taken[which % taken.len()];
                    restore(&mut given, frozen, n, *full).await;
                }
            }
            Step::Restart => given = given.restart().await,
        }
        given.check().await;
    }
    given.retained.stop().await;
}

async fn snapshot(given: &mut Given, n: usize) -> Frozen {
    let id = format!("s{n}");
    let frozen = given.retained.server.given_snapshot(&given.collection, &id).await;
    assert_eq!(frozen.incremental_bytes, given.model.cut());
    assert_eq!((Totals::frozen(&frozen), frozen.offset), (totals(&given.model.docs()), given.model.offset));
    Frozen { id, model: given.model.clone(), slot: given.now.slot }
}

/// Goes on with the copy; the collection before is no longer needed.
async fn restore(given: &mut Given, frozen: &Frozen, n: usize, full: bool) {
    let server = &mut given.retained.server;
    let to = format!("r{n}");
    let mut request = restore_request(&frozen.id, &to);
    let kind = if full { Verification::Full } else { Verification::Structure };
    request.restore.as_mut().unwrap().verification = kind.into();
    let foretold = pb::CreateRestoreRequest { validate_only: true, ..request.clone() };
    let plan = server.create_restore(foretold).await.unwrap().plan.unwrap();
    server.create_restore(request).await.unwrap();
    let last = server.ended_restore(&to).await;
    assert_eq!(last.state(), pb::restore::State::Succeeded, "{last:?}");

    let restored = frozen.model.restored(given.now);
    let receipt = server.get_restore(&to).await.unwrap().receipt.unwrap();
    let dropped = frozen.model.documents.len() - restored.documents.len();
    let dropped = (i64::try_from(dropped).unwrap(), frozen.model.size_bytes() - restored.size_bytes());
    assert_eq!((receipt.documents_dropped, receipt.bytes_dropped), dropped);
    assert_eq!((plan.documents_dropped, plan.bytes_dropped), dropped, "foretold");
    assert_eq!((plan.documents, plan.bytes, plan.files), (receipt.documents_restored, receipt.bytes, receipt.files));
    assert_eq!(receipt.digest, totals(&restored.docs()).digest);
    assert_eq!(Totals::kept(&server.stats(&to).await), totals(&restored.docs()));
    server.delete_collection(&given.collection).await.unwrap();
    (given.collection, given.model) = (to, restored);
}
