//! Every Create may leave the id to the server, which makes one form for all, and makes it
//! once for a request that is repeated.

use std::collections::BTreeSet;

use futures::future::join_all;
use prost_reflect::MethodDescriptor;
use stillframe::pb::{self, Role};
use tonic::Status;

use super::{annotations::behaviours, files, pool};
use crate::support::{COMMONS, Clients, TestServer, collection_name, id_of, key_with, restore_request};

const CREATES: [&str; 6] =
    ["CreateApiKey", "CreateCollection", "CreateRestore", "CreateSnapshot", "CreateSource", "CreateWorkspace"];

#[test]
fn all_creates_are_asked_here_and_say_that_the_id_is_optional() {
    let pool = pool();
    let methods = files(&pool).into_iter().flat_map(|file| file.services().collect::<Vec<_>>());
    let methods = methods.flat_map(|service| service.methods().collect::<Vec<_>>());
    let creates: Vec<_> = methods.filter(|method| method.name().starts_with("Create")).collect();
    let names: BTreeSet<_> = creates.iter().map(MethodDescriptor::name).collect();
    assert_eq!(names, CREATES.into());
    for create in creates {
        let input = create.input();
        let ids: Vec<_> = input.fields().filter(|field| field.name().ends_with("_id")).collect();
        assert_eq!(ids.len(), 2, "{}: its own, and the request's", input.name());
        for id in ids {
            assert_eq!(behaviours(&pool, &id), ["OPTIONAL"], "{}", id.full_name());
        }
    }
}

struct Given {
    server: TestServer,
    root: Clients,
}

async fn given() -> Given {
    let mut server = TestServer::with_collection().await;
    server.given_snapshot("c", "s").await;
    let root = server.given_operator().await;
    Given { server, root }
}

impl Given {
    /// Creates something without an id. Returns the name and the uid of what is there now.
    async fn create(&self, method: &str, request_id: &str) -> Result<(String, String), Status> {
        let (mut root, request_id) = (self.root.clone(), request_id.to_owned());
        Ok(match method {
            "CreateApiKey" => {
                let api_key = Some(key_with(&[("commons", Role::Reader)]));
                let request = pb::CreateApiKeyRequest { api_key, request_id, ..Default::default() };
                let made = root.access.create_api_key(request).await?.into_inner();
                let found = root.access.get_api_key(pb::GetApiKeyRequest { name: made.name.clone() }).await?;
                assert_eq!(found.into_inner().uid, made.uid);
                (made.name, made.uid)
            }
            "CreateCollection" => {
                let request =
                    pb::CreateCollectionRequest { parent: COMMONS.to_owned(), request_id, ..Default::default() };
                let made = root.collections.create_collection(request).await?.into_inner();
                let found = root.collections.get_collection(pb::GetCollectionRequest { name: made.name.clone() });
                assert_eq!(found.await?.into_inner().uid, made.uid);
                (made.name, made.uid)
            }
            "CreateRestore" => {
                let target = format!("r{request_id}{}", stillframe::clock::new_uid());
                // The same target with each repetition of a request.
                let target = if request_id.is_empty() { target } else { format!("r-{request_id}") };
                let request =
                    pb::CreateRestoreRequest { restore_id: String::new(), request_id, ..restore_request("s", &target) };
                let made = root.restores.create_restore(request).await?.into_inner();
                let found = root.restores.get_restore(pb::GetRestoreRequest { name: made.name.clone() }).await?;
                assert_eq!(found.into_inner().uid, made.uid);
                (made.name, made.uid)
            }
            "CreateSnapshot" => {
                let snapshot = Some(pb::Snapshot { collection: collection_name("c"), ..Default::default() });
                let request = pb::CreateSnapshotRequest {
                    parent: COMMONS.to_owned(),
                    snapshot,
                    request_id,
                    ..Default::default()
                };
                let made = root.snapshots.create_snapshot(request).await?.into_inner();
                let found = root.snapshots.get_snapshot(pb::GetSnapshotRequest { name: made.name.clone() }).await?;
                assert_eq!(found.into_inner().uid, made.uid);
                (made.name, made.uid)
            }
            "CreateSource" => {
                let source = Some(pb::Source { location: self.server.location(""), ..Default::default() });
                let request =
                    pb::CreateSourceRequest { parent: collection_name("c"), source, request_id, ..Default::default() };
                let made = root.sources.create_source(request).await?.into_inner();
                let found = root.sources.get_source(pb::GetSourceRequest { name: made.name.clone() }).await?;
                assert_eq!(found.into_inner().uid, made.uid);
                (made.name, made.uid)
            }
            "CreateWorkspace" => {
                let request = pb::CreateWorkspaceRequest { request_id, ..Default::default() };
                let made = root.workspaces.create_workspace(request).await?.into_inner();
                let found = root.workspaces.get_workspace(pb::GetWorkspaceRequest { name: made.name.clone() }).await?;
                assert_eq!(found.into_inner().uid, made.uid);
                (made.name, made.uid)
            }
            other => panic!("{other}"),
        })
    }
}

/// `20260131-235959-7kkq9p`
fn is_made(id: &str) -> bool {
    let parts: Vec<_> = id.split('-').collect();
    let [date, time, end] = parts[..] else { return false };
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    digits(date, 8)
        && digits(time, 6)
        && end.len() == 6
        && end.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

#[apply(on_each_storage!)]
async fn an_id_that_is_left_out_is_made() {
    let given = given().await;
    for method in CREATES {
        let (one, _) = given.create(method, "").await.unwrap();
        let (two, _) = given.create(method, "").await.unwrap();
        assert_ne!(one, two);
        for name in [one, two] {
            assert!(is_made(&id_of(&name)), "{method}: {name}");
        }
    }
    given.server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_request_that_is_repeated_gets_the_same_also_at_once() {
    let given = given().await;
    for method in CREATES {
        let mut made = join_all((0..8).map(|_| given.create(method, "once"))).await;
        made.push(given.create(method, "once").await);
        let made: BTreeSet<_> = made.into_iter().map(Result::unwrap).collect();
        assert_eq!(made.len(), 1, "{method}: {made:?}");
        let other = given.create(method, "twice").await.unwrap();
        assert!(!made.contains(&other), "{method}");
    }
    given.server.stop().await;
}

#[apply(on_directory!)]
async fn what_is_only_planned_gets_none() {
    let mut server = TestServer::with_collection().await;
    server.given_snapshot("c", "s").await;
    let request =
        pb::CreateRestoreRequest { restore_id: String::new(), validate_only: true, ..restore_request("s", "again") };
    assert_eq!(server.create_restore(request).await.unwrap().name, "");
    server.stop().await;
}
