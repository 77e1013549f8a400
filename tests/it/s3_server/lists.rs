use futures::TryStreamExt;
use slatedb::object_store::{
    ObjectStore, ObjectStoreExt,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};

use super::given::{Given, given, told};

async fn names(given: &Given, prefix: Option<&str>, after: Option<&str>) -> Vec<String> {
    let prefix = prefix.map(Path::from);
    let listed = match after {
        Some(after) => given.store.list_with_offset(prefix.as_ref(), &Path::from(after)),
        None => given.store.list(prefix.as_ref()),
    };
    listed.map_ok(|found| found.location.to_string()).try_collect().await.unwrap()
}

/// Written by hand, which is quicker.
fn fill(given: &Given, keys: &[String]) {
    for key in keys {
        let file = given.dir.path().join("storage").join(key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, key).unwrap();
    }
}

#[apply(on_s3!)]
async fn more_than_a_page_is_listed_in_order() {
    let given = given().await;
    let mut keys: Vec<_> = (0..2_345).map(|n| format!("many/{}/{n:05}", n % 3)).collect();
    keys.extend(["many.txt", "many/0.a", "many/0a", "many0/x"].map(str::to_owned));
    fill(&given, &keys);
    keys.sort();
    assert_eq!(names(&given, None, None).await, keys);
    let below: Vec<_> = keys.iter().filter(|key| key.starts_with("many/")).cloned().collect();
    assert_eq!(names(&given, Some("many"), None).await, below);
    let after: Vec<_> = below.iter().filter(|key| key.as_str() > "many/1/00400").cloned().collect();
    assert_eq!(names(&given, Some("many"), Some("many/1/00400")).await, after);
    assert!(names(&given, Some("man"), None).await.is_empty());
    assert!(names(&given, Some("none"), None).await.is_empty());
    let counted = given.server.take_requests();
    assert_eq!(counted["LIST"], 3 + 3 + 2 + 1 + 1);
    let listed: Vec<_> = given.store.list(Some(&Path::from("many/0"))).try_collect().await.unwrap();
    for found in listed.iter().step_by(100) {
        let head = given.store.head(&found.location).await.unwrap();
        assert_eq!(*found, head);
    }
}

#[apply(on_s3!)]
async fn a_delimiter_gathers_what_is_below() {
    let given = given().await;
    let mut keys: Vec<_> = (0..1_100).flat_map(|n| [format!("d{n:04}/a"), format!("d{n:04}/b/c")]).collect();
    keys.extend((0..1_100).map(|n| format!("e{n:04}")));
    fill(&given, &keys);
    std::fs::create_dir_all(given.dir.path().join("storage/empty/inside")).unwrap();
    let listed = given.store.list_with_delimiter(None).await.unwrap();
    let prefixes: Vec<_> = (0..1_100).map(|n| Path::from(format!("d{n:04}"))).collect();
    assert_eq!(listed.common_prefixes, prefixes);
    assert_eq!(listed.objects.len(), 1_100);
    assert_eq!(given.server.take_requests()["LIST"], 3);
    let inner = given.store.list_with_delimiter(Some(&Path::from("d0007"))).await.unwrap();
    assert_eq!(inner.common_prefixes, [Path::from("d0007/b")]);
    assert_eq!(inner.objects.len(), 1);
}

#[apply(on_s3!)]
async fn pages_have_the_size_that_is_asked_for() {
    let given = given().await;
    fill(&given, &["a/1", "a/2", "a-/1", "b", "c/1", "d"].map(str::to_owned));
    let mut options = PaginatedListOptions { max_keys: Some(2), delimiter: Some("/".into()), ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = given.store.list_paginated(None, options.clone()).await.unwrap();
        let prefixes = page.result.common_prefixes.iter().map(ToString::to_string);
        pages.push(
            prefixes.chain(page.result.objects.iter().map(|found| found.location.to_string())).collect::<Vec<_>>(),
        );
        options.page_token = page.page_token;
        if options.page_token.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec!["a-", "a"], vec!["c", "b"], vec!["d"]]);
    let options = PaginatedListOptions { max_keys: Some(0), ..Default::default() };
    let none = given.store.list_paginated(None, options).await.unwrap();
    assert!(none.result.objects.is_empty() && none.page_token.is_none());
    let options = PaginatedListOptions { page_token: Some("?".to_owned()), ..Default::default() };
    told(given.store.list_paginated(None, options).await.map(drop), "InvalidArgument");
    for outside in ["../", "../metadata/", "a/../", "/", "//"] {
        let found = given.store.list_paginated(Some(outside), PaginatedListOptions::default()).await.unwrap();
        assert!(found.result.objects.is_empty(), "{outside}");
    }
    let part = given.store.list_paginated(Some("a/"), PaginatedListOptions::default()).await.unwrap();
    assert_eq!(part.result.objects.len(), 2);
    let part = given.store.list_paginated(Some("a"), PaginatedListOptions::default()).await.unwrap();
    assert_eq!(part.result.objects.len(), 3);
}
