//! Every class of file is damaged in every way. Each answer is right, or DATA_LOSS; the
//! rest of the service answers; no good file goes; and what is damaged no more is as it
//! was.

mod given;
mod harm;
mod verdict;

use std::collections::BTreeMap;

use futures::StreamExt;

use self::{
    given::Given,
    harm::{Class, Harm, Kind},
    verdict::{Verdict, names},
};
use crate::support::{Random, is_whole};

/// Servers at a time: most of each is waiting.
const AT_ONCE: usize = 3;
/// Of more than three hundred.
const GATE: usize = 24;

/// How many cases there were, and what became of them.
#[derive(Default)]
struct Row {
    cases: usize,
    told: usize,
    refused: usize,
    slow: usize,
    bad: usize,
}

#[apply(on_directory!)]
async fn damage_is_told_and_harms_only_itself() {
    let mut random = Random::seeded();
    let given = [Given::new(false).await, Given::new(true).await];
    let mut cases: Vec<(usize, Harm)> = Vec::new();
    for (which, one) in given.iter().enumerate() {
        cases.extend(harm::all(one, &mut random).into_iter().map(|harm| (which, harm)));
    }
    eprintln!("{} damages", cases.len());
    assert!(cases.len() >= 300);
    if !is_whole() {
        // Whichever are drawn, spread over all classes.
        let first = usize::try_from(random.below(cases.len() as u64)).unwrap();
        let step = cases.len() / GATE;
        cases = (0..GATE).map(|n| cases[(first + n * step) % cases.len()].clone()).collect();
    }
    let judged = cases.iter().map(async |(which, harm)| (harm, judged(&given[*which], harm).await));
    let verdicts: Vec<_> = futures::stream::iter(judged).buffer_unordered(AT_ONCE).collect().await;

    let mut table = BTreeMap::<(Class, Kind), Row>::new();
    for (harm, verdict) in &verdicts {
        let row = table.entry((harm.class, harm.kind)).or_default();
        row.cases += 1;
        row.told += usize::from(verdict.told);
        row.refused += usize::from(verdict.refused);
        row.slow += usize::from(verdict.slow);
        row.bad += usize::from(!verdict.problems.is_empty());
    }
    eprintln!("class kind: cases, told, no start, slow, bad");
    for ((class, kind), Row { cases, told, refused, slow, bad }) in &table {
        eprintln!("{class:?} {kind:?}: {cases} {told} {refused} {slow} {bad}");
    }
    let bad: usize = table.values().map(|row| row.bad).sum();
    assert_eq!(bad, 0, "of {} damages; see the table", verdicts.len());
}

/// What became of one, and lines about it if anything is wrong.
async fn judged(given: &Given, harm: &Harm) -> Verdict {
    let verdict = Verdict::of(given, harm).await;
    if !verdict.problems.is_empty() {
        let problems = verdict.problems.join("\n    ");
        eprintln!("BAD {:?} {:?} {} ({}):\n    {problems}", harm.class, harm.kind, names(harm), given.end);
    }
    verdict
}
