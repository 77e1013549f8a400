use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path};

use rustix::{process::geteuid, thread::set_thread_uid};

use super::*;
use crate::source::{access::place, pattern::Pattern};

/// Runs something as a user who may not read everything.
fn unprivileged<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if geteuid().is_root() {
                set_thread_uid(rustix::fs::Uid::from_raw(65_534)).unwrap();
            }
            work()
        });
        thread.join().unwrap()
    })
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What is found: the name, and why it cannot be read.
fn found(directory: &Directory, wanted: &Wanted) -> Vec<(String, Option<String>)> {
    let found = unprivileged(|| directory.walk(wanted, &CancellationToken::new())).unwrap();
    found.into_iter().map(|(name, part)| (name, part.refused.map(Cow::into_owned))).collect()
}

#[test]
fn what_may_not_be_read_costs_itself() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["closed/in", "open", "shut"] {
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    for name in ["a.ndjson", "closed/in/b.ndjson", "open/c.ndjson", "open/d.ndjson", "shut/e.ndjson"] {
        std::fs::write(dir.path().join(name), "{}").unwrap();
    }
    allow(dir.path(), 0o755);
    for (name, mode) in [("closed", 0o700), ("shut", 0o744), ("open/c.ndjson", 0o000)] {
        if !geteuid().is_root() && mode == 0o700 {
            allow(&dir.path().join(name), 0o000);
            continue;
        }
        allow(&dir.path().join(name), mode);
    }
    let location = place(dir.path()).unwrap();
    let access = Arc::new(Access::new(vec![location.clone()], Vec::new()));
    let directory = Directory::new(location, access, Tasks::default());

    let refused = Some("the directory cannot be read: permission denied".to_owned());
    let names = |found: &[(String, Option<String>)]| found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let all = found(&directory, &Wanted::default());
    assert_eq!(names(&all), ["a.ndjson", "closed/", "open/c.ndjson", "open/d.ndjson", "shut/"]);
    let why: Vec<_> = all.into_iter().filter(|(_, why)| why.is_some()).collect();
    assert_eq!(why, [("closed/".to_owned(), refused.clone()), ("shut/".to_owned(), refused)]);
    // Where nothing is wanted nothing is missed.
    let pattern: Pattern = "open/*".parse().unwrap();
    let wanted = Wanted { pattern: Some(Arc::new(pattern)), ..Wanted::default() };
    assert_eq!(names(&found(&directory, &wanted)), ["open/c.ndjson", "open/d.ndjson"]);

    let opened = |name: &str| {
        let version = directory.walk(&Wanted::default(), &CancellationToken::new()).unwrap()[name].etag.clone();
        unprivileged(|| directory.file(name, &version)).unwrap()
    };
    assert!(matches!(opened("open/c.ndjson"), Opened::Refused(why) if why == "permission denied"));
    assert!(matches!(opened("open/d.ndjson"), Opened::Ready(_)));
    let version = || {
        unprivileged(|| directory.walk(&Wanted::default(), &CancellationToken::new())).unwrap()["shut/"].etag.clone()
    };
    let before = version();
    std::fs::write(dir.path().join("shut/f.ndjson"), "{}").unwrap();
    assert_eq!(version(), before, "it is counted once, whatever comes into it");
    allow(&dir.path().join("closed"), 0o755);
    assert_eq!(names(&found(&directory, &Wanted::default()))[1], "closed/in/b.ndjson", "looked into again");
}
