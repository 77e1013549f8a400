//! What goes wrong, and for which requests.
//!
//! Faults belong to the directory that is served: a server that is started
//! again on it finds the same.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use parking_lot::Mutex;

use super::request::Request;

static STANDING: Mutex<Vec<Arc<Standing>>> = Mutex::new(Vec::new());

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It is answered with 403 and not done, nor counted.
    Refuse,
    /// It is answered with this status and this code, and not done.
    Say(u16, &'static str),
    /// It is done as if it had no condition.
    Unconditional,
    /// Its condition is looked at first, and after so long it is done.
    Racing(Duration),
    /// The connection ends, and nothing is done.
    CutBefore,
    /// It is done, and the connection ends instead of an answer.
    CutAfter,
    /// It is answered with 503 `SlowDown` and not done.
    SlowDown,
    /// It is done, and answered with 500 `InternalError`.
    FailAfter,
    /// It is done, and its answer comes so much later.
    Delay(Duration),
    /// It is done, and its answer comes when the rule is lifted.
    Hold,
    /// It is done, and the connection ends in the middle of the answer's body.
    CutBody,
}

/// Which requests a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    All,
    /// Whatever writes.
    Writes,
    /// As they are counted: `PUT wal`, or `PUT` for each kind of object.
    Counted(&'static str),
    /// The same, and no other kind: `DELETE` is that of many objects.
    Exactly(&'static str),
}

/// How many of those are harmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// So many from now on.
    Next(u64),
    /// One of so many.
    EveryNth(u64),
}

/// Which requests are harmed, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    harm: Harm,
    requests: Requests,
    prefix: String,
    which: Which,
}

impl Rule {
    /// About every request, until it is made narrower.
    pub fn new(harm: Harm) -> Self {
        Self { harm, requests: Requests::All, prefix: String::new(), which: Which::All }
    }

    pub fn on(self, requests: Requests) -> Self {
        Self { requests, ..self }
    }

    /// Of requests for keys below a prefix, and lists and deletions of such.
    pub fn below(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    pub fn which(self, which: Which) -> Self {
        Self { which, ..self }
    }

    fn is_about(&self, request: &Request) -> bool {
        let is_meant = match self.requests {
            Requests::All => true,
            Requests::Writes => !matches!(request.method, Method::GET | Method::HEAD),
            Requests::Exactly(label) => request.label() == label,
            Requests::Counted(label) => {
                request.label().strip_prefix(label).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            }
        };
        is_meant && request.is_below(&self.prefix)
    }
}

struct Standing {
    dir: PathBuf,
    rule: Rule,
    seen: AtomicU64,
    harmed: AtomicU64,
}

impl Standing {
    /// Counts a request that the rule is about, and says what happens to it.
    fn next(&self) -> Option<Harm> {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let is_harmed = match self.rule.which {
            Which::All => true,
            Which::Next(count) => seen <= count,
            Which::EveryNth(of) => seen.is_multiple_of(of),
        };
        is_harmed.then(|| {
            self.harmed.fetch_add(1, Ordering::SeqCst);
            self.rule.harm
        })
    }
}

/// What happens to a request: the first rule that harms it decides.
pub fn of(dir: &Path, request: &Request) -> Option<Harm> {
    let standing: Vec<_> = STANDING.lock().iter().filter(|standing| standing.dir == dir).cloned().collect();
    standing.iter().filter(|standing| standing.rule.is_about(request)).find_map(|standing| standing.next())
}

/// Waits until no rule holds answers back.
pub async fn until_lifted(dir: &Path) {
    const LOOK: Duration = Duration::from_millis(10);
    let is_held = || STANDING.lock().iter().any(|standing| standing.dir == dir && standing.rule.harm == Harm::Hold);
    while is_held() {
        tokio::time::sleep(LOOK).await;
    }
}

/// A rule in force. It is lifted when this goes.
#[must_use = "it is lifted when it goes"]
pub struct Fault {
    standing: Arc<Standing>,
}

impl Fault {
    pub fn begin(dir: &Path, rule: Rule) -> Self {
        let (seen, harmed) = (AtomicU64::new(0), AtomicU64::new(0));
        let standing = Arc::new(Standing { dir: dir.to_owned(), rule, seen, harmed });
        STANDING.lock().push(Arc::clone(&standing));
        Self { standing }
    }

    /// How many requests it has harmed: a test that harms none shows nothing.
    pub fn harmed(&self) -> u64 {
        self.standing.harmed.load(Ordering::SeqCst)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        STANDING.lock().retain(|standing| !Arc::ptr_eq(standing, &self.standing));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refuse {
    /// Every request.
    All,
    /// Whatever writes.
    Writes,
}

/// Requests that are refused until this ends.
pub struct Refusal(Fault);

impl Refusal {
    pub fn begin(dir: &Path, prefix: &str, refuse: Refuse) -> Self {
        let requests = match refuse {
            Refuse::All => Requests::All,
            Refuse::Writes => Requests::Writes,
        };
        Self(Fault::begin(dir, Rule::new(Harm::Refuse).on(requests).below(prefix)))
    }

    pub fn end(self) {
        drop(self.0);
    }
}
