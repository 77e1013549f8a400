//! Those who wait for their part of a budget, in turns by workspace, and of a workspace by key.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::oneshot;

use super::{Fit, Tenant};
use crate::error::Whose;

/// Who waits.
#[derive(Debug, Default)]
pub struct Queue {
    workspaces: HashMap<Arc<str>, Workspace>,
    /// Whose turn it is next; each that has somebody waiting once.
    turns: VecDeque<Arc<str>>,
    /// The next one waits for room that is not there yet. Nobody may pass, or what is large
    /// would wait for as long as there is anything small.
    is_held_up: bool,
    next: u64,
}

/// Those of one workspace.
#[derive(Debug, Default)]
struct Workspace {
    lines: HashMap<Option<Arc<str>>, VecDeque<Waiter>>,
    /// Which key's turn it is next; each that has a line once.
    turns: VecDeque<Option<Arc<str>>>,
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
        let lines = self.workspaces.get(&tenant.workspace).map(|workspace| &workspace.lines);
        self.is_held_up || lines.is_some_and(|lines| lines.contains_key(&tenant.key))
    }

    /// Takes the last place in a tenant's line.
    pub fn join(&mut self, tenant: &Tenant, amount: usize) -> Ticket {
        let (call, called) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let workspace = self.workspaces.entry(Arc::clone(&tenant.workspace)).or_default();
        if workspace.turns.is_empty() {
            self.turns.push_back(Arc::clone(&tenant.workspace));
        }
        let line = workspace.lines.entry(tenant.key.clone()).or_default();
        if line.is_empty() {
            workspace.turns.push_back(tenant.key.clone());
        }
        line.push_back(Waiter { number, amount, call });
        Ticket { number, called }
    }

    /// Waits no longer.
    pub fn leave(&mut self, tenant: &Tenant, ticket: &Ticket) {
        let Some(workspace) = self.workspaces.get_mut(&tenant.workspace) else { return };
        let Some(line) = workspace.lines.get_mut(&tenant.key) else { return };
        line.retain(|waiter| waiter.number != ticket.number);
        if line.is_empty() {
            workspace.lines.remove(&tenant.key);
            workspace.turns.retain(|key| *key != tenant.key);
        }
        if workspace.turns.is_empty() {
            self.workspaces.remove(&tenant.workspace);
            self.turns.retain(|other| *other != tenant.workspace);
        }
    }

    /// Calls those who fit, in turn; `take` says whether one does, and takes it then.
    pub fn admit(&mut self, mut take: impl FnMut(&Tenant, usize) -> Fit) {
        self.is_held_up = false;
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            let Some(name) = self.turns.pop_front() else { return };
            let Some(workspace) = self.workspaces.get_mut(&name) else { continue };
            match workspace.admit(&name, &mut take) {
                Fit::Fits => passed_over = 0,
                Fit::Beyond(_) => passed_over += 1,
                Fit::Full => {
                    self.turns.push_front(name);
                    self.is_held_up = true;
                    return;
                }
            }
            if workspace.turns.is_empty() {
                self.workspaces.remove(&name);
            } else {
                self.turns.push_back(name);
            }
        }
    }
}

impl Workspace {
    /// Calls the first in turn who fits, if there is one.
    fn admit(&mut self, name: &Arc<str>, take: &mut impl FnMut(&Tenant, usize) -> Fit) -> Fit {
        let mut fit = Fit::Beyond(Whose::Key);
        for _ in 0..self.turns.len() {
            let Some(key) = self.turns.pop_front() else { break };
            let tenant = Tenant { workspace: Arc::clone(name), key: key.clone() };
            let Some(line) = self.lines.get_mut(&key) else { continue };
            let Some(first) = line.front() else { continue };
            fit = take(&tenant, first.amount);
            match fit {
                Fit::Fits => {
                    if let Some(first) = line.pop_front() {
                        // Who has gone meanwhile gives it back.
                        let _ = first.call.send(());
                    }
                    if line.is_empty() {
                        self.lines.remove(&key);
                    } else {
                        self.turns.push_back(key);
                    }
                    return fit;
                }
                Fit::Full => {
                    self.turns.push_front(key);
                    return fit;
                }
                // Of the workspace, or of this key alone: another may want less.
                Fit::Beyond(_) => self.turns.push_back(key),
            }
        }
        fit
    }
}
