//! Those who wait for their part of a budget, in turns by workspace and key.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::{Fit, Tenant};

/// Who waits.
#[derive(Debug, Default)]
pub struct Queue {
    lines: HashMap<Tenant, VecDeque<Waiter>>,
    /// Whose turn it is next; each that has a line once.
    turns: VecDeque<Tenant>,
    /// The next one waits for room that is not there yet. Nobody may pass, or what is large
    /// would wait for as long as there is anything small.
    is_held_up: bool,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    amount: usize,
    call: oneshot::Sender<()>,
}

/// A place in a line.
#[derive(Debug)]
pub struct Ticket {
    number: u64,
    called: oneshot::Receiver<()>,
}

impl Ticket {
    /// Waits for the turn. What was waited for is taken when it comes.
    pub async fn called(&mut self) {
        // Nobody drops the other end but by leaving the line.
        let _ = (&mut self.called).await;
    }

    /// Whether the turn has come, while nobody is being called.
    pub fn was_called(&mut self) -> bool {
        self.called.try_recv().is_ok()
    }
}

impl Queue {
    /// Whether somebody is to have its turn before a newcomer of this tenant.
    pub fn is_before(&self, tenant: &Tenant) -> bool {
        self.is_held_up || self.lines.contains_key(tenant)
    }

    /// Takes the last place in a tenant's line.
    pub fn join(&mut self, tenant: &Tenant, amount: usize) -> Ticket {
        let (call, called) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let line = self.lines.entry(tenant.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(tenant.clone());
        }
        line.push_back(Waiter { number, amount, call });
        Ticket { number, called }
    }

    /// Waits no longer.
    pub fn leave(&mut self, tenant: &Tenant, ticket: &Ticket) {
        let Some(line) = self.lines.get_mut(tenant) else { return };
        line.retain(|waiter| waiter.number != ticket.number);
        if line.is_empty() {
            self.lines.remove(tenant);
            self.turns.retain(|other| other != tenant);
        }
    }

    /// Calls those who fit, in turn; `take` says whether one does, and takes it then.
    pub fn admit(&mut self, mut take: impl FnMut(&Tenant, usize) -> Fit) {
        self.is_held_up = false;
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            let Some(tenant) = self.turns.pop_front() else { return };
            let Some(line) = self.lines.get_mut(&tenant) else { continue };
            let Some(first) = line.front() else { continue };
            match take(&tenant, first.amount) {
                Fit::Fits => {
                    passed_over = 0;
                    if let Some(first) = line.pop_front() {
                        // Who has gone meanwhile gives it back.
                        let _ = first.call.send(());
                    }
                    if line.is_empty() {
                        self.lines.remove(&tenant);
                        continue;
                    }
                }
                Fit::Beyond(_) => passed_over += 1,
                Fit::Full => {
                    self.turns.push_front(tenant);
                    self.is_held_up = true;
                    return;
                }
            }
            self.turns.push_back(tenant);
        }
    }
}
