//! Calls to the file system that fail because a test says so, below one directory.
//! Release builds have none.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;
use rustix::io::Errno;

use super::Call;

static FAULTS: RwLock<Vec<Arc<Rule>>> = RwLock::new(Vec::new());

#[derive(Debug)]
struct Rule {
    below: PathBuf,
    call: Call,
    errno: Errno,
    left: AtomicUsize,
    met: AtomicUsize,
}

/// Calls that fail, until this is dropped.
#[derive(Debug)]
pub struct Fault(Arc<Rule>);

impl Fault {
    /// How many have failed.
    #[must_use]
    pub fn met(&self) -> usize {
        self.0.met.load(Ordering::SeqCst)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        FAULTS.write().retain(|rule| !Arc::ptr_eq(rule, &self.0));
    }
}

/// Lets the next calls of a kind at a path, or below it, fail.
#[must_use]
pub fn fail(below: &Path, call: Call, errno: Errno, times: usize) -> Fault {
    let (left, met) = (AtomicUsize::new(times), AtomicUsize::new(0));
    // Paths are asked for as the server knows them.
    let below = below.canonicalize().unwrap_or_else(|_| below.to_owned());
    let rule = Arc::new(Rule { below, call, errno, left, met });
    FAULTS.write().push(Arc::clone(&rule));
    Fault(rule)
}

/// The error of a call that is to fail.
pub(super) fn meet(call: Call, path: &Path) -> io::Result<()> {
    for rule in FAULTS.read().iter().filter(|rule| rule.call == call && path.starts_with(&rule.below)) {
        if rule.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            rule.met.fetch_add(1, Ordering::SeqCst);
            return Err(rule.errno.into());
        }
    }
    Ok(())
}
