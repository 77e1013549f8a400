//! `kill -9` at random moments while many clients change records: what was acknowledged
//! is there, what was refused is not, and what was under way is whole or not at all.

use std::collections::BTreeMap;

use stillframe::pb;
use tokio::{sync::oneshot, task::JoinSet};
use tonic::{Code, Status};

use crate::{
    recovery::child::Child,
    support::{COMMONS, Random, TestServer, collection_name, mask, records_command, rounds},
};

const CLIENTS: usize = 8;
/// Resources of each kind that each client changes.
const NAMES: usize = 3;

/// A resource that comes, is changed and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Workspace,
    Collection,
}

type Resource = (Kind, String);
/// What a resource's description is, none if there is no such resource.
type State = Option<String>;

/// What one client knows.
#[derive(Debug)]
struct Ledger {
    acknowledged: BTreeMap<Resource, State>,
    /// What it has asked for and had no answer to.
    under_way: Option<(Resource, State)>,
    random: Random,
    changes: u64,
}

impl Ledger {
    fn new(client: usize, random: Random) -> Self {
        let names = [Kind::Workspace, Kind::Collection]
            .into_iter()
            .flat_map(|kind| (0..NAMES).map(move |n| ((kind, format!("of-{client}-{n}")), None)));
        Self { acknowledged: names.collect(), under_way: None, random, changes: 0 }
    }

    /// What is asked for next.
    fn next(&mut self) -> (Resource, State) {
        let resources: Vec<_> = self.acknowledged.keys().cloned().collect();
        let resource = resources[usize::try_from(self.random.below(resources.len() as u64)).unwrap()].clone();
        self.changes += 1;
        let goes = self.acknowledged[&resource].is_some() && self.random.below(4) == 0;
        (resource, (!goes).then(|| format!("change {}", self.changes)))
    }

    fn settle(&mut self) {
        if let Some((resource, state)) = self.under_way.take() {
            self.acknowledged.insert(resource, state);
        }
    }
}

/// The clients of one of them.
#[derive(Clone)]
struct Client {
    workspaces: pb::workspace_service_client::WorkspaceServiceClient<tonic::transport::Channel>,
    collections: pb::collection_service_client::CollectionServiceClient<tonic::transport::Channel>,
}

impl Client {
    fn new(server: &TestServer) -> Self {
        Self { workspaces: server.workspaces.clone(), collections: server.collections.clone() }
    }

    async fn read(&mut self, (kind, id): &Resource) -> State {
        let found = match kind {
            Kind::Workspace => {
                let request = pb::GetWorkspaceRequest { name: format!("workspaces/{id}") };
                self.workspaces.get_workspace(request).await.map(|found| found.into_inner().description)
            }
            Kind::Collection => {
                let request = pb::GetCollectionRequest { name: collection_name(id) };
                self.collections.get_collection(request).await.map(|found| found.into_inner().description)
            }
        };
        match found {
            Ok(description) => Some(description),
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => panic!("{id}: {status:?}"),
        }
    }

    async fn make(&mut self, (kind, id): &Resource, is_there: bool, to: &State) -> Result<(), Status> {
        match (kind, to) {
            (Kind::Workspace, None) => {
                let request = pb::DeleteWorkspaceRequest { name: format!("workspaces/{id}"), ..Default::default() };
                self.workspaces.delete_workspace(request).await.map(drop)
            }
            (Kind::Workspace, Some(description)) => {
                let name = if is_there { format!("workspaces/{id}") } else { String::new() };
                let workspace = pb::Workspace { name, description: description.clone(), ..Default::default() };
                if is_there {
                    let update_mask = Some(mask(&["description"]));
                    let request = pb::UpdateWorkspaceRequest { workspace: Some(workspace), update_mask };
                    return self.workspaces.update_workspace(request).await.map(drop);
                }
                let request = pb::CreateWorkspaceRequest {
                    workspace_id: id.clone(),
                    workspace: Some(workspace),
                    ..Default::default()
                };
                self.workspaces.create_workspace(request).await.map(drop)
            }
            (Kind::Collection, None) => {
                let request = pb::DeleteCollectionRequest { name: collection_name(id), ..Default::default() };
                self.collections.delete_collection(request).await.map(drop)
            }
            (Kind::Collection, Some(description)) => {
                let name = if is_there { collection_name(id) } else { String::new() };
                let collection = pb::Collection { name, description: description.clone(), ..Default::default() };
                if is_there {
                    let update_mask = Some(mask(&["description"]));
                    let request = pb::UpdateCollectionRequest { collection: Some(collection), update_mask };
                    return self.collections.update_collection(request).await.map(drop);
                }
                let request = pb::CreateCollectionRequest {
                    parent: COMMONS.to_owned(),
                    collection_id: id.clone(),
                    collection: Some(collection),
                    ..Default::default()
                };
                self.collections.create_collection(request).await.map(drop)
            }
        }
    }
}

/// Changes resources until the server is gone; says when it has begun.
async fn change(mut client: Client, mut ledger: Ledger, began: oneshot::Sender<()>) -> Ledger {
    let mut began = Some(began);
    loop {
        let (resource, to) = ledger.next();
        let is_there = ledger.acknowledged[&resource].is_some();
        ledger.under_way = Some((resource.clone(), to.clone()));
        match client.make(&resource, is_there, &to).await {
            Ok(()) => ledger.settle(),
            Err(status) if status.code() == Code::Unavailable || status.code() == Code::Unknown => return ledger,
            Err(status) => panic!("{resource:?} to {to:?}: {status:?}"),
        }
        if let Some(began) = began.take() {
            began.send(()).unwrap();
        }
    }
}

/// Compares what is there with what was acknowledged, or was under way.
async fn compare(client: &mut Client, ledger: &mut Ledger) {
    let under_way = ledger.under_way.take();
    for (resource, acknowledged) in &mut ledger.acknowledged {
        let found = client.read(resource).await;
        let may_be = under_way.as_ref().filter(|(of, _)| of == resource).map(|(_, state)| state);
        assert!(
            found == *acknowledged || Some(&found) == may_be,
            "{resource:?} is {found:?}; {acknowledged:?} was acknowledged, {may_be:?} under way"
        );
        *acknowledged = found;
    }
}

#[apply(on_directory!)]
async fn every_acknowledged_change_survives_kill_at_any_moment() {
    let mut random = Random::seeded();
    let mut dir = tempfile::tempdir().unwrap();
    let mut ledgers: Vec<_> = (0..CLIENTS).map(|n| Ledger::new(n, random.another())).collect();
    for _ in 0..rounds(10, 300) {
        let child = Child::start(dir).await;
        let mut client = Client::new(&child.client);
        let mut at_work = JoinSet::new();
        let mut begun = Vec::new();
        for mut ledger in std::mem::take(&mut ledgers) {
            compare(&mut client, &mut ledger).await;
            let (began, has_begun) = oneshot::channel();
            begun.push(has_begun);
            at_work.spawn(change(client.clone(), ledger, began));
        }
        for has_begun in begun {
            has_begun.await.unwrap();
        }
        tokio::time::sleep(random.moment() / 4).await;
        dir = child.kill().await;
        ledgers = at_work.join_all().await;
    }
    assert!(ledgers.iter().all(|ledger| ledger.changes > 10), "{ledgers:?}");
    let mut server = TestServer::reopen(dir).await;
    let mut client = Client::new(&server);
    for ledger in &mut ledgers {
        compare(&mut client, ledger).await;
    }
    server.given_collection("last").await;
    let dir = server.stop().await;
    let checked = records_command(&["check"], dir.path()).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}
