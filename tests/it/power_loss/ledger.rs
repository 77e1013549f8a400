//! What a client did, and when it was told that it was done: as positions in the log of
//! the server's operations.

use std::path::Path;

use stillframe::pb;

use crate::{
    records::given::large_labels,
    recovery::invariants::contents,
    support::{TestServer, collection_name, upsert},
};

/// Collections that are changed in turn.
const COLLECTIONS: usize = 8;
/// Changes of each.
const CHANGES: i64 = 5;
const DOCUMENTS: &str = "documents";

/// One thing that was asked for.
struct Step {
    what: What,
    begun: u64,
    acknowledged: u64,
}

enum What {
    /// The collection has the description of this number.
    Described(usize, i64),
    Deleted(usize),
    /// So many documents are written.
    Written(usize),
    /// A snapshot of so many documents is CREATED.
    Frozen(String, i64),
    /// A restore has SUCCEEDED.
    Restored(String),
}

#[derive(Default)]
pub struct Ledger(Vec<Step>);

struct Client<'a> {
    server: &'a mut TestServer,
    log: &'a Path,
    ledger: Ledger,
}

impl Client<'_> {
    fn position(&self) -> u64 {
        std::fs::metadata(self.log).unwrap().len()
    }

    fn acknowledged(&mut self, what: What, begun: u64) {
        let acknowledged = self.position();
        self.ledger.0.push(Step { what, begun, acknowledged });
    }

    async fn describe(&mut self, n: usize, number: i64) {
        let begun = self.position();
        let collection = pb::Collection {
            name: collection_name(&format!("c{n}")),
            description: format!("{number:04096}"),
            labels: large_labels(),
            ..Default::default()
        };
        if number == 0 {
            let id = format!("c{n}");
            let parent = crate::support::COMMONS.to_owned();
            let request = pb::CreateCollectionRequest {
                parent,
                collection_id: id,
                collection: Some(pb::Collection { name: String::new(), ..collection }),
                ..Default::default()
            };
            self.server.collections.create_collection(request).await.unwrap();
        } else {
            self.server.update_collection(collection, Some(&["description", "labels"])).await.unwrap();
        }
        self.acknowledged(What::Described(n, number), begun);
    }

    async fn write(&mut self, n: usize) {
        let begun = self.position();
        self.server.write(DOCUMENTS, vec![upsert(&format!("{n:04}"), r#"{"kept":true}"#)]).await;
        self.acknowledged(What::Written(n + 1), begun);
    }
}

/// Changes records at their largest, and documents.
pub async fn load(server: &mut TestServer, log: &Path) -> Ledger {
    let mut client = Client { server, log, ledger: Ledger::default() };
    client.server.given_collection(DOCUMENTS).await;
    for n in 0..COLLECTIONS {
        client.describe(n, 0).await;
    }
    let mut written = 0;
    for number in 1..=CHANGES {
        for n in 0..COLLECTIONS {
            client.describe(n, number).await;
            client.write(written).await;
            written += 1;
        }
        let (id, begun) = (format!("s{number}"), client.position());
        let snapshot = client.server.given_snapshot(DOCUMENTS, &id).await;
        client.acknowledged(What::Frozen(id.clone(), snapshot.document_count), begun);
        let begun = client.position();
        let restored = format!("r{number}");
        client.server.given_restore(&id, &restored).await;
        client.acknowledged(What::Restored(restored), begun);
    }
    for n in 0..COLLECTIONS / 2 {
        let begun = client.position();
        client.server.delete_collection(&format!("c{n}")).await.unwrap();
        client.acknowledged(What::Deleted(n), begun);
    }
    client.ledger
}

impl Ledger {
    /// A server has all that was acknowledged when the log was so long.
    pub async fn check(&self, server: &mut TestServer, position: u64, what: &str) {
        for Step { what: done, .. } in self.0.iter().filter(|step| step.acknowledged <= position) {
            match done {
                What::Described(n, number) => {
                    if self
                        .0
                        .iter()
                        .any(|step| matches!(step.what, What::Deleted(gone) if gone == *n) && step.begun <= position)
                    {
                        continue;
                    }
                    let found = server.collection(&format!("c{n}")).await;
                    let found = found.unwrap_or_else(|status| panic!("{what}: c{n}: {status:?}"));
                    let has: i64 = found.description.parse().unwrap();
                    assert!(has >= *number, "{what}: c{n} is described by {has}, not {number}");
                    assert_eq!(found.labels, large_labels(), "{what}: c{n}");
                }
                What::Deleted(n) => {
                    assert!(server.collection(&format!("c{n}")).await.is_err(), "{what}: c{n} was deleted");
                }
                What::Written(count) => {
                    let id = format!("{:04}", count - 1);
                    assert!(server.try_get(DOCUMENTS, &id).await.is_ok(), "{what}: {id}");
                }
                What::Frozen(id, count) => {
                    let found = server.get_snapshot(id).await;
                    let found = found.unwrap_or_else(|status| panic!("{what}: {id}: {status:?}"));
                    assert_eq!(found.state(), pb::snapshot::State::Created, "{what}: {id}");
                    assert_eq!(found.document_count, *count, "{what}: {id}");
                }
                What::Restored(id) => assert!(!contents(server, id).await.is_empty(), "{what}: {id}"),
            }
        }
    }
}
