//! `ListSources`.

use stillframe::pb::{self, source::State};
use tonic::Code;

use super::ndjson;
use crate::support::{COMMONS, TestServer, collection_name, id_of, refused, refused_fields};

async fn listed(server: &mut TestServer, parent: &str, filter: &str, order_by: &str) -> Vec<String> {
    let request = pb::ListSourcesRequest {
        parent: parent.to_owned(),
        filter: filter.to_owned(),
        order_by: order_by.to_owned(),
        ..Default::default()
    };
    let listed = server.sources.list_sources(request).await.unwrap().into_inner();
    listed.sources.iter().map(|source| id_of(&source.name)).collect()
}

#[apply(on_each_storage!)]
async fn sources_are_listed_by_parent_filtered_and_ordered() {
    let mut server = TestServer::start().await;
    for collection in ["books", "films"] {
        server.given_collection(collection).await;
    }
    server.import("a.ndjson", format!("?\n{}", ndjson(0, 3, 1)));
    let source = super::quick(pb::Source { location: server.location(""), ..Default::default() });
    server.create_source("books", "b", source.clone()).await.unwrap();
    let strict = pb::Source { max_bad_records: Some(0), ..source.clone() };
    server.create_source("books", "in", strict).await.unwrap();
    server.create_source("films", "c", source).await.unwrap();
    server.becomes("books", State::Error).await;

    let books = collection_name("books");
    assert_eq!(listed(&mut server, &books, "", "").await, ["b", "in"]);
    assert_eq!(listed(&mut server, &books, "", "create_time desc").await, ["in", "b"]);
    assert_eq!(listed(&mut server, &format!("{COMMONS}/collections/-"), "", "").await, ["b", "in", "c"]);
    assert_eq!(listed(&mut server, "workspaces/-/collections/-", "state = ERROR", "").await, ["in"]);
    assert_eq!(listed(&mut server, &books, "name = *b* AND location = *import*", "").await, ["b", "in"]);

    let page = |page_token: String| pb::ListSourcesRequest {
        parent: collection_name("books"),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let first = server.sources.list_sources(page(String::new())).await.unwrap().into_inner();
    let second = server.sources.list_sources(page(first.next_page_token.clone())).await.unwrap().into_inner();
    assert_eq!((id_of(&first.sources[0].name), id_of(&second.sources[0].name)), ("b".into(), "in".into()));
    assert!(second.next_page_token.is_empty());
    let foreign = pb::ListSourcesRequest { parent: collection_name("films"), ..page(first.next_page_token) };
    refused(server.sources.list_sources(foreign).await, Code::InvalidArgument, "PAGE_TOKEN_MISMATCH");
    let bad = pb::ListSourcesRequest { parent: COMMONS.to_owned(), ..Default::default() };
    refused_fields(server.sources.list_sources(bad).await, &["parent"]);
    server.stop().await;
}
