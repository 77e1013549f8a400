//! `collections accept-loss` ends as in a crash: no server serves half of it, and run
//! again it comes to its end.

use stillframe::crash::Point;

use super::super::damage::accept::{accept_loss, assert_refused, assert_served, given};

const SIGABRT: i32 = 6;

/// The newest manifest and the last log are damaged, so there is everything to do.
pub async fn visit(point: Point) {
    let given = given().await;
    for folder in ["manifest", "wal"] {
        std::fs::write(given.newest(folder), b"damaged").unwrap();
    }
    let mut dir = given.dir;
    // The second time it begins with what the first has left.
    for _ in 0..2 {
        let told = accept_loss(&dir, &["--yes"], point.name()).await;
        assert_eq!(told.signal, Some(SIGABRT), "{point:?}: {}", told.stdout);
        dir = assert_refused(dir).await;
    }
    let told = accept_loss(&dir, &[], "").await;
    assert_eq!(told.code, Some(2), "{point:?}: {}", told.stdout);
    assert!(told.stdout.contains("an accept-loss was begun"), "{point:?}: {}", told.stdout);
    let told = accept_loss(&dir, &["--yes"], "").await;
    assert_eq!(told.code, Some(0), "{point:?}: {}", told.stdout);
    assert_served(dir, 2).await;
}
