use slatedb::object_store::{Error, ObjectStoreExt, path::Path};

use crate::{
    s3_server::given::{builder, given, told},
    support::s3::SECRET,
};

#[apply(on_s3!)]
async fn only_who_knows_the_secret_is_let_in() {
    let given = given().await;
    let path = Path::from("a");
    given.store.put(&path, "x".into()).await.unwrap();
    let wrong = builder(&given.server, "wrong", 0).build().unwrap();
    let refused = told(wrong.get(&path).await, "SignatureDoesNotMatch");
    assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused:?}");
    told(wrong.put(&path, "y".into()).await, "SignatureDoesNotMatch");
    let other = builder(&given.server, SECRET, 0).with_access_key_id("other").build().unwrap();
    told(other.get(&path).await, "InvalidAccessKeyId");
    let nobody = builder(&given.server, SECRET, 0).with_skip_signature(true).build().unwrap();
    told(nobody.get(&path).await, "AccessDenied");
    assert!(matches!(wrong.head(&path).await, Err(Error::PermissionDenied { .. })));
    let unsigned_body = builder(&given.server, SECRET, 0).with_unsigned_payload(true).build().unwrap();
    unsigned_body.put(&path, "z".into()).await.unwrap();
    assert_eq!(given.store.get(&path).await.unwrap().bytes().await.unwrap(), "z");
}

#[apply(on_s3!)]
async fn other_regions_sign_otherwise_and_are_let_in() {
    let given = given().await;
    let far = builder(&given.server, SECRET, 0).with_region("eu-central-1").build().unwrap();
    far.put(&Path::from("a b/ü"), "x".into()).await.unwrap();
}

#[apply(on_s3!)]
async fn a_missing_bucket_is_told() {
    let given = given().await;
    for name in ["missing", ".s3-uploads", ".."] {
        let missing = builder(&given.server, SECRET, 0).with_bucket_name(name).build().unwrap();
        told(missing.put(&Path::from("a"), "x".into()).await, if name == ".." { "" } else { "NoSuchBucket" });
    }
    std::fs::create_dir(given.dir.path().join("imports")).unwrap();
    let imports = builder(&given.server, SECRET, 0).with_bucket_name("imports").build().unwrap();
    imports.put(&Path::from("in/a"), "x".into()).await.unwrap();
    assert_eq!(std::fs::read(given.dir.path().join("imports/in/a")).unwrap(), b"x");
}

#[apply(on_s3!)]
async fn a_server_that_goes_takes_its_connections_along() {
    let given = given().await;
    let path = Path::from("a");
    given.store.put(&path, "x".into()).await.unwrap();
    drop(given.server);
    tokio::task::yield_now().await;
    given.store.get(&path).await.unwrap_err();
}
