use std::{borrow::Cow, ops::Range};

use futures::{StreamExt, TryStreamExt, stream};
use slatedb::object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutOptions, path::Path,
};

use super::given::{given, told};

#[apply(on_s3!)]
async fn what_was_put_is_read_whole_and_in_ranges() {
    let given = given().await;
    let path = Path::from("a/b");
    let put = given.store.put(&path, "0123456789".into()).await.unwrap();
    let found = given.store.get(&path).await.unwrap();
    assert_eq!((found.meta.e_tag.clone(), found.meta.size, &found.range), (put.e_tag.clone(), 10, &(0..10)));
    assert!(put.e_tag.unwrap().starts_with('"'));
    let written = std::fs::metadata(given.dir.path().join("storage/a/b")).unwrap().modified().unwrap();
    let before = written.duration_since(found.meta.last_modified.into()).unwrap();
    assert!(before.as_secs() == 0, "to the second, {before:?}");
    assert_eq!(found.bytes().await.unwrap(), "0123456789");
    assert_eq!(given.store.head(&path).await.unwrap().size, 10);

    for (range, bytes) in [
        (GetRange::Bounded(2..5), "234"),
        (GetRange::Bounded(8..99), "89"),
        (GetRange::Offset(7), "789"),
        (GetRange::Suffix(3), "789"),
        (GetRange::Suffix(99), "0123456789"),
    ] {
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let found = given.store.get_opts(&path, options).await.unwrap();
        assert_eq!(found.meta.size, 10);
        assert_eq!(found.bytes().await.unwrap(), bytes);
    }
    told(given.store.get_range(&path, 10..12).await, "InvalidRange");
    let ranges: [Range<u64>; 2] = [0..1, 9..10];
    assert_eq!(given.store.get_ranges(&path, &ranges).await.unwrap(), ["0", "9"]);

    given.store.put(&path, "".into()).await.unwrap();
    assert!(given.store.get(&path).await.unwrap().bytes().await.unwrap().is_empty());
    told(given.store.get_range(&path, 0..1).await, "InvalidRange");
}

#[apply(on_s3!)]
async fn what_is_not_there_is_told() {
    let given = given().await;
    let path = Path::from("a");
    for refused in [
        told(given.store.get(&path).await, "NoSuchKey"),
        told(given.store.copy(&path, &Path::from("b")).await, "NoSuchKey"),
        given.store.head(&path).await.unwrap_err(),
    ] {
        assert!(matches!(refused, Error::NotFound { .. }), "{refused:?}");
    }
    given.store.delete(&path).await.unwrap();
}

/// SlateDB recognises its own write by them when an answer was lost.
#[apply(on_s3!)]
async fn headers_are_kept_with_an_object_and_its_copy_until_it_is_written_again() {
    let given = given().await;
    let (path, copy) = (Path::from("a"), Path::from("b"));
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::Metadata(Cow::Borrowed("slatedbputid")), "01ABC".into());
    attributes.insert(Attribute::ContentType, "text/plain".into());
    let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
    given.store.put_opts(&path, "x".into(), options).await.unwrap();
    given.store.copy(&path, &copy).await.unwrap();
    let mut large = Attributes::new();
    large.insert(Attribute::Metadata(Cow::Borrowed("large")), "x".repeat(3_000).into());
    let options = PutOptions { attributes: large, ..PutOptions::default() };
    told(given.store.put_opts(&path, "x".into(), options).await, "MetadataTooLarge");
    for path in [&path, &copy] {
        let head = GetOptions { head: true, ..GetOptions::default() };
        assert_eq!(given.store.get_opts(path, head).await.unwrap().attributes, attributes);
        assert_eq!(given.store.get(path).await.unwrap().attributes, attributes);
    }
    given.store.put(&path, "y".into()).await.unwrap();
    assert!(given.store.get(&path).await.unwrap().attributes.is_empty());
    let both = stream::iter([path, copy].map(Ok)).boxed();
    assert_eq!(given.store.delete_stream(both).try_collect::<Vec<_>>().await.unwrap().len(), 2);
}

#[apply(on_s3!)]
async fn files_that_are_written_and_removed_by_hand_are_objects() {
    let given = given().await;
    let (path, file) = (Path::from("d/a"), given.dir.path().join("storage/d/a"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "by hand").unwrap();
    let by_hand = given.store.head(&path).await.unwrap();
    let put = given.store.put(&path, "by hand".into()).await.unwrap();
    assert_eq!(put.e_tag, by_hand.e_tag, "the content is the same");
    std::fs::write(&file, "another text").unwrap();
    given.store.copy(&path, &Path::from("copy")).await.unwrap();
    assert_eq!(given.store.get(&Path::from("copy")).await.unwrap().bytes().await.unwrap(), "another text");
    given.store.delete(&Path::from("copy")).await.unwrap();
    let found = given.store.get(&path).await.unwrap();
    assert_ne!(found.meta.e_tag, put.e_tag);
    assert_eq!(found.bytes().await.unwrap(), "another text");
    std::fs::remove_file(&file).unwrap();
    told(given.store.get(&path).await, "NoSuchKey");
    assert!(given.store.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
    let listed = given.store.list_with_delimiter(None).await.unwrap();
    assert!(listed.common_prefixes.is_empty(), "an empty directory is nothing");
}

#[apply(on_s3!)]
async fn requests_are_counted_by_method_and_kind() {
    let given = given().await;
    let path = Path::from("collections/c/compacted/1.sst");
    given.store.put(&path, vec![7; 1 << 20].into()).await.unwrap();
    given.store.put(&Path::from("staging/c/wal/1"), "x".into()).await.unwrap();
    given.store.head(&Path::from("catalog/x")).await.unwrap_err();
    given.store.copy(&path, &Path::from("staging/d/compacted/1.sst")).await.unwrap();
    given.store.list_with_delimiter(None).await.unwrap();
    given.store.delete(&path).await.unwrap();
    let counted = given.server.take_requests();
    let counted: Vec<_> = counted.iter().map(|(label, count)| (label.as_str(), *count)).collect();
    let expected = ["COPY compacted", "DELETE", "HEAD catalog", "LIST", "PUT compacted", "PUT wal"];
    assert_eq!(counted, expected.map(|label| (label, 1)));
    assert!(given.server.take_requests().is_empty());
    assert!(!given.server.take_copy_time().is_zero() && given.server.take_copy_time().is_zero());
}

/// Objects are replaced at one stroke.
#[apply(on_s3!)]
async fn nobody_sees_half_an_object() {
    let given = given().await;
    let path = Path::from("a");
    let content = |n: u8| vec![n; 200_000 + usize::from(n)];
    given.store.put(&path, content(0).into()).await.unwrap();
    let writing = async {
        for n in 1..60 {
            given.store.put(&path, content(n).into()).await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..120 {
            let found = given.store.get(&path).await.unwrap().bytes().await.unwrap();
            assert_eq!(found, content(found[0]));
        }
    };
    tokio::join!(writing, reading);
}
