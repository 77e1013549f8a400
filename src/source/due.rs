//! What the worker has to look at.

use std::{collections::HashSet, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{
    records::{Key, Record, RetiredSource, Source},
    tasks::Look,
};

/// How often all that are to run are looked at. Whatever changes of one has the worker look
/// at it, so there is nothing to find.
const ALL_EVERY: Duration = Duration::from_secs(60);

/// It hears of what changes, and looks at no other: thousands may run.
#[derive(Default)]
pub(super) struct Due {
    /// Rung when there is something to do.
    pub bell: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sources: HashSet<Key<Source>>,
    retired: HashSet<Key<RetiredSource>>,
    /// Those whose tasks have ended by themselves: the next sweep looks at them.
    ended: HashSet<Key<Source>>,
    /// When all were looked at.
    all: Option<Instant>,
}

/// What is looked at now.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Looked {
    pub sources: HashSet<Key<Source>>,
    pub retired: HashSet<Key<RetiredSource>>,
    /// And all that are to run beside those.
    pub all: bool,
}

impl Due {
    /// A source has changed.
    pub fn changed(&self, source: Key<Source>) {
        self.state.lock().sources.insert(source);
        self.bell.notify_one();
    }

    /// A source was deleted, and has marks.
    pub fn retired(&self, source: Key<RetiredSource>) {
        self.state.lock().retired.insert(source);
        self.bell.notify_one();
    }

    /// The task of a source has ended. One that was stopped may have been resumed meanwhile,
    /// or deleted, and is looked at now; of any other nobody knows why, and it waits for the
    /// sweep.
    pub fn ended(&self, source: &Source, was_stopped: bool) {
        if was_stopped {
            self.changed(source.key());
            self.retired(RetiredSource::at(source.uid));
        } else {
            self.state.lock().ended.insert(source.key());
        }
    }

    /// All are to be looked at by the next sweep.
    pub fn again(&self) {
        self.state.lock().all = None;
    }

    pub fn take(&self, look: Look) -> Looked {
        let mut state = self.state.lock();
        let mut looked = Looked {
            sources: std::mem::take(&mut state.sources),
            retired: std::mem::take(&mut state.retired),
            all: false,
        };
        if look == Look::AtAll {
            looked.sources.extend(state.ended.drain());
            looked.all = state.all.is_none_or(|all| all.elapsed() >= ALL_EVERY);
            if looked.all {
                state.all = Some(Instant::now());
            }
        }
        looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixture;

    fn source(id: &str) -> Source {
        let mut source = fixture::source();
        source.name.id = id.parse().unwrap();
        source
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_at_what_has_changed_and_only_now_and_then_at_all() {
        let due = Due::default();
        assert!(due.take(Look::AtAll).all, "the first of all");
        due.changed(source("a").key());
        due.ended(&source("b"), false);
        due.ended(&source("c"), true);
        let sources = |ids: &[&str]| ids.iter().map(|id| source(id).key()).collect::<HashSet<_>>();
        let looked = |ids| Looked { sources: sources(ids), ..Looked::default() };
        let retired = RetiredSource::at(source("c").uid);
        assert_eq!(due.take(Look::AtWhatRang), Looked { retired: [retired].into(), ..looked(&["a", "c"]) });
        assert_eq!(due.take(Look::AtAll), looked(&["b"]));
        assert_eq!(due.take(Look::AtAll), looked(&[]), "each once");
        due.again();
        assert!(!due.take(Look::AtWhatRang).all && due.take(Look::AtAll).all);
        tokio::time::advance(ALL_EVERY).await;
        assert!(due.take(Look::AtAll).all);
    }
}
