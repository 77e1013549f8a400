//! A page token belongs to the request it was given for.

use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, TestServer, refused};

fn request() -> pb::ListSnapshotsRequest {
    pb::ListSnapshotsRequest { parent: COMMONS.to_owned(), page_size: 1, ..Default::default() }
}

async fn given_two() -> TestServer {
    let mut server = TestServer::start().await;
    for id in ["a", "b"] {
        server.given_collection(id).await;
        server.given_snapshot(id, id).await;
    }
    server
}

#[apply(on_each_storage!)]
async fn a_token_does_not_fit_other_arguments() {
    let mut server = given_two().await;
    let page_token = server.snapshots.list_snapshots(request()).await.unwrap().into_inner().next_page_token;
    assert_ne!(page_token, "");
    let with_token = pb::ListSnapshotsRequest { page_token, ..request() };
    let others = [
        pb::ListSnapshotsRequest { parent: "workspaces/-".to_owned(), ..with_token.clone() },
        pb::ListSnapshotsRequest { filter: "state = CREATED".to_owned(), ..with_token.clone() },
        pb::ListSnapshotsRequest { order_by: "create_time".to_owned(), ..with_token.clone() },
        pb::ListSnapshotsRequest { show_deleted: true, ..with_token.clone() },
    ];
    for other in others {
        let answer = server.snapshots.list_snapshots(other).await;
        refused(answer, Code::InvalidArgument, "PAGE_TOKEN_MISMATCH");
    }
    assert_eq!(server.snapshots.list_snapshots(with_token).await.unwrap().into_inner().snapshots.len(), 1);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_token_does_not_fit_another_list() {
    let mut server = given_two().await;
    let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), page_size: 1, ..Default::default() };
    let page_token = server.collections.list_collections(request).await.unwrap().into_inner().next_page_token;
    let snapshots = pb::ListSnapshotsRequest { page_token: page_token.clone(), ..self::request() };
    let answer = server.snapshots.list_snapshots(snapshots).await;
    refused(answer, Code::InvalidArgument, "PAGE_TOKEN_MISMATCH");
    let restores =
        pb::ListRestoresRequest { parent: COMMONS.to_owned(), page_token: page_token.clone(), ..Default::default() };
    refused(server.restores.list_restores(restores).await, Code::InvalidArgument, "PAGE_TOKEN_MISMATCH");
    let workspaces = pb::ListWorkspacesRequest { page_token, ..Default::default() };
    refused(server.workspaces.list_workspaces(workspaces).await, Code::InvalidArgument, "PAGE_TOKEN_MISMATCH");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn garbage_is_no_token() {
    let mut server = given_two().await;
    let good = server.snapshots.list_snapshots(request()).await.unwrap().into_inner().next_page_token;
    let changed = good.replacen(|c: char| c.is_ascii_lowercase(), "A", 1);
    for page_token in ["x", "é", "====", &good[1..], &format!("{good}A"), &changed, &"A".repeat(5000)] {
        let answer = server
            .snapshots
            .list_snapshots(pb::ListSnapshotsRequest { page_token: page_token.to_owned(), ..request() })
            .await;
        refused(answer, Code::InvalidArgument, "PAGE_TOKEN_MISMATCH");
    }
    server.stop().await;
}
