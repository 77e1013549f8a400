use futures::{FutureExt, poll};

use super::*;
use crate::{
    clock::Clock,
    documents::{
        Keep, Mark, Root, Tuning,
        engine::{Engine, Known},
        write::{Operation, Outcome},
    },
    json::patch::{PatchOp, Text},
    share::{Tenant, Turns},
    stored::SourceMark,
    tasks::Tasks,
};

const UID: Uuid = Uuid::from_u128(1);

fn tenant() -> Tenant {
    Tenant::of_workspace("commons")
}

fn upsert(id: &str, body: impl Into<bytes::Bytes>) -> Vec<Write> {
    let operation = Operation::Upsert { event_time: None, body: body.into() };
    vec![Write { id: id.to_owned(), operation, if_etag: None }]
}

/// Of the large document, so that it has to wait for a turn.
fn patch() -> Vec<Write> {
    let operation = PatchOp::Replace { path: "/a/0".parse().unwrap(), value: Text("1".into()) };
    vec![Write { id: "large".to_owned(), operation: Operation::Patch(vec![operation]), if_etag: None }]
}

/// A collection with one large document, in a server where one at a time computes.
async fn given(dir: &std::path::Path) -> (Store, Arc<Engine>) {
    let (root, background) = (Root::local(dir).unwrap(), tokio::runtime::Handle::current());
    let mut store = Store::new(root, Tasks::default(), Clock::default(), Tuning::default(), background);
    store.turns = Turns::of(1);
    Engine::create(&store, UID, None).await.unwrap();
    let engine = Engine::open(&store, UID, Arc::<Keep>::default(), &Known::default()).await.unwrap();
    engine.write(&tenant(), upsert("large", format!("{{\"a\":[0{}]}}", ",0".repeat(1 << 19)))).await.unwrap();
    (store, engine)
}

#[tokio::test]
async fn what_is_given_up_before_it_begins_is_not_applied_and_nothing_behind_it() {
    let tenant = &tenant();
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = given(dir.path()).await;
    let turn = store.turns.take(tenant).await;
    let [stream, other] = [CancellationToken::new(), CancellationToken::new()];
    let first = engine.submit(tenant, patch(), &other).await.unwrap();
    let mut of_stream = Vec::new();
    for id in ["a", "b"] {
        of_stream.push(engine.submit(tenant, upsert(id, "{}"), &stream).await.unwrap());
    }
    let mut alone = engine.write(tenant, upsert("c", "{}")).boxed();
    assert!(poll!(&mut alone).is_pending());
    let last = engine.submit(tenant, upsert("d", "{}"), &other).await.unwrap();
    // Nobody takes the answer of the one, and none of the other two.
    drop(alone);
    drop(of_stream.remove(0));
    stream.cancel();
    let behind = engine.submit(tenant, upsert("e", "{}"), &stream).await.unwrap();
    drop(turn);

    assert!(matches!(first.acknowledged().await.unwrap().results[0].outcome, Outcome::Patched));
    assert!(matches!(last.acknowledged().await.unwrap().results[0].outcome, Outcome::Added));
    for unknown in [of_stream.remove(0), behind] {
        assert!(matches!(unknown.acknowledged().await, Err(Error::OutcomeUnknown(_))));
    }
    assert_eq!(engine.totals().document_count, 2, "large and d");
    engine.close(false).await.unwrap();
}

/// A stream whose answer alone is not taken has not given up.
#[tokio::test]
async fn a_batch_of_a_stream_is_applied_while_the_stream_goes_on() {
    let tenant = &tenant();
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = given(dir.path()).await;
    let turn = store.turns.take(tenant).await;
    let stream = CancellationToken::new();
    drop(engine.submit(tenant, patch(), &stream).await.unwrap());
    drop(engine.submit(tenant, upsert("a", "{}"), &stream).await.unwrap());
    drop(turn);
    engine.write(tenant, upsert("b", "{}")).await.unwrap();
    assert_eq!((engine.totals().document_count, engine.totals().offset), (3, 4));
    engine.close(false).await.unwrap();
}

#[tokio::test]
async fn a_stop_refuses_what_has_not_begun_and_ends_the_wait_for_a_turn() {
    let tenant = &tenant();
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = given(dir.path()).await;
    let _turn = store.turns.take(tenant).await;
    let stream = CancellationToken::new();
    let begun =
        engine.submit(tenant, [upsert("a", "{}"), patch(), upsert("b", "{}")].into_iter().flatten().collect(), &stream);
    let begun = begun.await.unwrap();
    let waiting = engine.submit(tenant, upsert("c", "{}"), &stream).await.unwrap();
    let source = SourceMark { objects: 7, ..SourceMark::default() };
    let mut marking = engine.mark(tenant, vec![Mark::Source(UID, Some(source))]).boxed();
    assert!(poll!(&mut marking).is_pending());
    store.tasks.cancel();

    let results = begun.acknowledged().await;
    if let Ok(BatchResult { results, .. }) = &results {
        let outcomes = results.iter().map(|result| &result.outcome);
        assert!(outcomes.clone().any(|outcome| matches!(outcome, Outcome::Failed(Error::ShuttingDown))), "{results:?}");
    } else {
        // The stop was faster than the writer.
        assert!(matches!(results, Err(Error::ShuttingDown)), "{results:?}");
    }
    assert!(matches!(waiting.acknowledged().await, Err(Error::ShuttingDown)));
    marking.await.unwrap();
    assert_eq!(engine.source_mark(UID).await.unwrap().unwrap().objects, 7, "it is applied in any case");
    engine.close(false).await.unwrap();
}

/// While one collection waits for its turn, another one goes on.
#[tokio::test]
async fn who_waits_for_a_turn_holds_up_only_its_own_collection() {
    let tenant = &tenant();
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = given(dir.path()).await;
    let turn = store.turns.take(tenant).await;
    let waiting = engine.submit(tenant, patch(), &CancellationToken::new()).await.unwrap();
    let other = Uuid::from_u128(2);
    Engine::create(&store, other, None).await.unwrap();
    let other = Engine::open(&store, other, Arc::<Keep>::default(), &Known::default()).await.unwrap();
    other.write(tenant, upsert("a", "{\"n\":1}")).await.unwrap();
    // A small patch asks for no turn.
    let operation = PatchOp::Increment { path: "/n".parse().unwrap(), value: Text("1".into()) };
    let small = Write { id: "a".to_owned(), operation: Operation::Patch(vec![operation]), if_etag: None };
    let result = other.write(tenant, vec![small]).await.unwrap();
    assert!(matches!(result.results[0].outcome, Outcome::Patched));
    drop(turn);
    assert!(matches!(waiting.acknowledged().await.unwrap().results[0].outcome, Outcome::Patched));
    for engine in [engine, other] {
        engine.close(false).await.unwrap();
    }
}

/// What other patches have read fills all the room that there is for that.
#[tokio::test]
async fn a_document_without_room_is_read_when_its_patch_has_a_turn() {
    let tenant = &tenant();
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = given(dir.path()).await;
    engine.write(tenant, upsert("small", "{\"a\":[1]}")).await.unwrap();
    let other = Tenant::of_workspace("other");
    let full = store.patched.take(&other, crate::documents::databases::store::PATCHED_BYTES).unwrap();
    let turn = store.turns.take(&other).await;
    let small = patch().into_iter().map(|write| Write { id: "small".to_owned(), ..write });
    let writes = patch().into_iter().chain(small).chain(upsert("new", "{}")).collect();
    let mut waiting = engine.write(tenant, writes).boxed();
    assert!(poll!(&mut waiting).is_pending());
    drop(turn);
    let results = waiting.await.unwrap().results;
    assert!(matches!(results[0].outcome, Outcome::Patched), "{results:?}");
    assert!(matches!(results[1].outcome, Outcome::Patched), "{results:?}");
    assert!(matches!(results[2].outcome, Outcome::Added), "{results:?}");
    assert_eq!(engine.get("small").await.unwrap().unwrap().body(), "{\"a\":[1]}");
    drop(full);
    assert!(!store.patched.is_used(), "it is given back");
    engine.close(false).await.unwrap();
}
