//! What concurrent clients did and saw, and whether one order explains all of it.
//!
//! The check is that of Wing and Gong with Lowe's memory of what was tried: an
//! operation may come next in the order if none that is left ended before it began,
//! and if the state that the order has led to gives the answer that was seen.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::Hash,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

/// What an operation does to a state.
pub trait Operation: Debug {
    type State: Clone + Eq + Hash;

    /// The state behind it, if it can have been answered so in this one.
    fn step(&self, state: &Self::State) -> Option<Self::State>;
}

/// An operation, from its request to its answer.
#[derive(Debug)]
struct Span<O> {
    began: u64,
    ended: u64,
    operation: O,
}

/// What all clients did. They share it.
#[derive(Debug)]
pub struct History<O> {
    moment: AtomicU64,
    spans: Mutex<Vec<Span<O>>>,
}

impl<O> Default for History<O> {
    fn default() -> Self {
        Self { moment: AtomicU64::new(0), spans: Mutex::default() }
    }
}

impl<O: Operation> History<O> {
    /// Takes note of an operation, which says what it was when its answer is there.
    pub async fn record(&self, operation: impl Future<Output = O>) {
        let began = self.now();
        let operation = operation.await;
        let span = Span { began, ended: self.now(), operation };
        self.spans.lock().push(span);
    }

    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// Fails if no order of the operations explains what was seen.
    pub fn assert_linearizable(self, state: O::State) {
        let mut spans = self.spans.into_inner();
        spans.sort_by_key(|span| span.began);
        if let Err(longest) = order(&spans, state) {
            let missing = spans.iter().enumerate().filter(|(n, _)| !longest.contains(n)).map(|(_, span)| span);
            let first: Vec<_> = missing.take(12).collect();
            panic!("{} of {} operations have an order; then none of these: {first:#?}", longest.len(), spans.len());
        }
    }
}

/// What was tried last, and where the search goes on behind it.
struct Choice<S> {
    chosen: usize,
    before: S,
}

/// Searches an order; the error is the longest one that was found.
fn order<O: Operation>(spans: &[Span<O>], mut state: O::State) -> Result<(), Vec<usize>> {
    let mut left: Vec<bool> = vec![true; spans.len()];
    let mut tried: HashSet<(Vec<bool>, O::State)> = HashSet::new();
    let mut path: Vec<Choice<O::State>> = Vec::new();
    let mut longest = Vec::new();
    let mut from = 0;
    while path.len() < spans.len() {
        let next = candidates(spans, &left).filter(|n| *n >= from).find_map(|n| {
            let behind = spans[n].operation.step(&state)?;
            left[n] = false;
            let is_new = tried.insert((left.clone(), behind.clone()));
            left[n] = true;
            is_new.then_some((n, behind))
        });
        if let Some((chosen, behind)) = next {
            left[chosen] = false;
            path.push(Choice { chosen, before: std::mem::replace(&mut state, behind) });
            from = 0;
            if path.len() > longest.len() {
                longest = path.iter().map(|choice| choice.chosen).collect();
            }
        } else {
            let Some(Choice { chosen, before }) = path.pop() else { return Err(longest) };
            left[chosen] = true;
            (state, from) = (before, chosen + 1);
        }
    }
    Ok(())
}

/// Those that may come next: none that is left ended before they began.
fn candidates<'a, O>(spans: &'a [Span<O>], left: &[bool]) -> impl Iterator<Item = usize> + use<'a, O> {
    let earliest_end = spans.iter().zip(left).filter(|(_, left)| **left).map(|(span, _)| span.ended).min();
    let candidates: Vec<usize> = (0..spans.len())
        .filter(|n| left[*n])
        .take_while(|n| earliest_end.is_some_and(|end| spans[*n].began < end))
        .collect();
    candidates.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register.
    #[derive(Debug)]
    enum Did {
        Write(u32),
        Read(u32),
    }

    impl Operation for Did {
        type State = u32;

        fn step(&self, state: &u32) -> Option<u32> {
            match self {
                Self::Write(value) => Some(*value),
                Self::Read(seen) => (seen == state).then_some(*state),
            }
        }
    }

    fn is_linearizable(spans: Vec<(u64, u64, Did)>) -> bool {
        let spans: Vec<_> =
            spans.into_iter().map(|(began, ended, operation)| Span { began, ended, operation }).collect();
        order(&spans, 0).is_ok()
    }

    #[test]
    fn concurrent_operations_may_be_ordered_either_way() {
        assert!(is_linearizable(vec![(0, 9, Did::Write(1)), (1, 3, Did::Read(1)), (4, 6, Did::Read(1))]));
        assert!(is_linearizable(vec![(0, 9, Did::Write(1)), (1, 3, Did::Read(0)), (4, 6, Did::Read(1))]));
        assert!(is_linearizable(vec![(0, 9, Did::Write(1)), (1, 8, Did::Write(2)), (10, 11, Did::Read(1))]));
    }

    #[test]
    fn a_stale_read_has_no_place() {
        assert!(!is_linearizable(vec![(0, 1, Did::Write(1)), (2, 3, Did::Read(0))]));
    }

    #[test]
    fn what_was_seen_is_not_taken_back() {
        assert!(!is_linearizable(vec![(0, 9, Did::Write(1)), (1, 3, Did::Read(1)), (4, 6, Did::Read(0))]));
    }

    #[test]
    fn a_lost_write_is_found() {
        assert!(!is_linearizable(vec![(0, 1, Did::Write(1)), (2, 3, Did::Write(2)), (4, 5, Did::Read(1))]));
    }
}
