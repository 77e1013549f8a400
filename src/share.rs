//! Budgets that tenants share.
//!
//! Whoever comes may use what is free, but never all of it: of what the other workspaces
//! leave, a workspace has three quarters at most, and of what its other keys leave of that, a
//! key the same. So there is room for whoever comes next, however few hold however much, and
//! nobody has to be asked to give anything back.
//!
//! What does not fit is refused ([`Share::raise`]) or waits ([`Budget::wait`]). Those who wait
//! take turns by workspace and key: a long queue of one holds up nobody else.

mod queue;
mod turns;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use self::queue::{Queue, Ticket};
pub use self::turns::Turns;
use crate::error::{Error, Whose};

/// What is held ends in an instant, mostly.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Who takes: a workspace, and a key in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// The workspace's id, or of a caller who belongs to none whatever tells it from others.
    workspace: Arc<str>,
    /// The key's id; without one nobody is told from others of the workspace.
    key: Option<Arc<str>>,
}

impl Tenant {
    /// A key in a workspace.
    #[must_use]
    pub fn new(workspace: &str, key: Option<&str>) -> Self {
        Self { workspace: workspace.into(), key: key.map(Arc::from) }
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// Work that the server does for a workspace.
    #[must_use]
    pub fn of_workspace(workspace: &str) -> Self {
        Self::new(workspace, None)
    }
}

/// How a budget is divided.
#[derive(Clone, Copy, Debug)]
pub struct Division {
    /// Of all together.
    pub total: usize,
    /// What a workspace may hold at most, whatever is free.
    pub workspace: usize,
    /// What each key may hold if it is there, be it more than its share: without that, a share
    /// could be too small for a single thing.
    pub least: usize,
}

impl Division {
    /// All of it is divided.
    #[must_use]
    pub fn of(total: usize) -> Self {
        Self { total, workspace: total, least: 1 }
    }
}

/// Something that there is only so much of.
#[derive(Debug)]
pub struct Budget {
    what: &'static str,
    division: Division,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    workspaces: HashMap<Arc<str>, Workspace>,
    waiting: Queue,
}

#[derive(Debug, Default)]
struct Workspace {
    used: usize,
    keys: HashMap<Option<Arc<str>>, usize>,
}

/// Whether more fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Fits,
    /// Not into what the tenant may hold.
    Beyond(Whose),
    /// Not into what there is.
    Full,
}

/// Three quarters.
fn most(available: usize) -> usize {
    available - available / 4
}

impl State {
    /// What a workspace and its key hold.
    fn held(&self, tenant: &Tenant) -> (usize, usize) {
        let workspace = self.workspaces.get(&tenant.workspace);
        let key = workspace.and_then(|workspace| workspace.keys.get(&tenant.key));
        (workspace.map_or(0, |workspace| workspace.used), key.copied().unwrap_or_default())
    }

    fn fit(&self, division: Division, tenant: &Tenant, amount: usize) -> Fit {
        let Division { total, workspace: cap, least } = division;
        let (of_workspace, of_key) = self.held(tenant);
        if self.used == 0 && amount <= total {
            // Nobody else is there, and it may be more than a share ever is.
            return Fit::Fits;
        }
        let workspace_most = most(total.saturating_sub(self.used - of_workspace)).min(cap);
        let left = workspace_most.saturating_sub(of_workspace - of_key);
        let key_most = if tenant.key.is_some() { most(left) } else { left };
        if amount > total.saturating_sub(self.used) {
            Fit::Full
        } else if of_workspace.saturating_add(amount) > workspace_most.max(least.min(cap)) {
            Fit::Beyond(Whose::Workspace)
        } else if of_key.saturating_add(amount) > key_most.max(least) {
            Fit::Beyond(Whose::Key)
        } else {
            Fit::Fits
        }
    }

    fn take(&mut self, tenant: &Tenant, amount: usize) {
        self.used += amount;
        let workspace = self.workspaces.entry(Arc::clone(&tenant.workspace)).or_default();
        workspace.used += amount;
        *workspace.keys.entry(tenant.key.clone()).or_default() += amount;
    }

    fn give_back(&mut self, tenant: &Tenant, amount: usize) {
        self.used = self.used.saturating_sub(amount);
        let Some(workspace) = self.workspaces.get_mut(&tenant.workspace) else { return };
        workspace.used = workspace.used.saturating_sub(amount);
        if let Some(held) = workspace.keys.get_mut(&tenant.key) {
            *held = held.saturating_sub(amount);
            if *held == 0 {
                workspace.keys.remove(&tenant.key);
            }
        }
        if workspace.keys.is_empty() {
            self.workspaces.remove(&tenant.workspace);
        }
    }
}

impl Budget {
    /// A budget of something, which errors name in the plural.
    #[must_use]
    pub fn new(what: &'static str, division: Division) -> Arc<Self> {
        Arc::new(Self { what, division, state: Mutex::default() })
    }

    /// Whether anybody has any of it.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.state.lock().used > 0
    }

    /// Nothing yet, for a tenant.
    #[must_use]
    pub fn share(self: &Arc<Self>, tenant: &Tenant) -> Share {
        Share { budget: Arc::clone(self), tenant: tenant.clone(), held: Mutex::new(0) }
    }

    /// So much, or a refusal.
    pub fn take(self: &Arc<Self>, tenant: &Tenant, amount: usize) -> Result<Share, Error> {
        let share = self.share(tenant);
        share.raise(amount)?;
        Ok(share)
    }

    /// So much, as soon as it is this tenant's turn. What is more than there is waits until
    /// all is free. Whoever stops waiting has taken nothing.
    pub async fn wait(self: &Arc<Self>, tenant: &Tenant, amount: usize) -> Share {
        let amount = amount.min(self.division.total);
        let turn = {
            let mut state = self.state.lock();
            if !state.waiting.is_before(tenant) && state.fit(self.division, tenant, amount) == Fit::Fits {
                state.take(tenant, amount);
                None
            } else {
                Some(state.waiting.join(tenant, amount))
            }
        };
        if let Some(ticket) = turn {
            let mut turn = Turn { budget: self, tenant, amount, ticket: Some(ticket) };
            turn.come().await;
        }
        Share { budget: Arc::clone(self), tenant: tenant.clone(), held: Mutex::new(amount) }
    }

    /// Lets those in who wait, as far as there is room, one after the other.
    fn admit(&self, state: &mut State) {
        let mut waiting = std::mem::take(&mut state.waiting);
        waiting.admit(|tenant, amount| {
            let fit = state.fit(self.division, tenant, amount);
            if fit == Fit::Fits {
                state.take(tenant, amount);
            }
            fit
        });
        state.waiting = waiting;
    }

    fn give_back(&self, tenant: &Tenant, amount: usize) {
        let mut state = self.state.lock();
        state.give_back(tenant, amount);
        self.admit(&mut state);
    }

    fn busy(&self, whose: Whose) -> Error {
        Error::Busy { what: self.what, limit: self.division.total, whose, retry_after: RETRY_AFTER }
    }
}

/// A place among those who wait, which may be given up at any time.
struct Turn<'a> {
    budget: &'a Budget,
    tenant: &'a Tenant,
    amount: usize,
    /// Absent when it has come, and somebody has it.
    ticket: Option<Ticket>,
}

impl Turn<'_> {
    async fn come(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.called().await;
        }
        self.ticket = None;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(mut ticket) = self.ticket.take() else { return };
        let mut state = self.budget.state.lock();
        if ticket.was_called() {
            state.give_back(self.tenant, self.amount);
        } else {
            state.waiting.leave(self.tenant, &ticket);
        }
        // It may have stood before others.
        self.budget.admit(&mut state);
    }
}

/// What somebody has of a budget; given back at its end.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    tenant: Tenant,
    held: Mutex<usize>,
}

impl Share {
    /// Who has it.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Makes it at least so much, or refuses and leaves it as it is.
    pub fn raise(&self, amount: usize) -> Result<(), Error> {
        let mut held = self.held.lock();
        let Some(more) = amount.checked_sub(*held).filter(|more| *more > 0) else { return Ok(()) };
        let mut state = self.budget.state.lock();
        match state.fit(self.budget.division, &self.tenant, more) {
            Fit::Fits => state.take(&self.tenant, more),
            Fit::Full => return Err(self.budget.busy(Whose::Server)),
            Fit::Beyond(whose) => return Err(self.budget.busy(whose)),
        }
        *held = amount;
        Ok(())
    }

    /// Makes it so much, if there is room or not: of what is there already.
    pub fn set(&self, amount: usize) {
        let mut held = self.held.lock();
        let mut state = self.budget.state.lock();
        state.give_back(&self.tenant, *held);
        if amount > 0 {
            state.take(&self.tenant, amount);
        }
        if amount < *held {
            self.budget.admit(&mut state);
        }
        *held = amount;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let held = *self.held.get_mut();
        if held > 0 {
            self.budget.give_back(&self.tenant, held);
        }
    }
}

#[cfg(test)]
mod tests;
