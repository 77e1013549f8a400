//! Enum values in filters, with their prefix as answers have them, and without.

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use stillframe::pb;
use tonic::Status;

use crate::support::{COMMONS, Clients, TestServer, collection_name, refused_fields};

/// The enum fields of what is listed, by their enum.
const FIELDS: [(&str, &str); 6] = [
    ("ApiKey.State", "state"),
    ("Collection.State", "state"),
    ("Restore.State", "state"),
    ("Snapshot.State", "state"),
    ("Source.State", "state"),
    ("Workspace.SnapshotPreview", "snapshot_preview"),
];

/// The values of an enum but the first, with what they begin with.
fn values(of: &str) -> (String, BTreeSet<String>) {
    let pool = DescriptorPool::decode(pb::DESCRIPTOR).unwrap();
    let of = pool.get_enum_by_name(&format!("stillframe.v1.{of}")).unwrap();
    let none = of.default_value();
    let prefix = none.name().strip_suffix("UNSPECIFIED").unwrap().to_owned();
    let values = of.values().filter(|value| value.number() != 0).map(|value| value.name().to_owned());
    (prefix, values.collect())
}

/// The names of what a list finds.
async fn list(root: &mut Clients, of: &str, filter: &str) -> Result<Vec<String>, Status> {
    let (parent, filter) = (COMMONS.to_owned(), filter.to_owned());
    Ok(match of.split('.').next().unwrap() {
        "ApiKey" => {
            let request = pb::ListApiKeysRequest { filter, ..Default::default() };
            let found = root.access.list_api_keys(request).await?.into_inner().api_keys;
            found.into_iter().map(|key| key.name).collect()
        }
        "Collection" => {
            let request = pb::ListCollectionsRequest { parent, filter, ..Default::default() };
            let found = root.collections.list_collections(request).await?.into_inner().collections;
            found.into_iter().map(|collection| collection.name).collect()
        }
        "Restore" => {
            let request = pb::ListRestoresRequest { parent, filter, ..Default::default() };
            let found = root.restores.list_restores(request).await?.into_inner().restores;
            found.into_iter().map(|restore| restore.name).collect()
        }
        "Snapshot" => {
            let request = pb::ListSnapshotsRequest { parent, filter, show_deleted: true, ..Default::default() };
            let found = root.snapshots.list_snapshots(request).await?.into_inner().snapshots;
            found.into_iter().map(|snapshot| snapshot.name).collect()
        }
        "Source" => {
            let request = pb::ListSourcesRequest { parent: collection_name("books"), filter, ..Default::default() };
            let found = root.sources.list_sources(request).await?.into_inner().sources;
            found.into_iter().map(|source| source.name).collect()
        }
        "Workspace" => {
            let request = pb::ListWorkspacesRequest { filter, ..Default::default() };
            let found = root.workspaces.list_workspaces(request).await?.into_inner().workspaces;
            found.into_iter().map(|workspace| workspace.name).collect()
        }
        other => panic!("{other}"),
    })
}

/// One of each, in a state that stays as it is.
async fn given() -> (TestServer, Clients) {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s").await;
    server.given_restore("s", "again").await;
    let location = server.location("");
    server.create_source("books", "in", pb::Source { location, ..Default::default() }).await.unwrap();
    let name = "workspaces/commons/collections/books/sources/in".to_owned();
    server.sources.suspend_source(pb::SuspendSourceRequest { name }).await.unwrap();
    let root = server.given_operator().await;
    (server, root)
}

#[apply(on_each_storage!)]
async fn a_value_is_taken_with_its_prefix_and_without() {
    let (server, mut root) = given().await;
    for (of, field) in FIELDS {
        let (prefix, values) = values(of);
        let all = list(&mut root, of, "").await.unwrap();
        let mut found = Vec::new();
        for value in &values {
            let short = value.strip_prefix(&prefix).unwrap();
            let bears = list(&mut root, of, &format!("{field} = {value}")).await.unwrap();
            for same in [format!("{field} = {short}"), format!("{field}:{value}"), format!("{field}:\"{short}\"")] {
                assert_eq!(list(&mut root, of, &same).await.unwrap(), bears, "{of}: {same}");
            }
            for others in [format!("{field} != {value}"), format!("NOT {field}:{short}"), format!("-{field} = {value}")]
            {
                let others = list(&mut root, of, &others).await.unwrap();
                assert_eq!(others.len() + bears.len(), all.len(), "{of} {value}");
            }
            // A text to look for.
            for text in [short, value.as_str()] {
                let said = list(&mut root, of, text).await.unwrap();
                assert!(bears.iter().all(|name| said.contains(name)), "{of}: {text}");
            }
            found.extend(bears);
        }
        found.sort();
        assert_eq!(found, all, "{of}: each has one");
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_value_that_is_none_is_told_with_those_that_are() {
    let (server, mut root) = given().await;
    for (of, field) in FIELDS {
        let (prefix, values) = values(of);
        let known: BTreeSet<_> = values.iter().map(|value| value.strip_prefix(&prefix).unwrap()).collect();
        for none in ["DONE", "UNSPECIFIED", "created", &format!("{prefix}DONE"), &format!("{prefix}UNSPECIFIED"), "1"] {
            for filter in [format!("{field} = {none}"), format!("{field}:{none}"), format!("{field} != {none}")] {
                let status = list(&mut root, of, &filter).await.unwrap_err();
                let (_, told) =
                    status.message().split_once("use one of ").unwrap_or_else(|| panic!("{of}: {status:?}"));
                assert_eq!(told.split(", ").collect::<BTreeSet<_>>(), known, "{of}");
                refused_fields(Err::<(), _>(status), &["filter"]);
            }
        }
    }
    server.stop().await;
}
