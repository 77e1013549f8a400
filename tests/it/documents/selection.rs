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
pub async fn matching(
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
        ("doc.n > 6.0", "789"),
        ("n >= 6", "6789"),
        ("id = 1 OR id = '5' OR id = x", "15"),
        ("event_time >= 1970-01-01T00:00:08Z", "89"),
        ("tags:*", "0369"),
        ("tags:x6", "6"),
        ("doc:tags n < 4", "03"),
        ("name = 'Größe 4'", "4"),
        ("name = '*7' OR name = '*8'", "78"),
        ("NOT name:* OR id = 2", "02369"),
        ("even", "0369"),
        ("Größe n > 6", "78"),
        ("id:*", "0123456789"),
        ("-id:*", ""),
    ] {
        assert_eq!(matching(&mut server, filter, None, None).await.unwrap(), expected, "{filter}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_not_there_or_of_another_type_fits_no_comparison() {
    let mut server = given().await;
    for filter in ["nobody = 1", "nobody != 1", "tags = even", "n.deeper > 1", "n = '3'", "name != 4", "name > 5"] {
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
        ("n >", "at character 4: expected a value"),
        ("doc.n == 1", "at character 7: write `=`, not `==`"),
        ("n > 1 && n < 5", "at character 7: expected a field, or a text to look for"),
        ("doc.n + 1 > 5", "at character 7: expected an operator, found `+`"),
        ("doc['n'] > 5", "at character 5: expected an operator, found `'n'`"),
        ("'x6' in doc.tags", "at character 17: expected an operator, found the end"),
        ("launch(doc)", "a function at character 1"),
        ("id.n > 5", "`id.n` cannot be filtered by"),
        ("event_time > yesterday", "use an RFC 3339 time"),
        ("name = 'a*b'", "`*` only with = or !="),
        ("a b c d e f g h i", "at most 8 are supported"),
        (&["n = 1"; 257].join(" "), "at most 256 are supported"),
        (&format!("id = '{}'", "x".repeat(4096)), "at most 4096 are supported"),
        (&"(".repeat(2000), "parentheses in one another: at most 16"),
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
