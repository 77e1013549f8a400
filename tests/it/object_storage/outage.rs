//! The store is away for a while: callers hear of it while it is, nothing
//! acknowledged is lost, and the server recovers by itself.

use tokio::time::timeout;

use crate::support::{DEADLINE, TestServer, eventually, reason, try_write};

#[apply(on_s3!)]
async fn writes_and_reads_fail_in_time_and_work_again() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "before").await;
    server.loopback.as_ref().unwrap().set_down(true);

    // The store stays away until all three are answered: none has waited for it.
    let in_flight = timeout(DEADLINE, try_write(&mut server, "lost")).await.expect("an answer in time").unwrap_err();
    assert!(matches!(reason(&in_flight).as_str(), "WRITE_OUTCOME_UNKNOWN" | "STORAGE_UNAVAILABLE"), "{in_flight:?}");
    let late = timeout(DEADLINE, try_write(&mut server, "late")).await.expect("an answer in time").unwrap_err();
    assert_eq!(reason(&late), "STORAGE_UNAVAILABLE");
    let read = timeout(DEADLINE, server.try_get("books", "000001")).await.expect("an answer in time").unwrap_err();
    assert_eq!(reason(&read), "STORAGE_UNAVAILABLE");
    // What is asked for meanwhile cannot be recorded.
    let late =
        timeout(DEADLINE, server.request_restore("before", "again")).await.expect("an answer in time").unwrap_err();
    assert!(matches!(reason(&late).as_str(), "WRITE_OUTCOME_UNKNOWN" | "STORAGE_UNAVAILABLE"), "{late:?}");

    server.loopback.as_ref().unwrap().set_down(false);
    eventually("writes work again", async || try_write(&mut server, "after").await.is_ok()).await;
    let found = server.scan("books").await;
    // What was under way may have been written, or not.
    let kept = found.iter().filter(|(id, _)| id != "lost" && id != "late").count();
    assert_eq!(kept, 101, "D1");
    // Unless it was, after all.
    eventually("it can be recorded", async || {
        let again = server.request_restore("before", "again").await;
        again.is_ok() || server.get_restore("again").await.is_ok()
    })
    .await;
    let last = server.watch_restore("again").await.pop().unwrap();
    assert_eq!(last.state(), stillframe::pb::restore::State::Succeeded, "{last:?}");
    server.stop().await;
}
