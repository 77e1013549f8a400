//! Concurrent updates of one record: the log, the index and the answers say the
//! same.

use std::collections::BTreeSet;

use prost::Message;
use stillframe::{
    documents::Root,
    pb,
    records::{Collection, Log, Record, Tip, look},
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{TestServer, mask, reason, rounds};

const CLIENTS: usize = 8;

#[apply(on_directory!)]
async fn the_log_holds_what_was_answered_in_its_order() {
    let mut server = TestServer::start().await;
    let created = server.given_collection("books").await;
    let (mut done, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..rounds(100, 1000) {
        let etag = server.collection("books").await.unwrap().etag;
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            let mut client = server.collections.clone();
            let description = format!("{round} {n}");
            // Half of them insist on what they have read.
            let etag = if n % 2 == 0 { etag.clone() } else { String::new() };
            let collection = pb::Collection { name: created.name.clone(), description, etag, ..Default::default() };
            let request = pb::UpdateCollectionRequest {
                update_mask: Some(mask(&["description"])),
                collection: Some(collection.clone()),
            };
            clients.spawn(async move { (collection.description, client.update_collection(request).await) });
        }
        for (description, answer) in clients.join_all().await {
            match answer {
                Ok(updated) => {
                    assert_eq!(updated.into_inner().description, description);
                    done.insert(description);
                }
                Err(status) => {
                    assert_eq!(reason(&status), "ETAG_MISMATCH");
                    refused.insert(description);
                }
            }
        }
    }
    let last = server.collection("books").await.unwrap().description;
    let dir = server.stop().await;
    let logged = descriptions(&Root::local(&dir.path().join("storage")).unwrap(), &created.name).await;
    assert_eq!(logged.last(), Some(&last));
    let unique: BTreeSet<_> = logged.iter().filter(|text| !text.is_empty()).cloned().collect();
    assert_eq!(logged.len(), done.len() + 1, "each change once, and the creation");
    assert_eq!(unique, done);
    assert!(unique.is_disjoint(&refused), "what was refused left no trace");
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.collection("books").await.unwrap().description, last);
    server.stop().await;
}

/// The descriptions that a collection has had, as the log has them.
async fn descriptions(root: &Root, name: &str) -> Vec<String> {
    let found = look(root).await.unwrap();
    let marker: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root.directory().unwrap().join("stillframe.json")).unwrap()).unwrap();
    let instance: Uuid = marker["uid"].as_str().unwrap().parse().unwrap();
    let log = Log::new(root.clone(), instance);
    let key = name.replace("workspaces/", "c/").replace("/collections/", "/");
    let mut descriptions = Vec::new();
    let entries: Vec<_> = futures::StreamExt::collect(log.entries(Tip::start(), found.end().unwrap())).await;
    for entry in entries {
        for write in entry.unwrap().0.writes {
            if write.key == key.as_bytes() {
                descriptions.push(
                    <Collection as Record>::Message::decode(write.value.unwrap().as_slice()).unwrap().description,
                );
            }
        }
    }
    descriptions
}
