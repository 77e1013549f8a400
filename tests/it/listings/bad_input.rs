//! Arguments that no list understands.

use stillframe::pb;
use tonic::Status;

use crate::support::{COMMONS, TestServer, refused_fields};

/// What each of the four lists says to the same arguments.
async fn answers(server: &mut TestServer, filter: &str, order_by: &str, page_size: i32) -> [Result<(), Status>; 4] {
    let (parent, filter, order_by) = (COMMONS.to_owned(), filter.to_owned(), order_by.to_owned());
    let workspaces = pb::ListWorkspacesRequest {
        filter: filter.clone(),
        order_by: order_by.clone(),
        page_size,
        ..Default::default()
    };
    let collections = pb::ListCollectionsRequest {
        parent: parent.clone(),
        filter: filter.clone(),
        order_by: order_by.clone(),
        page_size,
        ..Default::default()
    };
    let snapshots = pb::ListSnapshotsRequest {
        parent: parent.clone(),
        filter: filter.clone(),
        order_by: order_by.clone(),
        page_size,
        ..Default::default()
    };
    let restores = pb::ListRestoresRequest { parent, filter, order_by, page_size, ..Default::default() };
    [
        server.workspaces.list_workspaces(workspaces).await.map(drop),
        server.collections.list_collections(collections).await.map(drop),
        server.snapshots.list_snapshots(snapshots).await.map(drop),
        server.restores.list_restores(restores).await.map(drop),
    ]
}

#[apply(on_each_storage!)]
async fn each_argument_is_refused_under_its_name() {
    let mut server = TestServer::start().await;
    let long = format!("name = {}", "x".repeat(5000));
    for filter in ["nonsense = 1", "name", "name =", "name = (a)", "(name = a", "create_time > yesterday", &long] {
        for answer in answers(&mut server, filter, "", 0).await {
            refused_fields(answer, &["filter"]);
        }
    }
    for order_by in ["nonsense", "name upwards", "name, name", ",", "description"] {
        for answer in answers(&mut server, "", order_by, 0).await {
            refused_fields(answer, &["order_by"]);
        }
    }
    for answer in answers(&mut server, "nonsense = 1", "nonsense", -1).await {
        refused_fields(answer, &["page_size", "filter", "order_by"]);
    }
    server.stop().await;
}
