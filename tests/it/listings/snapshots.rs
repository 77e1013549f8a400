//! `ListSnapshots`.

use stillframe::pb;

use crate::support::{COMMONS, DAY, TestServer, id_of, labels, with_ttl};

async fn listed(server: &mut TestServer, filter: &str, order_by: &str, show_deleted: bool) -> Vec<String> {
    let request = pb::ListSnapshotsRequest {
        parent: COMMONS.to_owned(),
        filter: filter.to_owned(),
        order_by: order_by.to_owned(),
        show_deleted,
        ..Default::default()
    };
    let listed = server.snapshots.list_snapshots(request).await.unwrap().into_inner();
    listed.snapshots.iter().map(|snapshot| id_of(&snapshot.name)).collect()
}

/// `big` of 100 documents, `small` of 10, `gone` deleted.
async fn given_three() -> TestServer {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    let small =
        pb::Snapshot { description: "the small one".to_owned(), labels: labels([("kind", "weekly")]), ..with_ttl(DAY) };
    server.create_snapshot("books", "small", small).await.unwrap();
    server.watch_snapshot("small").await;
    server.given_collection("films").await;
    server.given_documents("films", 100, 1).await;
    server.given_snapshot("films", "big").await;
    server.given_snapshot("films", "gone").await;
    server.delete_snapshot("gone").await.unwrap();
    server
}

#[apply(on_each_storage!)]
async fn snapshots_are_ordered_by_each_field() {
    let mut server = given_three().await;
    assert_eq!(listed(&mut server, "", "", false).await, ["big", "small"]);
    assert_eq!(listed(&mut server, "", "create_time", true).await, ["small", "big", "gone"]);
    assert_eq!(listed(&mut server, "", "expire_time desc", false).await, ["big", "small"]);
    assert_eq!(listed(&mut server, "", "size_bytes", false).await, ["small", "big"]);
    assert_eq!(listed(&mut server, "", "size_bytes desc, name desc", true).await, ["gone", "big", "small"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn snapshots_are_filtered_by_each_field() {
    let mut server = given_three().await;
    let small = server.get_snapshot("small").await.unwrap();
    let [by_uid, by_collection_uid] = [&small.uid, &small.collection_uid].map(|uid| format!("= {uid}"));
    let [by_uid, by_collection_uid] = [format!("uid {by_uid}"), format!("collection_uid {by_collection_uid}")];
    let by_size = format!("size_bytes = {}", small.size_bytes);
    let filters: &[(&str, &[&str])] = &[
        (&by_uid, &["small"]),
        (&by_collection_uid, &["small"]),
        (&by_size, &["small"]),
        (r#"collection = "workspaces/commons/collections/films" AND state = CREATED"#, &["big"]),
        ("state = DELETED", &["gone"]),
        ("description:\"the small one\"", &["small"]),
        ("description:small", &[]),
        ("labels.kind = weekly", &["small"]),
        ("created_by = anonymous AND document_count > 10", &["big", "gone"]),
        ("offset = 10", &["small"]),
        ("incremental_bytes = 0", &["gone"]),
        ("name = *snapshots/b*", &["big"]),
        ("labels:* OR state = DELETED", &["gone", "small"]),
        ("labels.kind != daily", &["small"]),
        (r#"snapshot_time > "2020-01-01T00:00:00Z" AND state = CREATED"#, &["big", "small"]),
        (r#"expire_time < "2020-01-01T00:00:00Z""#, &[]),
        (r#"create_time < "2020-01-01T00:00:00Z""#, &[]),
        (r#"update_time < "2020-01-01T00:00:00Z""#, &[]),
    ];
    for (filter, expected) in filters {
        assert_eq!(listed(&mut server, filter, "", true).await, *expected, "{filter}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_expired_snapshot_is_listed_as_expired_or_not_at_all() {
    let mut server = given_three().await;
    server.clock.advance(DAY);
    assert_eq!(listed(&mut server, "", "", false).await, ["big"]);
    assert_eq!(listed(&mut server, "state = EXPIRED", "", true).await, ["small"]);
    assert!(listed(&mut server, "state = EXPIRED", "", false).await.is_empty());
    server.stop().await;
}
