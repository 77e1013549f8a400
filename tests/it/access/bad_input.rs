//! Keys that cannot be.

use std::time::Duration;

use stillframe::pb::{self, Role, api_key::Expiration};
use tonic::Code;

use crate::support::{BAD_IDS, TestServer, key_with, refused, refused_fields, span, time};

#[apply(on_directory!)]
async fn what_is_wrong_with_a_key_is_told_field_by_field() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    let good = || key_with(&[("commons", Role::Reader)]);
    for id in BAD_IDS {
        refused_fields(root.create_key(id, good()).await, &["api_key_id"]);
    }
    refused_fields(root.create_key("a", pb::ApiKey::default()).await, &["api_key.role_bindings"]);
    let request = pb::CreateApiKeyRequest { api_key_id: "a".to_owned(), ..Default::default() };
    refused_fields(root.access.create_api_key(request).await, &["api_key"]);
    let bindings = |role_bindings| pb::ApiKey { role_bindings, ..Default::default() };
    let binding = |workspace: &str, role: i32| pb::RoleBinding { workspace: workspace.to_owned(), role };
    let bad = vec![binding("commons", 1), binding("workspaces/commons", 0), binding("workspaces/commons", 99)];
    let fields =
        ["api_key.role_bindings[0].workspace", "api_key.role_bindings[1].role", "api_key.role_bindings[2].role"];
    refused_fields(root.create_key("a", bindings(bad)).await, &fields);
    for (count, is_good) in [(64, true), (65, false)] {
        let key = bindings(vec![binding("workspaces/commons", Role::Reader.into()); count]);
        let id = format!("with-{count}");
        if is_good {
            root.create_key(&id, key).await.unwrap();
        } else {
            refused_fields(root.create_key(&id, key).await, &["api_key.role_bindings"]);
        }
    }
    for (expiration, field) in [
        (Expiration::ExpireTime(time(0)), "api_key.expire_time"),
        (Expiration::ExpireTime(prost_types::Timestamp { seconds: 0, nanos: -1 }), "api_key.expire_time"),
        (Expiration::Ttl(span(Duration::ZERO)), "api_key.ttl"),
    ] {
        let key = pb::ApiKey { expiration: Some(expiration), ..good() };
        refused_fields(root.create_key("a", key).await, &[field]);
    }
    let key = pb::ApiKey { description: "d".repeat(4097), ..good() };
    refused_fields(root.create_key("a", key).await, &["api_key.description"]);
    for name in ["", "apiKeys/", "root", "workspaces/root", "apiKeys/root/x"] {
        let request = pb::GetApiKeyRequest { name: name.to_owned() };
        refused_fields(root.access.get_api_key(request).await, &["name"]);
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_stale_etag_revokes_nothing() {
    let server = TestServer::start().await;
    let mut root = server.given_operator().await;
    let secret = root.given_key("a", &[("commons", Role::Reader)]).await;
    let name = "apiKeys/a".to_owned();
    let stale = pb::RevokeApiKeyRequest { name: name.clone(), etag: "0".repeat(16) };
    refused(root.access.revoke_api_key(stale).await, Code::Aborted, "ETAG_MISMATCH");
    server.caller(Some(&secret)).who_am_i().await.unwrap();
    let etag = root.get_key("a").await.unwrap().etag;
    root.access.revoke_api_key(pb::RevokeApiKeyRequest { name, etag }).await.unwrap();
    server.stop().await;
}
