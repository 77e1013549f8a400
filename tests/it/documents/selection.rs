//! Filters and time ranges, which List and Stream share.

use stillframe::pb;
use tonic::Status;

use super::{invalid, list::pages_of, refusal, seconds};
use crate::support::{TestServer, upsert};

/// Ten documents: `n` is their number and the second they happened in.
async fn given() -> TestServer {
    let mut server = TestServer::with_collection().await;
    let body = |n: i64| match n % 3 {
        0 => format!(r#"{{"n":{n},"_event_time":{},"tags":["even","x{n}"]}}"#, n * 1000),
        _ => format!(r#"{{"n":{n}.5,"_event_time":{},"name":"Größe {n}"}}"#, n * 1000),
    };
    server.write("c", (0..10).map(|n| upsert(&n.to_string(), &body(n))).collect()).await;
    server
}

/// The ids that match, as both methods see it.
async fn matching(
    server: &mut TestServer,
    filter: &str,
    from: Option<i64>,
    until: Option<i64>,
) -> Result<String, Status> {
    let (from, until) = (from.map(seconds), until.map(seconds));
    let filter = filter.to_owned();
    let list = pb::ListDocumentsRequest {
        filter: filter.clone(),
        start_event_time: from,
        end_event_time: until,
        ..pages_of(2)
    };
    let stream =
        pb::StreamDocumentsRequest { filter, start_event_time: from, end_event_time: until, ..Default::default() };
    let (_, messages) = server.stream(stream).await?;
    let streamed: String = messages.into_iter().flat_map(|m| m.documents).map(|d| d.id).collect();
    assert_eq!(server.list_all(list).await.1.concat(), streamed);
    Ok(streamed)
}

#[apply(on_each_storage!)]
async fn a_filter_chooses_by_id_time_and_content() {
    let mut server = given().await;
    for (filter, expected) in [
        ("doc.n > 6.0", "6789".replace('6', "")),
        ("doc.n >= 6", "6789".into()),
        ("id in ['1', '5', 'x']", "15".into()),
        ("event_time >= timestamp('1970-01-01T00:00:08Z')", "89".into()),
        ("has(doc.tags)", "0369".into()),
        ("'x6' in doc.tags", "6".into()),
        ("doc.tags.exists(tag, tag.startsWith('x')) && doc.n < 4", "03".into()),
        ("doc.name == 'Größe 4'", "4".into()),
        ("doc['name'].matches('[78]$')", "78".into()),
        ("!has(doc.name) || id == '2'", "02369".into()),
        ("true", "0123456789".into()),
        ("false", String::new()),
    ] {
        assert_eq!(matching(&mut server, filter, None, None).await.unwrap(), expected, "{filter}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_document_on_which_the_filter_fails_does_not_match() {
    let mut server = given().await;
    for filter in ["doc.nobody == 1", "doc.tags.size() == doc.name", "1 / 0 == 1", "doc.n.deeper > 1"] {
        assert_eq!(matching(&mut server, filter, None, None).await.unwrap(), "", "{filter}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_time_range_begins_with_its_start_and_ends_before_its_end() {
    let mut server = given().await;
    for (from, until, expected) in [
        (Some(3), None, "3456789"),
        (None, Some(3), "012"),
        (Some(3), Some(5), "34"),
        (Some(3), Some(3), ""),
        (Some(5), Some(3), ""),
        (Some(100), None, ""),
    ] {
        assert_eq!(matching(&mut server, "", from, until).await.unwrap(), expected, "{from:?} {until:?}");
    }
    assert_eq!(matching(&mut server, "doc.n > 4", Some(3), Some(8)).await.unwrap(), "4567");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_bad_filter_is_refused_with_words_that_help() {
    let mut server = given().await;
    for (filter, help) in [
        ("doc.n >", "not a CEL expression"),
        ("magnitude > 5", "names magnitude; there are id, event_time and doc"),
        ("doc.n + 1", "boolean"),
        ("launch(doc)", "launch"),
        ("doc.name.matches('[')", "not a regular expression"),
        ("  ", "empty"),
        (&format!("id == '{}'", "x".repeat(4096)), "more than 4096"),
        (&"(".repeat(2000), "nested"),
    ] {
        let error = matching(&mut server, filter, None, None).await.unwrap_err();
        assert_eq!(refusal(&error), invalid(&["filter"]), "{filter}");
        assert!(error.message().contains(help), "{error:?}");
        assert!(error.message().len() < 1000);
        let list = pb::ListDocumentsRequest { filter: filter.to_owned(), ..pages_of(0) };
        assert_eq!(server.list(list).await.unwrap_err().message(), error.message());
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn times_out_of_range_are_refused() {
    let mut server = given().await;
    let error = matching(&mut server, "(", Some(i64::MAX), Some(i64::MIN)).await.unwrap_err();
    assert_eq!(refusal(&error), invalid(&["start_event_time", "end_event_time", "filter"]));
    server.stop().await;
}
