use std::task::Poll;

use futures::{FutureExt, future::BoxFuture, poll};
use proptest::prelude::*;

use super::*;

fn tenant(workspace: u8, key: u8) -> Tenant {
    Tenant::new(&workspace.to_string(), Some(&key.to_string()))
}

fn refused(result: Result<Share, Error>) -> Option<Whose> {
    match result {
        Ok(_) => None,
        Err(Error::Busy { whose, .. }) => Some(whose),
        Err(error) => panic!("{error}"),
    }
}

fn wait(budget: &Arc<Budget>, tenant: Tenant, amount: usize) -> BoxFuture<'static, Share> {
    let budget = Arc::clone(budget);
    async move { budget.wait(&tenant, amount).await }.boxed()
}

fn budget(total: usize) -> Arc<Budget> {
    Budget::new("things", Division::of(total))
}

#[test]
fn one_key_leaves_room_for_other_keys_and_those_for_other_workspaces() {
    let budget = budget(256);
    let mut held = Vec::new();
    let mut take_all = |workspace, key| {
        let mut count = 0;
        loop {
            match budget.take(&tenant(workspace, key), 1) {
                Ok(share) => held.push(share),
                Err(error) => return (count, refused(Err(error))),
            }
            count += 1;
        }
    };
    // Three quarters of 192, which are three quarters of 256.
    assert_eq!(take_all(1, 1), (144, Some(Whose::Key)));
    assert_eq!(take_all(1, 2), (36, Some(Whose::Key)));
    // Of the 76 that are left.
    assert_eq!(take_all(2, 1), (43, Some(Whose::Key)));
    assert!(take_all(3, 1).0 > 0);
    drop(held);
    assert_eq!(budget.state.lock().used, 0);
    assert!(budget.state.lock().workspaces.is_empty());
}

#[test]
fn a_single_thing_fits_if_there_is_room_however_large() {
    let budget = Budget::new("things", Division { total: 100, workspace: 100, least: 20 });
    // Alone, it may be all.
    drop(budget.take(&tenant(1, 1), 100).unwrap());
    assert_eq!(refused(budget.take(&tenant(1, 1), 101)), Some(Whose::Server));
    let others: Vec<_> = (2..9).map(|workspace| budget.take(&tenant(workspace, 1), 10).unwrap()).collect();
    // The share of what is left is 13.
    let least = budget.take(&tenant(1, 1), 20).unwrap();
    assert_eq!(refused(budget.take(&tenant(1, 1), 1)), Some(Whose::Key));
    assert_eq!(refused(budget.take(&tenant(1, 2), 11)), Some(Whose::Server));
    drop((others, least));
}

#[test]
fn a_workspace_has_no_more_than_its_most() {
    let budget = Budget::new("turns", Division { total: 8, workspace: 2, least: 1 });
    let of_one: Vec<_> = (0..2).map(|_| budget.take(&Tenant::of_workspace("a"), 1).unwrap()).collect();
    assert_eq!(refused(budget.take(&Tenant::of_workspace("a"), 1)), Some(Whose::Workspace));
    let others: Vec<_> = (1..6).map(|workspace| budget.take(&tenant(workspace, 0), 1).unwrap()).collect();
    drop((of_one, others));
}

#[test]
fn a_share_grows_shrinks_and_is_given_back() {
    let budget = budget(100);
    let share = budget.share(&tenant(1, 1));
    share.raise(30).unwrap();
    share.raise(20).unwrap();
    assert_eq!(budget.state.lock().used, 30);
    share.raise(60).unwrap_err();
    assert_eq!(budget.state.lock().used, 30);
    // What is there is there.
    share.set(120);
    assert_eq!(refused(budget.take(&tenant(2, 1), 1)), Some(Whose::Server));
    share.set(10);
    drop(budget.take(&tenant(2, 1), 50).unwrap());
    drop(share);
    assert_eq!(budget.state.lock().used, 0);
}

#[tokio::test]
async fn who_waits_is_let_in_by_turns_of_workspaces() {
    let budget = budget(8);
    let first = budget.take(&tenant(9, 9), 8).unwrap();
    let mut flood: Vec<_> = (0..100).map(|_| wait(&budget, tenant(1, 1), 1)).collect();
    for waiting in &mut flood {
        assert!(poll!(waiting).is_pending());
    }
    let mut other = wait(&budget, tenant(2, 1), 1);
    assert!(poll!(&mut other).is_pending());
    drop(first);
    let Poll::Ready(of_other) = poll!(&mut other) else { panic!("behind a hundred of somebody else") };
    let mut of_flood = Vec::new();
    for waiting in &mut flood {
        if let Poll::Ready(share) = poll!(waiting) {
            of_flood.push(share);
        }
    }
    // Three quarters of three quarters of the seven that are left.
    assert_eq!(of_flood.len(), 5);
    drop((of_other, of_flood));
}

#[tokio::test]
async fn large_ones_are_not_passed_for_ever_and_who_leaves_holds_up_nobody() {
    let budget = budget(10);
    let held: Vec<_> = (1..=5).map(|workspace| budget.take(&tenant(workspace, 1), 1).unwrap()).collect();
    let mut large = wait(&budget, tenant(6, 1), 7);
    let mut small = wait(&budget, tenant(7, 1), 1);
    assert!(poll!(&mut large).is_pending());
    assert!(poll!(&mut small).is_ready());
    // Room for it is made by the others alone.
    drop(held);
    assert!(poll!(&mut large).is_ready());

    let all = budget.take(&tenant(1, 1), 10).unwrap();
    let mut given_up = wait(&budget, tenant(1, 1), 1);
    let mut called = wait(&budget, tenant(2, 1), 4);
    let mut next = wait(&budget, tenant(3, 1), 10);
    for waiting in [&mut given_up, &mut called, &mut next] {
        assert!(poll!(waiting).is_pending());
    }
    drop(given_up);
    drop(all);
    // It has its part, and goes before it has seen it.
    drop(called);
    assert!(poll!(&mut next).is_ready());
}

proptest! {
    /// Whatever is taken, waited for, given up and given back: the sum is that of what is held,
    /// and nobody waits who would fit.
    #[test]
    fn nothing_is_lost(steps in prop::collection::vec((0..4_u8, 1..4_u8, 1..3_u8, 1..12_usize), 1..60)) {
        let budget = budget(20);
        let (mut held, mut waiting) = (Vec::new(), Vec::new());
        for (step, workspace, key, amount) in steps {
            match step {
                0 => held.extend(budget.take(&tenant(workspace, key), amount)),
                1 => {
                    let mut wait = wait(&budget, tenant(workspace, key), amount);
                    match (&mut wait).now_or_never() {
                        Some(share) => held.push(share),
                        None => waiting.push(wait),
                    }
                }
                2 if !held.is_empty() => drop(held.swap_remove(amount % held.len())),
                3 if !waiting.is_empty() => drop(waiting.swap_remove(amount % waiting.len())),
                _ => {}
            }
        }
        // Whoever has been called holds something; everybody is, once the others let go.
        let mut rounds = 0;
        while !waiting.is_empty() {
            held.clear();
            let mut left = Vec::new();
            for mut wait in waiting {
                match (&mut wait).now_or_never() {
                    Some(share) => held.push(share),
                    None => left.push(wait),
                }
            }
            waiting = left;
            rounds += 1;
            prop_assert!(rounds < 200, "somebody waits for ever");
        }
        held.clear();
        prop_assert_eq!(budget.state.lock().used, 0);
        prop_assert!(budget.state.lock().workspaces.is_empty());
    }
}

#[test]
fn a_workspace_of_many_keys_has_one_turn_in_a_round() {
    let budget = budget(1);
    let held = budget.take(&tenant(9, 9), 1).unwrap();
    let mut crowd: Vec<_> = (0..10).map(|key| wait(&budget, tenant(1, key), 1)).collect();
    for waiting in &mut crowd {
        assert!(waiting.now_or_never().is_none());
    }
    let mut other = wait(&budget, tenant(2, 1), 1);
    assert!((&mut other).now_or_never().is_none());
    drop(held);
    let first = (&mut crowd[0]).now_or_never().unwrap();
    drop(first);
    let second = other.now_or_never().expect("it is the turn of the other workspace");
    drop(second);
    for waiting in &mut crowd[1..] {
        drop(waiting.now_or_never().expect("then of one key after the other"));
    }
}
