//! `ListCollections`.

use stillframe::pb;

use crate::support::{COMMONS, TestServer, collection_name, id_of, labels};

async fn listed(server: &mut TestServer, filter: &str, order_by: &str) -> Vec<String> {
    let request = pb::ListCollectionsRequest {
        parent: COMMONS.to_owned(),
        filter: filter.to_owned(),
        order_by: order_by.to_owned(),
        ..Default::default()
    };
    let listed = server.collections.list_collections(request).await.unwrap().into_inner();
    listed.collections.iter().map(|collection| id_of(&collection.name)).collect()
}

#[apply(on_each_storage!)]
async fn collections_are_filtered_and_ordered_by_each_field() {
    let mut server = TestServer::start().await;
    server.given_collection("b").await;
    let a = server.given_collection("a").await;
    server.given_snapshot("a", "s").await;
    let block = server.block_copies();
    server.request_restore("s", "restoring").await.unwrap();
    let change = pb::Collection {
        name: collection_name("b"),
        description: "about b".to_owned(),
        labels: labels([("team", "search")]),
        ..Default::default()
    };
    server.update_collection(change, None).await.unwrap();

    assert_eq!(listed(&mut server, "", "").await, ["a", "b", "restoring"]);
    assert_eq!(listed(&mut server, "", "create_time").await, ["b", "a", "restoring"]);
    assert_eq!(listed(&mut server, "", "update_time desc, name").await, ["b", "restoring", "a"]);
    let by_uid = format!("uid = {}", a.uid);
    let filters: &[(&str, &[&str])] = &[
        ("name = workspaces/commons/collections/a", &["a"]),
        ("name = *restor*", &["restoring"]),
        (&by_uid, &["a"]),
        ("description:'about b'", &["b"]),
        ("description:about", &[]),
        ("about", &["b"]),
        ("description:*", &["b"]),
        ("labels.team = search", &["b"]),
        ("labels.team:search", &["b"]),
        ("labels.team:ear", &[]),
        ("labels:*", &["b"]),
        ("state = RESTORING", &["restoring"]),
        ("state = STATE_READY AND labels.team != search", &[]),
        ("state = READY AND -labels.team:search", &["a"]),
        ("state = RESTORING OR labels:team AND -(labels.team = ads)", &["b", "restoring"]),
        ("create_time > 2020-01-01T00:00:00Z NOT state = READY", &["restoring"]),
        (r#"create_time < "2020-01-01T00:00:00Z""#, &[]),
        (r#"update_time > "2020-01-01T00:00:00Z" AND state = READY"#, &["a", "b"]),
    ];
    for (filter, expected) in filters {
        assert_eq!(listed(&mut server, filter, "").await, *expected, "{filter}");
    }
    block.lift();
    server.ended_restore("restoring").await;
    assert!(listed(&mut server, "state = RESTORING", "").await.is_empty());
    server.stop().await;
}

/// Who deletes what a list gives must not meet another one.
#[apply(on_directory!)]
async fn a_label_is_the_whole_value() {
    let mut server = TestServer::start().await;
    for (id, env, foo) in [("a", "prod", "42"), ("b", "nonprod", "42x")] {
        server.given_collection(id).await;
        let labels = labels([("env", env), ("foo", foo)]);
        let change = pb::Collection { name: collection_name(id), labels, ..Default::default() };
        server.update_collection(change, None).await.unwrap();
    }
    for filter in ["labels.env:prod", "labels.foo:42", "labels.env = prod", "labels.env != nonprod", "-labels.foo:42x"]
    {
        assert_eq!(listed(&mut server, filter, "").await, ["a"], "{filter}");
    }
    server.stop().await;
}
