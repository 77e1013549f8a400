//! Every RPC of the contract against every kind of caller. The RPCs come from the
//! descriptor: one that is new has no row here, and fails.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use prost::Message;
use prost_types::FileDescriptorSet;
use stillframe::pb::{self, Role};
use tonic::{Code, Status};

use super::requests::message;
use crate::support::{Clients, TestServer, key_with, reason, span};

const READER: &str = "reader";
const WRITER: &str = "writer";
const SNAPSHOT_ADMIN: &str = "snapshot admin";
const OPERATOR: &str = "operator";
/// An operator of everything.
const ROOT: &str = "root";
/// Whoever has a key, if only for elsewhere: the answer tells no more than the
/// caller may know, see `visible.rs`.
const EVERYBODY: &[&str] = &[];

const READ: &[&str] = &[READER, WRITER, SNAPSHOT_ADMIN, OPERATOR, ROOT];
const WRITE: &[&str] = &[WRITER, OPERATOR, ROOT];
const SNAPSHOT: &[&str] = &[SNAPSHOT_ADMIN, OPERATOR, ROOT];
const OPERATE: &[&str] = &[OPERATOR, ROOT];

/// Who may make a call about a workspace, written down apart from the server's
/// own rules.
fn may(method: &str) -> Option<&'static [&'static str]> {
    Some(match method {
        "AccessService/ListApiKeys"
        | "AccessService/GetCaller"
        | "WorkspaceService/ListWorkspaces"
        | "ServerService/GetServerInfo" => EVERYBODY,
        "WorkspaceService/CreateWorkspace" => &[ROOT],
        "AccessService/CreateApiKey"
        | "AccessService/GetApiKey"
        | "AccessService/RevokeApiKey"
        | "WorkspaceService/UpdateWorkspace"
        | "WorkspaceService/DeleteWorkspace" => OPERATE,
        "CollectionService/CreateCollection"
        | "CollectionService/UpdateCollection"
        | "CollectionService/DeleteCollection"
        | "DocumentService/WriteDocuments"
        | "DocumentService/IngestDocuments"
        | "SourceService/CreateSource"
        | "SourceService/DeleteSource"
        | "SourceService/SuspendSource"
        | "SourceService/ResumeSource" => WRITE,
        "SnapshotService/CreateSnapshot"
        | "SnapshotService/UpdateSnapshot"
        | "SnapshotService/DeleteSnapshot"
        | "RestoreService/CreateRestore"
        | "RestoreService/CancelRestore" => SNAPSHOT,
        "WorkspaceService/GetWorkspace"
        | "CollectionService/GetCollection"
        | "CollectionService/ListCollections"
        | "DocumentService/GetDocument"
        | "DocumentService/BatchGetDocuments"
        | "DocumentService/ListDocuments"
        | "DocumentService/StreamDocuments"
        | "SnapshotService/GetSnapshot"
        | "SnapshotService/ListSnapshots"
        | "SnapshotService/WatchSnapshot"
        | "RestoreService/GetRestore"
        | "RestoreService/ListRestores"
        | "RestoreService/WatchRestore"
        | "SourceService/GetSource"
        | "SourceService/ListSources"
        | "SourceService/WatchSource" => READ,
        _ => return None,
    })
}

/// `Service/Method` of everything in the contract.
fn methods() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(pb::DESCRIPTOR).unwrap().file;
    let ours = files.iter().filter(|file| file.package() == "stillframe.v1");
    let services = ours.flat_map(|file| &file.service);
    services.flat_map(|s| s.method.iter().map(|m| format!("{}/{}", s.name(), m.name()))).collect()
}

/// A caller: what it is, where, and its secret.
struct Bearer {
    role: &'static str,
    here: bool,
    secret: String,
}

const ROLES: [(&str, Role); 4] =
    [(READER, Role::Reader), (WRITER, Role::Writer), (SNAPSHOT_ADMIN, Role::SnapshotAdmin), (OPERATOR, Role::Operator)];

async fn given_bearers(root: &mut Clients) -> Vec<Bearer> {
    let mut bearers = Vec::new();
    for (place, here) in [("here", true), ("there", false)] {
        for (name, role) in ROLES {
            let id = format!("{}-{place}", name.replace(' ', "-"));
            let secret = root.given_key(&id, &[(place, role)]).await;
            bearers.push(Bearer { role: name, here, secret });
        }
    }
    let secret = root.given_key("everything", &[("-", Role::Operator)]).await;
    bearers.push(Bearer { role: ROOT, here: true, secret });
    bearers
}

async fn given_workspaces() -> (TestServer, Clients) {
    let mut server = TestServer::start().await;
    server.given_workspace("here").await;
    server.given_workspace("there").await;
    let mut root = server.given_operator().await;
    root.given_key("target", &[("here", Role::Reader)]).await;
    (server, root)
}

async fn call(server: &TestServer, method: &str, message: Bytes, authorization: Option<&str>) -> Result<(), Status> {
    server.call_raw(&format!("stillframe.v1.{method}"), message, authorization).await.map(drop)
}

/// Whether a caller got past the gate: what is behind it may refuse for other
/// reasons.
fn is_let_through(answer: &Result<(), Status>) -> bool {
    match answer {
        Ok(()) => true,
        Err(status) => !matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied),
    }
}

#[test]
fn every_rpc_has_a_row() {
    for method in methods() {
        assert!(may(&method).is_some(), "who may call {method}?");
        assert!(message(&method, "workspaces/here").is_some(), "what is sent to {method}?");
    }
    assert!(methods().len() > 35, "the descriptor is read");
}

#[apply(on_directory!)]
async fn a_role_opens_what_it_should_where_it_should_and_nothing_else() {
    let (server, mut root) = given_workspaces().await;
    let bearers = given_bearers(&mut root).await;
    for method in methods() {
        let may = may(&method).unwrap();
        for Bearer { role, here, secret } in &bearers {
            let message = message(&method, "workspaces/here").unwrap();
            let answer = call(&server, &method, message, Some(&format!("Bearer {secret}"))).await;
            let expected = may.is_empty() || (*here && may.contains(role));
            assert_eq!(is_let_through(&answer), expected, "{method} by {role}, here: {here}: {answer:?}");
            if let Err(status) = answer.filter_denied() {
                assert_eq!(reason(&status), "PERMISSION_DENIED", "{method} by {role}");
            }
        }
    }
    server.stop().await;
}

/// The error, if it is one of the gate.
trait FilterDenied {
    fn filter_denied(self) -> Result<(), Status>;
}

impl FilterDenied for Result<(), Status> {
    fn filter_denied(self) -> Result<(), Status> {
        if is_let_through(&self) { Ok(()) } else { self }
    }
}

#[apply(on_directory!)]
async fn without_a_key_that_holds_nothing_opens() {
    let (server, mut root) = given_workspaces().await;
    let good = root.given_key("good", &[("-", Role::Operator)]).await;
    let wrong = good.replacen("sf_good_", "sf_root_", 1);
    let everything = || key_with(&[("-", Role::Operator)]);
    let ttl = pb::api_key::Expiration::Ttl(span(Duration::from_secs(3600)));
    let short = pb::ApiKey { expiration: Some(ttl), ..everything() };
    let expired = root.create_key("short", short).await.unwrap().secret;
    let revoked = root.given_key("gone", &[("-", Role::Operator)]).await;
    root.revoke_key("gone").await.unwrap();
    server.clock.advance(Duration::from_secs(3600));

    let callers = [
        (None, "API_KEY_MISSING"),
        (Some(format!("Bearer {wrong}")), "API_KEY_INVALID"),
        (Some("Bearer sf_unknown_00".to_owned()), "API_KEY_INVALID"),
        (Some("Bearer ".to_owned()), "API_KEY_INVALID"),
        (Some(format!("Basic {good}")), "API_KEY_INVALID"),
        (Some(good.clone()), "API_KEY_INVALID"),
        (Some(format!("Bearer {}", &good[..good.len() - 1])), "API_KEY_INVALID"),
        (Some(format!("Bearer {expired}")), "API_KEY_EXPIRED"),
        (Some(format!("Bearer {revoked}")), "API_KEY_REVOKED"),
    ];
    for method in methods() {
        for (authorization, why) in &callers {
            let message = message(&method, "workspaces/here").unwrap();
            let status = call(&server, &method, message, authorization.as_deref()).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, *why), "{method}");
        }
        let message = message(&method, "workspaces/here").unwrap();
        let answer = call(&server, &method, message, Some(&format!("Bearer {good}"))).await;
        assert!(is_let_through(&answer), "{method}: {answer:?}");
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_name_that_is_none_opens_nothing() {
    let (server, mut root) = given_workspaces().await;
    let secret = root.given_key("here-only", &[("here", Role::Operator)]).await;
    let lists = ["ListApiKeys", "GetCaller", "ListWorkspaces", "GetApiKey", "RevokeApiKey", "GetServerInfo"];
    for method in methods().iter().filter(|method| !lists.iter().any(|list| method.ends_with(list))) {
        for workspace in ["", "workspaces", "workspaces/", "workspaces/here/../there", "Workspaces/here", "there"] {
            let message = message(method, workspace).unwrap();
            let status = call(&server, method, message, Some(&format!("Bearer {secret}"))).await.unwrap_err();
            let why = reason(&status);
            assert!(
                ["INVALID_FIELD", "PERMISSION_DENIED"].contains(&why.as_str()),
                "{method} {workspace:?}: {status:?}"
            );
        }
    }
    server.stop().await;
}
