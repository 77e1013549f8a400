//! Turns of sources: few at once for the whole server, and for each workspace fewer, so that
//! what one has without end holds up nobody else's.
//!
//! A look at a place takes a turn for as long as it takes. A source that reads has two
//! things: what it has open, which is its memory, until there is nothing left to read; and the
//! turn to read, which it passes on each second to whoever waits.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    error::Error,
    share::{Budget, Division, Share, Tenant},
};

/// Looks at places at once, in all and of a workspace.
const SCANS: Division = Division { total: 8, workspace: 2, least: 1 };
/// Sources that have an object open, each with what its decoder and its records take up, 14
/// MiB at most, and 4 MiB of the names that are still to be read.
const OPEN: Division = Division { total: 16, workspace: 5, least: 1 };
/// Those of them that read.
const READING: Division = Division { total: 8, workspace: 4, least: 1 };
/// How long one reads while others wait.
const TURN: Duration = Duration::from_secs(1);

/// The turns of all sources.
pub(super) struct Turns {
    scans: Arc<Budget>,
    open: Arc<Budget>,
    reading: Arc<Budget>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            scans: Budget::new("scans of sources", SCANS),
            open: Budget::new("sources with an object open", OPEN),
            reading: Budget::new("sources that read", READING),
        }
    }
}

impl Turns {
    /// Waits until a place of a workspace may be looked at.
    pub async fn scan(&self, workspace: &str, stop: &CancellationToken) -> Result<Share, Error> {
        let tenant = Tenant::of_workspace(workspace);
        stop.run_until_cancelled(self.scans.wait(&tenant, 1)).await.ok_or(Error::ShuttingDown)
    }

    /// Waits until a source of a workspace may read.
    pub async fn read(&self, workspace: &str, stop: &CancellationToken) -> Result<Reading, Error> {
        let tenant = Tenant::of_workspace(workspace);
        let begin = async {
            let open = self.open.wait(&tenant, 1).await;
            let turn = self.reading.wait(&tenant, 1).await;
            let of = Arc::clone(&self.reading);
            Reading { turn: Some(turn), ends: Instant::now() + TURN, _open: open, of, tenant: tenant.clone() }
        };
        stop.run_until_cancelled(begin).await.ok_or(Error::ShuttingDown)
    }
}

/// The right to read, for now.
pub(super) struct Reading {
    /// Absent while others read.
    turn: Option<Share>,
    ends: Instant,
    _open: Share,
    of: Arc<Budget>,
    tenant: Tenant,
}

impl Reading {
    /// When the turn is to be passed on.
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// Passes the turn on, and waits for the next one. If nobody else waits, that is at once.
    pub async fn pass(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        self.turn = None;
        let turn = stop.run_until_cancelled(self.of.wait(&self.tenant, 1)).await;
        self.turn = Some(turn.ok_or(Error::ShuttingDown)?);
        self.ends = Instant::now() + TURN;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_workspace_has_so_many_turns_and_another_one_its_own() {
        let (turns, stop) = (Turns::default(), CancellationToken::new());
        let mut reading = Vec::new();
        for _ in 0..READING.workspace {
            reading.push(turns.read("a", &stop).await.unwrap());
        }
        let mut fifth = turns.read("a", &stop).boxed();
        assert!(poll!(&mut fifth).is_pending());
        let other = turns.read("b", &stop).await.unwrap();
        // When the turn of one is over, it is passed on within the workspace, too.
        let mut first = reading.remove(0);
        assert_eq!(first.ends(), Instant::now() + TURN);
        let mut passing = first.pass(&stop).boxed();
        assert!(poll!(&mut passing).is_pending());
        let fifth = fifth.await.unwrap();
        assert!(poll!(&mut passing).is_pending());
        drop(fifth);
        passing.await.unwrap();
        drop((other, reading));
        let mut scans = Vec::new();
        for _ in 0..SCANS.workspace {
            scans.push(turns.scan("a", &stop).await.unwrap());
        }
        let mut next = turns.scan("a", &stop).boxed();
        assert!(poll!(&mut next).is_pending());
        turns.scan("b", &stop).await.unwrap();
        stop.cancel();
        assert!(matches!(next.await, Err(Error::ShuttingDown)));
    }

    /// What waits with something open is bounded, and what has nothing open holds nothing.
    #[tokio::test]
    async fn what_is_open_is_bounded() {
        let (turns, stop) = (Turns::default(), CancellationToken::new());
        let mut all: Vec<_> = (0..20).map(|_| turns.read("a", &stop).boxed()).collect();
        let mut reading = Vec::new();
        for one in &mut all {
            if let std::task::Poll::Ready(turn) = poll!(one) {
                reading.push(turn.unwrap());
            }
        }
        assert_eq!(reading.len(), READING.workspace);
        let held = turns.open.share(&Tenant::of_workspace("a"));
        assert!(held.raise(1).is_err(), "all are open");
        drop(all);
        assert!(held.raise(OPEN.workspace - READING.workspace).is_ok());
        assert!(held.raise(OPEN.workspace - READING.workspace + 1).is_err());
    }
}
