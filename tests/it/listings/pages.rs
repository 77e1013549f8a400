//! Pages together are the list.

use stillframe::pb;

use crate::support::{COMMONS, TestServer, id_of};

async fn page(server: &mut TestServer, page_size: i32, page_token: &str) -> (Vec<String>, String) {
    let page_token = page_token.to_owned();
    let request =
        pb::ListCollectionsRequest { parent: COMMONS.to_owned(), page_size, page_token, ..Default::default() };
    let page = server.collections.list_collections(request).await.unwrap().into_inner();
    (page.collections.iter().map(|collection| id_of(&collection.name)).collect(), page.next_page_token)
}

#[apply(on_each_storage!)]
async fn pages_follow_each_other_over_a_restart_and_may_change_their_size() {
    let mut server = TestServer::start().await;
    for id in ["a", "b", "c", "d", "e", "f"] {
        server.given_collection(id).await;
    }
    let (first, token) = page(&mut server, 2, "").await;
    assert_eq!(first, ["a", "b"]);
    let mut server = TestServer::reopen(server.stop().await).await;
    let (second, token) = page(&mut server, 3, &token).await;
    assert_eq!(second, ["c", "d", "e"]);
    assert_eq!(page(&mut server, 1000, &token).await, (vec!["f".to_owned()], String::new()));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_comes_and_goes_between_pages_hides_nothing_else() {
    let mut server = TestServer::start().await;
    for id in ["b", "d", "f"] {
        server.given_collection(id).await;
    }
    let (first, token) = page(&mut server, 2, "").await;
    assert_eq!(first, ["b", "d"]);
    server.delete_collection("d").await.unwrap();
    server.given_collection("a").await;
    server.given_collection("e").await;
    assert_eq!(page(&mut server, 2, &token).await, (vec!["e".to_owned(), "f".to_owned()], String::new()));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_page_has_fifty_unless_asked_otherwise() {
    let mut server = TestServer::start().await;
    for n in 0..51 {
        server.given_workspace(&format!("w{n:02}")).await;
    }
    let all = async |server: &mut TestServer, page_size: i32, page_token: String| {
        let request = pb::ListWorkspacesRequest { page_size, page_token, ..Default::default() };
        server.workspaces.list_workspaces(request).await.unwrap().into_inner()
    };
    let first = all(&mut server, 0, String::new()).await;
    assert_eq!(first.workspaces.len(), 50);
    let second = all(&mut server, 0, first.next_page_token).await;
    assert_eq!((second.workspaces.len(), second.next_page_token.as_str()), (2, ""));
    assert_eq!(all(&mut server, i32::MAX, String::new()).await.workspaces.len(), 52);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn tombstones_of_one_name_are_paged_one_by_one() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut expected = Vec::new();
    for _ in 0..4 {
        expected.push(server.given_snapshot("books", "s").await.uid);
        server.delete_snapshot("s").await.unwrap();
    }
    let (mut uids, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSnapshotsRequest {
            parent: COMMONS.to_owned(),
            page_size: 1,
            page_token,
            show_deleted: true,
            ..Default::default()
        };
        let page = server.snapshots.list_snapshots(request).await.unwrap().into_inner();
        uids.extend(page.snapshots.into_iter().map(|snapshot| snapshot.uid));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(uids, expected);
    server.stop().await;
}
