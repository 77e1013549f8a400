//! How large messages may be, in both directions.

use prost::Message;
use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, TestServer, refused, refused_fields};

/// Each has about 25 KB.
const COUNT: usize = 160;
/// Of our own making; gRPC clients take 4 MiB unless told otherwise.
const MOST: usize = 3 << 20;

#[apply(on_directory!)]
async fn a_page_of_large_resources_ends_before_three_mebibytes() {
    let mut server = TestServer::start().await;
    let labels: std::collections::BTreeMap<_, _> = (0..64).map(|n| (format!("{n:063}"), "v".repeat(255))).collect();
    for n in 0..COUNT {
        let workspace = pb::Workspace { description: "d".repeat(4096), labels: labels.clone(), ..Default::default() };
        server.create_workspace(&format!("w{n:03}"), workspace).await.unwrap();
    }
    let (mut names, mut page_token, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let request = pb::ListWorkspacesRequest { page_size: 1_000, page_token, ..Default::default() };
        let page = server.workspaces.list_workspaces(request).await.unwrap().into_inner();
        sizes.push(page.encoded_len());
        names.extend(page.workspaces.into_iter().map(|workspace| workspace.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let all = (0..COUNT).map(|n| format!("workspaces/w{n:03}"));
    assert_eq!(names, std::iter::once(COMMONS.to_owned()).chain(all).collect::<Vec<_>>());
    let one = sizes.iter().sum::<usize>() / COUNT;
    assert!(sizes.len() > 1 && sizes.iter().all(|size| *size <= MOST), "{sizes:?}");
    assert!(sizes[0] + 2 * one > MOST, "the first page is as full as it gets: {sizes:?}");
    server.stop().await;
}

/// Documents may take more, see `documents::batch_limits`.
#[apply(on_directory!)]
async fn a_request_of_more_than_four_mebibytes_is_refused_before_it_is_read() {
    const LARGEST: usize = 4 << 20;
    let mut server = TestServer::start().await;
    let workspace = |bytes: usize| pb::CreateWorkspaceRequest {
        workspace_id: "w".to_owned(),
        workspace: Some(pb::Workspace { description: "d".repeat(bytes), ..Default::default() }),
        ..Default::default()
    };
    let framing = workspace(LARGEST).encoded_len() - LARGEST;
    let largest = workspace(LARGEST - framing);
    assert_eq!(largest.encoded_len(), LARGEST);
    refused_fields(server.workspaces.create_workspace(largest).await, &["workspace.description"]);
    let larger = workspace(LARGEST - framing + 1);
    let answer = server.workspaces.create_workspace(larger).await;
    refused(answer, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    server.stop().await;
}
