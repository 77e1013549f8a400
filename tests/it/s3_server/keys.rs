use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use slatedb::object_store::{ObjectStore, ObjectStoreExt, path::Path};

use super::given::{given, told};

const ODD: [&str; 12] =
    ["a b", "ä/日本", "%41", "a+b", "a%20b", "x%2Fy", "q?&=#", "tick'(1)!*", "<&>\"", ":@,;$|", "~-._", "deep/er/est"];

#[apply(on_s3!)]
async fn odd_keys_stay_what_they_are() {
    let given = given().await;
    let paths: Vec<Path> = ODD.iter().map(|key| Path::parse(key).unwrap()).collect();
    for (path, key) in paths.iter().zip(ODD) {
        given.store.put(path, key.into()).await.unwrap();
        assert_eq!(std::fs::read(given.dir.path().join("storage").join(key)).unwrap(), key.as_bytes());
        let copy = Path::parse(format!("copies of/{key}")).unwrap();
        given.store.copy(path, &copy).await.unwrap();
        assert_eq!(given.store.get(&copy).await.unwrap().bytes().await.unwrap(), key);
        assert_eq!(given.store.head(path).await.unwrap().size, key.len() as u64);
        let alone: Vec<_> = given.store.list(Some(path)).try_collect().await.unwrap();
        assert!(alone.is_empty(), "a prefix of the client ends with a slash");
        given.store.delete(&copy).await.unwrap();
    }
    let listed: Vec<_> = given.store.list(None).map_ok(|found| found.location).try_collect().await.unwrap();
    assert_eq!(
        listed.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        BTreeSet::from(ODD).into_iter().collect::<Vec<_>>()
    );
    let gone = given.store.delete_stream(stream::iter(paths.clone().into_iter().map(Ok)).boxed());
    assert_eq!(gone.try_collect::<Vec<_>>().await.unwrap(), paths);
    assert!(given.store.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
}

#[apply(on_s3!)]
async fn a_key_that_is_no_file_is_refused_without_harm() {
    let given = given().await;
    given.store.put(&Path::from("a"), "x".into()).await.unwrap();
    given.store.put(&Path::from("d/e"), "x".into()).await.unwrap();
    told(given.store.put(&Path::from("a/b"), "y".into()).await, "NotImplemented");
    told(given.store.put(&Path::from("d"), "y".into()).await, "NotImplemented");
    told(given.store.get(&Path::from("a/b")).await, "NoSuchKey");
    told(given.store.get(&Path::from("d")).await, "NoSuchKey");
    told(given.store.put(&Path::from("n".repeat(256)), "y".into()).await, "NotImplemented");
    told(given.store.put(&Path::from("n/".repeat(600)), "y".into()).await, "KeyTooLongError");
    given.store.delete(&Path::from("d")).await.unwrap();
    given.store.delete(&Path::from("a/b")).await.unwrap();
    assert_eq!(given.store.list(None).count().await, 2);
    let left = std::fs::read_dir(given.dir.path().join(".s3-uploads")).unwrap().count();
    assert_eq!(left, 0, "nothing is left aside");
}
