use super::*;
use crate::json::patch::Pointer;

const KIB: usize = 1 << 10;

/// A body of many values in a list, and of so many bytes.
fn body(bytes: usize) -> Bytes {
    format!("{{\"a\":[0{}]}}", ",0".repeat(bytes / 2 - 5)).into()
}

fn at(path: &str) -> Pointer {
    path.parse().unwrap()
}

/// Looks at nothing but one item.
fn failing() -> Vec<PatchOp<Text>> {
    vec![PatchOp::Test { path: at("/a/0"), value: Text("1".into()) }]
}

/// Takes the list out, and has no place for it.
fn spoiling() -> Vec<PatchOp<Text>> {
    vec![PatchOp::Move { from: at("/a"), path: at("/b/c") }]
}

fn adding(value: &'static str) -> Vec<PatchOp<Text>> {
    vec![PatchOp::Add { path: at("/b"), value: Text(value.into()) }]
}

fn writes(id: &str, count: usize) -> Vec<Write> {
    let write = || Write { id: id.to_owned(), operation: Operation::Patch(failing()), if_etag: None };
    (0..count).map(|_| write()).collect()
}

/// The patches of a commit with so many of a document.
fn given(id: &str, count: usize) -> Patching {
    Patching::of(writes(id, count).iter())
}

/// What a patch makes, which has its turn.
fn patch(
    patching: &mut Patching,
    id: &str,
    body: &Bytes,
    operations: &[PatchOp<Text>],
) -> Result<Option<Bytes>, Error> {
    patching.met(id);
    patching.patch(id, Some(body), operations)
}

fn spent(patching: &Patching) -> usize {
    COMMIT_WORK - patching.work.left()
}

fn is_busy(made: &Result<Option<Bytes>, Error>) -> bool {
    matches!(made, Err(Error::Busy { .. }))
}

#[test]
fn a_document_is_read_once_for_all_patches_of_it() {
    let body = body(100 * KIB);
    let mut patching = given("d", 1_000);
    assert!(matches!(patch(&mut patching, "d", &body, &failing()), Err(Error::PatchFailed(_))));
    let once = spent(&patching);
    assert!(once > body.len(), "{once}");
    for _ in 1..1_000 {
        assert!(matches!(patch(&mut patching, "d", &body, &failing()), Err(Error::PatchFailed(_))));
    }
    assert!(spent(&patching) < 2 * once, "{} {once}", spent(&patching));
    assert!(patching.kept.is_empty(), "none is to come");
}

#[test]
fn patches_that_follow_each_other_see_each_other() {
    let mut patching = given("d", 3);
    let first = patch(&mut patching, "d", &"{\"a\":[0]}".into(), &adding("1")).unwrap().unwrap();
    assert_eq!(first, "{\"a\":[0],\"b\":1}");
    assert!(patch(&mut patching, "d", &first, &failing()).is_err());
    // One that fails half-way is as if it had not been.
    assert!(patch(&mut patching, "d", &first, &spoiling()).is_err());
    let mut patching = given("d", 3);
    assert!(patch(&mut patching, "d", &first, &spoiling()).is_err());
    assert_eq!(patch(&mut patching, "d", &first, &adding("2")).unwrap().unwrap(), "{\"a\":[0],\"b\":2}");
    // As is what was written over what is kept.
    patching.forget("d");
    assert_eq!(patch(&mut patching, "d", &"{}".into(), &adding("3")).unwrap().unwrap(), "{\"b\":3}");
}

#[test]
fn what_is_kept_is_little_and_nothing_without_a_turn() {
    let mut patching = Patching::of(["a", "b", "c"].map(|id| writes(id, 9)).iter().flatten());
    let large = body(MAX_BODY_BYTES / 2);
    for id in ["a", "b", "c", "a"] {
        assert!(patch(&mut patching, id, &large, &failing()).is_err());
        let sum: usize = patching.kept.iter().map(|(_, document)| document.bytes()).sum();
        assert!(sum <= KEPT_BYTES, "{sum}");
    }
    assert_eq!(patching.kept.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c", "a"]);
    patching.pause();
    assert!(patching.kept.is_empty());

    let ids: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let mut patching = Patching::of(ids.iter().map(|id| writes(id, 2)).collect::<Vec<_>>().iter().flatten());
    for id in &ids {
        assert!(patch(&mut patching, id, &"{\"a\":[0]}".into(), &failing()).is_err());
    }
    assert_eq!(patching.kept.len(), KEPT_DOCUMENTS);
}

/// Each reads the document anew, since the one before has left it half-way.
#[test]
fn failures_are_paid_for_and_beyond_the_budget_a_patch_is_busy() {
    let large = body(MAX_BODY_BYTES);
    let mut patching = given("d", 1_000);
    let made: Vec<_> = (0..40).map(|_| patch(&mut patching, "d", &large, &spoiling())).collect();
    let worked = made.iter().take_while(|made| !is_busy(made)).count();
    assert!((1..20).contains(&worked), "{worked}");
    assert!(made[worked..].iter().all(is_busy));
    assert!(is_busy(&patch(&mut patching, "d", &large, &failing())));
    // The next commit has all of it again.
    let mut patching = given("d", 1);
    let sane = [PatchOp::Replace { path: at("/a/0"), value: Text("1".into()) }];
    assert!(patch(&mut patching, "d", &large, &sane).unwrap().is_some());
}

/// Whoever retries alone is told what is wrong, and not to try again.
#[test]
fn a_patch_that_is_too_much_by_itself_is_not_busy() {
    let large = body(MAX_BODY_BYTES / 4);
    let again = || {
        let there_and_back = [("/a", "/b"), ("/b", "/a")];
        let copy = |(from, to): (&str, &str)| PatchOp::Copy { from: at(from), path: at(to) };
        there_and_back.into_iter().cycle().take(1_000).map(copy).collect::<Vec<_>>()
    };
    let mut patching = given("d", 3);
    let made = patch(&mut patching, "d", &large, &again());
    let Err(Error::PatchFailed(why)) = made else { panic!("{made:?}") };
    assert!(why.contains("too much work"), "{why}");
    // Behind it there is less left than it may ask for.
    assert!(is_busy(&patch(&mut patching, "d", &large, &again())));
}

#[test]
fn what_patches_make_is_bounded_in_bytes() {
    let large: Bytes = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES - 100)).into();
    let mut patching = given("d", 1_000);
    let mut current = large;
    let mut made = 0;
    loop {
        let value = ["1", "2"][made % 2];
        match patch(&mut patching, "d", &current, &adding(value)) {
            Ok(Some(next)) => current = next,
            Err(Error::Busy { limit: MAX_PATCHED_BYTES, .. }) => break,
            other => panic!("{other:?}"),
        }
        made += 1;
    }
    assert_eq!(made, 33, "the last begins below the limit");
}

/// By its size alone: the work is not begun to find out.
#[test]
fn small_patches_of_small_documents_are_light() {
    let copies = vec![PatchOp::Copy { from: at("/a"), path: at("/b") }; 20];
    for (operations, bytes, is_heavy) in [
        (failing(), KIB, false),
        (adding("1"), 16 * KIB, false),
        (vec![PatchOp::Remove { path: at("/a/0") }; 20], 2 * KIB, false),
        (failing(), MAX_BODY_BYTES, true),
        (vec![PatchOp::Remove { path: at("/a/0") }; 1_000], 4 * KIB, true),
        (copies, KIB, true),
    ] {
        assert_eq!(Patching::is_heavy(&operations, &body(bytes)), is_heavy, "{} {bytes}", operations.len());
    }
}
