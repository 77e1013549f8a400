use slatedb::{
    Db,
    admin::Admin,
    config::{CloseOptions, FlushOptions, FlushType},
    object_store::memory::InMemory,
};
use uuid::Uuid;

use super::*;

const UID: Uuid = Uuid::from_u128(7);

struct Given {
    raw: Arc<InMemory>,
    older: Arc<Older>,
    sealed: Arc<Sealed>,
}

fn given() -> Given {
    let (raw, older) = (Arc::new(InMemory::new()), Arc::new(Older::default()));
    let sealed = Arc::new(Sealed::new(Arc::clone(&raw) as Arc<dyn ObjectStore>, Arc::clone(&older)));
    Given { raw, older, sealed }
}

fn at(uid: Uuid, rest: &str) -> Path {
    Path::from(format!("collections/{uid}/{rest}"))
}

fn log(id: u64) -> Path {
    at(UID, &format!("wal/{id:020}.sst"))
}

fn manifest(id: u64) -> Path {
    at(UID, &format!("manifest/{id:020}.manifest"))
}

async fn raw(given: &Given, path: &Path) -> Bytes {
    given.raw.get(path).await.unwrap().bytes().await.unwrap()
}

/// What is wrong with an object, by every way to read it.
async fn fault(given: &Given, path: &Path) -> Fault {
    let looked = given.sealed.head(path).await.unwrap_err();
    let read = given.sealed.get(path).await.unwrap_err();
    let [looked, read] = [looked, read].map(|error| Damage::behind(&error).cloned().unwrap());
    assert_eq!((&looked.path, looked.fault), (path, read.fault));
    looked.fault
}

#[tokio::test]
async fn nobody_sees_a_seal() {
    let given = given();
    for path in [log(1), manifest(1)] {
        given.sealed.put(&path, "0123456789".into()).await.unwrap();
        assert_eq!(raw(&given, &path).await.len(), 10 + seal::LEN);
        let whole = given.sealed.get(&path).await.unwrap();
        assert_eq!((whole.meta.size, whole.bytes().await.unwrap().as_ref()), (10, b"0123456789".as_slice()));
        assert_eq!(given.sealed.head(&path).await.unwrap().size, 10);
        for (range, part) in [
            (GetRange::Bounded(2..5), "234"),
            (GetRange::Bounded(8..50), "89"),
            (GetRange::Offset(7), "789"),
            (GetRange::Suffix(4), "6789"),
        ] {
            let options = GetOptions { range: Some(range), ..GetOptions::default() };
            let read = given.sealed.get_opts(&path, options).await.unwrap();
            assert_eq!((read.meta.size, read.range.end - read.range.start), (10, part.len() as u64));
            assert_eq!(read.bytes().await.unwrap(), part);
        }
        let folder: Path = path.prefix_match(&Path::from("")).unwrap().take(3).collect();
        let listed: Vec<_> = given.sealed.list(Some(&folder)).try_collect().await.unwrap();
        assert_eq!(listed.iter().map(|meta| meta.size).collect::<Vec<_>>(), [10]);
    }
    let other = at(UID, "ids.filter");
    given.sealed.put(&other, "ids".into()).await.unwrap();
    assert_eq!(raw(&given, &other).await, "ids");
}

#[tokio::test]
async fn what_is_not_as_it_was_written_is_damage_with_its_name() {
    let given = given();
    for (path, other) in [(log(1), log(2)), (manifest(1), manifest(2))] {
        given.sealed.put(&path, "contents".into()).await.unwrap();
        given.sealed.put(&other, "others".into()).await.unwrap();
        let (whole, others) = (raw(&given, &path).await, raw(&given, &other).await);
        given.raw.put(&path, others.into()).await.unwrap();
        assert_eq!(fault(&given, &path).await, Fault::Foreign);
        given.raw.put(&path, Bytes::new().into()).await.unwrap();
        assert_eq!(fault(&given, &path).await, Fault::Empty);
        given.raw.put(&path, whole.slice(..20).into()).await.unwrap();
        assert_eq!(fault(&given, &path).await, Fault::Cut);
        given.raw.put(&path, whole.slice(1..).into()).await.unwrap();
        assert_eq!(fault(&given, &path).await, Fault::Changed);
        given.raw.put(&path, whole.into()).await.unwrap();
        given.sealed.get(&path).await.unwrap();
    }
}

#[tokio::test]
async fn a_part_behind_the_end_of_a_file_is_damage_at_once() {
    let given = given();
    let file = at(UID, "compacted/01J00000000000000000000000.sst");
    given.sealed.put(&file, "0123".into()).await.unwrap();
    assert_eq!(given.sealed.get_range(&file, 1..3).await.unwrap(), "12");
    let error = given.sealed.get_range(&file, 4..6).await.unwrap_err();
    assert_eq!(Damage::behind(&error).unwrap().fault, Fault::Cut);
    assert!(!slatedb_common::retry::should_retry(&error));
    given.raw.put(&file, Bytes::new().into()).await.unwrap();
    let error = given.sealed.get_range(&file, 0..1).await.unwrap_err();
    assert_eq!(Damage::behind(&error).unwrap().fault, Fault::Empty);
}

#[tokio::test]
async fn a_copy_has_a_seal_of_its_own() {
    let given = given();
    let elsewhere = at(Uuid::from_u128(8), "wal/00000000000000000001.sst");
    given.sealed.put(&log(1), "rows".into()).await.unwrap();
    given.sealed.copy(&log(1), &elsewhere).await.unwrap();
    assert_eq!(given.sealed.get(&elsewhere).await.unwrap().bytes().await.unwrap(), "rows");
    // What was prepared for a database stays as it is when it goes there.
    let staged = Path::from(manifest(3).as_ref().replace("collections", "staging"));
    given.sealed.put(&staged, "manifest".into()).await.unwrap();
    given.sealed.rename(&staged, &manifest(3)).await.unwrap();
    assert_eq!(given.sealed.get(&manifest(3)).await.unwrap().bytes().await.unwrap(), "manifest");
}

#[tokio::test]
async fn only_what_the_records_call_older_may_have_no_seal() {
    let given = given();
    given.older.note(UID, Since { manifest: 2, compactions: 1, log: 2 });
    for (old, new) in [(log(1), log(2)), (manifest(1), manifest(2))] {
        given.raw.put(&old, "written before".into()).await.unwrap();
        given.raw.put(&new, "written before".into()).await.unwrap();
        assert_eq!(given.sealed.get(&old).await.unwrap().bytes().await.unwrap(), "written before");
        assert_eq!(given.sealed.head(&old).await.unwrap().size, 14);
        assert_eq!(fault(&given, &new).await, Fault::Cut);
    }
}

/// SlateDB writes through seals, and reads with them and without.
#[tokio::test]
async fn a_database_reads_what_it_wrote_and_names_what_is_damaged() {
    let given = given();
    let path = Path::from(format!("collections/{UID}"));
    let db = Db::open(path.clone(), Arc::clone(&given.sealed) as Arc<dyn ObjectStore>).await.unwrap();
    db.put(b"key", b"value").await.unwrap();
    db.flush_with_options(FlushOptions { flush_type: FlushType::Wal }).await.unwrap();
    // The log is left to be replayed.
    db.close_with_options(CloseOptions::default().with_flush_type(None)).await.unwrap();
    let with_seals = Admin::builder(path.clone(), Arc::clone(&given.raw) as Arc<dyn ObjectStore>).build();
    let found = with_seals.read_manifest(None).await.unwrap().unwrap();
    assert!(found.id() > 1 && given.raw.head(&manifest(found.id())).await.unwrap().size > SEAL);

    let last = given.sealed.list(Some(&at(UID, "wal"))).map_ok(|meta| meta.location);
    let mut logs: Vec<Path> = last.try_collect().await.unwrap();
    logs.sort();
    for damaged in [logs.last().unwrap().clone(), manifest(found.id())] {
        let whole = raw(&given, &damaged).await;
        given.raw.put(&damaged, Bytes::new().into()).await.unwrap();
        let began = std::time::Instant::now();
        let opened = Db::open(path.clone(), Arc::clone(&given.sealed) as Arc<dyn ObjectStore>).await;
        let error = opened.err().unwrap_or_else(|| panic!("{damaged} was taken for data"));
        let found = Damage::behind(&error).unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!((&found.path, found.fault), (&damaged, Fault::Empty));
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "it was read again and again");
        given.raw.put(&damaged, whole.into()).await.unwrap();
    }
    let db = Db::open(path, Arc::clone(&given.sealed) as Arc<dyn ObjectStore>).await.unwrap();
    assert_eq!(db.get(b"key").await.unwrap().unwrap(), "value");
    db.close().await.unwrap();
}
