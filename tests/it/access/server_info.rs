//! What a server says of itself, and to whom.

use stillframe::pb::{self, Role};

use crate::support::{Clients, TestServer};

async fn info(caller: &Clients) -> pb::ServerInfo {
    caller.server.clone().get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner()
}

#[apply(on_each_storage!)]
async fn any_caller_learns_what_the_server_is() {
    let server = TestServer::start_with(|config| config.limits.collections = 7).await;
    let before = server.clock.now();
    let found = info(&server.caller(None)).await;
    assert_eq!(found.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(found.contract, "stillframe.v1");
    assert!(!found.commit.is_empty());
    assert_eq!(found.features, ["s3"], "without keys and TLS");
    let limits = found.limits.unwrap();
    assert_eq!((limits.collections, limits.document_bytes, limits.batch_writes), (7, 2 << 20, 20_000));
    assert_eq!((limits.document_page_size, limits.page_size), (10_000, 1_000));
    assert_eq!(limits.snapshot_life.unwrap().seconds, 7 * 24 * 60 * 60);
    let started = found.start_time.unwrap();
    assert!(started.seconds * 1_000_000 <= before && found.uptime.unwrap().seconds < 3600, "{started:?}");
    server.stop().await;
}

#[apply(on_directory!)]
async fn only_an_operator_of_all_sees_the_disks() {
    let server = TestServer::start().await;
    let disks = info(&server.caller(None)).await.disks;
    assert_eq!(disks.len(), 1, "{disks:?}: without keys everybody is one");
    assert!(disks[0].size_bytes > disks[0].free_bytes && disks[0].free_bytes > Some(0) && !disks[0].full, "{disks:?}");
    let mut root = server.given_operator().await;
    let of_one = root.given_key("one", &[("commons", Role::Operator)]).await;
    let reader = root.given_key("reader", &[("-", Role::Reader)]).await;
    let shown = info(&root).await;
    assert_eq!((shown.features, shown.disks.len()), (vec!["api-keys".to_owned(), "s3".to_owned()], 1));
    for key in [of_one, reader] {
        let shown = info(&server.caller(Some(&key))).await;
        assert!(shown.disks.is_empty() && !shown.version.is_empty(), "{shown:?}");
    }
    server.stop().await;
}
