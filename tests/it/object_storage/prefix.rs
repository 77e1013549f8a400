//! Several roots may share a bucket.

use crate::support::{Loopback, TestServer, upsert};

#[apply(on_s3!)]
async fn a_prefix_is_a_root_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let start = async |prefix: &str| {
        let storage = loopback.storage_at(prefix, "secret");
        TestServer::start_with(|config| config.storage = Some(storage)).await
    };
    let (mut one, mut two) = (start("tenants/one").await, start("tenants/two").await);
    for server in [&mut one, &mut two] {
        server.given_collection("books").await;
    }
    one.write("books", vec![upsert("a", "{}")]).await;
    one.given_snapshot("books", "s").await;
    one.given_restore("s", "again").await;
    assert_eq!(one.scan("again").await.len(), 1);
    assert!(two.scan("books").await.is_empty());
    let bucket = home.path().join("storage");
    assert!(bucket.join("tenants/one/stillframe.json").exists() && !bucket.join("stillframe.json").exists());
    one.stop().await;
    two.stop().await;
}
