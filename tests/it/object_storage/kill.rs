//! The process ends at any moment; the bucket has what was acknowledged.

use stillframe::pb;
use tempfile::TempDir;

use crate::{
    recovery::child::Child,
    support::{Loopback, collection_name, try_write},
};

const ROOT: &[&str] = &["--storage", "s3://storage"];

async fn start(dir: TempDir, loopback: &Loopback, crash_at: &str) -> Child {
    Child::start_in(dir, crash_at, ROOT, &loopback.environment("secret").0).await
}

#[apply(on_s3!)]
async fn what_was_acknowledged_survives_kill_9() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let mut dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let mut child = start(dir, &loopback, "").await;
        if round == 0 {
            child.client.given_collection("books").await;
        }
        for n in 0..20 {
            let id = format!("{round}-{n:02}");
            try_write(&mut child.client, &id).await.unwrap();
            acknowledged.push(id);
        }
        // One more is under way when the process ends.
        let mut documents = child.client.documents.clone();
        let request = pb::WriteDocumentsRequest {
            collection: collection_name("books"),
            writes: vec![crate::support::upsert(&format!("{round}-99"), "{}")],
            ..Default::default()
        };
        let under_way = documents.write_documents(request);
        let (_, killed) = tokio::join!(under_way, child.kill());
        dir = killed;
    }
    let mut child = start(dir, &loopback, "").await;
    let found = child.client.scan("books").await;
    let kept: Vec<_> = found.into_iter().map(|(id, _)| id).filter(|id| !id.ends_with("-99")).collect();
    assert_eq!(kept, acknowledged, "D1");
    child.kill().await;
}

#[apply(on_s3!)]
async fn a_restore_that_a_crash_cut_short_goes_on() {
    for point in ["restore.pinned", "restore.copied", "restore.verified", "restore.published"] {
        let home = tempfile::tempdir().unwrap();
        let loopback = Loopback::start(home.path()).await;
        let mut child = start(tempfile::tempdir().unwrap(), &loopback, point).await;
        child.client.given_collection("books").await;
        child.client.given_documents("books", 200, 1).await;
        child.client.given_snapshot("books", "s").await;
        // The crash may come before the answer.
        let _ = child.client.request_restore("s", "again").await;
        let dir = child.aborted(point).await;
        let mut child = start(dir, &loopback, "").await;
        let last = child.client.watch_restore("again").await.pop().unwrap();
        assert_eq!(last.state(), pb::restore::State::Succeeded, "{point}: {last:?}");
        assert_eq!(child.client.scan("again").await, child.client.scan("books").await, "{point}");
        child.kill().await;
    }
}
