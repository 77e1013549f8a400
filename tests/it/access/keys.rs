//! A key's life: created, used, revoked.

use std::time::Duration;

use stillframe::pb::{self, Role, api_key::State};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    COMMONS, EDGE, TestServer, almost, eventually, key_with, micros, reason, records_of, refused, span,
};

const HOUR: Duration = Duration::from_secs(3600);
/// How long a key that has ended is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

#[apply(on_directory!)]
async fn without_keys_everybody_is_an_operator_until_there_is_one() {
    let server = TestServer::start().await;
    let mut anybody = server.caller(None);
    let me = anybody.who_am_i().await.unwrap();
    assert_eq!(me.name, "anonymous");
    assert_eq!(me.role_bindings, key_with(&[("-", Role::Operator)]).role_bindings);
    assert_eq!(anybody.key_ids().await, [""; 0]);

    let root = anybody.given_key("root", &[("-", Role::Operator)]).await;
    let status = refused(anybody.who_am_i().await, Code::Unauthenticated, "API_KEY_MISSING");
    assert!(status.message().contains("an operator creates keys"), "{status:?}");
    let me = server.caller(Some(&root)).who_am_i().await.unwrap();
    assert_eq!((me.name.as_str(), me.expire_time), ("apiKeys/root", None));
    server.stop().await;
}

#[apply(on_directory!)]
async fn the_first_key_must_be_one_that_opens_everything_for_good() {
    let server = TestServer::start().await;
    let mut anybody = server.caller(None);
    let ttl = Some(pb::api_key::Expiration::Ttl(span(HOUR)));
    for key in [
        key_with(&[("-", Role::Writer)]),
        key_with(&[("commons", Role::Operator)]),
        pb::ApiKey { expiration: ttl, ..key_with(&[("-", Role::Operator)]) },
    ] {
        refused(anybody.create_key("first", key).await, Code::InvalidArgument, "INVALID_FIELD");
    }
    assert_eq!(anybody.who_am_i().await.unwrap().name, "anonymous", "nothing has changed");
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_secret_is_shown_once_and_kept_nowhere() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    let request = pb::CreateApiKeyRequest {
        api_key_id: "ci".to_owned(),
        api_key: Some(key_with(&[("commons", Role::Writer)])),
        request_id: "once".to_owned(),
    };
    let created = root.access.create_api_key(request.clone()).await.unwrap().into_inner();
    assert!(created.secret.starts_with("sf_ci_"), "{}", created.secret);
    let again = root.access.create_api_key(request).await.unwrap().into_inner();
    assert_eq!(again, pb::ApiKey { secret: String::new(), ..created.clone() });
    assert_eq!(root.get_key("ci").await.unwrap(), again);
    assert_eq!((created.state(), created.created_by.as_str()), (State::Active, "apiKeys/root"));

    let dir = server.stop().await;
    // Its last connection has let go: no file goes while we read.
    let _records = records_of(&dir).await;
    let random = created.secret.rsplit('_').next().unwrap().as_bytes().to_vec();
    let mut files = vec![dir.path().to_owned()];
    let mut searched = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        searched += 1;
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(random.len()).any(|window| window == random), "{}", path.display());
    }
    assert!(searched > 3, "{searched} files");
}

#[apply(on_directory!)]
async fn keys_are_there_after_a_restart_and_needed() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    let secret = root.given_key("ci", &[("commons", Role::Reader)]).await;
    let server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.caller(Some(&secret)).who_am_i().await.unwrap().name, "apiKeys/ci");
    refused(server.caller(None).who_am_i().await, Code::Unauthenticated, "API_KEY_MISSING");
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_server_whose_keys_have_all_ended_lets_nobody_in() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    let ttl = Some(pb::api_key::Expiration::Ttl(span(HOUR)));
    let last = pb::ApiKey { expiration: ttl, ..key_with(&[("-", Role::Operator)]) };
    let last = root.create_key("last", last).await.unwrap().secret;
    root.revoke_key("root").await.unwrap();
    server.clock.advance(Duration::from_secs(32 * 24 * 3600));
    eventually("both are forgotten", async || {
        let error = server.caller(Some(&last)).who_am_i().await.unwrap_err();
        reason(&error) == "API_KEY_INVALID"
    })
    .await;
    refused(server.caller(None).who_am_i().await, Code::Unauthenticated, "API_KEY_MISSING");
    let server = TestServer::reopen(server.stop().await).await;
    refused(server.caller(None).who_am_i().await, Code::Unauthenticated, "API_KEY_MISSING");
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_revoked_key_opens_nothing_from_then_on() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    let secret = root.given_key("ci", &[("commons", Role::Reader)]).await;
    let mut ci = server.caller(Some(&secret));
    ci.who_am_i().await.unwrap();
    let revoked = root.revoke_key("ci").await.unwrap();
    assert_eq!(revoked.state(), State::Revoked);
    assert!(micros(revoked.revoke_time.as_ref()) >= micros(revoked.create_time.as_ref()));
    refused(ci.who_am_i().await, Code::Unauthenticated, "API_KEY_REVOKED");
    assert_eq!(root.revoke_key("ci").await.unwrap(), revoked, "once is enough");
    refused(root.create_key("ci", key_with(&[("commons", Role::Reader)])).await, Code::AlreadyExists, "API_KEY_EXISTS");
    let server = TestServer::reopen(server.stop().await).await;
    refused(server.caller(Some(&secret)).who_am_i().await, Code::Unauthenticated, "API_KEY_REVOKED");
    server.stop().await;
}

#[apply(on_directory!)]
async fn the_last_operator_of_everything_stays() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    root.given_key("local", &[("commons", Role::Operator)]).await;
    refused(root.revoke_key("root").await, Code::FailedPrecondition, "LAST_OPERATOR_KEY");
    root.given_key("second", &[("-", Role::Operator)]).await;
    root.revoke_key("root").await.unwrap();
    refused(root.who_am_i().await, Code::Unauthenticated, "API_KEY_REVOKED");
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_key_ends_when_its_time_is_over() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    let ttl = Some(pb::api_key::Expiration::Ttl(span(HOUR)));
    let key = pb::ApiKey { expiration: ttl, ..key_with(&[("commons", Role::Reader)]) };
    let secret = root.create_key("short", key).await.unwrap().secret;
    let mut short = server.caller(Some(&secret));
    server.clock.advance(almost(HOUR));
    assert!(short.who_am_i().await.unwrap().expire_time.is_some());
    server.clock.advance(EDGE);
    refused(short.who_am_i().await, Code::Unauthenticated, "API_KEY_EXPIRED");
    assert_eq!(root.get_key("short").await.unwrap().state(), State::Expired);
    server.stop().await;
}

#[apply(on_directory!)]
async fn when_a_key_was_used_is_known_to_the_minute_and_over_a_restart() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    let secret = root.given_key("ci", &[("commons", Role::Reader)]).await;
    assert_eq!(root.get_key("ci").await.unwrap().last_used_time, None);
    let etag = root.get_key("ci").await.unwrap().etag;
    let before = server.clock.now();
    server.caller(Some(&secret)).who_am_i().await.unwrap();
    let used = root.get_key("ci").await.unwrap();
    let at = micros(used.last_used_time.as_ref());
    assert!(before - 60_000_000 < at && at <= server.clock.now(), "{before} {at}");
    assert_eq!(used.etag, etag, "that is no change of the key");
    // A wrong secret is no use of the key.
    server.clock.advance(HOUR);
    let wrong = format!("{}0", &secret[..secret.len() - 1]);
    let wrong = if wrong == secret { format!("{}1", &secret[..secret.len() - 1]) } else { wrong };
    server.caller(Some(&wrong)).who_am_i().await.unwrap_err();
    assert_eq!(micros(root.get_key("ci").await.unwrap().last_used_time.as_ref()), at);

    let dir = server.stop().await;
    let server = TestServer::reopen(dir).await;
    let mut ci = server.caller(Some(&secret));
    let again = micros(ci.get_key("ci").await.unwrap().last_used_time.as_ref());
    assert!(again >= at, "{again}");
    server.stop().await;
}

#[apply(on_directory!)]
async fn what_a_caller_makes_names_its_key() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 3, 1).await;
    let mut root = server.given_operator().await;
    let secret = root.given_key("backup", &[("commons", Role::SnapshotAdmin)]).await;
    let mut backup = server.caller(Some(&secret));
    let snapshot = pb::Snapshot { collection: format!("{COMMONS}/collections/books"), ..Default::default() };
    let request = pb::CreateSnapshotRequest {
        parent: COMMONS.to_owned(),
        snapshot_id: "monday".to_owned(),
        snapshot: Some(snapshot),
        ..Default::default()
    };
    let made = backup.snapshots.create_snapshot(request).await.unwrap().into_inner();
    assert_eq!(made.created_by, "apiKeys/backup");
    let watch = pb::WatchSnapshotRequest { name: made.name.clone() };
    let values = backup.snapshots.watch_snapshot(watch).await.unwrap().into_inner();
    let last = crate::support::collect(values).await.unwrap().pop().unwrap();
    assert_eq!(last.state(), pb::snapshot::State::Created);
    let restore = crate::support::restore_request("monday", "again");
    let restore = backup.restores.create_restore(restore).await.unwrap().into_inner();
    assert_eq!(restore.created_by, "apiKeys/backup");
    let filter = r#"created_by = "apiKeys/backup""#.to_owned();
    let request = pb::ListSnapshotsRequest { parent: COMMONS.to_owned(), filter, ..Default::default() };
    assert_eq!(root.snapshots.list_snapshots(request).await.unwrap().into_inner().snapshots.len(), 1);
    server.stop().await;
}

#[apply(on_directory!)]
async fn request_ids_are_those_of_a_caller() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    for (id, collection) in [("one", "a"), ("two", "b")] {
        let secret = root.given_key(id, &[("commons", Role::Writer)]).await;
        let request = pb::CreateCollectionRequest {
            parent: COMMONS.to_owned(),
            collection_id: collection.to_owned(),
            request_id: "same".to_owned(),
            ..Default::default()
        };
        server.caller(Some(&secret)).collections.create_collection(request).await.unwrap();
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_workspace_of_the_same_name_is_another_one() {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    let mut root = server.given_operator().await;
    let secret = root.given_key("ci", &[("team", Role::Reader)]).await;
    let mut ci = server.caller(Some(&secret));
    let get = || pb::GetWorkspaceRequest { name: "workspaces/team".to_owned() };
    ci.workspaces.get_workspace(get()).await.unwrap();
    let delete = pb::DeleteWorkspaceRequest { name: "workspaces/team".to_owned(), ..Default::default() };
    root.workspaces.delete_workspace(delete).await.unwrap();
    let create = pb::CreateWorkspaceRequest { workspace_id: "team".to_owned(), ..Default::default() };
    root.workspaces.create_workspace(create).await.unwrap();
    refused(ci.workspaces.get_workspace(get()).await, Code::PermissionDenied, "PERMISSION_DENIED");
    server.stop().await;
}

#[apply(on_directory!)]
async fn an_operator_of_a_workspace_gives_roles_there_and_nowhere_else() {
    let mut server = TestServer::start().await;
    for id in ["here", "there"] {
        server.given_workspace(id).await;
    }
    let mut root = server.given_operator().await;
    let secret = root.given_key("local", &[("here", Role::Operator)]).await;
    let mut local = server.caller(Some(&secret));
    local.given_key("made", &[("here", Role::Writer), ("here", Role::SnapshotAdmin)]).await;
    root.given_key("both", &[("here", Role::Reader), ("there", Role::Reader)]).await;
    for roles in
        [&[("there", Role::Reader)][..], &[("-", Role::Reader)], &[("here", Role::Reader), ("there", Role::Reader)]]
    {
        refused(local.create_key("more", key_with(roles)).await, Code::PermissionDenied, "PERMISSION_DENIED");
    }
    assert_eq!(local.key_ids().await, ["local", "made"]);
    refused(local.get_key("both").await, Code::PermissionDenied, "PERMISSION_DENIED");
    refused(local.revoke_key("both").await, Code::PermissionDenied, "PERMISSION_DENIED");
    refused(local.revoke_key("root").await, Code::PermissionDenied, "PERMISSION_DENIED");
    refused(local.get_key("nobody").await, Code::PermissionDenied, "PERMISSION_DENIED");
    // Nothing tells a key that is elsewhere from one that is nowhere.
    let [elsewhere, nowhere] = [local.revoke_key("root").await, local.revoke_key("nobody").await].map(|answer| {
        let status = answer.unwrap_err();
        (status.message().to_owned(), status.get_error_details().error_info().unwrap().metadata.clone())
    });
    assert_eq!(elsewhere, nowhere);
    refused(root.get_key("nobody").await, Code::NotFound, "NOT_FOUND");
    refused(root.create_key("x", key_with(&[("nowhere", Role::Reader)])).await, Code::NotFound, "NOT_FOUND");
    local.revoke_key("made").await.unwrap();
    server.stop().await;
}

#[apply(on_directory!)]
async fn only_so_many_keys_are_kept_and_ended_ones_are_forgotten() {
    let server = TestServer::start_with(|config| config.limits.api_keys = 3).await;
    let mut root = server.given_operator().await;
    let roles = [("commons", Role::Reader)];
    root.given_key("a", &roles).await;
    let ttl = Some(pb::api_key::Expiration::Ttl(span(HOUR)));
    let short = pb::ApiKey { expiration: ttl, ..key_with(&roles) };
    root.create_key("b", short).await.unwrap();
    let full = root.create_key("c", key_with(&roles)).await;
    assert_eq!(reason(&full.unwrap_err()), "TOO_MANY_API_KEYS");
    // One that has ended makes room.
    root.revoke_key("a").await.unwrap();
    root.given_key("c", &roles).await;
    assert_eq!(root.key_ids().await, ["b", "c", "root"]);
    root.revoke_key("c").await.unwrap();

    server.clock.advance(almost(KEPT));
    assert_eq!(root.key_ids().await, ["b", "c", "root"]);
    server.clock.advance(EDGE);
    eventually("the revoked one is forgotten", async || root.key_ids().await == ["b", "root"]).await;
    server.clock.advance(HOUR);
    eventually("so is the expired one", async || root.key_ids().await == ["root"]).await;
    root.given_key("c", &roles).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn where_there_are_too_many_keys_as_many_must_have_ended() {
    let server = TestServer::start().await;
    let secret = server.caller(None).given_key("root", &[("-", Role::Operator)]).await;
    let mut root = server.caller(Some(&secret));
    let roles = [("commons", Role::Reader)];
    for id in ["a", "b", "c"] {
        root.given_key(id, &roles).await;
    }
    root.revoke_key("a").await.unwrap();
    let server = TestServer::reopen_with(server.stop().await, |config| config.limits.api_keys = 2).await.unwrap();
    let mut root = server.caller(Some(&secret));
    let full = root.create_key("d", key_with(&roles)).await;
    assert_eq!(reason(&full.unwrap_err()), "TOO_MANY_API_KEYS");
    assert_eq!(root.key_ids().await, ["a", "b", "c", "root"]);
    for id in ["b", "c"] {
        root.revoke_key(id).await.unwrap();
    }
    root.given_key("d", &roles).await;
    assert_eq!(root.key_ids().await, ["d", "root"]);
    server.stop().await;
}
