//! What an attack is.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::time::{sleep, sleep_until, timeout_at};

use super::{
    budgets, filters, ground::Ground, keyless, keys, packed, patches, pointers, restores, snapshots, sources,
    unpacking, unread, uploads,
};
use crate::Result;

#[async_trait(?Send)]
pub trait Attack {
    fn name(&self) -> &'static str;

    /// Makes what the attack needs, before anything is measured.
    async fn prepare(&self, _ground: &Ground) -> Result<()> {
        Ok(())
    }

    /// Attacks until then, and leaves.
    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>>;
}

/// What an attack looks at beside what is looked at in all of them.
pub struct Finding {
    pub what: &'static str,
    pub value: String,
    pub holds: bool,
}

/// In the order of the table.
pub fn all() -> Vec<Box<dyn Attack>> {
    let rooms = [
        vec![Box::new(Calm) as Box<dyn Attack>],
        patches::attacks(),
        filters::attacks(),
        unread::attacks(),
        packed::attacks(),
        keyless::attacks(),
        unpacking::attacks(),
        pointers::attacks(),
        uploads::attacks(),
        budgets::attacks(),
        sources::attacks(),
        restores::attacks(),
        keys::attacks(),
        snapshots::attacks(),
    ];
    rooms.into_iter().flatten().collect()
}

pub fn boxed<A: Attack + 'static>(attacks: impl IntoIterator<Item = A>) -> Vec<Box<dyn Attack>> {
    attacks.into_iter().map(|attack| Box::new(attack) as Box<dyn Attack>).collect()
}

/// The other tenant alone, to compare with.
struct Calm;

#[async_trait(?Send)]
impl Attack for Calm {
    fn name(&self) -> &'static str {
        "none"
    }

    async fn run(&self, _ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        pass(until).await;
        Ok(Vec::new())
    }
}

pub async fn pass(until: Instant) {
    sleep_until(until.into()).await;
}

/// So many at once do their work again and again until then; what is under way is given up.
pub async fn repeat<F: Future<Output = ()>>(at_once: usize, until: Instant, work: impl Fn(usize) -> F) {
    let work = &work;
    let task = |nth| async move {
        while Instant::now() < until {
            let _ = timeout_at(until.into(), work(nth)).await;
            // What is refused at once must leave the others a turn.
            sleep(PAUSE).await;
        }
    };
    join_all((0..at_once).map(task)).await;
}

const PAUSE: Duration = Duration::from_millis(1);
