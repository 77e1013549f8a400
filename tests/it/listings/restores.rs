//! `ListRestores`.

use stillframe::pb;

use crate::support::{COMMONS, TestServer, id_of};

async fn listed(server: &mut TestServer, filter: &str, order_by: &str) -> Vec<String> {
    let request = pb::ListRestoresRequest {
        parent: COMMONS.to_owned(),
        filter: filter.to_owned(),
        order_by: order_by.to_owned(),
        ..Default::default()
    };
    let listed = server.restores.list_restores(request).await.unwrap().into_inner();
    listed.restores.iter().map(|restore| id_of(&restore.name)).collect()
}

#[apply(on_each_storage!)]
async fn restores_are_filtered_and_ordered_by_each_field() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let s1 = server.given_snapshot("books", "s1").await;
    server.given_snapshot("books", "s2").await;
    let b = server.given_restore("s2", "b").await;
    server.given_restore("s1", "a").await;
    let block = server.block_copies();
    server.request_restore("s1", "running").await.unwrap();
    server.running_restore("running").await;

    assert_eq!(listed(&mut server, "", "").await, ["a", "b", "running"]);
    assert_eq!(listed(&mut server, "", "create_time desc").await, ["running", "a", "b"]);
    assert_eq!(listed(&mut server, "", "end_time").await, ["b", "a", "running"], "one without comes last");
    let by_uid = format!("uid = {}", b.uid);
    let by_collection_uid = format!("collection_uid = {}", b.collection_uid);
    let by_snapshot_uid = format!("snapshot_uid = {} AND end_time:*", s1.uid);
    let filters: &[(&str, &[&str])] = &[
        (&by_uid, &["b"]),
        (&by_collection_uid, &["b"]),
        (&by_snapshot_uid, &["a"]),
        ("snapshot = workspaces/commons/snapshots/s1", &["a", "running"]),
        ("collection = workspaces/commons/collections/a", &["a"]),
        ("state = RUNNING", &["running"]),
        ("state = SUCCEEDED AND created_by = anonymous", &["a", "b"]),
        ("name = *running", &["running"]),
        ("state:RUNNING OR snapshot = *s2", &["b", "running"]),
        (r#"create_time > "2020-01-01T00:00:00Z" AND end_time > "2020-01-01T00:00:00Z""#, &["a", "b"]),
    ];
    for (filter, expected) in filters {
        assert_eq!(listed(&mut server, filter, "").await, *expected, "{filter}");
    }
    server.cancel_restore("running").await.unwrap();
    block.lift();
    server.ended_restore("running").await;
    assert_eq!(listed(&mut server, "state = CANCELLED", "").await, ["running"]);
    server.stop().await;
}
