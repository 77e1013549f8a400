use futures::future::join_all;
use slatedb::object_store::{
    CopyMode, CopyOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
    aws::S3CopyIfNotExists,
    multipart::{MultipartStore, PartId},
    path::Path,
};

use crate::{
    s3_server::given::{builder, given, told},
    support::s3::SECRET,
};

fn part(of: u8, bytes: usize) -> PutPayload {
    vec![of; bytes].into()
}

#[apply(on_s3!)]
async fn parts_become_one_object() {
    let given = given().await;
    let path = Path::from("a b/c");
    let mut upload = given.store.put_multipart(&path).await.unwrap();
    let parts = [upload.put_part(part(1, 5 << 20)), upload.put_part(part(2, 6 << 20)), upload.put_part(part(3, 7))];
    join_all(parts).await.into_iter().for_each(Result::unwrap);
    told(given.store.head(&path).await, "404");
    let put = upload.complete().await.unwrap();
    assert!(put.e_tag.as_ref().unwrap().ends_with("-3\""));
    let found = given.store.get(&path).await.unwrap();
    assert_eq!(found.meta.e_tag, put.e_tag);
    let bytes = found.bytes().await.unwrap();
    assert_eq!((bytes.len(), bytes[0], bytes[5 << 20], bytes[11 << 20]), ((11 << 20) + 7, 1, 2, 3));
    given.store.put_multipart(&Path::from("empty")).await.unwrap().complete().await.unwrap();
    assert_eq!(given.store.head(&Path::from("empty")).await.unwrap().size, 0);
    assert_eq!(std::fs::read_dir(given.dir.path().join(".s3-uploads")).unwrap().count(), 0);
}

#[apply(on_s3!)]
async fn what_does_not_fit_together_is_refused() {
    let given = given().await;
    let (path, other) = (Path::from("a"), Path::from("b"));
    let id = given.store.create_multipart(&path).await.unwrap();
    let small = given.store.put_part(&path, &id, 0, part(1, 10)).await.unwrap();
    let last = given.store.put_part(&path, &id, 1, part(2, 10)).await.unwrap();
    let complete = async |path: &Path, id: &str, parts: &[&PartId]| {
        let parts = parts.iter().map(|part| PartId { content_id: part.content_id.clone() }).collect();
        given.store.complete_multipart(path, &id.to_owned(), parts).await
    };
    told(complete(&path, &id, &[&small, &last]).await, "EntityTooSmall");
    told(complete(&path, &id, &[&last]).await, "InvalidPart");
    told(complete(&other, &id, &[&small]).await, "NoSuchUpload");
    for id in ["upload-none", "../storage", "", "upload-../storage"] {
        told(complete(&path, id, &[&small]).await, "NoSuchUpload");
    }
    told(given.store.put_part(&path, &id, 10_000, part(1, 1)).await, "InvalidArgument");
    complete(&path, &id, &[&small]).await.unwrap();
    told(complete(&path, &id, &[&small]).await, "NoSuchUpload");
    assert_eq!(given.store.head(&path).await.unwrap().size, 10);

    let mut upload = given.store.put_multipart(&path).await.unwrap();
    upload.put_part(part(3, 3)).await.unwrap();
    upload.abort().await.unwrap();
    told(upload.complete().await, "NoSuchUpload");
    assert_eq!(given.store.head(&path).await.unwrap().size, 10);
}

#[apply(on_s3!)]
async fn one_of_eight_copies_to_a_new_object() {
    let given = given().await;
    let store =
        builder(&given.server, SECRET, 0).with_copy_if_not_exists(S3CopyIfNotExists::Multipart).build().unwrap();
    let header = S3CopyIfNotExists::Header("if-none-match".to_owned(), "*".to_owned());
    let by_header = builder(&given.server, SECRET, 0).with_copy_if_not_exists(header).build().unwrap();
    let from = Path::from("from");
    given.store.put(&from, "x".into()).await.unwrap();
    let create = || CopyOptions::default().with_mode(CopyMode::Create);
    for store in [&store, &by_header] {
        for round in 0..20 {
            let to = Path::from(format!("to/{round}"));
            let answers = join_all((0..8).map(|_| store.copy_opts(&from, &to, create()))).await;
            assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
            assert_eq!(given.store.get(&to).await.unwrap().bytes().await.unwrap(), "x");
            let losers = answers.iter().filter(|answer| matches!(answer, Err(Error::AlreadyExists { .. })));
            assert_eq!(losers.count(), 7, "{answers:?}");
            given.store.delete(&to).await.unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(given.dir.path().join(".s3-uploads")).unwrap().count(), 0);
}
