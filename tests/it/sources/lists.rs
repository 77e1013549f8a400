//! `ListSources`.

use stillframe::pb::{self, source::State};
use tonic::Code;

use super::ndjson;
use crate::support::{COMMONS, TestServer, collection_name, id_of, refused, refused_fields};

/// All pages of one source each.
async fn pages(server: &mut TestServer, parent: &str, filter: &str, order_by: &str) -> Vec<String> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSourcesRequest {
            parent: parent.to_owned(),
            page_size: 1,
            page_token,
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
        };
        let page = server.sources.list_sources(request).await.unwrap().into_inner();
        assert!(page.sources.len() <= 1);
        all.extend(page.sources.into_iter().map(|source| source.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

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

/// Names order them, whatever the collections are made of, and those of a deleted one are gone.
#[apply(on_each_storage!)]
async fn pages_go_through_all_collections_by_name() {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    let mut names = Vec::new();
    // A name that is another's beginning, and a character that comes before a slash.
    for (parent, id) in [("commons", "b"), ("commons", "b-1"), ("commons", "a"), ("team", "b"), ("commons", "gone")] {
        let collection = server.create_collection(&format!("workspaces/{parent}"), id).await.unwrap().name;
        for source_id in ["z", "x-1", "x"] {
            let source = super::quick(pb::Source { location: server.location(""), ..Default::default() });
            let request = pb::CreateSourceRequest {
                parent: collection.clone(),
                source_id: source_id.to_owned(),
                source: Some(source),
                ..Default::default()
            };
            names.push(server.sources.create_source(request).await.unwrap().into_inner().name);
        }
    }
    server.delete_collection("gone").await.unwrap();
    names.retain(|name| !name.contains("gone"));
    let created = names.clone();
    names.sort();

    let (all, commons) = ("workspaces/-/collections/-", format!("{COMMONS}/collections/-"));
    assert_eq!(pages(&mut server, all, "", "").await, names);
    assert_eq!(pages(&mut server, all, "", "create_time").await, created);
    names.retain(|name| name.starts_with(COMMONS));
    assert_eq!(pages(&mut server, &commons, "", "").await, names);
    assert_eq!(pages(&mut server, &commons, r#"name = "*/sources/x""#, "").await.len(), 3);
    let of_one: Vec<_> = names.iter().filter(|name| name.contains("/b/")).cloned().collect();
    assert_eq!(pages(&mut server, &collection_name("b"), "", "").await, of_one);
    assert_eq!(pages(&mut server, &collection_name("b"), "", "name desc").await.len(), 3);

    for parent in ["workspaces/nowhere/collections/-", &collection_name("gone")] {
        let request = pb::ListSourcesRequest { parent: parent.to_owned(), ..Default::default() };
        refused(server.sources.list_sources(request).await, Code::NotFound, "NOT_FOUND");
    }
    // The index is filled from the records.
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(pages(&mut server, &commons, "", "").await, names);
    server.stop().await;
}
