//! Several clients change one record at once: no change is lost, and none that was
//! refused is there.

use std::collections::BTreeMap;

use stillframe::pb;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::support::{COMMONS, TestServer, collection_name, labels, mask, reason, snapshot_name};

const CLIENTS: usize = 8;
/// What each client adds.
const STEPS: usize = 10;

/// A resource with labels, a description and an etag.
#[derive(Clone, Debug)]
struct Seen {
    labels: BTreeMap<String, String>,
    description: String,
    etag: String,
}

/// How a kind of resource is read and changed.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Workspace,
    Collection,
    Snapshot,
}

const KINDS: [Kind; 3] = [Kind::Workspace, Kind::Collection, Kind::Snapshot];

/// The clients of the services, for one of those who change.
#[derive(Clone)]
struct Client {
    kind: Kind,
    workspaces: pb::workspace_service_client::WorkspaceServiceClient<tonic::transport::Channel>,
    collections: pb::collection_service_client::CollectionServiceClient<tonic::transport::Channel>,
    snapshots: pb::snapshot_service_client::SnapshotServiceClient<tonic::transport::Channel>,
}

macro_rules! seen {
    ($resource:expr) => {{
        let resource = $resource.into_inner();
        Seen { labels: resource.labels, description: resource.description, etag: resource.etag }
    }};
}

impl Client {
    fn new(server: &TestServer, kind: Kind) -> Self {
        let (workspaces, collections) = (server.workspaces.clone(), server.collections.clone());
        Self { kind, workspaces, collections, snapshots: server.snapshots.clone() }
    }

    async fn get(&mut self) -> Seen {
        match self.kind {
            Kind::Workspace => {
                let name = COMMONS.to_owned();
                seen!(self.workspaces.get_workspace(pb::GetWorkspaceRequest { name }).await.unwrap())
            }
            Kind::Collection => {
                let name = collection_name("books");
                seen!(self.collections.get_collection(pb::GetCollectionRequest { name }).await.unwrap())
            }
            Kind::Snapshot => {
                let name = snapshot_name("monday");
                seen!(self.snapshots.get_snapshot(pb::GetSnapshotRequest { name }).await.unwrap())
            }
        }
    }

    /// Changes what the paths name; with an etag only if the resource still has it.
    async fn update(&mut self, to: Seen, paths: &[&str]) -> Result<Seen, Status> {
        let Seen { labels, description, etag } = to;
        let update_mask = Some(mask(paths));
        Ok(match self.kind {
            Kind::Workspace => {
                let name = COMMONS.to_owned();
                let workspace = Some(pb::Workspace { name, labels, description, etag, ..Default::default() });
                seen!(self.workspaces.update_workspace(pb::UpdateWorkspaceRequest { workspace, update_mask }).await?)
            }
            Kind::Collection => {
                let name = collection_name("books");
                let collection = Some(pb::Collection { name, labels, description, etag, ..Default::default() });
                seen!(
                    self.collections.update_collection(pb::UpdateCollectionRequest { collection, update_mask }).await?
                )
            }
            Kind::Snapshot => {
                let name = snapshot_name("monday");
                let snapshot = Some(pb::Snapshot { name, labels, description, etag, ..Default::default() });
                seen!(self.snapshots.update_snapshot(pb::UpdateSnapshotRequest { snapshot, update_mask }).await?)
            }
        })
    }

    /// Adds one to a counter, again until nobody came between.
    async fn increment(&mut self) {
        loop {
            let mut seen = self.get().await;
            let count: usize = seen.labels.get("count").map_or(0, |count| count.parse().unwrap());
            seen.labels.insert("count".to_owned(), (count + 1).to_string());
            match self.update(seen, &["labels"]).await {
                Ok(_) => return,
                Err(status) => {
                    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
                }
            }
        }
    }
}

async fn given_all(server: &mut TestServer) {
    server.given_collection("books").await;
    server.given_documents("books", 3, 1).await;
    server.given_snapshot("books", "monday").await;
}

#[apply(on_each_storage!)]
async fn no_change_with_an_etag_is_lost() {
    let mut server = TestServer::start().await;
    given_all(&mut server).await;
    for kind in KINDS {
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let mut client = Client::new(&server, kind);
            clients.spawn(async move {
                for _ in 0..STEPS {
                    client.increment().await;
                }
            });
        }
        clients.join_all().await;
        let seen = Client::new(&server, kind).get().await;
        assert_eq!(seen.labels, labels([("count", (CLIENTS * STEPS).to_string().as_str())]), "{kind:?}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn changes_of_other_fields_do_not_undo_each_other() {
    let mut server = TestServer::start().await;
    given_all(&mut server).await;
    for kind in KINDS {
        let mut clients = JoinSet::new();
        // Half of them count in the labels, half in the description; each must find
        // its own last word in every answer.
        for n in 0..2 {
            let mut client = Client::new(&server, kind);
            clients.spawn(async move {
                for step in 1..=4 * STEPS {
                    let mine = step.to_string();
                    let to = Seen {
                        labels: labels([("step", mine.as_str())]),
                        description: mine.clone(),
                        etag: String::new(),
                    };
                    let seen = client.update(to, if n == 0 { &["labels"] } else { &["description"] }).await.unwrap();
                    assert_eq!(if n == 0 { &seen.labels["step"] } else { &seen.description }, &mine);
                }
            });
        }
        clients.join_all().await;
        let (seen, last) = (Client::new(&server, kind).get().await, (4 * STEPS).to_string());
        assert_eq!((&seen.labels["step"], &seen.description), (&last, &last), "{kind:?}");
    }
    server.stop().await;
}
