//! One call of the disk fails, once: what was acknowledged stays, nobody is told that it is
//! lost, and a moment later all is well.
//!
//! A run without a fault tells which calls a server makes while a client does one thing
//! after another (`fail.c`). Then each of them fails in a run of its own.

#![allow(clippy::disallowed_methods, reason = "tests spawn what runs beside them")]

mod run;
mod shim;

use std::{collections::BTreeMap, path::Path};

use futures::StreamExt;

use self::{
    run::{Outcome, PHASES, run},
    shim::{Call, Errno, Shim, build_shim},
};
use crate::support::{Random, is_whole};

/// Runs at a time: most of each is waiting.
const AT_ONCE: usize = 4;
/// Of more than a thousand.
const GATE: usize = 24;

/// The calls of a run without a fault.
async fn calls(library: &Path) -> Vec<Call> {
    let tools = tempfile::tempdir().unwrap();
    let shim = Shim::new(library, tools.path());
    let outcome = run(&shim, None).await;
    assert!(outcome.problems.is_empty(), "without a fault: {outcome:?}");
    shim.calls()
}

/// One case, and a line about it if there is anything to say.
async fn one_fault(library: &Path, call: Call, errno: Errno) -> (Call, Errno, Outcome) {
    let tools = tempfile::tempdir().unwrap();
    let shim = Shim::new(library, tools.path());
    let outcome = run(&shim, Some((&call, errno))).await;
    let Outcome { problems, notes, slowest, .. } = &outcome;
    if !problems.is_empty() || !notes.is_empty() {
        let judged = if problems.is_empty() { "fine" } else { "BAD" };
        let (phase, Call { kind, place, nth, .. }) = (PHASES[usize::from(call.phase)], &call);
        eprintln!("{judged} {kind} {nth} {errno:?} {place} ({phase}, {slowest:?}): {problems:?} {notes:?}");
    }
    (call, errno, outcome)
}

/// Which of all cases are run: in the gate some, drawn anew.
fn drawn(mut cases: Vec<(Call, Errno)>) -> Vec<(Call, Errno)> {
    let mut random = Random::seeded();
    if is_whole() {
        return cases;
    }
    let mut some = Vec::new();
    while some.len() < GATE && !cases.is_empty() {
        let at = random.below(cases.len() as u64);
        some.push(cases.swap_remove(usize::try_from(at).unwrap()));
    }
    some
}

#[apply(on_directory!)]
async fn one_failing_call_harms_nothing() {
    let tools = tempfile::tempdir().unwrap();
    let library = build_shim(tools.path());
    let calls = calls(&library).await;
    let only = std::env::var("STILLFRAME_TEST_PLACE").unwrap_or_default();
    let calls: Vec<_> = calls.into_iter().filter(|call| call.place.contains(&only)).collect();
    let all: Vec<_> = calls.iter().flat_map(|call| Errno::ALL.map(|errno| (call.clone(), errno))).collect();
    eprintln!("{} calls, {} cases", calls.len(), all.len());
    let runs = drawn(all).into_iter().map(|(call, errno)| one_fault(&library, call, errno));
    let outcomes: Vec<_> = futures::stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    let problems = print(&outcomes);
    assert_eq!(problems, 0, "of {} cases; see the table", outcomes.len());
}

/// A table of what became of each kind, and how many cases went wrong.
fn print(outcomes: &[(Call, Errno, Outcome)]) -> usize {
    let mut table = BTreeMap::<(&str, String), [usize; 3]>::new();
    for (call, errno, outcome) in outcomes {
        let row = table.entry((&call.kind, format!("{errno:?}"))).or_default();
        row[0] += 1;
        row[1] += usize::from(outcome.failed);
        row[2] += usize::from(!outcome.problems.is_empty());
    }
    eprintln!("kind errno: cases, of which came to the call, of which bad");
    for ((kind, errno), [cases, failed, bad]) in &table {
        eprintln!("{kind} {errno}: {cases} {failed} {bad}");
    }
    outcomes.iter().filter(|(_, _, outcome)| !outcome.problems.is_empty()).count()
}
